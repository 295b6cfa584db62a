// SPDX-License-Identifier: Apache-2.0
// Interprocessor interrupts: the ICR, SELF IPI, and messages coming in. SDM vol. 3, "Issuing Interprocessor Interrupts".
#include <utility>

#include "apic/local_apic.h"

namespace vtsim::apic {

namespace {

bool carries_vector(DeliveryMode mode) { return mode == DeliveryMode::fixed || mode == DeliveryMode::lowest_priority; }

// SDM vol. 3, "Valid Combinations for the Pentium 4 and Intel Xeon Processors' Local xAPIC Interrupt Command Register".
bool valid(const Message& message) {
    if (message.mode == DeliveryMode::reserved3 || message.mode == DeliveryMode::external) return false;
    if (message.shorthand == Shorthand::self || message.shorthand == Shorthand::all_including_self) return message.mode == DeliveryMode::fixed;
    return true;
}

}  // namespace

void LocalApic::send(u32 low, u32 destination) {
    Message message;
    message.vector = static_cast<u8>(icr::Vector::get(low));
    message.mode = static_cast<DeliveryMode>(icr::Delivery::get(low));
    message.shorthand = static_cast<Shorthand>(icr::Shorthand::get(low));
    message.logical = icr::Logical::test(low);
    message.wide = x2apic_mode();
    message.destination = destination;
    if (message.mode == DeliveryMode::init) {           // the only mode that has a level
        message.level = icr::LevelTriggered::test(low);
        message.assert = icr::Assert::test(low);
    }
    if (!valid(message)) return;
    if (carries_vector(message.mode) && message.vector < 16) return record_error(esr::send_illegal_vector);
    if (message.shorthand == Shorthand::self) return self_ipi(message.vector);
    count_ipi(message.mode);
    if (sink_ != nullptr) sink_->send(id_, message);
}

void LocalApic::count_ipi(DeliveryMode mode) {
    auto& ipis = stats_.ipis;
    switch (mode) {
        case DeliveryMode::fixed: ++ipis.fixed; break;
        case DeliveryMode::lowest_priority: ++ipis.lowest_priority; break;
        case DeliveryMode::nmi: ++ipis.nmi; break;
        case DeliveryMode::init: ++ipis.init; break;
        case DeliveryMode::startup: ++ipis.startup; break;
        case DeliveryMode::smi: ++ipis.smi; break;
        default: break;
    }
}

void LocalApic::self_ipi(u8 vector) {
    if (vector < 16) return record_error(esr::send_illegal_vector);
    ++stats_.ipis.self;
    accept(vector, false);
}

void LocalApic::deliver(const Message& message) {
    if (!enabled()) return;
    switch (message.mode) {
        case DeliveryMode::fixed:
        case DeliveryMode::lowest_priority: accept(message.vector, message.level); break;
        case DeliveryMode::smi: arrive(signal_smi); break;
        case DeliveryMode::nmi: arrive(signal_nmi); break;
        case DeliveryMode::init:
            if (!message.level || message.assert) arrive(signal_init);
            break;
        case DeliveryMode::startup:
            if ((signals_ & signal_startup) == 0) startup_vector_ = message.vector;
            arrive(signal_startup);
            break;
        case DeliveryMode::external: signal(signal_external); break;
        default: break;
    }
}

// NMI, SMI, INIT and SIPI: counted and latched once.
void LocalApic::arrive(u32 bit) {
    switch (bit) {
        case signal_nmi: ++stats_.nmis; break;
        case signal_smi: ++stats_.smis; break;
        case signal_init: ++stats_.inits; break;
        default: ++stats_.sipis; break;
    }
    signal(bit);
}

std::optional<u8> LocalApic::take_startup() {
    return take(signal_startup) ? std::optional{startup_vector_} : std::nullopt;
}

Identity LocalApic::identity() const {
    const bool extended = x2apic_mode();
    const auto tpr = static_cast<u8>(registers_.read(offset::tpr));
    return {.id = extended ? id_ : id_ & 0xff,
            .logical = logical_id(),
            .arbitration = arbitration_priority(tpr, highest_isr_, highest_irr_),
            .flat = Field<31, 28>::get(registers_.read(offset::dfr)) == 15,
            .x2apic = extended,
            .present = enabled(),
            .accepts = software_enabled()};
}

// SDM vol. 3, "Deriving Logical x2APIC ID from the Local x2APIC ID".
u32 LocalApic::logical_id() const {
    return x2apic_mode() ? ((id_ >> 4) << 16) | (1U << (id_ & 15)) : registers_.read(offset::ldr);
}

}  // namespace vtsim::apic
