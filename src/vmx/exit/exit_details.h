// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/event.h"
#include "arch/segment.h"
#include "base/bits.h"
#include "vmx/tables/exit_reasons.h"

namespace vtsim::vmx {

// Types of event information. SDM vol. 3, "VM-Entry Controls for Event Injection" and "Information for VM Exits Due to Vectored Events".
enum class EventType : u8 {
    external_interrupt = 0, nmi = 2, hardware_exception = 3, software_interrupt = 4, privileged_software_exception = 5, software_exception = 6, other = 7,
};

// Interruption information: VM entry, VM exit and IDT-vectoring share the format.
namespace interruption {
using VectorNumber = Field<7, 0>;
using Type = Field<10, 8>;
using ErrorCodeValid = Field<11>;
using NmiUnblocking = Field<12>;
using Valid = Field<31>;
[[nodiscard]] constexpr u32 encode(EventType type, u8 vector, bool error_code = false) {
    return 1U << 31 | u32{error_code} << 11 | static_cast<u32>(type) << 8 | vector;
}
}  // namespace interruption

// What the core knows of a VM exit beside its reason. Everything that an exit leaves undefined may stay 0.
struct ExitDetails {
    u64 qualification = 0;
    u64 guest_linear = 0;
    u64 guest_physical = 0;
    u32 instruction_length = 0;
    u32 instruction_information = 0;
    u32 interruption_information = 0;      // reason 0, and 1 with acknowledge interrupt on exit
    u32 interruption_error_code = 0;
    u32 idt_vectoring_information = 0;     // event whose delivery met the cause of this exit
    u32 idt_vectoring_error_code = 0;
    bool resume_flag = false;              // value of RFLAGS.RF to save: see "Saving RIP, RSP, RFLAGS, and SSP"
    bool keep_resume_flag = true;          // save RF as it is and ignore the above
};

// What is left to do for the core after a VM exit (or a failed VM entry) has loaded the host state.
struct ExitResult {
    u32 abort = 0;                         // VMX-abort indicator; not 0: the processor enters VMX-abort shutdown
    bool flush_vpid0 = false;              // linear and combined mappings of VPID 0 go: VPIDs were off
};

// Operands of an instruction as the VM-exit instruction-information field describes them.
struct OperandInfo {
    u8 scaling = 0;                        // 0 none, 1 x2, 2 x4, 3 x8
    u8 address_size = 2;                   // 0 16-bit, 1 32-bit, 2 64-bit
    bool is_register = false;              // operand 1 is a register, not memory
    u8 reg1 = 0;                           // register operand (formats E, F, G)
    u8 reg2 = 0;                           // second register (formats B, E)
    arch::SegmentRegister segment = arch::ds;
    u8 base = 0, index = 0;
    bool base_valid = false, index_valid = false;
    u8 operand_size = 0;                   // 0 16-bit, 1 32-bit, 2 64-bit (formats C, G)
    u8 identity = 0;                       // formats C (SGDT SIDT LGDT LIDT) and F (SLDT STR LLDT LTR): 0 to 3
};

// The field for an instruction of that format; 0 for InformationFormat::none. SDM vol. 3, "Information for VM Exits Due to Instruction Execution".
[[nodiscard]] u32 instruction_information(InformationFormat format, const OperandInfo& operands);

// Exit qualifications. SDM vol. 3, "Basic VM-Exit Information".
[[nodiscard]] constexpr u64 cr_access_qualification(unsigned cr, unsigned access_type, unsigned gpr = 0, bool lmsw_memory = false, u16 lmsw_source = 0) {
    return cr | access_type << 4 | u64{lmsw_memory} << 6 | gpr << 8 | u64{lmsw_source} << 16;
}
[[nodiscard]] constexpr u64 mov_dr_qualification(unsigned dr, bool from_dr, unsigned gpr) { return dr | u64{from_dr} << 4 | gpr << 8; }
[[nodiscard]] constexpr u64 io_qualification(u16 port, unsigned bytes, bool in, bool string, bool rep, bool immediate) {
    return (bytes - 1) | u64{in} << 3 | u64{string} << 4 | u64{rep} << 5 | u64{immediate} << 6 | u64{port} << 16;
}
enum class TaskSwitchSource : u8 { call, iret, jmp, task_gate };
[[nodiscard]] constexpr u64 task_switch_qualification(u16 selector, TaskSwitchSource source) { return selector | static_cast<u64>(source) << 30; }

}  // namespace vtsim::vmx
