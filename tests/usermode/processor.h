// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "support/core_bench.h"
#include "usermode/address_space.h"

namespace vtsim::usermode {

// One core with its memory, as an operating system would have set it up to run a program at privilege level 3. SYSCALL and every exception lead to a HLT in
// a page of the supervisor, where run() comes back.
class Processor {
public:
    enum class Event : u8 { system_call, exception, limit };

    explicit Processor(cpu::Mode mode, const cpu::CoreParams& params = {});

    AddressSpace& space() { return space_; }
    arch::State& state() { return core_.s; }
    [[nodiscard]] u32 hardware_capabilities();               // CPUID.01H:EDX, for AT_HWCAP

    // The next run() enters the program there, with this stack pointer and all other registers 0.
    void start(u64 entry, u64 stack);
    // Runs the program up to its next event; after a system call the result is expected in RAX. `limit`: instructions since the beginning.
    Event run(u64 limit);
    // After Event::exception: what happened, in a line.
    [[nodiscard]] std::string describe_exception() const;

    [[nodiscard]] u64 instructions() const { return core_.instructions(); }
    [[nodiscard]] u64 cycles() const { return core_.cycles(); }
    [[nodiscard]] const std::vector<std::string>& log() const { return log_; }

private:
    void write_supervisor_pages();
    void set_control_registers();

    PhysicalMemory memory_{256 * MiB};
    stats::Group root_{nullptr, "machine"};
    test::FakeBus bus_;
    test::FakeIo io_;
    timing::MemoryHierarchy hierarchy_{timing::CacheParams{}, timing::DramParams{}, root_};
    timing::InstructionCosts costs_;
    std::vector<std::string> log_;
    cpu::Core core_;
    AddressSpace space_{memory_};
};

}  // namespace vtsim::usermode
