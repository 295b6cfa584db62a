// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <random>

#include "base/types.h"
#include "differential/machine.h"

namespace vtsim::differential {

// The same sequence on every host and with every library.
class Random {
public:
    explicit Random(u64 seed) : engine_{seed} {}
    u64 bits() { return engine_(); }
    u64 below(u64 bound) { return engine_() % bound; }
    bool percent(unsigned chance) { return below(100) < chance; }
    template <class T>
    T one_of(std::initializer_list<T> values) {
        return values.begin()[below(values.size())];
    }

    u64 integer();                     // often small or at the edge of a width
    void floats(u8* to);               // 16 bytes: singles, doubles, special values
    void long_double(u8* to);          // 10 bytes
    void data(u8* to, unsigned bytes); // any of these

private:
    static constexpr u64 bit_top = u64{1} << 63;
    std::mt19937_64 engine_;
};

}  // namespace vtsim::differential
