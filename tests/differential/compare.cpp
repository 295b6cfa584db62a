// SPDX-License-Identifier: Apache-2.0
#include "differential/compare.h"

#include <fmt/format.h>

#include <algorithm>

#include "arch/registers.h"

namespace vtsim::differential {
namespace {

std::string hex(const u8* bytes, std::size_t count) {
    std::string text;
    for (std::size_t i = count; i-- > 0;) text += fmt::format("{:02x}", bytes[i]);
    return text;
}

}  // namespace

void Differences::check(const std::string& name, u64 expected, u64 actual) {
    if (expected != actual) lines.push_back(fmt::format("{}: {} {:#x}, vtsim {:#x}", name, reference_, expected, actual));
}

void Differences::check_bytes(const std::string& name, const u8* expected, const u8* actual, std::size_t bytes) {
    if (std::memcmp(expected, actual, bytes) != 0) lines.push_back(fmt::format("{}: {} {}, vtsim {}", name, reference_, hex(expected, bytes), hex(actual, bytes)));
}

namespace {

constexpr int page_fault = 14;

// Flags that are undefined where execution ended.
u64 undefined_at(const Case& c, const Outcome& native) {
    if (native.vector == no_vector) return c.undefined_after;
    for (const auto& instruction : c.instructions)
        if (code_page + instruction.offset == native.registers.rip) return instruction.undefined_before;
    return 0;
}

// AMD's processors do not check the alignment of SHA's memory operands; Intel's do (SDM vol. 2, "Exceptions Type 4").
bool misaligned_sha(const Case& c, const Outcome& simulated) {
    constexpr int general_protection = 13;
    return simulated.vector == general_protection && std::ranges::any_of(c.instructions, [&](const auto& instruction) {
        return code_page + instruction.offset == simulated.registers.rip && instruction.mnemonic >= ZYDIS_MNEMONIC_SHA1MSG1 && instruction.mnemonic <= ZYDIS_MNEMONIC_SHA256RNDS2;
    });
}

// Of the transcendental x87 instructions, processors promise an error below one unit in the last place: SDM vol. 1, "Transcendental Instruction Accuracy". vtsim rounds
// correctly. Beyond that, the arguments here are too small for the difference between Intel's 66-bit pi and AMD's to be seen.
bool neighbours(const u8* native, const u8* simulated) {
    u64 mantissa[2];
    u16 exponent[2];
    for (const auto& [i, reg] : {std::pair{0, native}, {1, simulated}}) {
        std::memcpy(&mantissa[i], reg, 8);
        std::memcpy(&exponent[i], reg + 8, 2);
    }
    const u64 difference = mantissa[0] - mantissa[1];
    if (exponent[0] == exponent[1]) return difference + 1 <= 2;
    // 1.000 and the next smaller number, 1.111 of the exponent below.
    const unsigned higher = exponent[0] > exponent[1] ? 0 : 1;
    return exponent[higher] == exponent[1 - higher] + 1 && mantissa[higher] == u64{1} << 63 && mantissa[1 - higher] == ~u64{0};
}

void compare_registers(Differences& d, const Case& c, const Outcome& native, const Outcome& simulated) {
    const auto &n = native.registers, &s = simulated.registers;
    const bool undefined_register = c.zero_source_undefined && (n.rflags & arch::rflags::zf) != 0;
    for (unsigned i = 0; i < 16 && !undefined_register; ++i) d.check(gpr_names[i], n.gpr[i], s.gpr[i]);
    // SDM vol. 2, "FCOMI", leaves the flags alone when an invalid operand is unmasked; AMD's processors set them.
    const bool unmasked_comparison = c.compares_to_flags && (n.fx.status & ~n.fx.control & 1) != 0;
    const u64 mask = (arch::rflags::status | arch::rflags::df) & ~(unmasked_comparison ? arch::rflags::status : undefined_at(c, native));
    d.check("rflags", n.rflags & mask, s.rflags & mask);
    d.check("rip", n.rip, s.rip);
    d.check("fs base", n.fs_base, s.fs_base), d.check("gs base", n.gs_base, s.gs_base);
    d.check("fcw", n.fx.control, s.fx.control);
    const bool approximate = c.transcendental;
    const u16 rounding = approximate ? 0x200 : 0;                  // C1
    d.check("fsw", n.fx.status & ~rounding, s.fx.status & ~rounding);
    d.check("x87 tags", n.fx.tags, s.fx.tags);
    d.check("mxcsr", n.fx.mxcsr, s.fx.mxcsr);
    for (unsigned i = 0; i < 8; ++i)
        if (!approximate || !neighbours(n.fx.st[i], s.fx.st[i])) d.check_bytes(fmt::format("st{}", i), n.fx.st[i], s.fx.st[i], 10);
    for (unsigned i = 0; i < 16; ++i) {
        // SDM vol. 2, "VPGATHERDD", extends the sign of each mask element before it loads anything; AMD's processors leave those as they were that a fault has kept back.
        const bool kept_back = c.gather_mask && c.gather_mask->number == i && native.vector != no_vector;
        const auto check = [&](const std::string& name, const u8* expected, const u8* actual) {
            if (!kept_back) return d.check_bytes(name, expected, actual, 16);
            for (unsigned at = c.gather_mask->element - 1; at < 16; at += c.gather_mask->element) d.check(name + " signs", expected[at] >> 7, actual[at] >> 7);
        };
        check(fmt::format("xmm{}", i), n.fx.xmm[i], s.fx.xmm[i]);
        if (__builtin_cpu_supports("avx")) check(fmt::format("upper half of ymm{}", i), n.high[i].data(), s.high[i].data());
    }
}

void compare_faults(Differences& d, const Outcome& native, const Outcome& simulated) {
    d.check("vector", static_cast<u64>(static_cast<i64>(native.vector)), static_cast<u64>(static_cast<i64>(simulated.vector)));
    if (native.vector != page_fault || simulated.vector != page_fault) return;
    d.check("cr2", native.cr2, simulated.cr2);
    // Outside the data area the two have different things mapped for the supervisor.
    const u64 mask = native.cr2 - data_start < data_bytes ? 0x17 : 0x16;
    d.check("error code", native.error_code & mask, simulated.error_code & mask);
}

void compare_memory(Differences& d, const Data& native, const Data& simulated) {
    if (std::memcmp(native.data(), simulated.data(), writable_bytes) == 0) return;
    for (std::size_t at = 0; at < writable_bytes; at += 8) d.check_bytes(fmt::format("[{:#x}]", data_start + at), native.data() + at, simulated.data() + at, 8);
}

}  // namespace

std::vector<std::string> differences(const Case& c, const Outcome& native, const Outcome& simulated, const Data& native_data, const Data& simulated_data) {
    Differences d{"host"};
    // LDMXCSR has set MXCSR.MM of AMD's processors: misaligned SSE mode, which Intel's do not have.
    if ((native.registers.fx.mxcsr & 0x2'0000) != 0 || misaligned_sha(c, simulated)) return {};
    compare_faults(d, native, simulated);
    compare_registers(d, c, native, simulated);
    compare_memory(d, native_data, simulated_data);
    return d.lines;
}

std::string disassemble(CodeSize size, std::span<const u8> code, u64 address) {
    ZydisFormatter formatter;
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    std::string text;
    for (std::size_t at = 0; at < code.size();) {
        ZydisDecodedInstruction instruction;
        ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder(size), code.data() + at, code.size() - at, &instruction, operands))) break;
        char line[128];
        ZydisFormatterFormatInstruction(&formatter, &instruction, operands, instruction.operand_count_visible, line, sizeof line, address + at, nullptr);
        std::string bytes;
        for (std::size_t i = 0; i < instruction.length; ++i) bytes += fmt::format("{:02x}", code[at + i]);
        text += fmt::format("  {:#x}  {:30}  {}\n", address + at, bytes, line);
        at += instruction.length;
    }
    return text;
}

std::string describe(const Case& c) {
    std::string text = disassemble(CodeSize::long64, c.code, code_page);
    const auto& r = c.start;
    for (unsigned i = 0; i < 16; ++i) text += fmt::format("{}{}={:#x}", i % 4 == 0 ? "  " : " ", gpr_names[i], r.gpr[i]) + (i % 4 == 3 ? "\n" : "");
    text += fmt::format("  rflags={:#x} fs={:#x} gs={:#x} mxcsr={:#x} fcw={:#x} fsw={:#x} tags={:#x}\n", r.rflags, r.fs_base, r.gs_base, r.fx.mxcsr, r.fx.control, r.fx.status, r.fx.tags);
    return text;
}

}  // namespace vtsim::differential
