// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <vtsim/stats.h>

namespace vtsim {

class Config;        // <vtsim/config.h>

namespace platform {
struct MachineAccess;
}

// functional: instructions only; warm: also fills TLBs and caches; timing: also counts cycles.
enum class Mode { functional, warm, timing };

struct Module {
    std::string path;
    std::string command_line;
};

// What to run: a multiboot image (ELF32, ELF64 or address fields) or a flat binary.
struct Image {
    std::string path;
    std::string command_line;               // what follows the image's own path
    std::string initrd;                     // empty: none; a multiboot image gets it as its first module
    std::vector<Module> modules;
};

enum class StopReason {
    guest_exit,      // the guest asked for it: exit device or magic instruction, with a status of its own
    clean_end,       // a magic exit with status 0
    triple_fault,
    vmx_abort,
    limit,           // a RunLimit was reached; run() may be called again
    halted,          // every core halted with nothing to wake it
};

// Counted from the call of run().
struct RunLimits {
    std::uint64_t instructions = 0;         // of all cores together; 0: no limit
    double seconds = 0;                     // of simulated time; 0: no limit
};

struct RunResult {
    StopReason reason = StopReason::limit;
    int status = 6;                         // as the process status of `vtsim run`: odd from the guest, even from the simulator
    std::string message;                    // one line
    std::string dump;                       // registers and VMCS after a triple fault or VMX abort
};

struct Progress {
    double simulated_seconds = 0;
    double host_seconds = 0;                // in run(), since construction or reset_statistics()
    std::uint64_t instructions = 0;
};

// What a guest may ask of the simulator by magic instructions (vtsim/guest/magic.h) beside exits, mode switches and resets, which happen by themselves. What machine.roi_mode and
// machine.roi_stats ask for at region_begin and region_end is done before a listener is called.
enum class GuestRequest { region_begin, region_end, dump_statistics, mark };

// A simulated PC. Many can exist in one process and be run in turns, from one host thread at a time and not from each other's callbacks.
// An exception thrown by a callback ends the run() that called it and reaches its caller; run() may then be called again.
class Machine {
public:
    using TextSink = std::function<void(std::string_view)>;

    explicit Machine(const Config& config);     // ConfigError: a configuration that cannot be built
    ~Machine();
    Machine(Machine&&) noexcept;
    Machine& operator=(Machine&&) noexcept;

    // Once. InputError in one line: what is wrong with which file, and what was expected.
    void load(const Image& image);
    // Until something stops it. InputError when nothing is loaded or the machine has ended.
    RunResult run(const RunLimits& limits = {});

    void on_serial(TextSink sink);              // what the guest writes to its first serial port
    void serial_input(std::string_view bytes);
    void on_debug_console(TextSink sink);       // port 0xe9
    void on_log(TextSink sink);                 // one line a message: unassigned addresses and other oddities
    void on_progress(std::function<void(const Progress&)> listener);     // a few times a second of host time

    void on_guest_request(std::function<void(GuestRequest, std::uint64_t argument)> listener);

    void set_mode(Mode mode);                   // from the next instruction on; also the guest switches
    [[nodiscard]] Mode mode() const;

    // Since the start, reset_statistics() or the guest's request for a reset. With machine.roi_stats, of the guest's latest region of interest: up to now while it is
    // in the region, then up to its end (a listener of region_end is called when that is done).
    [[nodiscard]] Statistics statistics() const;
    void reset_statistics();
    [[nodiscard]] bool region_seen() const;     // whether the guest has begun a region of interest

    // Physical memory; what is not RAM reads as all ones.
    [[nodiscard]] std::string read_memory(std::uint64_t address, std::uint64_t bytes) const;
    void write_memory(std::uint64_t address, std::string_view bytes);     // InputError outside RAM
    [[nodiscard]] unsigned core_count() const;
    // With engine.record_forms: the forms of the instructions that the processors have decoded ("add r32, m32"), and how often: once for a piece of code that stays.
    [[nodiscard]] std::map<std::string, std::uint64_t> recorded_forms() const;
    [[nodiscard]] std::string describe_core(unsigned index) const;        // registers, for people; InputError when there is no such core

private:
    friend struct platform::MachineAccess;
    struct Implementation;
    explicit Machine(std::unique_ptr<Implementation> implementation);
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace vtsim
