// SPDX-License-Identifier: Apache-2.0
#include "cpu/core.h"

#include <fmt/format.h>

#include <set>

#include "apic/local_apic.h"
#include "cpu/decode/decoder.h"
#include "cpu/msr.h"
#include "vmx/vmx.h"

namespace vtsim::cpu {

// What VMX asks of the core for MSR lists and timers.
class Core::VmxEnvironment final : public vmx::Environment {
public:
    explicit VmxEnvironment(Core& core) : core_{core} {}
    arch::Outcome<u64> read_msr(u32 number) override { return cpu::read_msr(core_, number); }
    arch::Event write_msr(u32 number, u64 value) override { return cpu::write_msr(core_, number, value); }
    [[nodiscard]] u64 tsc() const override { return core_.tsc(); }

private:
    Core& core_;
};

Core::Core(unsigned number, const CoreParams& parameters, const Surroundings& surroundings, stats::Group& parent)
    : stats(parent, fmt::format("cpu{}", number)),
      host_base(surroundings.memory.host_base()),
      mmu(parameters.mmu, surroundings.memory, {}, stats),
      model(parameters.core, stats, &surroundings.hierarchy.dram()),
      blocks(stats),
      port(surroundings.hierarchy, stats),
      predictor(stats),
      memory(surroundings.memory),
      bus(surroundings.bus),
      io(surroundings.io),
      index(number),
      params(parameters),
      transition(parameters.vmx_cost),
      costs(surroundings.costs),
      environment_(std::make_unique<VmxEnvironment>(*this)),
      decoder_(std::make_unique<BlockDecoder>(params.features)),
      analyser_(std::make_unique<timing::BlockAnalyser>(parameters.core, surroundings.costs, port.load_hit_latency())) {
    vmx = std::make_unique<vmx::Vmx>(params.vmx, processor_limits(params), s, memory, *environment_, stats);
    apic::LocalApicParams apic_params = params.apic;
    apic_params.x2apic = apic_params.x2apic && params.features.x2apic;
    apic = std::make_unique<apic::LocalApic>(apic_params, number, number == 0, params.core.frequency_hz, params.mmu.physical_address_bits, &stats);
    apic->attach(apic::Wake{[](void* self) { static_cast<Core*>(self)->kick(); }, this});
    mmu.set_port({[](void* self, PhysicalAddress address, bool write) { return static_cast<Core*>(self)->port.walk(address, write); }, this});
    mmu.use_data_clock(data_clock);
    port.use_data_clock(data_clock);
    memory.add_listener(this);
    reset();
}

Core::~Core() { memory.remove_listener(this); }

// ---- time -----------------------------------------------------------------------------------------------------------------

u64 Core::functional_cycles() const {
    return functional_base_cycles_ +
           static_cast<u64>(static_cast<u128>(instructions() - functional_base_instructions_) * params.engine.functional_cycles_per_1000 / 1000);
}

u64 Core::cycles() const { return mode_ == Mode::timing ? model.cycles() : functional_cycles(); }

void Core::skip_to(u64 cycle) {
    const u64 now = cycles();
    if (cycle <= now) return;
    idle_cycles_ += cycle - now;
    if (mode_ == Mode::timing) model.idle_until(cycle);
    else functional_base_cycles_ += cycle - now;
}

u64 Core::tsc() const { return cycles() + s.tsc_offset; }

void Core::set_mode(Mode mode) {
    if (mode == mode_) return;
    drop_block();
    count_instructions();
    const u64 now = cycles();
    mode_ = mode;
    // The clock goes on from where it is, whichever model keeps it.
    functional_base_instructions_ = instructions();
    functional_base_cycles_ = now;
    if (mode == Mode::timing) model.resume_at(now);
    settle_resume_flag();
    decode_mode.timed = mode != Mode::functional;
    decode_mode.warm = mode == Mode::warm;
    mmu.set_mode(mode == Mode::functional ? mmu::Mode::functional : mode == Mode::warm ? mmu::Mode::warm : mmu::Mode::timing);
    state_changed();
    attention = true;
}

void Core::count_instructions() {
    const u64 now = instructions();
    const u64 since = now - counted_;
    counted_ = now;
    stats.instructions += since;
    (mode_ == Mode::functional ? stats.functional : mode_ == Mode::warm ? stats.warm : stats.timing) += since;
}

// ---- derived state ----------------------------------------------------------------------------------------------------------

void Core::rebuild_mode_bits() { mode_bits = decode_mode.bits() << 48; }

void Core::segments_changed() {
    decode_mode.code64 = s.code64();
    decode_mode.default32 = !decode_mode.code64 && s.segment[arch::cs].default_big();
    decode_mode.stack32 = !decode_mode.code64 && s.segment[arch::ss].default_big();
    constexpr u64 both = arch::xcr0::sse | arch::xcr0::avx;
    decode_mode.avx_disabled = (s.cr4 & arch::cr4::osxsave) == 0 || (s.xcr0 & both) != both || !s.protected_mode() || s.virtual8086();
    rebuild_mode_bits();
}

void Core::privilege_changed() {
    const bool user = s.cpl == 3;
    const bool ac = (s.rflags & arch::rflags::ac) != 0;
    fetch_context = mmu.tag(user, false);
    // With alignment checks on, no access may hit the translation cache: a tag that no entry has.
    data_context = user && ac && (s.cr0 & arch::cr0::am) != 0 ? mmu::never_context : mmu.tag(user, !user && ac);
    line_context = {data_context << 32, data_context << 32 | u64{1} << 63};
    // Flags that make something happen at the next boundary.
    const u64 flags = s.rflags;
    if ((flags & arch::rflags::tf) != 0) attention = true;
    if ((flags & arch::rflags::if_) != 0 && (apic->interrupt_pending() || vmx->intercepts.interrupt_window)) attention = true;
}

void Core::context_changed() {
    arch::PagingContext context;
    if ((s.cr0 & arch::cr0::pg) == 0) context.mode = arch::PagingMode::off;
    else if (s.long_mode_active()) context.mode = (s.cr4 & arch::cr4::la57) != 0 ? arch::PagingMode::level5 : arch::PagingMode::level4;
    else context.mode = (s.cr4 & arch::cr4::pae) != 0 ? arch::PagingMode::pae : arch::PagingMode::legacy32;
    context.write_protect = (s.cr0 & arch::cr0::wp) != 0;
    context.page_size_extension = (s.cr4 & arch::cr4::pse) != 0;
    context.no_execute = (s.efer & arch::efer::nxe) != 0;
    context.smep = (s.cr4 & arch::cr4::smep) != 0;
    context.smap = (s.cr4 & arch::cr4::smap) != 0;
    context.global_pages = (s.cr4 & arch::cr4::pge) != 0;
    context.pcid_enabled = (s.cr4 & arch::cr4::pcide) != 0;
    context.protection_keys = (s.cr4 & arch::cr4::pke) != 0;
    context.pkru = s.pkru;
    context.cr3 = s.cr3;
    for (unsigned i = 0; i < 4; ++i) context.pdpte[i] = s.pdpte[i];
    vmx->complete(context);
    mmu.set_context(context);
    decode_mode.emulation = (s.cr0 & arch::cr0::em) != 0;
    decode_mode.task_switched = (s.cr0 & arch::cr0::ts) != 0;
    decode_mode.wait_traps = decode_mode.task_switched && (s.cr0 & arch::cr0::mp) != 0;
    decode_mode.sse_disabled = decode_mode.emulation || (s.cr4 & arch::cr4::osfxsr) == 0;
    breakpoints_changed();
    segments_changed();
    privilege_changed();
}

void Core::breakpoints_changed() {
    if ((s.dr[7] & 0xff) == 0 && !decode_mode.breakpoints) return;
    if (breakpoints.compile(s.dr, (s.cr4 & arch::cr4::de) != 0)) {
        const auto& pages = breakpoints.data_pages();
        mmu.keep_out(std::span{pages.page}.first(pages.used));
    }
    decode_mode.breakpoints = breakpoints.any();
    rebuild_mode_bits();
}

void Core::settle_resume_flag() {
    // Between two iterations the repeated instruction is still to be resumed.
    if (interrupted_string == linear_rip() && string_left_at == instructions()) s.rflags |= arch::rflags::rf;
    else if (resume_flag_since != instructions()) s.rflags &= ~arch::rflags::rf;
}

void Core::state_changed() {
    resume_flag_loaded();
    context_changed();
    attention = true;
}

u64 Core::truncate_rip(u64 linear) const {
    if (decode_mode.code64) return linear;
    const u64 offset = linear - s.segment[arch::cs].base;
    return decode_mode.default32 || s.protected_mode() ? static_cast<u32>(offset) : static_cast<u16>(offset);
}

// ---- outside world --------------------------------------------------------------------------------------------------------------

void Core::kick() {
    attention = true;
    if (budget < 0) return;
    // The grant shrinks by what is left of it, so that the count of instructions stays right.
    granted -= budget + 1;
    budget = -1;
}

bool Core::apic_page(PhysicalAddress address) const { return apic->covers(address); }

u64 Core::read_apic(PhysicalAddress address, unsigned size) { return apic->read_mmio(static_cast<u32>(address.page_offset()), size, cycles()); }

void Core::write_apic(PhysicalAddress address, unsigned size, u64 value) {
    apic->write_mmio(static_cast<u32>(address.page_offset()), size, value, cycles());
    kick();
}

void Core::code_written(PhysicalAddress address, unsigned size) {
    blocks.kill(address.value(), size);
    for (u64 page = address.value() & ~page_offset_mask; page < address.value() + size; page += page_size)
        if (!blocks.page_has_blocks(page)) memory.clear_code(PhysicalAddress{page});
}

void Core::page_becomes_code(PhysicalAddress page) { mmu.drop_write_entries(page); }

arch::Outcome<u64> Core::fetch_frame(u64 linear) {
    const auto& entry = mmu.fetch.at(linear);
    if (entry.tag == mmu::page_tag(linear, fetch_context)) {
        if (mode_ == Mode::functional || mmu.touch_fetch(entry.way, entry.serial)) return entry.frame;
    }
    const auto translation = mmu.translate(linear, arch::Access{.kind = arch::AccessKind::fetch, .user = s.cpl == 3});
    if (!translation) {
        fault = mmu.details;
        return translation.event;
    }
    if (decode_mode.timed) charge_fetch(translation.value);
    return translation.value.physical.value() & ~page_offset_mask;
}

u64 Core::next_deadline() const {
    u64 deadline = apic->deadline();
    if (vmx->non_root() && preemption_deadline != ~u64{0}) deadline = std::min(deadline, preemption_deadline - s.tsc_offset);
    return deadline;
}

bool Core::wake_pending() const {
    if (end_cause_ != EndCause::none || stop_requested) return true;
    const u32 signals = apic->signals();
    if ((signals & ~u32{apic::signal_interrupt | apic::signal_external}) != 0) return true;
    const bool enabled = (s.rflags & arch::rflags::if_) != 0;
    if (vmx->non_root() && (mtf_pending || vmx->intercepts.interrupt_window || vmx->intercepts.nmi_window)) return true;
    return apic->interrupt_pending() && (enabled || vmx->intercepts.external_interrupt);
}

bool Core::interruptible() const {
    if (s.activity == arch::Activity::wait_for_sipi || s.activity == arch::Activity::shutdown) return false;
    return (s.rflags & arch::rflags::if_) != 0 || (vmx->non_root() && (vmx->intercepts.external_interrupt || preemption_deadline != ~u64{0}));
}

// ---- timing mode ------------------------------------------------------------------------------------------------------------------

void Core::attach_timing(Block& target, const std::vector<timing::InstructionShape>& shapes) {
    model.forget_blocks();
    target.timing = analyser_->analyse(shapes, [&](std::size_t bytes) { return blocks.allocate_bytes(bytes); });
}

void Core::retire_partial(const MicroOp& op) {
    if (block == nullptr) return;
    if (mode_ == Mode::timing) model.retire_partial(*block->timing, static_cast<unsigned>(block->count) - op.remaining);
    block = nullptr;
}

// The block ended, or was left at its end, without a successor.
void Core::drop_block() {
    if (block != nullptr && mode_ == Mode::timing) model.retire(*block->timing);
    block = nullptr;
}

void Core::serialise() {
    if (mode_ != Mode::timing) return;
    drop_block();
    model.serialise();
}

void Core::fetch_code(const Block& entered) {
    const auto fetch = [this](u64 first, u64 last) {
        port.fetch_lines(first >> timing::line_log2, last >> timing::line_log2, [this](u32 cycles) {
            if (mode_ == Mode::timing) model.note_fetch_miss({.instruction_cache = cycles});
        });
    };
    const u64 first = entered.frame + entered.offset, last = first + entered.bytes - 1;
    fetch(first, std::min(last, first | page_offset_mask));
    if (entered.crosses_page()) fetch(entered.second_frame, entered.second_frame + (last & page_offset_mask));
    fetch_time_ = port.fetch_time();
}

static timing::MissParts parts_of(const mmu::TranslationLatency& latency) {
    return {.tlb = latency.second_level_tlb, .walk_native = latency.native, .walk_ept = latency.ept, .walk_nested = latency.nested};
}

void Core::charge_access(const MicroOp* op, const mmu::Translation& translation, bool write) {
    auto parts = parts_of(translation.latency);
    u32 latency = port.load_hit_latency();
    if (translation.host != nullptr) latency = write ? port.store(translation.physical) : port.load(translation.physical);
    if (mode_ != Mode::timing) return;
    parts.data_cache = latency - port.load_hit_latency();
    if (parts.total() == 0) return;
    if (op != nullptr && block != nullptr) {
        model.note_miss(static_cast<u8>(block->count - op->remaining), port.load_hit_latency() + parts.total(), parts);
        return;
    }
    model.charge(timing::Bucket::data_cache, parts.data_cache);
    charge_translation(translation);
}

void Core::charge_translation(const mmu::Translation& translation) {
    if (mode_ != Mode::timing) return;
    const auto parts = parts_of(translation.latency);
    model.charge(timing::Bucket::tlb, parts.tlb);
    model.charge(timing::Bucket::walk_native, parts.walk_native);
    model.charge(timing::Bucket::walk_ept, parts.walk_ept);
    model.charge(timing::Bucket::walk_nested, parts.walk_nested);
}

void Core::charge_line(const MicroOp* op, PhysicalAddress address, bool write) {
    const u32 hit = port.load_hit_latency(), latency = write ? port.store(address) : port.load(address);
    if (mode_ != Mode::timing || latency == hit) return;
    if (op != nullptr && block != nullptr) model.note_miss(static_cast<u8>(block->count - op->remaining), latency, {.data_cache = latency - hit});
    else model.charge(timing::Bucket::data_cache, latency - hit);
}

void Core::charge_fetch(const mmu::Translation& translation) {
    if (mode_ != Mode::timing) return;
    const auto parts = parts_of(translation.latency);
    if (parts.total() != 0) model.note_fetch_miss(parts);
}

void Core::account_delivery() {
    if (mode_ != Mode::timing) return;
    serialise();
    interrupted_string = no_string;
    model.charge(timing::Bucket::interrupt, params.core.interrupt_delivery);
}

void Core::report(const std::string& line) const {
    if (on_log) on_log(line);
}

void Core::report_missing(const MicroOp& op, const std::string& what) {
    ++stats.missing;
    if (!named_missing_.insert(what).second) return;
    report(fmt::format("cpu{}: instruction {}: #UD raised at {:#x} (further ones are only counted)", index, what, rip_of(op)));
}

// SDM vol. 3, "Processor State After Reset".
void Core::reset() {
    const u64 tsc_offset = s.tsc_offset;
    s = arch::State{};
    s.tsc_offset = tsc_offset;
    real_mode_registers();
    apic->reset();
    s.apic_base = apic->base();
    vmx->reset();
    mmu.reset();
    forget_events();
    await_startup();
    state_changed();
}

void Core::forget_events() {
    halted = false;
    interrupt_shadow = false;
    mtf_pending = false;
    breakpoint_hits = 0;
    preemption_deadline = ~u64{0};
    pending_delivery.reset();
}

// SDM vol. 3, table "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT": what INIT keeps.
void Core::init_reset() {
    const auto old = s;
    s = arch::State{};
    s.cr0 = 0x10 | (old.cr0 & (arch::cr0::cd | arch::cr0::nw));
    s.vector = old.vector;
    s.mxcsr = old.mxcsr;
    s.x87 = old.x87;
    s.xcr0 = old.xcr0, s.xss = old.xss, s.pkru = old.pkru;
    s.star = old.star, s.lstar = old.lstar, s.cstar = old.cstar, s.sfmask = old.sfmask, s.kernel_gs_base = old.kernel_gs_base, s.tsc_aux = old.tsc_aux;
    s.sysenter_cs = old.sysenter_cs, s.sysenter_esp = old.sysenter_esp, s.sysenter_eip = old.sysenter_eip;
    s.pat = old.pat, s.debugctl = old.debugctl, s.misc_enable = old.misc_enable, s.apic_base = old.apic_base, s.feature_control = old.feature_control;
    s.spec_ctrl = old.spec_ctrl, s.mtrr = old.mtrr, s.tsc_offset = old.tsc_offset, s.tsc_adjust = old.tsc_adjust;
    real_mode_registers();
    apic->init_reset(cycles());
    mmu.reset();
    forget_events();
    await_startup();
    state_changed();
}

// SDM vol. 3, "MP Initialization Protocol Algorithm for MP Systems": only the bootstrap processor executes what the reset vector points to.
void Core::await_startup() {
    if (index == 0) return;
    s.activity = arch::Activity::wait_for_sipi;
    halted = true;
}

void Core::start_up(u8 vector) {
    s.activity = arch::Activity::active;
    halted = false;
    s.segment[arch::cs] = {u64{vector} << 12, 0xffff, 0x93 | 8, static_cast<u16>(vector << 8)};
    s.rip = 0;
    state_changed();
}

void Core::real_mode_registers() {
    s.rip = 0xfff0;
    s.gpr[arch::rdx] = params.features.signature;
    for (auto number : {arch::es, arch::ss, arch::ds, arch::fs, arch::gs}) s.segment[number] = {0, 0xffff, 0x93, 0};
    s.segment[arch::cs] = {0xffff0000, 0xffff, 0x93 | 8, 0xf000};
    s.segment[arch::ldtr] = {0, 0xffff, 0x82, 0};
    s.segment[arch::tr] = {0, 0xffff, 0x8b, 0};
}

}  // namespace vtsim::cpu
