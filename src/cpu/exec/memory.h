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
// Warm and timing mode, behind a hit in the translation cache whose mapping is in the modelled TLB: references that may miss the first-level cache or lie in two
// lines. Notes for the instruction what they took.
u8* find_timed(Core& core, const MicroOp& op, u64 linear, unsigned bytes, bool write);
}  // namespace slow

// What an entry leads to is never at 0: callers need not look twice.
[[gnu::always_inline]] inline u8* host_at(u64 linear, u64 addend) {
    auto* place = reinterpret_cast<u8*>(linear + addend);
    if (place == nullptr) __builtin_unreachable();
    return place;
}

// The host's bytes behind a linear address if the translation cache has them for this access, else nullptr.
template <class T>
[[gnu::always_inline]] inline u8* find_in_page(Core& core, u64 linear, bool write) {
    const auto entry = core.mmu.data.at(linear);
    const u64 wanted = ((linear + sizeof(T) - 1) & ~page_offset_mask) | core.data_context;
    if (wanted != (write ? entry.write_tag : entry.read_tag)) [[unlikely]] return nullptr;
    return host_at(linear, entry.addend);
}

// A hit in the first-level data cache and TLB.
[[gnu::always_inline]] inline void count_hit(Core& core, timing::CacheLevel::Slot slot, u32 way) {
    const u64 now = ++core.data_clock;
    core.port.touch_data(slot, now);
    core.mmu.stamp_data(way, now);
}

// Warm and timing mode. The same, and counts the hits in the modelled structures, if the access lies in the line that this micro-op used last, whose mapping
// and data are still in the first-level TLB and cache.
template <class T>
[[gnu::always_inline]] inline u8* find_in_line(Core& core, const MicroOp& op, u64 linear, bool write) {
    const auto& memo = memo_of(op);
    if (linear - memo.line > timing::line_bytes - sizeof(T)) [[unlikely]] return nullptr;
    if ((core.mmu.data_serial(memo.way) | core.line_context[write]) != memo.check) [[unlikely]] return nullptr;
    if (!core.port.holds_data(memo.slot, memo.key, write)) [[unlikely]] return nullptr;
    count_hit(core, memo.slot, memo.way);
    return host_at(linear, memo.addend);
}

// Makes the line at `linear`, behind a current entry of the translation cache, the one that this micro-op used last.
[[gnu::always_inline]] inline void remember_line(Core& core, const MicroOp& op, const mmu::TranslationEntry& entry, u64 linear, timing::CacheLevel::Slot slot, bool write) {
    const u64 line = linear & ~u64{timing::line_bytes - 1};
    const u64 physical = line + entry.addend - reinterpret_cast<u64>(core.host_base);
    memo_of(op) = {line, entry.addend, u64{entry.serial} | core.line_context[write], timing::CacheLevel::key(physical >> timing::line_log2), static_cast<u16>(entry.way), static_cast<u16>(slot)};
}

// If the page is in the translation cache, its mapping still in the modelled TLB and the data in one line of the first-level cache.
template <class T>
[[gnu::always_inline]] inline u8* find_in_cache(Core& core, const MicroOp& op, u64 linear, bool write) {
    u8* const place = find_in_page<T>(core, linear, write);
    if (place == nullptr || (linear & (timing::line_bytes - 1)) > timing::line_bytes - sizeof(T)) [[unlikely]] return nullptr;
    const auto entry = core.mmu.data.at(linear);
    if (core.mmu.data_serial(entry.way) != entry.serial || !core.mmu.stamps_data()) [[unlikely]] return nullptr;
    const PhysicalAddress address{static_cast<u64>(place - core.host_base)};
    const auto slot = core.port.find_data(address, write);
    if (slot == timing::CacheLevel::none) [[unlikely]] return nullptr;
    remember_line(core, op, entry, linear, slot, write);
    count_hit(core, slot, entry.way);
    return place;
}

// Where a handler looks for the operand: in functional mode the page; else the line and, in a second handler, the cache. A third handler is the slow path.
enum class Look : u8 { page, line, cache };
constexpr Look first_look(bool timed) { return timed ? Look::line : Look::page; }

template <class T, Look look>
[[gnu::always_inline]] inline u8* find(Core& core, const MicroOp& op, u64 linear, bool write) {
    if constexpr (look == Look::page) return find_in_page<T>(core, linear, write);
    if constexpr (look == Look::line) return find_in_line<T>(core, op, linear, write);
    if constexpr (look == Look::cache) return find_in_cache<T>(core, op, linear, write);
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
// a stack frame; a miss is the tail call of a whole other handler.

template <class T, class Where, bool timed, class Then>
[[gnu::noinline]] Next load_slowly(Core& core, const MicroOp& op) {
    arch::Outcome<T> value = arch::Event{};
    if constexpr (Where::checked) {
        value = slow::load_checked<T>(core, op);
    } else {
        const u64 linear = Where::linear(core, op);
        const u8* place = timed ? slow::find_timed(core, op, linear, sizeof(T), false) : nullptr;
        if (place != nullptr) __builtin_memcpy(&value.value, place, sizeof(T));
        else value = slow::load<T>(core, op, linear);
    }
    if (!value) [[unlikely]] return raise(core, op, value.event);
    return Then{}(core, op, value.value);
}

template <class T, class Where, Look look, class Then>
[[gnu::always_inline]] inline Next load_by(Core& core, const MicroOp& op);

template <class T, class Where, class Then>
[[gnu::noinline]] Next load_from_cache(Core& core, const MicroOp& op) {
    return load_by<T, Where, Look::cache, Then>(core, op);
}

template <class T, class Where, Look look, class Then>
[[gnu::always_inline]] inline Next load_by(Core& core, const MicroOp& op) {
    const u64 linear = Where::linear(core, op);
    if (const u8* place = find<T, look>(core, op, linear, false)) [[likely]] {
        T value;
        __builtin_memcpy(&value, place, sizeof value);
        return Then{}(core, op, value);
    }
    if constexpr (look == Look::line) return load_from_cache<T, Where, Then>(core, op);
    else return load_slowly<T, Where, look == Look::cache, Then>(core, op);
}

// Loads T and goes on with then(core, op, value).
template <class T, class Where, bool timed, class Then>
[[gnu::always_inline]] inline Next load(Core& core, const MicroOp& op, Then) {
    if constexpr (Where::checked) return load_slowly<T, Where, timed, Then>(core, op);
    else return load_by<T, Where, first_look(timed), Then>(core, op);
}

template <class T, class Where, bool timed, class ValueOf, class Then>
[[gnu::noinline]] Next store_slowly(Core& core, const MicroOp& op) {
    const T value = ValueOf{}(core, op);
    arch::Event event;
    if constexpr (Where::checked) {
        event = slow::store_checked<T>(core, op, value);
    } else {
        const u64 linear = Where::linear(core, op);
        u8* place = timed ? slow::find_timed(core, op, linear, sizeof(T), true) : nullptr;
        if (place != nullptr) __builtin_memcpy(place, &value, sizeof(T));
        else event = slow::store<T>(core, op, linear, value);
    }
    if (event) [[unlikely]] return raise(core, op, event);
    return Then{}(core, op);
}

template <class T, class Where, Look look, class ValueOf, class Then>
[[gnu::always_inline]] inline Next store_by(Core& core, const MicroOp& op);

template <class T, class Where, class ValueOf, class Then>
[[gnu::noinline]] Next store_to_cache(Core& core, const MicroOp& op) {
    return store_by<T, Where, Look::cache, ValueOf, Then>(core, op);
}

template <class T, class Where, Look look, class ValueOf, class Then>
[[gnu::always_inline]] inline Next store_by(Core& core, const MicroOp& op) {
    const u64 linear = Where::linear(core, op);
    if (u8* place = find<T, look>(core, op, linear, true)) [[likely]] {
        const T value = ValueOf{}(core, op);
        __builtin_memcpy(place, &value, sizeof value);
        return Then{}(core, op);
    }
    if constexpr (look == Look::line) return store_to_cache<T, Where, ValueOf, Then>(core, op);
    else return store_slowly<T, Where, look == Look::cache, ValueOf, Then>(core, op);
}

// Stores value_of(core, op) as T and goes on with then(core, op).
template <class T, class Where, bool timed, class ValueOf, class Then>
[[gnu::always_inline]] inline Next store(Core& core, const MicroOp& op, ValueOf, Then) {
    if constexpr (Where::checked) return store_slowly<T, Where, timed, ValueOf, Then>(core, op);
    else return store_by<T, Where, first_look(timed), ValueOf, Then>(core, op);
}

// The operand's bytes are at `place`, which may be written.
template <class T, class Modify, class Then>
[[gnu::always_inline]] inline Next modify_at(Core& core, const MicroOp& op, u8* place) {
    T old;
    __builtin_memcpy(&old, place, sizeof old);
    const T value = Modify{}(core, op, old);
    __builtin_memcpy(place, &value, sizeof value);
    return Then{}(core, op, old);
}

template <class T, class Where, bool timed, class Modify, class Then>
[[gnu::noinline]] Next modify_slowly(Core& core, const MicroOp& op) {
    arch::Outcome<T> old = arch::Event{};
    if constexpr (timed && !Where::checked) {
        if (u8* place = slow::find_timed(core, op, Where::linear(core, op), sizeof(T), true)) return modify_at<T, Modify, Then>(core, op, place);
    }
    if constexpr (Where::checked) old = slow::load_for_write_checked<T>(core, op);
    else old = slow::load_for_write<T>(core, op, Where::linear(core, op));
    if (!old) [[unlikely]] return raise(core, op, old.event);
    if (const auto event = slow::store_back<T>(core, Modify{}(core, op, old.value))) [[unlikely]] return raise(core, op, event);
    return Then{}(core, op, old.value);
}

template <class T, class Where, class Modify, class Then>
[[gnu::noinline]] Next modify_in_cache(Core& core, const MicroOp& op) {
    if (u8* place = find<T, Look::cache>(core, op, Where::linear(core, op), true)) [[likely]] return modify_at<T, Modify, Then>(core, op, place);
    return modify_slowly<T, Where, true, Modify, Then>(core, op);
}

// Replaces the old value by modify(core, op, old), which changes nothing else, and goes on with then(core, op, old): the flags change only when the store
// succeeded, as a fault must find the old ones. One translation, for writing, serves both halves.
template <class T, class Where, bool timed, class Modify, class Then>
[[gnu::always_inline]] inline Next modify(Core& core, const MicroOp& op, Modify, Then) {
    if constexpr (!Where::checked) {
        if (u8* place = find<T, first_look(timed)>(core, op, Where::linear(core, op), true)) [[likely]] return modify_at<T, Modify, Then>(core, op, place);
        if constexpr (timed) return modify_in_cache<T, Where, Modify, Then>(core, op);
    }
    return modify_slowly<T, Where, timed, Modify, Then>(core, op);
}

}  // namespace vtsim::cpu
