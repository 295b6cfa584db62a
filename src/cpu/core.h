// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "arch/access.h"
#include "arch/event.h"
#include "arch/state.h"
#include "base/physical_memory.h"
#include "base/stats/stats.h"
#include "cpu/block_cache/block_cache.h"
#include "cpu/breakpoints.h"
#include "cpu/core_params.h"
#include "cpu/core_stats.h"
#include "cpu/guest_shares.h"
#include "cpu/micro_op.h"
#include "mmu/mmu.h"
#include "cpu/events/delivery_request.h"
#include "timing/branch_predictor.h"
#include "timing/cache/memory_port.h"
#include "timing/core_model.h"
#include "timing/vm_transition.h"
#include "vmx/tables/exit_reasons.h"

namespace vtsim::apic {
class LocalApic;
}
namespace vtsim::vmx {
class Vmx;
}

namespace vtsim::cpu {

class BlockDecoder;

// What a core is connected to. All of it outlives the core.
struct Surroundings {
    PhysicalMemory& memory;
    BusPort& bus;
    IoPort& io;
    timing::MemoryHierarchy& hierarchy;
    const timing::InstructionCosts& costs;
};

// Why execute() came back.
enum class Stop : u8 {
    budget,      // the granted cycles are used up
    resync,      // the next instruction touches a device: begin an activation in step with the kernel and go on
    halted,      // HLT, MWAIT, shutdown-free waiting: sleeps until something wakes it
    ended,       // nothing more will run: end_cause() says why
    limit,       // the instruction limit was reached, exactly
};

enum class EndCause : u8 { none, magic_exit, triple_fault, vmx_abort };

enum class Mode : u8 { functional, warm, timing };

// What the MicroOps of a block depend on beside the bytes: part of a block's key.
struct DecodeMode {
    bool code64 = false, default32 = false, stack32 = false, timed = false, single_step = false;
    bool warm = false;             // timed, but without cycles: blocks carry no timing
    bool emulation = false;        // CR0.EM
    bool task_switched = false;    // CR0.TS
    bool wait_traps = false;       // CR0.MP and CR0.TS
    bool sse_disabled = false;     // CR0.EM or not CR4.OSFXSR
    bool avx_disabled = true;      // not CR4.OSXSAVE, not both SSE and AVX state in XCR0, real-address or virtual-8086 mode
    bool breakpoints = false;      // one is enabled in DR7: a check stands before every instruction
    [[nodiscard]] u64 bits() const {
        return u64{code64} | u64{default32} << 1 | u64{stack32} << 2 | u64{timed} << 3 | u64{single_step} << 4 | u64{emulation} << 5 | u64{task_switched} << 6 |
               u64{wait_traps} << 7 | u64{sse_disabled} << 8 | u64{warm} << 9 | u64{avx_disabled} << 10 | u64{breakpoints} << 11;
    }
};

// One logical processor: architectural state, memory fast path and the run loop's bookkeeping. Handlers and instruction bodies
// (exec/) are functions over it, so its members are public; what the rest of the program may use are the functions up to "for exec/".
class Core final : public CodeListener {
public:
    Core(unsigned index, const CoreParams& params, const Surroundings& surroundings, stats::Group& parent);
    ~Core() override;

    // Runs until the local clock reaches `until_cycle` or something else stops it.
    Stop execute(u64 until_cycle);
    // The local clock equals the kernel's: the first instruction may touch devices. Otherwise such an instruction stops with resync.
    void begin_activation(bool in_step) { in_step_ = in_step; }
    [[nodiscard]] u64 cycles() const;             // local clock, core cycles
    [[nodiscard]] u64 instructions() const { return retired_before_grant_ + static_cast<u64>(granted - budget); }
    void skip_to(u64 cycle);                      // idle time passes
    void set_instruction_limit(u64 instructions) { instruction_limit_ = instructions; }
    // Something outside changed (interrupt, NMI, INIT, SIPI, stop request): look at it at the next instruction boundary.
    void kick();
    [[nodiscard]] bool wake_pending() const;      // a halted core has a reason to go on
    [[nodiscard]] bool interruptible() const;     // while halted: a maskable interrupt would wake it
    [[nodiscard]] EndCause end_cause() const { return end_cause_; }
    [[nodiscard]] int exit_status() const { return exit_status_; }     // of a magic exit
    void set_mode(Mode mode);
    void count_instructions();                    // brings the statistics of instructions up to date
    [[nodiscard]] Mode mode() const { return mode_; }
    [[nodiscard]] std::string describe() const;   // registers and, in VMX operation, the VMCS, for people
    void reset();                                 // power-up state (SDM vol. 3, "Processor State After Reset")
    // After the state was changed from outside (loader, debugger): rebuilds everything that is derived from it.
    void state_changed();

    void code_written(PhysicalAddress address, unsigned size) override;
    void page_becomes_code(PhysicalAddress page) override;

    // ---- for exec/ and events/ ------------------------------------------------------------------------------------------

    // Hot: touched by most micro-ops.
    arch::State s;
    CoreStats stats;
    i64 budget = 0;                // instructions left of the grant; negative: stop at the next block
    i64 granted = 0;
    u64 data_context = 0;          // id of the address space and privilege in the tags of the translation cache
    u64 fetch_context = 0;
    std::array<u64, 2> line_context{};      // data_context for LineMemo::check, of loads and of stores
    u64 data_clock = 0;            // counts touches of the first-level data TLB and cache: their time stamps
    const Block* block = nullptr;  // timing mode: being executed, not yet retired by the timing model
    u64 cycle_limit = 0;           // timing mode: end of the grant
    u64 mode_bits = 0;             // DecodeMode::bits() << 48
    u8* host_base = nullptr;       // of physical memory
    mmu::Mmu mmu;
    timing::CoreModel model;
    BlockCache blocks;

    timing::MemoryPort port;
    timing::BranchPredictor predictor;

    u64 code_frame = 0;            // physical address of the page in State::code_page_register
    arch::FaultDetails fault;      // of the last event
    // Where slow::load_for_write found its operand, for slow::store_back: an access that crosses a page has two parts.
    struct WritePlaces {
        std::array<u8*, 2> host{};                   // nullptr: not RAM
        std::array<PhysicalAddress, 2> physical{};
        unsigned in_first = 0;                       // bytes of the first part
    } write_places;
    std::unique_ptr<vmx::Vmx> vmx;
    std::unique_ptr<apic::LocalApic> apic;
    PhysicalMemory& memory;
    BusPort& bus;
    IoPort& io;
    unsigned index;
    CoreParams params;
    [[nodiscard]] u64 tsc() const;                 // as RDTSC reads it outside VMX non-root operation: cycles() * ratio + tsc_offset
    [[nodiscard]] u64 rip_of(const MicroOp& op) const { return s.gpr[arch::State::code_page_register] + op.offset; }
    [[nodiscard]] u64 next_rip(const MicroOp& op) const { return truncate_rip(rip_of(op) + op.length); }
    [[nodiscard]] u64 linear_rip() const { return decode_mode.code64 ? s.rip : static_cast<u32>(s.segment[arch::cs].base + s.rip); }   // of State::rip
    [[nodiscard]] u64 truncate_rip(u64 linear) const;     // linear instruction address -> RIP (minus CS.base, 16/32/64 bits)
    [[nodiscard]] bool code64() const { return decode_mode.code64; }
    DecodeMode decode_mode;

    // SDM vol. 1, "Canonical Addressing": for an access or a branch by the paging mode, for a base or address that is only loaded by what the processor supports.
    [[nodiscard]] bool canonical(u64 linear) const { return vtsim::canonical(linear) || ((s.cr4 & arch::cr4::la57) != 0 && canonical_base(linear)); }
    [[nodiscard]] bool canonical_base(u64 linear) const { return sign_extend(linear, params.features.la57 ? 57 : 48) == linear; }

    // Derived state: call what fits after changing the state.
    void privilege_changed();      // CPL or RFLAGS.AC changed: tags
    void context_changed();        // CR0, CR3, CR4, XCR0, EFER, PKRU, EPT, VPID changed: paging context, decode mode, tags
    void segments_changed();       // CS or SS or RFLAGS.VM or a flat assumption changed: decode mode
    void breakpoints_changed();    // DR0 to DR3, DR7 or CR4.DE changed: decode mode, translation cache

    // Memory operand of a micro-op. Segment checks included (#GP/#SS); faults park their details in `fault`.
    [[nodiscard]] u64 effective_address(const MicroOp& op) const;                               // offset, truncated to the address size
    [[nodiscard]] arch::Outcome<u64> linear(const MicroOp& op, unsigned bytes, bool write) const;
    [[nodiscard]] arch::Outcome<u64> linear(arch::SegmentRegister segment, u64 offset, unsigned bytes, bool write) const;
    template <class T> arch::Outcome<T> read(const MicroOp& op);
    template <class T> arch::Event write(const MicroOp& op, const T& value);
    template <class T> arch::Outcome<T> read(arch::SegmentRegister segment, u64 offset);
    template <class T> arch::Event write(arch::SegmentRegister segment, u64 offset, const T& value);
    // Linear addresses at the current privilege, or as implicit supervisor accesses (descriptor tables, TSS).
    template <class T> arch::Outcome<T> read_linear(u64 linear);
    template <class T> arch::Event write_linear(u64 linear, const T& value);
    template <class T> arch::Outcome<T> read_system(u64 linear);
    template <class T> arch::Event write_system(u64 linear, const T& value);
    // Translates for a write and checks it without writing: what a multi-part instruction proves before it commits.
    arch::Event probe_write(u64 linear, unsigned bytes);
    arch::Event probe_write_system(u64 linear, unsigned bytes);
    // What the processor itself reads and writes: descriptor tables, TSS, frames of events. Data breakpoints do not see it.
    arch::Event read_tables(u64 linear, void* to, unsigned bytes);
    arch::Event write_tables(u64 linear, const void* from, unsigned bytes, arch::Access access);
    // Operands of any size, any alignment, page crossings, MMIO. Privilege from `access`.
    arch::Event read_bytes(u64 linear, void* to, unsigned bytes, arch::Access access);
    arch::Event write_bytes(u64 linear, const void* from, unsigned bytes, arch::Access access);
    [[nodiscard]] arch::Access access(arch::AccessKind kind) const {
        return {.kind = kind, .user = s.cpl == 3, .smap_off = s.cpl != 3 && (s.rflags & arch::rflags::ac) != 0};
    }
    // Stack of the current mode: RSP, ESP or SP; T is the pushed size. pop reads at an offset and does not move the pointer until committed.
    template <class T> arch::Event push(T value);
    template <class T> arch::Outcome<T> pop();
    [[nodiscard]] u64 stack_mask() const { return decode_mode.code64 ? ~u64{0} : (decode_mode.stack32 ? 0xffff'ffff : 0xffff); }
    void set_stack_pointer(u64 value) { s.gpr[arch::rsp] = (s.gpr[arch::rsp] & ~stack_mask()) | (value & stack_mask()); }

    // Register file by decoded number.
    template <class T> [[nodiscard]] T reg(u8 number) const;
    template <class T> void set_reg(u8 number, T value);        // 32 bits zero-extend, 8 and 16 keep the rest
    void set_reg_sized(u8 number, unsigned width_log2, u64 value);
    [[nodiscard]] u64 reg_sized(u8 number, unsigned width_log2) const;

    // True while a register access may go to a device now; else return resync_event.
    [[nodiscard]] bool in_step() const { return in_step_; }
    static constexpr arch::Event resync_event{arch::EventKind::resync, 0, 0};
    // Interrupts and traps are not taken before the instruction after the next one (STI, MOV SS).
    void inhibit_interrupts_once() { interrupt_shadow = attention = true; }
    bool interrupt_shadow = false;
    bool attention = false;             // something to look at before the next instruction (events/boundary.cpp)
    bool halted = false;
    void end(EndCause cause, int status) { end_cause_ = cause; exit_status_ = status; attention = true; }
    void report_missing(const MicroOp& op, const std::string& what);    // "instruction <what>", once in the log; the caller raises #UD

    // Breakpoints. Hits of data and I/O breakpoints, as B0 to B3 of DR6, wait for the end of their instruction (or iteration), where they become pending debug exceptions.
    Breakpoints breakpoints;
    u32 breakpoint_hits = 0;
    void note_data(u64 linear, unsigned bytes, bool write) {
        if (breakpoints.watches_data()) [[unlikely]] breakpoint_hits |= breakpoints.on_data(linear, bytes, write);
    }
    // The resume flag. Every instruction clears it at its start; here it stays in RFLAGS and counts only as long as no instruction was completed since it was set.
    // SDM vol. 3, "Instruction-Breakpoint Exception Condition".
    u64 resume_flag_since = 0;              // instructions() when RFLAGS.RF was loaded
    void resume_flag_loaded() { resume_flag_since = instructions(); }
    void settle_resume_flag();              // at an instruction boundary, before RFLAGS is saved: clears RF if it no longer counts

    // Events between instructions (events/).
    bool task_switched = false;             // the instruction being executed has switched tasks: a fault belongs to the new one
    bool mtf_pending = false;               // a monitor-trap-flag exit is due
    bool between_elements = false;          // a repeated string instruction has left off for a trap after an element
    static constexpr u64 no_string = ~u64{0};
    u64 interrupted_string = no_string;     // RIP of one that has left off and begins without its start-up
    u64 string_left_at = 0;                 // instructions() when it left off
    // The repeated string instruction `op` goes on later, with the next element: what it ends with.
    [[nodiscard]] arch::Event leave_string(const MicroOp& op) {
        interrupted_string = rip_of(op);
        string_left_at = instructions() - op.remaining;
        return {arch::EventKind::restart, 0, 0};
    }
    bool event_delivered = false;           // the instruction just executed delivered an event: no single-step trap
    bool iret_unblocked_nmi = false;        // the instruction being executed is an IRET that ended NMI blocking
    u64 preemption_deadline = ~u64{0};      // TSC value at which the VMX-preemption timer expires
    u32 exit_instruction_information = 0;   // VM-exit instruction information of the instruction being executed
    u32 abort_indicator = 0;                // VMX abort
    std::optional<events::Delivery> pending_delivery;
    void init_reset();                      // INIT: SDM vol. 3, "Processor State After Reset", column INIT; then wait-for-SIPI, the bootstrap processor restarts
    void start_up(u8 vector);               // SIPI
    void account_delivery();                // timing mode: an event has gone through the interrupt table
    // Cycle at which something of the core itself is due (local APIC timer, VMX-preemption timer); ~0 for nothing.
    [[nodiscard]] u64 next_deadline() const;
    timing::VmTransition transition;
    u64 handler_since = 0;                  // timing mode: the VMM runs since this cycle, because of that exit
    std::optional<vmx::ExitReason> handler_reason;

    bool step_once = false;             // the next instruction runs in a block of its own
    bool resync_request = false;
    unsigned magic_request = 0;
    bool stop_requested = false;        // by a magic handler: come back as soon as possible
    std::function<void(const std::string&)> on_log;       // one line for people, rare
    std::map<std::string, u64> recorded_forms;            // how often each instruction form was decoded; only with engine.record_forms
    void report(const std::string& line) const;
    // Sees every exception and interrupt before it is delivered. True: it is taken over, and nothing of the state changes any more. Faults of the delivery itself do not come here.
    std::function<bool(const events::Delivery&)> on_delivery;
    GuestShares guest_shares{stats};
    std::set<u32> named_msrs;           // MSRs that are not there and were named in the log
    std::function<void(unsigned function)> on_magic;      // the platform's part of a magic instruction (vtsim/guest/magic.h)

    // For run_loop.cpp: blocks.
    // The block at `linear`: by the instruction translation, which counts as a look-up of the ITLB, or in the page that is being executed. Set the code page.
    [[nodiscard]] arch::Outcome<Block*> find_block(u64 linear);
    [[nodiscard]] arch::Outcome<Block*> find_block_in_page(u64 linear, u64 frame);
    [[nodiscard]] arch::Outcome<u64> fetch_frame(u64 linear);            // physical address of the page of code at `linear`
    [[nodiscard]] arch::Outcome<Block*> decode_block(u64 linear, u64 frame);
    void attach_timing(Block& block, const std::vector<timing::InstructionShape>& shapes);
    // Timing mode: the block that was started has run to its end; or only up to `op`, exclusive; or what became of it is not known (it was left at a boundary).
    void retire_block() {
        if (block != nullptr && block->timing != nullptr) model.retire(*block->timing);
    }
    void retire_partial(const MicroOp& op);
    void drop_block();
    void serialise();               // timing mode: the block ends here, and what follows starts when all of it has completed
    // The block's lines of code, through the instruction cache. A block that follows itself touches them in the same order once more.
    void touch_code(const Block& next) {
        if (&next == block && code_is_fresh()) port.fetch_again(next.lines);
        else fetch_code(next);
    }
    // The instruction cache has not changed since the lines of `block` were touched.
    [[nodiscard]] bool code_is_fresh() const { return fetch_time_ == port.fetch_time(); }
    // Timing mode: what an access cost beyond a first-level hit. `op` is nullptr for accesses of no instruction of the block (descriptor tables, stacks of
    // events): they are charged in full.
    void charge_access(const MicroOp* op, const mmu::Translation& translation, bool write);
    void charge_translation(const mmu::Translation& translation);                     // what a translation took, serially
    void charge_line(const MicroOp* op, PhysicalAddress address, bool write);
    void charge_fetch(const mmu::Translation& translation);
    [[nodiscard]] bool apic_page(PhysicalAddress address) const;
    [[nodiscard]] u64 read_apic(PhysicalAddress address, unsigned size);
    void write_apic(PhysicalAddress address, unsigned size, u64 value);
    BlockDecoder& decoder() { return *decoder_; }
    const timing::InstructionCosts& costs;

private:
    void fetch_code(const Block& next);
    void rebuild_mode_bits();
    void run_grant(i64 instructions);
    void run_one();
    Stop run_until(u64 cycle);
    [[nodiscard]] i64 instructions_until(u64 cycle) const;

    [[nodiscard]] u64 functional_cycles() const;
    void forget_events();
    void await_startup();                   // no effect on the bootstrap processor
    void real_mode_registers();

    class VmxEnvironment;
    std::unique_ptr<VmxEnvironment> environment_;
    std::unique_ptr<BlockDecoder> decoder_;
    std::unique_ptr<timing::BlockAnalyser> analyser_;
    std::set<std::string> named_missing_;
    u64 fetch_time_ = ~u64{0};          // of the instruction cache when the lines of `block` had been touched
    u64 counted_ = 0;                   // instructions already in the statistics
    u64 idle_cycles_ = 0;
    bool in_step_ = false;
    Mode mode_ = Mode::functional;
    EndCause end_cause_ = EndCause::none;
    int exit_status_ = 0;
    u64 retired_before_grant_ = 0;
    u64 instruction_limit_ = ~u64{0};
    u64 functional_base_cycles_ = 0;    // functional mode: cycles at functional_base_instructions_
    u64 functional_base_instructions_ = 0;
};

}  // namespace vtsim::cpu

#include "cpu/core_access.inl"
