// SPDX-License-Identifier: Apache-2.0
#include "apic/message.h"

#include "base/bits.h"

namespace vtsim::apic {

namespace {

bool addresses_logically(u32 destination, const Identity& apic) {
    if (apic.x2apic) return Field<31, 16>::get(destination) == Field<31, 16>::get(apic.logical) && (destination & apic.logical & 0xffff) != 0;
    if (destination > 0xff) return false;
    const auto logical = static_cast<u32>(Field<31, 24>::get(apic.logical));
    if (apic.flat) return (destination & logical) != 0;
    return (destination >> 4) == (logical >> 4) && (destination & logical & 0xf) != 0;      // cluster model
}

bool arbitrated(const Message& message) { return message.mode == DeliveryMode::fixed || message.mode == DeliveryMode::lowest_priority; }

bool reaches(const Message& message, const Identity& apic) {
    return apic.present && (apic.accepts || !arbitrated(message)) && addresses(message, apic);
}

u64 lowest_priority_of(u64 candidates, std::span<const Identity> apics) {
    std::size_t winner = apics.size();
    for (std::size_t i = 0; i < apics.size(); ++i)
        if ((candidates & bit(static_cast<unsigned>(i))) != 0 && (winner == apics.size() || apics[i].arbitration < apics[winner].arbitration)) winner = i;
    return winner == apics.size() ? 0 : bit(static_cast<unsigned>(winner));
}

}  // namespace

bool addresses(const Message& message, const Identity& apic) {
    if (message.broadcast()) return true;
    return message.logical ? addresses_logically(message.destination, apic) : message.destination == apic.id;
}

u64 destinations(const Message& message, std::span<const Identity> apics, int source) {
    u64 all = 0, chosen = 0;
    for (std::size_t i = 0; i < apics.size() && i < 64; ++i) {
        if (apics[i].present) all |= bit(static_cast<unsigned>(i));
        if (reaches(message, apics[i])) chosen |= bit(static_cast<unsigned>(i));
    }
    const u64 self = source < 0 ? 0 : bit(static_cast<unsigned>(source));
    switch (message.shorthand) {
        case Shorthand::self: return self;
        case Shorthand::all_including_self: return all;
        case Shorthand::all_excluding_self: return all & ~self;
        default: break;
    }
    return message.mode == DeliveryMode::lowest_priority ? lowest_priority_of(chosen, apics) : chosen;
}

Message decode_msi(u64 address, u32 data) {
    Message message;
    message.destination = static_cast<u32>(Field<19, 12>::get(address));
    message.logical = Field<2>::test(address);
    message.vector = static_cast<u8>(data);
    message.mode = static_cast<DeliveryMode>(Field<10, 8>::get(data));
    message.level = Field<15>::test(data);
    message.assert = !message.level || Field<14>::test(data);
    // The redirection hint asks for one destination, as lowest priority does; without it physical and logical modes are taken as they stand.
    if (Field<3>::test(address) && message.logical && message.mode == DeliveryMode::fixed) message.mode = DeliveryMode::lowest_priority;
    return message;
}

}  // namespace vtsim::apic
