// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <emmintrin.h>

#include <array>

#include "base/types.h"

// A 128-bit value as its lanes, lane 0 in the low bits, and back.
namespace vtsim::cpu::exec {

template <class T>
std::array<T, 16 / sizeof(T)> lanes_of(__m128i value) {
    std::array<T, 16 / sizeof(T)> lanes;
    __builtin_memcpy(lanes.data(), &value, sizeof value);
    return lanes;
}

template <class T>
__m128i vector_of_lanes(const std::array<T, 16 / sizeof(T)>& lanes) {
    __m128i value;
    __builtin_memcpy(&value, lanes.data(), sizeof value);
    return value;
}

}  // namespace vtsim::cpu::exec
