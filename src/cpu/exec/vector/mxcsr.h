// SPDX-License-Identifier: Apache-2.0
// Floating point computed by the host under the guest's MXCSR: rounding, DAZ and FTZ are exact, and the flags that the host raises are the guest's.
// SDM vol. 1, "SIMD Floating-Point Exceptions".
#pragma once

#include "cpu/exec/vector/operands.h"
#include "cpu/exec/vector/unbounded.h"

namespace vtsim::cpu::exec {

namespace mxcsr {
inline constexpr u32 flags = 0x3f, masks = 0x1f80, invalid = 1, denormal = 2, zero_divide = 4, overflow = 8, underflow = 0x10, precision = 0x20, underflow_mask = 0x800, rounding = 0x6000,
                     denormals_are_zero = 0x40, flush_to_zero = 0x8000;
inline constexpr u32 before_computing = invalid | denormal | zero_divide, beyond_range = overflow | underflow;
}  // namespace mxcsr

inline bool has_denormal(Tiny lanes, __m128i result) {
    arch::VectorRegister r{};
    __builtin_memcpy(&r, &result, sizeof result);
    const auto single = [&](unsigned i) { return (r.d[i] & 0x7f80'0000) == 0 && (r.d[i] & 0x7f'ffff) != 0; };
    const auto wide = [&](unsigned i) { return (r.q[i] & 0x7ff0'0000'0000'0000) == 0 && (r.q[i] & 0xf'ffff'ffff'ffff) != 0; };
    switch (lanes) {
        case Tiny::first_single: return single(0);
        case Tiny::first_double: return wide(0);
        case Tiny::singles: return single(0) || single(1) || single(2) || single(3);
        case Tiny::doubles: return wide(0) || wide(1);
        default: return false;
    }
}

// The exceptions of an instruction as the guest sees them, from those that the host raised with all of them masked. SDM vol. 1, "Response to Multiple SIMD
// Floating-Point Exceptions": an unmasked one that is found before computing keeps the instruction from computing. Unmasked, underflow is raised for exact results too.
inline u32 seen_by_guest(u32 raised, u32 guest, bool tiny) {
    const u32 unmasked = ~guest >> 7;
    if ((raised & unmasked & mxcsr::before_computing) != 0) return raised & mxcsr::before_computing;
    if ((unmasked & mxcsr::underflow) != 0 && tiny) return raised | mxcsr::underflow;
    return raised;
}

// Takes over what an instruction raised. #XM (or #UD without CR4.OSXMMEXCPT) when one of them is unmasked: then the destination stays as it was.
inline arch::Event raise_simd(Core& core, u32 raised) {
    const u32 guest = core.s.mxcsr;
    core.s.mxcsr |= raised;
    if ((raised & ~(guest >> 7)) == 0) return {};
    return (core.s.cr4 & arch::cr4::osxmmexcpt) == 0 ? arch::undefined_opcode : arch::exception(arch::Vector::xm);
}

// Of a computation whose results stay in range.
struct InRange {
    u32 operator()(u32, u32) const { return mxcsr::precision; }
};

// Runs `compute`, which returns a Value, with the guest's rounding and denormal rules and all exceptions masked. `precision`: PE again by the rules of an MXCSR, for the exceptions
// (OE, UE) that are raised unmasked.
template <Tiny lanes, Encoding encoding, class Compute, class Precision = InRange>
arch::Outcome<Value> under_guest_mxcsr(Core& core, Compute compute, Precision precision = {}) {
    const u32 host = _mm_getcsr();
    const u32 guest = core.s.mxcsr;
    const u32 rules = (guest & mxcsr::underflow_mask) != 0 ? guest : guest & ~mxcsr::flush_to_zero;       // results are flushed where underflow is masked
    _mm_setcsr((rules & ~mxcsr::flags) | mxcsr::masks);
    const Value result = compute();
    __asm__ volatile("" ::"x"(result.lo), "x"(result.hi) : "memory");       // computed before the flags are read
    const u32 raised = _mm_getcsr() & mxcsr::flags;
    _mm_setcsr(host);
    if ((guest & mxcsr::masks) == mxcsr::masks) [[likely]] {
        core.s.mxcsr |= raised;
        return result;
    }
    const bool tiny = has_denormal(lanes, result.lo) || (encoding == Encoding::vex256 && has_denormal(lanes, result.hi));
    u32 seen = seen_by_guest(raised, guest, tiny);
    if (const u32 unmasked = seen & ~(guest >> 7) & mxcsr::beyond_range; unmasked != 0 && (seen & mxcsr::precision) != 0)
        seen = (seen & ~mxcsr::precision) | precision(rules, unmasked);
    if (const auto event = raise_simd(core, seen)) return event;
    return result;
}

// The precision exception of f when others are unmasked.
template <Ternary f, Scaling scaling, Tiny lanes, Encoding encoding>
struct PrecisionOf {
    Value first, second, third;
    u32 operator()(u32 rules, u32 unmasked) const {
        static constexpr Computation half{f, scaling, lanes};
        const u32 low = precision_when_unmasked(half, first.lo, second.lo, third.lo, rules, unmasked);
        return encoding == Encoding::vex256 ? low | precision_when_unmasked(half, first.hi, second.hi, third.hi, rules, unmasked) : low;
    }
};
template <Binary f>
__m128i of_two(__m128i a, __m128i b, __m128i) { return f(a, b); }

// dst = f(first, second). `bytes` of a memory operand: 0 for as many as the vector has; a scalar instruction (4 or 8) computes in the low half only.
template <Binary f, unsigned bytes, Tiny lanes, Scaling scaling = Scaling::sum>
struct Arithmetic {
    template <Encoding given>
    static arch::Event body(Core& core, const MicroOp& op) {
        constexpr Encoding encoding = bytes != 0 && given == Encoding::vex256 ? Encoding::vex128 : given;
        constexpr unsigned in_memory = bytes != 0 ? bytes : vector_bytes<encoding>;
        const auto b = second_source<in_memory, encoding == Encoding::legacy && bytes == 0>(core, op);
        if (!b) return b.event;
        const Value a{low_half(core, op.src), high_half(core, op.src)};
        const auto compute = [&] { return Value{f(a.lo, b.value.lo), encoding == Encoding::vex256 ? f(a.hi, b.value.hi) : _mm_setzero_si128()}; };
        const auto result = under_guest_mxcsr<lanes, encoding>(core, compute, PrecisionOf<of_two<f>, scaling, lanes, encoding>{a, b.value, {}});
        if (result) set_result<encoding>(core, op.dst, result.value.lo, result.value.hi);
        return result.event;
    }
};

}  // namespace vtsim::cpu::exec
