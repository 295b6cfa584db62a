// SPDX-License-Identifier: Apache-2.0
// The local vector table: interrupts of local sources. SDM vol. 3, "Local Vector Table" and "Handling Local Interrupts".
#include "apic/local_apic.h"

namespace vtsim::apic {

namespace {

constexpr u16 entry_of(LocalSource source) {
    constexpr u16 offsets[] = {offset::lvt_cmci,  offset::lvt_timer, offset::lvt_thermal, offset::lvt_performance,
                               offset::lvt_lint0, offset::lvt_lint1, offset::lvt_error};
    return offsets[static_cast<unsigned>(source)];
}

constexpr u16 lint_entry(unsigned pin) { return pin == 0 ? offset::lvt_lint0 : offset::lvt_lint1; }

DeliveryMode mode_of(u32 entry) { return static_cast<DeliveryMode>(lvt::Delivery::get(entry)); }

// LINT1 has a trigger-mode bit but is always edge-triggered, as are all modes but fixed.
bool level_triggered(unsigned pin, u32 entry) { return pin == 0 && lvt::LevelTriggered::test(entry) && mode_of(entry) == DeliveryMode::fixed; }

}  // namespace

void LocalApic::raise(LocalSource source) {
    const u16 where = entry_of(source);
    const u32 entry = registers_.read(where);
    if (!enabled() || lvt::Masked::test(entry)) return;
    if (source == LocalSource::performance) registers_.write(where, entry | lvt_masked);
    trigger(entry, false);
}

void LocalApic::trigger(u32 entry, bool level) {
    ++stats_.local;
    switch (mode_of(entry)) {
        case DeliveryMode::fixed: accept(static_cast<u8>(lvt::Vector::get(entry)), level); break;
        case DeliveryMode::smi: arrive(signal_smi); break;
        case DeliveryMode::nmi: arrive(signal_nmi); break;
        case DeliveryMode::init: arrive(signal_init); break;
        default: break;                 // ExtINT is a line, not an event: update_external
    }
}

void LocalApic::set_lint(unsigned pin, bool asserted) {
    const bool rises = asserted && !lint_[pin];
    lint_[pin] = asserted;
    update_external();
    if (!enabled()) {                   // as on a processor without APIC: LINT0 is INTR, LINT1 is NMI
        if (rises && pin == 1) arrive(signal_nmi);
        return;
    }
    const u32 entry = registers_.read(lint_entry(pin));
    if (level_triggered(pin, entry)) deliver_level_lint(pin);
    else if (rises && !lvt::Masked::test(entry) && mode_of(entry) != DeliveryMode::external) trigger(entry, false);
}

// Remote IRR holds further messages back until the EOI.
void LocalApic::deliver_level_lint(unsigned pin) {
    const u32 entry = registers_.read(lint_entry(pin));
    if (!lint_[pin] || lvt::Masked::test(entry) || lvt::RemoteIrr::test(entry) || !level_triggered(pin, entry)) return;
    if (accept(static_cast<u8>(lvt::Vector::get(entry)), true)) {
        ++stats_.local;
        registers_.write(lint_entry(pin), entry | static_cast<u32>(lvt::RemoteIrr::mask));
    }
}

void LocalApic::end_level_lint(unsigned pin, u8 vector) {
    const u32 entry = registers_.read(lint_entry(pin));
    if (!lvt::RemoteIrr::test(entry) || lvt::Vector::get(entry) != vector) return;
    registers_.write(lint_entry(pin), entry & ~static_cast<u32>(lvt::RemoteIrr::mask));
    deliver_level_lint(pin);
}

void LocalApic::update_external() {
    bool wanted = !enabled() && lint_[0];
    for (const unsigned pin : {0U, 1U}) {
        const u32 entry = registers_.read(lint_entry(pin));
        wanted = wanted || (enabled() && lint_[pin] && !lvt::Masked::test(entry) && mode_of(entry) == DeliveryMode::external);
    }
    if (wanted) signal(signal_external);
    else signals_ &= ~signal_external;
}

void LocalApic::write_lvt(const RegisterRow& row, u32 value, u64 now) {
    const u32 status = static_cast<u32>(lvt::RemoteIrr::mask) & (lvt::LevelTriggered::test(value) ? ~0U : 0U);
    u32 entry = (value & row.writable) | (registers_.read(row.offset) & status & row.defined);
    if (!software_enabled()) entry |= lvt_masked;
    registers_.write(row.offset, entry);
    if (row.offset == offset::lvt_timer) {
        timer_.write_mode(static_cast<TimerMode>(lvt::TimerMode::get(entry)));
        advance(now);
    } else if (row.offset == offset::lvt_lint0 || row.offset == offset::lvt_lint1) {
        update_external();
        deliver_level_lint(row.offset == offset::lvt_lint0 ? 0 : 1);
    }
}

// SDM vol. 3, "Local APIC State After It Has Been Software Disabled": all entries are masked and stay so.
void LocalApic::write_svr(u32 value) {
    registers_.write(offset::svr, value);
    if (software_enabled()) return;
    for (const auto& row : register_table)
        if (row.reset == lvt_masked) registers_.write(row.offset, registers_.read(row.offset) | lvt_masked);
    update_external();
}

}  // namespace vtsim::apic
