// SPDX-License-Identifier: Apache-2.0
#include "apic/local_apic.h"

#include <algorithm>

#include "base/error.h"

namespace vtsim::apic {

void LocalApicParams::validate() const {
    if (version < 0x10 || version > 0x15) throw ConfigError("apic.version", std::to_string(version), "0x10 to 0x15");
    if (timer_hz == 0 || timer_hz >= bit(40)) throw ConfigError("apic.timer_hz", std::to_string(timer_hz), "1 Hz to 1 THz");
}

LocalApic::LocalApic(const LocalApicParams& params, u32 id, bool bootstrap, u64 core_hz, unsigned maxphyaddr, stats::Group* parent, const std::string& name)
    : params_{params}, id_{id}, bootstrap_{bootstrap}, maxphyaddr_{maxphyaddr}, timer_{ClockRatio::of(params.timer_hz, core_hz)}, stats_{parent, name} {
    reset();
}

void LocalApic::reset() {
    base_ = default_base | Enabled::mask | (bootstrap_ ? Bootstrap::mask : 0);
    lint_[0] = lint_[1] = false;
    signals_ = 0;
    startup_vector_ = 0;
    reset_registers();
    follow_base();
}

// SDM vol. 3, "Local APIC State After It Receives an INIT Reset (Wait-for-SIPI State)". A SIPI that came after the INIT stays.
void LocalApic::init_reset(u64 now) {
    advance(now);
    signals_ &= signal_startup;
    reset_registers();
    update_external();
}

void LocalApic::reset_registers() {
    for (const auto& row : register_table)
        for (unsigned i = 0; i < row.count; ++i) registers_.write(static_cast<u16>(row.offset + i * 16), row.reset);
    timer_.reset();
    errors_ = 0;
    highest_irr_ = highest_isr_ = 0;
}

void LocalApic::follow_base() { xapic_page_ = enabled() && !x2apic_mode() ? PhysicalAddress{base_}.page() : no_page; }

// SDM vol. 3, "x2APIC State Transitions".
arch::Event LocalApic::write_base(u64 value, u64 now) {
    advance(now);
    const u64 flags = Bootstrap::mask | Enabled::mask | (params_.x2apic ? Extended::mask : 0);
    const u64 defined = flags | (low_bits(maxphyaddr_) & ~page_offset_mask);
    const bool enable = Enabled::test(value), extend = Extended::test(value);
    if ((value & ~defined) != 0 || (extend && !enable)) return arch::general_protection();
    if (extend && !enabled()) return arch::general_protection();
    if (enable && !extend && x2apic_mode()) return arch::general_protection();

    const bool disables = enabled() && !enable;
    const bool extends = !x2apic_mode() && extend;
    base_ = value;
    if (disables) {                     // what comes back at the next enabling is the state after power-up
        reset_registers();
        signals_ &= ~(signal_interrupt | signal_external);
    }
    if (extends) registers_.write(offset::icr_high, 0);
    follow_base();
    update_external();
    return {};
}

void LocalApic::signal(u32 bits) {
    const u32 fresh = bits & ~signals_;
    signals_ |= bits;
    if (fresh != 0 && wake_.function != nullptr) wake_.function(wake_.self);
}

void LocalApic::update() {
    const u8 priority = processor_priority(static_cast<u8>(registers_.read(offset::tpr)), highest_isr_);
    if (priority_class(highest_irr_) > priority_class(priority)) signal(signal_interrupt);
    else signals_ &= ~signal_interrupt;
}

void LocalApic::write_cr8(u8 priority) {
    registers_.write(offset::tpr, (priority & 15U) << 4);
    update();
}

// SDM vol. 3, "Interrupt Acceptance for Fixed Interrupts".
bool LocalApic::accept(u8 vector, bool level) {
    if (!software_enabled()) {
        ++stats_.refused;
        return false;
    }
    if (vector < 16) {
        record_error(esr::receive_illegal_vector);
        return false;
    }
    Vectors irr{registers_, offset::irr};
    ++(irr.test(vector) ? stats_.coalesced : stats_.accepted);
    irr.set(vector);
    Vectors{registers_, offset::tmr}.assign(vector, level);
    highest_irr_ = std::max(highest_irr_, vector);
    update();
    return true;
}

u8 LocalApic::acknowledge() {
    if ((signals_ & signal_interrupt) != 0) {
        ++stats_.delivered;
        const u8 vector = highest_irr_;
        Vectors irr{registers_, offset::irr};
        irr.clear(vector);
        Vectors{registers_, offset::isr}.set(vector);
        highest_irr_ = static_cast<u8>(std::max(irr.highest(), 0));
        highest_isr_ = vector;          // above all in service, or it would not be deliverable
        update();
        return vector;
    }
    if (take(signal_external) && sink_ != nullptr) {
        ++stats_.delivered_external;
        const u8 vector = sink_->acknowledge_external();
        update_external();
        return vector;
    }
    ++stats_.spurious;
    return static_cast<u8>(svr::Vector::get(registers_.read(offset::svr)));
}

// SDM vol. 3, "Signaling Interrupt Servicing Completion".
void LocalApic::end_of_interrupt() {
    ++stats_.eois;
    const u8 vector = highest_isr_;
    if (vector == 0) return;
    Vectors isr{registers_, offset::isr};
    isr.clear(vector);
    highest_isr_ = static_cast<u8>(std::max(isr.highest(), 0));
    update();
    if (!Vectors{registers_, offset::tmr}.test(vector)) return;
    for (const unsigned pin : {0U, 1U}) end_level_lint(pin, vector);
    if (sink_ != nullptr && !svr::SuppressEoiBroadcast::test(registers_.read(offset::svr))) sink_->end_of_interrupt(vector);
}

// SDM vol. 3, "Error Handling": the interrupt is armed by the write of the ESR.
void LocalApic::record_error(u32 bits) {
    ++stats_.errors;
    const bool armed = errors_ == 0;
    errors_ |= bits;
    if (armed) raise(LocalSource::error);
}

void LocalApic::fire_timer(u64 now) {
    stats_.timer_expiries += timer_.expire(now);
    raise(LocalSource::timer);
}

void LocalApic::write_tsc_deadline(u64 value, u64 now) {
    advance(now);
    timer_.write_tsc_deadline(value, now);
    advance(now);
}

void LocalApic::write_tsc_offset(u64 offset, u64 now) {
    advance(now);
    timer_.write_tsc_offset(offset, now);
    advance(now);
}

}  // namespace vtsim::apic
