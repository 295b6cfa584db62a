// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "differential/encodings.h"
#include "differential/random.h"
#include "unicorn/machine.h"
#include "unicorn/oracle.h"
#include "unicorn/subject.h"

namespace vtsim::unicorn {

using differential::CodeSize;
using differential::Random;

// What a run compares: the mode that its cases start in.
enum class World : u8 { real, protected_mode, virtual8086, long_mode };

// Both memories. Equal before every case.
class Memories {
public:
    Memories(UnicornProcessor& reference, SimulatedProcessor& subject) : reference_{reference}, subject_{subject} {}
    void fill(Random& random);
    void write(u64 address, const void* from, u64 bytes);            // not code; what lies outside both windows is left out
    template <class T>
    void put(u64 address, T value) {
        write(address, &value, sizeof value);
    }
    void write_code(u64 address, std::span<const u8> bytes);
    [[nodiscard]] u8 read(u64 address) { return inside(address, 1) ? *subject_.at(address) : u8{0xff}; }
    [[nodiscard]] bool equal();
    [[nodiscard]] bool changed(u64 address, u64 bytes) { return std::memcmp(reference_.at(address), subject_.at(address), bytes) != 0; }
    void forget();                                                   // what Unicorn's has and vtsim's has not
    [[nodiscard]] std::vector<std::string> differences();
    [[nodiscard]] static bool inside(u64 address, u64 bytes) {
        return (address < room_end && address + bytes <= room_end) || (address >= top_start && address < top_end && address + bytes <= top_end);
    }

    UnicornProcessor& reference_;
    SimulatedProcessor& subject_;
};

// Descriptor tables, TSS and a state to start from.
class Scene {
public:
    Scene(Random& random, Memories& memories, World world);
    // Changes some of the tables and makes a state whose RIP is at linear address `code`. `length`: of the instruction there.
    arch::State make(u64 linear, unsigned length);
    // Often one that is good for what is meant.
    enum class Meant : u8 { to_code, to_data, to_stack, anything };
    u16 selector(Meant meant, unsigned cpl);
    [[nodiscard]] CodeSize code_size(const arch::State& s) const;
    u64 offset_in(const arch::Segment& segment, unsigned bytes);     // mostly one that may be accessed

private:
    u64 random_descriptor();
    u64 segment_descriptor(u64 access, bool expand_down_too);
    u64 system_descriptor();
    u64 gate(u64 type);
    u64 base_address();
    void renew_tables();
    void write_tables();
    arch::Segment own(unsigned slot, u64 descriptor, unsigned rpl);
    void load_segments(arch::State& s, u64 linear, unsigned length);
    arch::State real_state(u64 linear);
    arch::State protected_state(u64 linear, unsigned length);
    arch::State virtual8086_state(u64 linear);
    arch::State long_state(u64 linear);
    void system_registers(arch::State& s);
    void write_page_tables();
    void write_tss(const arch::State& s);

    Random& random_;
    Memories& memories_;
    World world_;
    std::array<u64, gdt_entries> gdt_{};
    std::array<u64, ldt_entries> ldt_{};
    std::array<u64, 2 * vectors> idt_{};
};

}  // namespace vtsim::unicorn
