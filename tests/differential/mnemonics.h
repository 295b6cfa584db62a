// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Zydis/Zydis.h>

#include <span>

#include "base/types.h"

namespace vtsim::differential {

// `legacy`: what 64-bit mode does not have, and what the host runs but not in 64-bit user mode; `system`: what it does not run there. `bases`: FSGSBASE, which
// the host's kernel must have switched on.
enum class Class : u8 { integer, string, sse, x87, avx, bases, legacy, io, system };

// What the test knows of an instruction beside its encodings.
struct Mnemonic {
    ZydisMnemonic mnemonic;
    Class kind;
    u64 undefined;                     // flags the manual leaves undefined, whatever the operands
};

// Every instruction but those whose results differ between processors by design (CPUID, RDTSC, RCPPS, ...). Up to `bases` they are what user code may execute without
// leaving it; the others are compared with another simulator (tests/unicorn).
[[nodiscard]] std::span<const Mnemonic> mnemonics();
[[nodiscard]] const Mnemonic* find_mnemonic(ZydisMnemonic mnemonic);

// Flags that this instruction leaves undefined. `cl` is the value of CL before it, when that is known; else the answer covers every one.
[[nodiscard]] u64 undefined_flags(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands, const u8* cl);

}  // namespace vtsim::differential
