// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/address.h"
#include "base/types.h"

namespace vtsim::mmu {

// Cycles that a translation took beyond a hit in the first level, by what they were spent on. All zero in functional and warm mode.
struct TranslationLatency {
    u32 second_level_tlb = 0;   // look-up in the second-level TLB
    u32 native = 0;             // references of walks without a second dimension
    u32 ept = 0;                // references of EPT-only walks
    u32 nested = 0;             // references of two-dimensional walks
    [[nodiscard]] u32 total() const { return second_level_tlb + native + ept + nested; }
    [[nodiscard]] u32 walk() const { return native + ept + nested; }
};

// Where an access goes. Valid for the rest of the 4-KByte page that holds the first byte, whatever the page size.
struct Translation {
    PhysicalAddress physical;
    u8* host = nullptr;         // nullptr where the physical address is not RAM
    u8 page_shift = 12;         // log2 of the size of the mapping: the smaller of the two dimensions
    u8 pat_index = 0;           // PAT, PCD and PWT of the paging leaf; 0 with paging off
    u8 ept_type = 6;            // memory type of the EPT leaf; 6 (WB) without EPT
    bool ignore_pat = false;    // IPAT of the EPT leaf
    TranslationLatency latency;
};

// What a debugger sees: no A/D bits, no statistics, nothing cached, permissions ignored. `ok` is false where a walk would fail.
struct Probe {
    bool ok = false;
    GuestPhysicalAddress guest_physical;
    PhysicalAddress physical;
    u8 page_shift = 12;
};

// One reference of the walker to a paging-structure entry through the cache hierarchy: returns its latency in cycles.
// A null function means that a reference takes no time.
struct WalkPort {
    u32 (*access)(void* self, PhysicalAddress entry, bool write) = nullptr;
    void* self = nullptr;
};

}  // namespace vtsim::mmu
