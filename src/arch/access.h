// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/types.h"

namespace vtsim::arch {

enum class AccessKind : u8 { load, store, read_modify_write, fetch };

// What an access is, as far as translation and permissions care.
struct Access {
    AccessKind kind = AccessKind::load;
    bool user = false;              // CPL = 3 and not an implicit supervisor access
    bool smap_off = false;          // EFLAGS.AC = 1 on an explicit supervisor access
    bool prefetch = false;
    [[nodiscard]] bool writes() const { return kind == AccessKind::store || kind == AccessKind::read_modify_write; }
    [[nodiscard]] bool fetches() const { return kind == AccessKind::fetch; }
};

enum class PagingMode : u8 { off, legacy32, pae, level4, level5 };

// All that a translation depends on beside the memory. The core builds it from CR0, CR3, CR4, EFER and the current VMCS and hands it
// to the MMU when one of them changes; the MMU never sees a VMCS or an instruction. AMD's ASID and nCR3 fit in vpid and eptp.
struct PagingContext {
    PagingMode mode = PagingMode::off;
    bool write_protect = false, page_size_extension = false, no_execute = false, smep = false, smap = false, global_pages = false, pcid_enabled = false, protection_keys = false;
    u64 cr3 = 0;                    // with PCID in bits 11:0 when pcid_enabled
    u64 pdpte[4] = {};              // mode pae
    u32 pkru = 0;

    bool guest = false;             // VMX non-root operation: statistics are kept apart
    bool ept = false;
    u64 eptp = 0;                   // as in the VMCS: memory type, walk length, A/D enable, table
    bool mode_based_execute = false;
    u16 vpid = 0;                   // 0 when VPIDs are off and in root operation

    bool operator==(const PagingContext&) const = default;
};

}  // namespace vtsim::arch
