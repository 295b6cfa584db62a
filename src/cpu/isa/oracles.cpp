// SPDX-License-Identifier: Apache-2.0
#include "cpu/isa/oracles.h"

#include <algorithm>

namespace vtsim::cpu::isa {
namespace {

constexpr u8 host = 1, unicorn = 2, qemu = 4, kvm_unit_tests = 8, bochs = 16;

constexpr Oracle all_oracles[] = {
    {host, "host", "random instructions in user mode, on the host's processor too (tests/differential)"},
    {unicorn, "Unicorn", "random instructions in all modes, by Unicorn too (tests/unicorn)"},
    {qemu, "QEMU", "executed by the guest kernel, whose checksums QEMU's translator computes too (tests/data/guests)"},
    {kvm_unit_tests, "kvm-unit-tests", "executed by images that check themselves (tests/conformance)"},
    {bochs, "Bochs", "executed by guests/sensitive, whose findings Bochs shares (tests/data/guests/sensitive.csv)"},
};

struct Row {
    std::string_view form;
    u8 oracles;
};
constexpr Row table[] = {
#include "cpu/isa/oracles_table.inc"
};
static_assert(std::ranges::is_sorted(table, {}, &Row::form));

// Each is needed, and all other forms must have an oracle (tests/unit/cpu/isa_forms_test.cpp).
constexpr UntestedReason all_reasons[] = {
    {"|rcpps|rcpss|rsqrtps|rsqrtss|vrcpps|vrcpss|vrsqrtps|vrsqrtss|", "approximations that processors choose: compared with the manual's bound"},
    {"|fldenv|fnsave|fnstenv|frstor|fxrstor|fxrstor64|fxsave|fxsave64|", "processors of AMD save other pointers: compared with the manual's layouts"},
    {"|xrstor|xrstor64|xrstors|xrstors64|xsave|xsave64|xsavec|xsavec64|xsaveopt|xsaveopt64|xsaves|xsaves64|", "what counts as in use depends on the processor: compared with the manual's layouts and rules"},
    {"|fdisi8087_nop|feni8087_nop|fsetpm287_nop|ffreep|fstpnce|", "leftovers of the 8087 and 80287 that manuals do not define for today's processors"},
    {"|getsec|vmfunc|ud0|ud1|", "always #UD here"},
    {"|prefetch|prefetchwt1|clwb|serialize|", "no effect that a program could see"},
    {"|rdpkru|", "neither the host nor Unicorn has it: compared with the manual"},
    {"|rdrand r16|rdseed r16|rdpid r32|", "the conformance images have the wider registers"},
    {"|cvtpi2ps xmm, m64|", "goes over to MMX with a memory operand on Intel's processors only: compared with the manual"},
    {"|invept r32, m128|vmread m32, r32|vmread r32, r32|vmwrite r32, m32|vmwrite r32, r32|", "the conformance images run in 64-bit mode: compared with the manual"},
};

}  // namespace

std::span<const Oracle> oracles() { return all_oracles; }

u8 oracles_of(std::string_view form) {
    const auto* row = std::ranges::lower_bound(table, form, {}, &Row::form);
    return row != std::end(table) && row->form == form ? row->oracles : u8{0};
}

std::string oracle_names(u8 bits) {
    std::string text;
    for (const auto& oracle : all_oracles)
        if ((bits & oracle.bit) != 0) text += (text.empty() ? "" : ", ") + std::string{oracle.name};
    return text;
}

std::span<const UntestedReason> untested_reasons() { return all_reasons; }

std::string_view untested_reason(std::string_view form) {
    const auto in_bars = [](std::string_view name) { return "|" + std::string{name} + "|"; };
    const std::string whole = in_bars(form), mnemonic = in_bars(form.substr(0, form.find(' ')));
    for (const auto& reason : all_reasons)
        if (reason.names.find(whole) != std::string_view::npos || reason.names.find(mnemonic) != std::string_view::npos) return reason.text;
    return {};
}

}  // namespace vtsim::cpu::isa
