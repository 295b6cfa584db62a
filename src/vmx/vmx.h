// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "arch/access.h"
#include "arch/event.h"
#include "arch/state.h"
#include "base/physical_memory.h"
#include "vmx/capabilities.h"
#include "vmx/exit/exit_details.h"
#include "vmx/intercepts.h"
#include "vmx/tables/instruction_errors.h"
#include "vmx/vmcs.h"
#include "vmx/vmx_stats.h"

namespace vtsim::vmx {

// What only the core can do. Called on MSR lists and the preemption timer only, never for ordinary transitions.
class Environment {
public:
    virtual ~Environment() = default;
    // RDMSR and WRMSR at CPL 0, without intercepts: a value, or the fault.
    virtual arch::Outcome<u64> read_msr(u32 number) = 0;
    virtual arch::Event write_msr(u32 number, u64 value) = 0;
    // The TSC without VMX offset and scaling.
    [[nodiscard]] virtual u64 tsc() const = 0;
};

enum class Instruction : u8 { vmxon, vmxoff, vmclear, vmptrld, vmptrst, vmread, vmwrite, vmlaunch, vmresume, vmcall, invept, invvpid };

// Result of a VMX instruction. SDM vol. 3, "Conventions" of the VMX instruction reference.
struct VmxResult {
    enum class Kind : u8 { succeed, fail_invalid, fail_valid };
    Kind kind = Kind::succeed;
    u8 error = 0;                          // VM-instruction error number, already stored in the current VMCS
    [[nodiscard]] bool ok() const { return kind == Kind::succeed; }
    bool operator==(const VmxResult&) const = default;
};

// CF, PF, AF, ZF, SF and OF as the result demands.
inline void apply_flags(VmxResult result, arch::State& state) {
    using namespace arch::rflags;
    const u64 set = result.kind == VmxResult::Kind::fail_invalid ? cf : result.kind == VmxResult::Kind::fail_valid ? zf : 0;
    state.write_rflags((state.rflags & ~status) | set);      // all six are replaced: those that are still lazy need no look
}

struct ReadResult {
    VmxResult result;
    u64 value = 0;
};

// A validated INVEPT or INVVPID, for the MMU to carry out when the result is VMsucceed.
struct Invalidation {
    VmxResult result;
    unsigned type = 0;
    u64 eptp = 0;
    u16 vpid = 0;
    u64 linear = 0;
};

// An event that VM entry asks the core to deliver through the guest's IDT.
struct Injection {
    bool valid = false;
    EventType type = EventType::external_interrupt;
    u8 vector = 0;
    bool deliver_error_code = false;
    u32 error_code = 0;
    u32 instruction_length = 0;
};

struct EntryResult {
    enum class Kind : u8 {
        failed,          // VMfail: go on behind VMLAUNCH or VMRESUME with these flags
        entered,         // the guest's state is loaded
        failure_exit,    // failed after loading had begun: the host's state is loaded, as by a VM exit
    };
    Kind kind = Kind::failed;
    VmxResult result;
    Injection injection;                   // entered: deliver this first
    bool pending_mtf = false;              // entered: an MTF VM exit is pending before the first instruction (after the injection)
    bool flush_vpid0 = false;              // entered or failure_exit: VPIDs are off
    u64 timer_deadline = no_deadline;      // entered: the preemption timer expires when the TSC (Environment::tsc) reaches this
    u32 abort = 0;                         // failure_exit: VMX-abort indicator

    static constexpr u64 no_deadline = ~u64{0};
};

// What an access to a control register does in VMX non-root operation: an exit with a qualification, or the value that is read or written.
struct CrAccess {
    u64 value = 0;                         // effective value, or exit qualification
    bool exits = false;
};

// VMX of one logical processor. SDM vol. 3, part "Virtual Machine Extensions".
class Vmx {
public:
    Vmx(const VmxParams& params, const ProcessorLimits& limits, arch::State& state, PhysicalMemory& memory, Environment& environment, stats::Group& parent);

    const Capabilities capabilities;
    Intercepts intercepts;                 // of the running guest; all off in root operation and outside VMX operation
    bool virtual_nmi_blocking = false;     // non-root operation with virtual NMIs; State::blocked_by_nmi is the physical one
    VmxStats stats;

    [[nodiscard]] bool in_vmx_operation() const { return vmxon_pointer_ != Vmcs::no_address; }
    [[nodiscard]] bool non_root() const { return intercepts.non_root; }
    [[nodiscard]] bool root() const { return in_vmx_operation() && !non_root(); }
    // RESET, INIT outside VMX operation after VMXOFF, power-up: leaves VMX operation, forgets every VMCS.
    void reset();
    // CR0 or CR4 may take this value now (VMX operation fixes bits; outside of it every value passes). For MOV to CR, LMSW, CLTS.
    [[nodiscard]] bool cr0_allowed(u64 value) const { return !in_vmx_operation() || capabilities.cr0_allowed(value, intercepts.unrestricted); }
    [[nodiscard]] bool cr4_allowed(u64 value) const { return !in_vmx_operation() || capabilities.cr4_allowed(value); }

    // ---- instructions (instructions/) -----------------------------------------------------------------------------------

    // #UD, #GP(0) or VM exit before any operand is touched, in the order of the instruction reference. VMXON in root operation passes: it ends in VMfail.
    [[nodiscard]] arch::Event vet(Instruction instruction) const;
    VmxResult vmxon(u64 pointer);
    VmxResult vmxoff();
    VmxResult vmcall();                    // in root operation: VMfail
    VmxResult vmclear(u64 pointer);
    VmxResult vmptrld(u64 pointer);
    [[nodiscard]] u64 vmptrst() const { return current_ != nullptr ? current_->address : ~u64{0}; }
    ReadResult vmread(u64 encoding);
    VmxResult vmwrite(u64 encoding, u64 value);
    // Descriptors as in memory: INVEPT {EPTP, reserved}, INVVPID {VPID, linear address}.
    Invalidation invept(u64 type, u64 eptp);
    Invalidation invvpid(u64 type, u64 vpid, u64 linear);

    // ---- transitions (entry/, exit/) ------------------------------------------------------------------------------------

    // VMLAUNCH (or VMRESUME) after vet(): checks, loads, and says what the core delivers. State::rip must be that of the next instruction.
    EntryResult enter(bool launch);
    // The VM exit: records, saves the guest, loads the host. State::rip is the RIP to save.
    ExitResult exit(ExitReason reason, const ExitDetails& details);
    // Id of the row that stopped the last VM entry, or empty. Hardware does not tell.
    [[nodiscard]] std::string_view last_failed_check() const { return last_failed_check_; }
    [[nodiscard]] std::string_view last_failed_text() const { return last_failed_text_; }
    // The preemption timer's deadline of the running guest, as EntryResult gave it.
    [[nodiscard]] u64 timer_deadline() const { return timer_deadline_; }
    // Reason of the last VM exit: what exit_cycles, handler_cycles and entry_cycles are accounted to.
    [[nodiscard]] ExitReason last_exit_reason() const { return last_exit_reason_; }

    // MSRs that the current VMCS makes the transitions store and load.
    [[nodiscard]] unsigned entry_msr_entries() const { return static_cast<unsigned>(current_->data.entry_msr_load_count); }
    [[nodiscard]] unsigned exit_msr_entries() const { return static_cast<unsigned>(current_->data.exit_msr_store_count + current_->data.exit_msr_load_count); }

    // ---- what non-root operation does to instructions and events (exit/decide.cpp) ------------------------------------------------

    [[nodiscard]] bool exits_on_exception(u8 vector, u32 error_code) const {
        const bool bit_set = ((intercepts.exception_bitmap >> vector) & 1) != 0;
        if (vector != static_cast<u8>(arch::Vector::pf)) return bit_set;
        return intercepts.non_root && bit_set != ((error_code & intercepts.page_fault_mask) != intercepts.page_fault_match);
    }
    [[nodiscard]] bool exits_on_io(u16 port, unsigned bytes) const;
    [[nodiscard]] bool exits_on_msr_read(u32 number) const;
    [[nodiscard]] bool exits_on_msr_write(u32 number) const;
    // Qualifications use the general register's number; the core writes (and checks) the effective values.
    [[nodiscard]] CrAccess mov_to_cr0(u64 source, unsigned gpr) const;
    [[nodiscard]] CrAccess mov_to_cr4(u64 source, unsigned gpr) const;
    [[nodiscard]] CrAccess mov_to_cr3(u64 source, unsigned gpr) const;
    [[nodiscard]] CrAccess mov_from_cr3(unsigned gpr) const;
    [[nodiscard]] CrAccess mov_to_cr8(u64 source, unsigned gpr) const;
    [[nodiscard]] CrAccess mov_from_cr8(unsigned gpr) const;         // value: VTPR with TPR shadow, else State::cr8
    [[nodiscard]] CrAccess clts() const;                             // value: the new CR0
    [[nodiscard]] CrAccess lmsw(u16 source, bool memory_operand) const;
    [[nodiscard]] u64 read_cr0() const { return (state_.cr0 & ~intercepts.cr0_mask) | (intercepts.cr0_shadow & intercepts.cr0_mask); }    // also SMSW
    [[nodiscard]] u64 read_cr4() const { return (state_.cr4 & ~intercepts.cr4_mask) | (intercepts.cr4_shadow & intercepts.cr4_mask); }
    // MOV to CR8 with TPR shadow: stores VTPR; true when a TPR-below-threshold exit follows the instruction.
    bool write_virtual_tpr(u64 cr8);
    // VTPR lies below the TPR threshold (looked at after VM entry with virtualize APIC accesses).
    [[nodiscard]] bool tpr_below_threshold() const;
    // RDTSC, RDTSCP, RDMSR of IA32_TIME_STAMP_COUNTER in non-root operation.
    [[nodiscard]] u64 guest_tsc(u64 tsc) const {
        return static_cast<u64>((u128{tsc} * intercepts.tsc_multiplier) >> 48) + intercepts.tsc_offset;
    }
    // IRET removed blocking by NMI: of which kind depends on the controls. Also when IRET faults later.
    void iret_unblocks_nmi();
    // What the core cannot know of the paging context: guest, EPT, EPTP, VPID.
    void complete(arch::PagingContext& context) const;

    [[nodiscard]] const Vmcs* current() const { return current_; }
    // The current VMCS for people: where, launch state, every field that exists. Empty when there is none.
    [[nodiscard]] std::string describe() const;

private:
    VmxResult fail(InstructionError error);
    // VM entry (entry/): checks, then loading.
    std::optional<VmxResult> basic_checks(bool launch);
    EntryResult entry_fails(VmxResult result);
    EntryResult entry_failure_exit(ExitReason reason, u64 qualification);
    void load_guest_registers();
    void load_guest_control_registers(const VmcsData& v);
    void load_guest_segments(const VmcsData& v);
    void load_guest_events(EntryResult& result);
    // VM exit (exit/).
    void record_exit(ExitReason reason, const ExitDetails& details);
    void save_guest_registers(const ExitDetails& details);
    void save_guest_events(ExitReason reason, const ExitDetails& details);
    ExitResult load_host_state();
    void load_host_control_registers(const VmcsData& v, bool host_64);
    void load_host_segments(const VmcsData& v, bool host_64);
    u32 vmx_abort(u32 indicator);
    // MSR lists: 0, or the 1-based number of the first entry that fails; then last_failed_check() tells.
    [[nodiscard]] u64 most_msrs() const;
    u64 load_msrs(u64 address, u64 count);
    u64 store_msrs(u64 address, u64 count);

    arch::State& state_;
    PhysicalMemory& memory_;
    Environment& environment_;
    VmcsCache cache_;
    Vmcs* current_ = nullptr;
    u64 vmxon_pointer_ = Vmcs::no_address;
    u64 timer_deadline_ = EntryResult::no_deadline;
    ExitReason last_exit_reason_{};
    std::string_view last_failed_check_;
    std::string_view last_failed_text_;
};

}  // namespace vtsim::vmx
