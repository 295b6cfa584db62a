// SPDX-License-Identifier: Apache-2.0
#include "differential/random.h"

#include <algorithm>

namespace vtsim::differential {

u64 Random::integer() {
    switch (below(8)) {
        case 0: return below(4);
        case 1: return below(256);
        case 2: return ~below(256);
        case 3: {
            const unsigned width = one_of({8U, 16U, 32U, 64U});
            const u64 edge = u64{1} << (width - 1);
            return edge + below(3) - 1;
        }
        case 4: return (u64{1} << below(64)) - below(2);
        case 5: return static_cast<u32>(bits());
        default: return bits();
    }
}

namespace {

// A value of a format with `exponent` exponent bits and `fraction` fraction bits.
u64 float_bits(Random& random, unsigned exponent, unsigned fraction) {
    const u64 sign = random.below(2) << (exponent + fraction);
    const u64 all = (u64{1} << exponent) - 1, bias = all >> 1, fraction_mask = (u64{1} << fraction) - 1;
    const auto pack = [&](u64 e, u64 f) { return sign | e << fraction | (f & fraction_mask); };
    switch (random.below(12)) {
        case 0: return pack(0, 0);
        case 1: return pack(all, 0);                                             // infinity
        case 2: return pack(all, u64{1} << (fraction - 1) | random.below(4));    // quiet NaN
        case 3: return pack(all, 1 + random.below(4));                           // signalling NaN
        case 4: return pack(0, random.bits());                                   // denormal
        case 5: return pack(random.below(all), random.bits());
        case 6: return pack(bias + random.below(3), 0);                          // 1, 2, 4
        case 7: return pack(random.one_of<u64>({1, all - 1}), random.bits());    // smallest and largest
        case 8: return pack(bias + random.below(70), random.bits());             // around the range of integers
        default: return pack(bias - 4 + random.below(8), random.bits());
    }
}

}  // namespace

void Random::floats(u8* to) {
    if (below(2) == 0) {
        for (unsigned i = 0; i < 2; ++i) {
            const u64 value = float_bits(*this, 11, 52);
            std::memcpy(to + i * 8, &value, 8);
        }
    } else {
        for (unsigned i = 0; i < 4; ++i) {
            const auto value = static_cast<u32>(float_bits(*this, 8, 23));
            std::memcpy(to + i * 4, &value, 4);
        }
    }
}

void Random::long_double(u8* to) {
    u64 significand = bits() | bit_top;
    u16 exponent = static_cast<u16>(0x3fff - 8 + below(16));
    switch (below(10)) {
        case 0: significand = 0, exponent = 0; break;
        case 1: significand = bit_top, exponent = 0x7fff; break;
        case 2: exponent = 0x7fff; break;
        case 3: significand &= ~bit_top, exponent = 0; break;
        case 4: significand = bits(), exponent = static_cast<u16>(bits() & 0x7fff); break;          // unnormals too
        case 5: exponent = static_cast<u16>(1 + below(0x7ffe)); break;
        case 6: significand = bit_top, exponent = static_cast<u16>(0x3fff + below(64)); break;
        default: break;
    }
    exponent = static_cast<u16>(exponent | below(2) << 15);
    std::memcpy(to, &significand, 8);
    std::memcpy(to + 8, &exponent, 2);
}

void Random::data(u8* to, unsigned bytes) {
    u8 chunk[16] = {};
    for (unsigned at = 0; at < bytes; at += 16) {
        switch (below(4)) {
            case 0: floats(chunk); break;
            case 1: long_double(chunk); break;
            default:
                for (unsigned i = 0; i < 16; i += 8) {
                    const u64 value = integer();
                    std::memcpy(chunk + i, &value, 8);
                }
        }
        std::memcpy(to + at, chunk, std::min(16U, bytes - at));
    }
}

}  // namespace vtsim::differential
