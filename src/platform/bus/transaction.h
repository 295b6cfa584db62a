// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <tlm>

#include "base/types.h"

namespace vtsim::platform {

enum class Space : u8 { memory, io };

enum class TransactionKind : u8 {
    data,
    fetch,               // instruction bytes
    walk,                // an entry of a paging structure; `guest_level` and `ept_level` say which reference of the walk
    interrupt_message,   // a write to 0xFEExxxxx
};

// PCI Express Base Specification, "Address Type (AT) Field".
enum class AddressType : u8 { untranslated = 0, translation_request = 1, translated = 2 };

// What a transaction says about itself beside address and data.
struct TransactionInfo {
    u32 initiator = 0;                        // number of the initiator on the bus, for statistics and traces
    Space space = Space::memory;
    TransactionKind kind = TransactionKind::data;
    AddressType address_type = AddressType::untranslated;
    std::optional<u16> requester_id;          // bus, device, function; devices only
    std::optional<u32> pasid;                 // 20 bits
    u8 guest_level = 0;
    u8 ept_level = 0;
};

// Sticky extension of the generic payload: an initiator sets it once and rewrites its fields for every request.
struct TransactionExtension final : tlm::tlm_extension<TransactionExtension> {
    TransactionInfo info;
    [[nodiscard]] tlm_extension_base* clone() const override { return new TransactionExtension(*this); }
    void copy_from(const tlm_extension_base& other) override { info = static_cast<const TransactionExtension&>(other).info; }
};

// The description of a payload; a payload without the extension (a user's own initiator) is a plain memory access.
inline TransactionInfo info_of(const tlm::tlm_generic_payload& payload) {
    const TransactionExtension* extension = nullptr;
    payload.get_extension(extension);
    return extension != nullptr ? extension->info : TransactionInfo{};
}

}  // namespace vtsim::platform
