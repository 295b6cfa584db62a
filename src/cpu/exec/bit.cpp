// SPDX-License-Identifier: Apache-2.0
// Bit tests and scans, POPCNT, LZCNT, TZCNT, BMI1 and BMI2, ADX, CRC32.
#include "cpu/exec/alu.h"
#include "cpu/exec/build.h"
#include "cpu/exec/integer_rows.h"

namespace vtsim::cpu::exec {
namespace {

using arch::Event;

enum class BitChange : u8 { none, set, reset, complement };

// BT, BTS, BTR, BTC change CF only. With a register offset the bit string reaches beyond the operand. SDM vol. 2, "BT - Bit Test".
template <BitChange change, class T>
struct BitTest {
    static T apply(T value, T mask) {
        if constexpr (change == BitChange::set) return static_cast<T>(value | mask);
        else if constexpr (change == BitChange::reset) return static_cast<T>(value & static_cast<T>(~mask));
        else if constexpr (change == BitChange::complement) return static_cast<T>(value ^ mask);
        else return value;
    }
    static void set_carry(Core& core, bool carry) {
        const u64 flags = core.s.read_rflags() & ~arch::rflags::cf;
        core.s.write_rflags(flags | u64{carry});
    }
    static Event run(Core& core, const MicroOp& op) {
        constexpr unsigned bits = sizeof(T) * 8;
        const bool immediate = (op.flags & MicroOp::has_immediate) != 0;
        const T offset = immediate ? static_cast<T>(op.imm) : core.reg<T>(op.src);
        const T mask = static_cast<T>(T{1} << (offset % bits));
        if (!op.memory()) {
            const T value = core.reg<T>(op.dst);
            if constexpr (change != BitChange::none) core.set_reg<T>(op.dst, apply(value, mask));
            set_carry(core, (value & mask) != 0);
            return {};
        }
        const i64 displacement = immediate ? 0 : (static_cast<i64>(static_cast<std::make_signed_t<T>>(offset)) >> std::countr_zero(bits)) * static_cast<i64>(sizeof(T));
        u64 address = core.effective_address(op) + static_cast<u64>(displacement);
        if (op.address_size() == AddressSize::a32) address &= 0xffff'ffff;
        else if (op.address_size() == AddressSize::a16) address &= 0xffff;
        const auto linear = core.linear(op.segment(), address, sizeof(T), change != BitChange::none);
        if (!linear) return linear.event;
        if constexpr (change != BitChange::none)
            if (const auto event = core.probe_write(linear.value, sizeof(T))) return event;
        const auto value = core.read_linear<T>(linear.value);
        if (!value) return value.event;
        if constexpr (change != BitChange::none)
            if (const auto event = core.write_linear<T>(linear.value, apply(value.value, mask))) return event;
        set_carry(core, (value.value & mask) != 0);
        return {};
    }
};

template <BitChange change>
bool build_bit_test(const Decoded&, Built& op) {
    op.may_leave = op.memory();
    op.handler = by_width(op.width, []<class T>() -> Handler {
        if constexpr (sizeof(T) == 1) return nullptr;
        else return &complex<&BitTest<change, T>::run>;
    });
    return op.handler != nullptr;
}

template <class T>
arch::Outcome<T> operand1(Core& core, const MicroOp& op) {
    if (op.memory()) return core.read<T>(op);
    return core.reg<T>(op.src);
}

// BSF, BSR: ZF tells; a zero source leaves the destination as it was (as Intel cores do; a 32-bit one is not even zero-extended).
template <class T, bool forward>
struct BitScan {
    static Event run(Core& core, const MicroOp& op) {
        const auto value = operand1<T>(core, op);
        if (!value) return value.event;
        if (value.value != 0) {
            const int found = forward ? std::countr_zero(value.value) : static_cast<int>(sizeof(T) * 8) - 1 - std::countl_zero(value.value);
            core.set_reg<T>(op.dst, static_cast<T>(found));
        }
        // Undefined flags: Intel cores clear them and take PF from the (unchanged or new) low byte of the source scan; ZF is the defined one.
        const u64 others = core.s.rflags & ~arch::rflags::status;
        core.s.write_rflags(others | (value.value == 0 ? arch::rflags::zf : 0) | (__builtin_parity(static_cast<unsigned>(value.value & 0xff)) != 0 ? 0 : arch::rflags::pf));
        return {};
    }
};
template <class T> struct ScanForward : BitScan<T, true> {};
template <class T> struct ScanReverse : BitScan<T, false> {};

template <class T, bool leading>
struct CountZeros {
    static Event run(Core& core, const MicroOp& op) {
        const auto value = operand1<T>(core, op);
        if (!value) return value.event;
        const auto count = static_cast<T>(leading ? std::countl_zero(value.value) : std::countr_zero(value.value));
        core.set_reg<T>(op.dst, count);
        const u64 others = core.s.rflags & ~arch::rflags::status;
        core.s.write_rflags(others | (value.value == 0 ? arch::rflags::cf : 0) | (count == 0 ? arch::rflags::zf : 0));
        return {};
    }
};
template <class T> struct Lzcnt : CountZeros<T, true> {};
template <class T> struct Tzcnt : CountZeros<T, false> {};

template <class T>
struct Popcnt {
    static Event run(Core& core, const MicroOp& op) {
        const auto value = operand1<T>(core, op);
        if (!value) return value.event;
        core.set_reg<T>(op.dst, static_cast<T>(std::popcount(value.value)));
        core.s.write_rflags((core.s.rflags & ~arch::rflags::status) | (value.value == 0 ? arch::rflags::zf : 0));
        return {};
    }
};

// BMI1: the result's ZF and SF, OF = 0, CF as given; AF and PF are undefined (Intel: 0).
template <class T>
void bmi_flags(Core& core, T result, bool carry) {
    const u64 others = core.s.rflags & ~arch::rflags::status;
    core.s.write_rflags(others | (result == 0 ? arch::rflags::zf : 0) | ((sext(result) >> 63) << 7) | u64{carry});
}

enum class Bls : u8 { reset, mask, isolate };
template <Bls kind, class T>
Event lowest_set(Core& core, const MicroOp& op) {
    const auto value = operand1<T>(core, op);
    if (!value) return value.event;
    const T a = value.value;
    T result;
    bool carry = a == 0;
    if constexpr (kind == Bls::reset) result = static_cast<T>((a - 1) & a);
    else if constexpr (kind == Bls::mask) result = static_cast<T>((a - 1) ^ a);
    else {
        result = static_cast<T>((T{0} - a) & a);
        carry = a != 0;
    }
    core.set_reg<T>(op.dst, result);
    bmi_flags(core, result, carry);
    return {};
}

// ANDN r, r, r/m: not(operand 1) and operand 2.
template <class T>
Event andn(Core& core, const MicroOp& op) {
    T b;
    if (op.memory()) {
        const auto value = core.read<T>(op);
        if (!value) return value.event;
        b = value.value;
    } else {
        b = core.reg<T>(op.aux);
    }
    const T result = static_cast<T>(~core.reg<T>(op.src) & b);
    core.set_reg<T>(op.dst, result);
    bmi_flags(core, result, false);
    return {};
}

template <class T>
Event bextr(Core& core, const MicroOp& op) {
    const auto value = operand1<T>(core, op);
    if (!value) return value.event;
    const u64 control = core.s.gpr[op.aux];
    const auto start = static_cast<unsigned>(control & 0xff), length = static_cast<unsigned>(control >> 8 & 0xff);
    const u64 shifted = start < sizeof(T) * 8 ? value.value >> start : 0;
    const T result = static_cast<T>(shifted & low_bits(length));
    core.set_reg<T>(op.dst, result);
    core.s.write_rflags((core.s.rflags & ~arch::rflags::status) | (result == 0 ? arch::rflags::zf : 0));
    return {};
}

template <class T>
Event bzhi(Core& core, const MicroOp& op) {
    const auto value = operand1<T>(core, op);
    if (!value) return value.event;
    const auto length = static_cast<unsigned>(core.s.gpr[op.aux] & 0xff);
    const bool beyond = length >= sizeof(T) * 8;
    const T result = beyond ? value.value : static_cast<T>(value.value & low_bits(length));
    core.set_reg<T>(op.dst, result);
    bmi_flags(core, result, beyond);
    return {};
}

template <bool deposit, class T>
Event parallel_bits(Core& core, const MicroOp& op) {
    T mask;
    if (op.memory()) {
        const auto value = core.read<T>(op);
        if (!value) return value.event;
        mask = value.value;
    } else {
        mask = core.reg<T>(op.aux);
    }
    const T from = core.reg<T>(op.src);
    T result = 0;
    for (unsigned k = 0; mask != 0; ++k, mask = static_cast<T>(mask & (mask - 1))) {
        const auto place = static_cast<unsigned>(std::countr_zero(mask));
        if constexpr (deposit) result = static_cast<T>(result | static_cast<T>((from >> k & 1) << place));
        else result = static_cast<T>(result | static_cast<T>((from >> place & 1) << k));
    }
    core.set_reg<T>(op.dst, result);
    return {};
}

// ADCX and ADOX: an addition through CF or OF alone.
template <u64 flag, class T>
Event add_with_flag(Core& core, const MicroOp& op) {
    const auto b = operand1<T>(core, op);
    if (!b) return b.event;
    const u64 flags = core.s.read_rflags();
    T partial, total;
    bool carry = __builtin_add_overflow(core.reg<T>(op.dst), b.value, &partial);
    carry |= __builtin_add_overflow(partial, static_cast<T>((flags & flag) != 0 ? 1 : 0), &total);
    core.set_reg<T>(op.dst, total);
    core.s.write_rflags(carry ? flags | flag : flags & ~flag);
    return {};
}

// CRC32 r, r/m: polynomial 11EDC6F41H, bit-reflected. The accumulator is 32 bits; a 64-bit destination is zero-extended.
template <class T>
Event crc32(Core& core, const MicroOp& op) {
    const auto data = operand1<T>(core, op);
    if (!data) return data.event;
    u32 crc = core.reg<u32>(op.dst);
    for (unsigned i = 0; i < sizeof(T); ++i) {
        crc ^= static_cast<u8>(data.value >> (8 * i));
        for (unsigned bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f6'3b78U : 0U);
    }
    core.set_reg<u64>(op.dst, crc);
    return {};
}

template <Body body32, Body body64>
bool build_32_64(const Decoded&, Built& op) {
    if (op.width == 2) op.handler = &complex<body32>;
    else if (op.width == 3) op.handler = &complex<body64>;
    else return false;
    return true;
}

bool build_crc32(const Decoded& decoded, Built& op) {
    switch (decoded.operand(1).size) {
        case 8: op.handler = &complex<crc32<u8>>; return true;
        case 16: op.handler = &complex<crc32<u16>>; return true;
        case 32: op.handler = &complex<crc32<u32>>; return true;
        default: op.handler = &complex<crc32<u64>>; return true;
    }
}

constexpr Row rows[] = {
    {ZYDIS_MNEMONIC_BT, &build_bit_test<BitChange::none>},
    {ZYDIS_MNEMONIC_BTS, &build_bit_test<BitChange::set>},
    {ZYDIS_MNEMONIC_BTR, &build_bit_test<BitChange::reset>},
    {ZYDIS_MNEMONIC_BTC, &build_bit_test<BitChange::complement>},
    sized_row<ScanForward>(ZYDIS_MNEMONIC_BSF),
    sized_row<ScanReverse>(ZYDIS_MNEMONIC_BSR),
    sized_row<Lzcnt>(ZYDIS_MNEMONIC_LZCNT),
    sized_row<Tzcnt>(ZYDIS_MNEMONIC_TZCNT),
    sized_row<Popcnt>(ZYDIS_MNEMONIC_POPCNT),
    {ZYDIS_MNEMONIC_BLSR, &build_32_64<lowest_set<Bls::reset, u32>, lowest_set<Bls::reset, u64>>},
    {ZYDIS_MNEMONIC_BLSMSK, &build_32_64<lowest_set<Bls::mask, u32>, lowest_set<Bls::mask, u64>>},
    {ZYDIS_MNEMONIC_BLSI, &build_32_64<lowest_set<Bls::isolate, u32>, lowest_set<Bls::isolate, u64>>},
    {ZYDIS_MNEMONIC_ANDN, &build_32_64<andn<u32>, andn<u64>>},
    {ZYDIS_MNEMONIC_BEXTR, &build_32_64<bextr<u32>, bextr<u64>>},
    {ZYDIS_MNEMONIC_BZHI, &build_32_64<bzhi<u32>, bzhi<u64>>},
    {ZYDIS_MNEMONIC_PDEP, &build_32_64<parallel_bits<true, u32>, parallel_bits<true, u64>>},
    {ZYDIS_MNEMONIC_PEXT, &build_32_64<parallel_bits<false, u32>, parallel_bits<false, u64>>},
    {ZYDIS_MNEMONIC_ADCX, &build_32_64<add_with_flag<arch::rflags::cf, u32>, add_with_flag<arch::rflags::cf, u64>>},
    {ZYDIS_MNEMONIC_ADOX, &build_32_64<add_with_flag<arch::rflags::of, u32>, add_with_flag<arch::rflags::of, u64>>},
    {ZYDIS_MNEMONIC_CRC32, &build_crc32},
};

}  // namespace

std::span<const Row> bit_rows() { return rows; }

}  // namespace vtsim::cpu::exec
