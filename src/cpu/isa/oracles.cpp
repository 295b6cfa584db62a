// SPDX-License-Identifier: Apache-2.0
#include "cpu/isa/oracles.h"

#include <algorithm>

namespace vtsim::cpu::isa {
namespace {

constexpr u8 host = 1, unicorn = 2, qemu = 4, kvm_unit_tests = 8;

constexpr Oracle all_oracles[] = {
    {host, "host", "random instructions in user mode, on the host's processor too (tests/differential)"},
    {unicorn, "Unicorn", "random instructions in all modes, by Unicorn too (tests/unicorn)"},
    {qemu, "QEMU", "executed by the guest kernel, whose checksums QEMU's translator computes too (tests/data/guests)"},
    {kvm_unit_tests, "kvm-unit-tests", "executed by images that check themselves (tests/conformance)"},
};

struct Row {
    std::string_view form;
    u8 oracles;
};
constexpr Row table[] = {
#include "cpu/isa/oracles_table.inc"
};
static_assert(std::ranges::is_sorted(table, {}, &Row::form));

struct Reason {
    std::string_view form, text;
};
constexpr Reason reasons[] = {
    {"", ""},
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

std::string_view untested_reason(std::string_view form) {
    const auto* reason = std::ranges::find(reasons, form, &Reason::form);
    return reason != std::end(reasons) ? reason->text : std::string_view{};
}

}  // namespace vtsim::cpu::isa
