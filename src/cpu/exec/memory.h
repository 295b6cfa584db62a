// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/exec/dispatch.h"

// Memory operands of direct handlers: an inline hit in the translation cache, one out-of-line slow path. The index comes from the page of the first
// byte and the tag is compared with the page of the last, so an access that crosses a page never hits.
namespace vtsim::cpu {

// How a handler forms its address. Only `checked` knows about segments and short addresses.
enum class Form : u8 { base, indexed, checked };

template <Form form>
[[gnu::always_inline]] inline u64 address_of(const Core& core, const MicroOp& op) {
    static_assert(form != Form::checked);
    const u64 sum = core.s.gpr[op.base] + static_cast<u64>(static_cast<i64>(op.disp));
    if constexpr (form == Form::indexed) return sum + (core.s.gpr[op.index] << (op.shape & 3));
    else return sum;
}

namespace slow {
// Translation, permissions, TLBs, caches, devices: everything but a hit. (core_access.cpp)
template <class T> arch::Outcome<T> load(Core& core, const MicroOp& op, u64 linear);
template <class T> arch::Outcome<T> load_for_write(Core& core, const MicroOp& op, u64 linear);
// The second half of a read-modify-write, to where the last load_for_write found its operand: one access of the TLB and the caches does for both halves.
template <class T> arch::Event store_back(Core& core, T value);
template <class T> arch::Event store(Core& core, const MicroOp& op, u64 linear, T value);
// With segmentation, from the micro-op.
template <class T> arch::Outcome<T> load_checked(Core& core, const MicroOp& op);
template <class T> arch::Outcome<T> load_for_write_checked(Core& core, const MicroOp& op);
template <class T> arch::Event store_checked(Core& core, const MicroOp& op, T value);
// Timing mode: the reference took that long instead of a first-level hit's time; notes it for the instruction.
void data_miss(Core& core, const MicroOp& op, u32 latency);
// Timing mode: the second line of a split access.
void split(Core& core, const MicroOp& op, PhysicalAddress last_byte, bool write);
}  // namespace slow

// Timing mode: a hit in the translation cache counts only while the modelled TLB way still holds the mapping. False: take the slow path.
template <unsigned bytes>
[[gnu::always_inline]] inline bool account(Core& core, const MicroOp& op, const mmu::TranslationEntry& entry, u64 linear, bool write) {
    if (!core.mmu.touch_data(entry.way, entry.serial)) [[unlikely]] return false;
    const PhysicalAddress address{linear + entry.addend - reinterpret_cast<u64>(core.host_base)};
    const u32 latency = write ? core.port.store(address) : core.port.load(address);
    if (latency != core.port.load_hit_latency()) [[unlikely]] slow::data_miss(core, op, latency);
    // The second line of an access that is split.
    if constexpr (bytes > 1)
        if (((linear & 63) + bytes) > 64) [[unlikely]] slow::split(core, op, address + (bytes - 1), write);
    return true;
}

template <class T, bool timed>
[[gnu::always_inline]] inline arch::Outcome<T> load_at(Core& core, const MicroOp& op, u64 linear) {
    const auto& entry = core.mmu.data.at(linear);
    if ((((linear + sizeof(T) - 1) & ~page_offset_mask) | core.data_context) == entry.read_tag) [[likely]] {
        if (!timed || account<sizeof(T)>(core, op, entry, linear, false)) [[likely]] {
            T value;
            __builtin_memcpy(&value, reinterpret_cast<const u8*>(linear + entry.addend), sizeof value);
            return value;
        }
    }
    return slow::load<T>(core, op, linear);
}

template <class T, bool timed>
[[gnu::always_inline]] inline arch::Event store_at(Core& core, const MicroOp& op, u64 linear, T value) {
    const auto& entry = core.mmu.data.at(linear);
    if ((((linear + sizeof(T) - 1) & ~page_offset_mask) | core.data_context) == entry.write_tag) [[likely]] {
        if (!timed || account<sizeof(T)>(core, op, entry, linear, true)) [[likely]] {
            __builtin_memcpy(reinterpret_cast<u8*>(linear + entry.addend), &value, sizeof value);
            return {};
        }
    }
    return slow::store<T>(core, op, linear, value);
}

template <class T, Form form, bool timed>
[[gnu::always_inline]] inline arch::Outcome<T> load(Core& core, const MicroOp& op) {
    if constexpr (form == Form::checked) return slow::load_checked<T>(core, op);
    else return load_at<T, timed>(core, op, address_of<form>(core, op));
}

template <class T, Form form, bool timed>
[[gnu::always_inline]] inline arch::Event store(Core& core, const MicroOp& op, T value) {
    if constexpr (form == Form::checked) return slow::store_checked<T>(core, op, value);
    else return store_at<T, timed>(core, op, address_of<form>(core, op), value);
}

// Read, modify, write: one translation for writing, then both halves. `modify` computes the new value; it runs once.
template <class T, Form form, bool timed, class Modify>
[[gnu::always_inline]] inline arch::Event read_modify_write(Core& core, const MicroOp& op, Modify modify) {
    if constexpr (form == Form::checked) {
        const auto old = slow::load_for_write_checked<T>(core, op);
        if (!old) [[unlikely]] return old.event;
        return slow::store_back<T>(core, modify(old.value));
    } else {
        const u64 linear = address_of<form>(core, op);
        const auto& entry = core.mmu.data.at(linear);
        if ((((linear + sizeof(T) - 1) & ~page_offset_mask) | core.data_context) == entry.write_tag) [[likely]] {
            if (!timed || account<sizeof(T)>(core, op, entry, linear, true)) [[likely]] {
                auto* place = reinterpret_cast<u8*>(linear + entry.addend);
                T value;
                __builtin_memcpy(&value, place, sizeof value);
                value = modify(value);
                __builtin_memcpy(place, &value, sizeof value);
                return {};
            }
        }
        const auto old = slow::load_for_write<T>(core, op, linear);
        if (!old) [[unlikely]] return old.event;
        return slow::store_back<T>(core, modify(old.value));
    }
}

}  // namespace vtsim::cpu
