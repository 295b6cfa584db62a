// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "base/types.h"

namespace vtsim::apic {

// SDM vol. 3, "Interrupt Command Register (ICR)" and "Message Data Register Format": the same encoding.
enum class DeliveryMode : u8 { fixed = 0, lowest_priority = 1, smi = 2, reserved3 = 3, nmi = 4, init = 5, startup = 6, external = 7 };
enum class Shorthand : u8 { none = 0, self = 1, all_including_self = 2, all_excluding_self = 3 };

// An interrupt message on its way: an IPI, an MSI, a message of an I/O APIC.
struct Message {
    u8 vector = 0;
    DeliveryMode mode = DeliveryMode::fixed;
    Shorthand shorthand = Shorthand::none;
    bool logical = false;           // destination mode
    bool level = false;             // trigger mode
    bool assert = true;             // a level-triggered INIT without it does nothing
    bool wide = false;              // 32-bit destination (x2APIC, remapped interrupt); else 8 bits
    u32 destination = 0;

    [[nodiscard]] bool broadcast() const { return destination == (wide ? 0xffffffffU : 0xffU); }
    bool operator==(const Message&) const = default;
};

// What of a local APIC decides whether a message is for it.
struct Identity {
    u32 id = 0;                     // xAPIC: 8 bits
    u32 logical = 0;                // LDR
    u8 arbitration = 0;             // APR
    bool flat = true;               // DFR model, xAPIC only
    bool x2apic = false;
    bool present = true;            // enabled in IA32_APIC_BASE
    bool accepts = true;            // software-enabled: takes fixed and lowest-priority messages
};

// Whether `message`, sent without shorthand, addresses this APIC. SDM vol. 3, "Determining IPI Destination" and "Logical Destination Mode in x2APIC Mode".
[[nodiscard]] bool addresses(const Message& message, const Identity& apic);

// Bit i set: APIC i takes the message. Resolves shorthands (for which `source` is the sender's index; -1: not an APIC) and lowest-priority
// arbitration (lowest APR, then lowest index). At most 64 APICs.
[[nodiscard]] u64 destinations(const Message& message, std::span<const Identity> apics, int source = -1);

// The MSI encoded by a write of `data` to `address` (0xFEExxxxx). SDM vol. 3, "Message Address Register Format".
[[nodiscard]] Message decode_msi(u64 address, u32 data);

// Takes what a local APIC sends; implemented by the platform. Never on a hot path.
class IpiSink {
public:
    virtual ~IpiSink() = default;
    // An IPI of APIC `source`. The platform finds the destinations and calls LocalApic::deliver of each (all including self: also of the sender).
    virtual void send(u32 source, const Message& message) = 0;
    // The end of a level-triggered interrupt, for the I/O APICs.
    virtual void end_of_interrupt(u8 vector) = 0;
    // The vector of the 8259 for an interrupt in ExtINT mode (INTA cycle).
    virtual u8 acknowledge_external() = 0;
};

}  // namespace vtsim::apic
