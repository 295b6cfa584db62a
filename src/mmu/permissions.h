// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/access.h"
#include "arch/registers.h"
#include "tlb/mapping.h"

namespace vtsim::mmu {

// The protection-key rights of a user page: 0 allowed, else the access is denied. SDM vol. 3, "Protection Keys".
inline bool key_denies(const arch::PagingContext& context, u8 key, arch::Access access) {
    if (!context.protection_keys || access.fetches()) return false;
    const u32 rights = context.pkru >> (2 * key) & 3;
    if ((rights & 1) != 0) return true;
    return (rights & 2) != 0 && access.writes() && (access.user || context.write_protect);
}

// SDM vol. 3, "Determination of Access Rights". `rights`: R/W, U/S and not-XD ANDed over the entries of the walk.
inline bool paging_permits(const arch::PagingContext& context, u8 rights, u8 key, arch::Access access) {
    const bool user_page = (rights & tlb::rights::user) != 0;
    if (access.user && !user_page) return false;
    if (access.fetches()) return (rights & tlb::rights::execute) != 0 && (access.user || !user_page || !context.smep);
    if (!access.user && user_page && context.smap && !access.smap_off) return false;
    if (access.writes() && (rights & tlb::rights::write) == 0 && (access.user || context.write_protect)) return false;
    return !user_page || !key_denies(context, key, access);
}

// The rights::second_* that an access to translated memory needs. User-mode linear address: U/S = 1 in every paging entry, or paging off.
inline u8 second_level_needs(arch::Access access, bool user_mode_address) {
    switch (access.kind) {
        case arch::AccessKind::load: return tlb::rights::second_read;
        case arch::AccessKind::store: return tlb::rights::second_write;
        case arch::AccessKind::read_modify_write: return tlb::rights::second_read | tlb::rights::second_write;
        case arch::AccessKind::fetch: return user_mode_address ? tlb::rights::second_execute_user : tlb::rights::second_execute;
    }
    return 0;
}

// SDM vol. 3, "Page-Fault Exceptions": the bits of the error code that describe the access.
inline u32 access_error_code(const arch::PagingContext& context, arch::Access access) {
    u32 code = (access.writes() ? arch::pf_error::write : 0) | (access.user ? arch::pf_error::user : 0);
    const bool reports_fetch = context.smep || (context.no_execute && context.mode != arch::PagingMode::legacy32);
    if (access.fetches() && reports_fetch) code |= arch::pf_error::fetch;
    return code;
}

}  // namespace vtsim::mmu
