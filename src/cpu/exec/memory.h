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

// The host's bytes behind a linear address if the translation cache has them for this access, else nullptr.
template <class T, bool timed>
[[gnu::always_inline]] inline u8* find_cached(Core& core, const MicroOp& op, u64 linear, bool write) {
    const auto& entry = core.mmu.data.at(linear);
    const u64 wanted = ((linear + sizeof(T) - 1) & ~page_offset_mask) | core.data_context;
    if (wanted != (write ? entry.write_tag : entry.read_tag)) [[unlikely]] return nullptr;
    if (timed && !account<sizeof(T)>(core, op, entry, linear, write)) [[unlikely]] return nullptr;
    auto* place = reinterpret_cast<u8*>(linear + entry.addend);
    if (place == nullptr) __builtin_unreachable();          // what an entry leads to is never at 0: callers need not look twice
    return place;
}

// Where a memory operand is. All the functions below take it as a type.
template <Form form>
struct At {
    static constexpr bool checked = form == Form::checked;
    static u64 linear(const Core& core, const MicroOp& op) { return address_of<form>(core, op); }
};
struct AtStackPointer {
    static constexpr bool checked = false;
    static u64 linear(const Core& core, const MicroOp&) { return core.s.gpr[arch::rsp]; }
};
struct BelowStackPointer {                 // where PUSH and CALL of 64-bit mode store
    static constexpr bool checked = false;
    static u64 linear(const Core& core, const MicroOp&) { return core.s.gpr[arch::rsp] - 8; }
};
struct AtFramePointer {
    static constexpr bool checked = false;
    static u64 linear(const Core& core, const MicroOp&) { return core.s.gpr[arch::rbp]; }
};

// An instruction with a memory operand is written as what it does besides the access: functions without state (lambdas that capture nothing) of core, micro-op
// and value, which end in next(), and in a jump only if they are inlined: large ones say so with an attribute. The hit is inline and leaves the handler without
// a stack frame; a miss is the tail call of a whole second handler.

template <class T, class Where, class Then>
[[gnu::noinline]] Next load_slowly(Core& core, const MicroOp& op) {
    arch::Outcome<T> value = arch::Event{};
    if constexpr (Where::checked) value = slow::load_checked<T>(core, op);
    else value = slow::load<T>(core, op, Where::linear(core, op));
    if (!value) [[unlikely]] return raise(core, op, value.event);
    return Then{}(core, op, value.value);
}

// Loads T and goes on with then(core, op, value).
template <class T, class Where, bool timed, class Then>
[[gnu::always_inline]] inline Next load(Core& core, const MicroOp& op, Then then) {
    if constexpr (!Where::checked) {
        const u64 linear = Where::linear(core, op);
        if (const u8* place = find_cached<T, timed>(core, op, linear, false)) [[likely]] {
            T value;
            __builtin_memcpy(&value, place, sizeof value);
            return then(core, op, value);
        }
    }
    return load_slowly<T, Where, Then>(core, op);
}

template <class T, class Where, class ValueOf, class Then>
[[gnu::noinline]] Next store_slowly(Core& core, const MicroOp& op) {
    const T value = ValueOf{}(core, op);
    arch::Event event;
    if constexpr (Where::checked) event = slow::store_checked<T>(core, op, value);
    else event = slow::store<T>(core, op, Where::linear(core, op), value);
    if (event) [[unlikely]] return raise(core, op, event);
    return Then{}(core, op);
}

// Stores value_of(core, op) as T and goes on with then(core, op).
template <class T, class Where, bool timed, class ValueOf, class Then>
[[gnu::always_inline]] inline Next store(Core& core, const MicroOp& op, ValueOf value_of, Then then) {
    if constexpr (!Where::checked) {
        const u64 linear = Where::linear(core, op);
        if (u8* place = find_cached<T, timed>(core, op, linear, true)) [[likely]] {
            const T value = value_of(core, op);
            __builtin_memcpy(place, &value, sizeof value);
            return then(core, op);
        }
    }
    return store_slowly<T, Where, ValueOf, Then>(core, op);
}

template <class T, class Where, class Modify, class Then>
[[gnu::noinline]] Next modify_slowly(Core& core, const MicroOp& op) {
    arch::Outcome<T> old = arch::Event{};
    if constexpr (Where::checked) old = slow::load_for_write_checked<T>(core, op);
    else old = slow::load_for_write<T>(core, op, Where::linear(core, op));
    if (!old) [[unlikely]] return raise(core, op, old.event);
    if (const auto event = slow::store_back<T>(core, Modify{}(core, op, old.value))) [[unlikely]] return raise(core, op, event);
    return Then{}(core, op, old.value);
}

// Replaces the old value by modify(core, op, old), which changes nothing else, and goes on with then(core, op, old): the flags change only when the store
// succeeded, as a fault must find the old ones. One translation, for writing, serves both halves.
template <class T, class Where, bool timed, class Modify, class Then>
[[gnu::always_inline]] inline Next modify(Core& core, const MicroOp& op, Modify change, Then then) {
    if constexpr (!Where::checked) {
        const u64 linear = Where::linear(core, op);
        if (u8* place = find_cached<T, timed>(core, op, linear, true)) [[likely]] {
            T old;
            __builtin_memcpy(&old, place, sizeof old);
            const T value = change(core, op, old);
            __builtin_memcpy(place, &value, sizeof value);
            return then(core, op, old);
        }
    }
    return modify_slowly<T, Where, Modify, Then>(core, op);
}

}  // namespace vtsim::cpu
