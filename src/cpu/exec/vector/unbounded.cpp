// SPDX-License-Identifier: Apache-2.0
#include "cpu/exec/vector/unbounded.h"

#include <array>
#include <cmath>
#include <cstring>
#include <iterator>

#include "cpu/exec/vector/mxcsr.h"

namespace vtsim::cpu::exec {
namespace {

struct Operands {
    __m128i at[3];
};
template <class T>
using Elements = std::array<T, 16 / sizeof(T)>;

template <class T>
Elements<T> elements(__m128i vector) {
    Elements<T> values;
    std::memcpy(values.data(), &vector, sizeof values);
    return values;
}
template <class T>
__m128i vector_of(const Elements<T>& values) {
    __m128i vector;
    std::memcpy(&vector, values.data(), sizeof values);
    return vector;
}

struct Evaluated {
    u32 flags;
    __m128i result;
};
Evaluated evaluate(Ternary f, const Operands& o, u32 rules) {
    const u32 host = _mm_getcsr();
    _mm_setcsr((rules & ~mxcsr::flags) | mxcsr::masks);
    const __m128i result = f(o.at[0], o.at[1], o.at[2]);
    __asm__ volatile("" ::"x"(result) : "memory");
    const u32 flags = _mm_getcsr() & mxcsr::flags;
    _mm_setcsr(host);
    return {flags, result};
}

// One lane of the computation: what the others compute with is zero, which raises no PE.
template <class T>
class Lane {
public:
    Lane(const Computation& computation, const Operands& operands, unsigned number, u32 rules) : computation_{computation}, number_{number}, rules_{rules}, operands_{operands} {
        for (std::size_t i = 0; i < std::size(operands_.at); ++i) keep_own(i);
    }

    u32 precision(u32 unmasked) const {
        const auto masked = evaluate(computation_.f, operands_, rules_);
        const bool overflows = (masked.flags & unmasked & mxcsr::overflow) != 0;
        const bool underflows = (unmasked & mxcsr::underflow) != 0 && ((masked.flags & mxcsr::underflow) != 0 || has_denormal(computation_.lanes, masked.result));
        if (!overflows && !underflows) return masked.flags & mxcsr::precision;
        switch (computation_.scaling) {
            case Scaling::sum: case Scaling::pairs: return overflows ? scaled(quarters()) : masked.flags & mxcsr::precision;
            case Scaling::product: case Scaling::narrowing: return scaled(normalised());
            case Scaling::fused132: return fused(0, 2, 1);
            case Scaling::fused213: return fused(0, 1, 2);
            default: return fused(1, 2, 0);
        }
    }

private:
    void keep_own(std::size_t operand) {
        auto values = elements<T>(operands_.at[operand]);
        const bool pairs = computation_.scaling == Scaling::pairs;
        const std::size_t half = values.size() / 2;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const bool own = pairs ? operand == number_ / half && i / 2 == number_ % half : i == number_;
            if (!own) values[i] = 0;
        }
        operands_.at[operand] = vector_of<T>(values);
    }

    // A denormal operand loses bits, and the sum is inexact anyway.
    Operands quarters() const {
        return each([](T value) { return value / 4; });
    }
    Operands normalised() const {
        return each([](T value) {
            int exponent;
            return std::frexp(value, &exponent);
        });
    }
    template <class F>
    Operands each(F f) const {
        Operands result;
        for (std::size_t i = 0; i < std::size(result.at); ++i) {
            auto values = elements<T>(operands_.at[i]);
            for (auto& value : values) value = f(value);
            result.at[i] = vector_of<T>(values);
        }
        return result;
    }

    u32 scaled(const Operands& operands) const { return evaluate(computation_.f, operands, rules_).flags & mxcsr::precision; }

    // factor * factor + addend, the factors between 1/2 and 1. When product and addend are too far apart the smaller one is lost, whatever it is.
    u32 fused(std::size_t first, std::size_t second, std::size_t third) const {
        const auto own = [&](std::size_t operand) {
            const T value = elements<T>(operands_.at[operand])[number_];
            return (rules_ & mxcsr::denormals_are_zero) != 0 && std::fpclassify(value) == FP_SUBNORMAL ? T{0} : value;
        };
        int exponents[3];
        T values[3] = {std::frexp(own(first), &exponents[0]), std::frexp(own(second), &exponents[1]), std::frexp(own(third), &exponents[2])};
        if (values[0] == 0 || values[1] == 0) return 0;                   // the addend as it is
        const int distance = exponents[2] - exponents[0] - exponents[1];
        constexpr int too_far = sizeof(T) == 4 ? 100 : 1000;
        if (values[2] != 0 && std::abs(distance) > too_far) return mxcsr::precision;
        values[2] = std::ldexp(values[2], distance);
        Operands operands = operands_;
        const std::size_t places[3] = {first, second, third};
        for (std::size_t i = 0; i < 3; ++i) {
            Elements<T> lane{};
            lane[number_] = values[i];
            operands.at[places[i]] = vector_of<T>(lane);
        }
        return scaled(operands);
    }

    const Computation& computation_;
    std::size_t number_;
    u32 rules_;
    Operands operands_;
};

template <class T>
u32 precision_of_lanes(const Computation& computation, const Operands& operands, u32 rules, u32 unmasked) {
    const bool one = computation.lanes == Tiny::first_single || computation.lanes == Tiny::first_double;
    u32 precision = 0;
    for (unsigned i = 0; i < (one ? 1 : 16 / sizeof(T)); ++i) precision |= Lane<T>{computation, operands, i, rules}.precision(unmasked);
    return precision;
}

}  // namespace

u32 precision_when_unmasked(const Computation& computation, __m128i a, __m128i b, __m128i c, u32 rules, u32 unmasked) {
    const bool doubles = computation.lanes == Tiny::doubles || computation.lanes == Tiny::first_double || computation.scaling == Scaling::narrowing;
    return doubles ? precision_of_lanes<double>(computation, {{a, b, c}}, rules, unmasked) : precision_of_lanes<float>(computation, {{a, b, c}}, rules, unmasked);
}

}  // namespace vtsim::cpu::exec
