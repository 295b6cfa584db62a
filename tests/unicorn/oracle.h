// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unicorn/unicorn.h>

#include <memory>
#include <span>

#include "unicorn/machine.h"

namespace vtsim::unicorn {

// Unicorn's processor. Its API hides the hidden parts of segment registers, CPL and error codes; all of them are in the processor's structure, which uc_context_save copies and
// uc_context_restore writes. Where the members lie is that of Unicorn 2.0; the constructor proves it by values that go through the API and throws std::runtime_error if it is
// something else.
class UnicornProcessor {
public:
    UnicornProcessor();
    ~UnicornProcessor();
    UnicornProcessor(const UnicornProcessor&) = delete;
    UnicornProcessor& operator=(const UnicornProcessor&) = delete;

    // One instruction, all its repetitions. What is not a branch comes back to itself only to repeat.
    Outcome step(const arch::State& start, bool branch, const Port& port);
    // An external interrupt. Unicorn stops at exceptions instead of delivering them, but has QEMU's delivery: VMRUN of AMD's SVM injects.
    Outcome deliver(const arch::State& start, u8 vector);

    // Memory beside the windows that Unicorn needs for itself.
    static constexpr u64 own_memory = 0x20'0000, own_memory_end = own_memory + 0x7000;

    // Physical memory; `address` in one of the windows. Code must be written by write_code.
    [[nodiscard]] u8* at(u64 address);
    void write_code(u64 address, std::span<const u8> bytes);

private:
    struct Image;
    struct Late;
    [[nodiscard]] Image& image();
    void open();
    void find_members();
    void load(const arch::State& s);
    void read(Outcome& outcome);
    void run(u64 rip, Outcome& outcome);
    void forget_translations();
    void write_launch_pad(const arch::State& target, u8 vector);

    static void on_interrupt(uc_engine*, u32 number, void* self);
    static void on_code(uc_engine*, u64 address, u32 size, void* self);
    static u32 on_in(uc_engine*, u32 port, int size, void* self);
    static bool on_unmapped(uc_engine*, uc_mem_type type, u64 address, int size, i64 value, void* self);
    static void on_out(uc_engine*, u32 port, int size, u32 value, void* self);

    struct FreeMemory {
        void operator()(u8* bytes) const;
    };
    using Memory = std::unique_ptr<u8[], FreeMemory>;
    static Memory allocate(u64 bytes);

    uc_engine* engine_ = nullptr;
    uc_context* context_ = nullptr;
    std::vector<u8> initial_;                // the structure as Unicorn made it
    Memory low_, top_, pad_;
    std::size_t late_ = 0, system_calls_ = 0, efer_ = 0;         // offsets of members behind the vector registers
    u64 start_ = 0, steps_ = 0;
    bool repeats_ = false;
    int vector_ = no_vector;
    bool stuck_ = false, stopped_ = false, unmapped_ = false;
    Port port_;
    std::vector<IoAccess> io_;
};

}  // namespace vtsim::unicorn
