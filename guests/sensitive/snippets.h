// SPDX-License-Identifier: Apache-2.0
// The instructions under test: a few bytes of code each, run at any ring and in VMX non-root operation as they are.
#pragma once
#include <span>

#include "common/descriptors.h"
#include "common/types.h"
#include "layout.h"

namespace guest {

struct Snippet {
    u32 code, name;             // addresses
    u32 bits;                   // 32: of a compatibility-mode code segment; 64
    u32 needs;                  // NEEDS_...
    const char* text() const { return reinterpret_cast<const char*>(u64{name}); }
};
std::span<const Snippet> all_snippets();

// Operands in memory. `output` is where snippets store.
struct [[gnu::packed]] Operands {
    DescriptorTablePointer other_gdtr, other_idtr;
    u8 padding[4];
    u64 other_cr3;
    u64 own_code;               // selector of the conforming segment, RPL = CPL
    u64 invpcid_descriptor[2];
    u64 vmx_region;             // of VMXON
};
static_assert(sizeof(Operands) == 64);
extern "C" Operands operands;
constexpr unsigned output_words = 8;
extern "C" u64 output[output_words];

extern "C" const char probe_data[], other_probe_data[];     // LANDING_DISTANCE apart
extern "C" const char sysenter_entry[], other_sysenter_entry[], syscall_entry[], other_syscall_entry[];
extern "C" const char snippet_stack_top[], entry_stack_top[];
extern "C" char interrupt_stubs[];                              // common/interrupts.S

}  // namespace guest
