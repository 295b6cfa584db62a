// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/types.h"

namespace vtsim::cpu::isa {

// What an instruction form has been compared with.
struct Oracle {
    u8 bit;
    const char* name;
    const char* meaning;
};
[[nodiscard]] std::span<const Oracle> oracles();

// The oracles of a form (form.h) as bits; 0: none. From a table that scripts/isa-oracles writes: what the test programs have executed.
[[nodiscard]] u8 oracles_of(std::string_view form);
[[nodiscard]] std::string oracle_names(u8 bits);        // "host, Unicorn"

// Why forms have no oracle. `names`: single forms, and mnemonics none of whose forms has one, each between bars: "|rdpkru|rdpid r32|".
struct UntestedReason {
    std::string_view names, text;
};
[[nodiscard]] std::span<const UntestedReason> untested_reasons();
// Of a form; empty when it needs no excuse or has none.
[[nodiscard]] std::string_view untested_reason(std::string_view form);

}  // namespace vtsim::cpu::isa
