// SPDX-License-Identifier: Apache-2.0
// Shadow paging: the processor walks tables that the VMM derives from the guest's. Built as serious VMMs do it (Bugnion, Nieh, Tsafrir, "Hardware and Software
// Support for Virtualization", chapter "x86-64: MMU virtualization"; Adams and Agesen, ASPLOS 2006): roots are kept by guest CR3, tables of the upper levels are write-protected and
// writes to them emulated, tables of the lowest level may go out of step until the guest flushes.
#pragma once
#include "shadow/shadow_pages.h"

namespace guest {

class Options;
struct Vcpu;

// Switches, so that the effect of each can be measured.
struct ShadowOptions {
    bool unsync = true;      // tables of the lowest level may go out of step
    bool filter = true;      // faults on entries that the guest itself has not present do not exit
    bool large = true;       // large pages of the guest stay large
    unsigned roots = 16;     // kept, 1 to 32
    unsigned prefetch = 8;   // neighbours that a fault fills as well: aligned groups of that many entries; a power of two, 1: none
    u64 tables = 0;          // most shadow tables; 0: a fiftieth of the guest's memory, at least 64

    explicit ShadowOptions(const Options& options);
};

constexpr u64 no_device = ~u64{0};

class Shadow {
public:
    // VPIDs from `first_vpid` on, one a root; 0: none, every transition flushes. `device_page`: guest-physical, mapped as it is; or no_device.
    Shadow(MemoryPool& pool, const GuestMemory& memory, const ShadowOptions& options, u16 first_vpid, u64 device_page);

    // Sets the VMCS fields of shadow paging, for a guest that has paging off.
    void start();
    // Handlers of what exits.
    void page_fault(Vcpu& vcpu);                        // reason exception, vector 14
    bool load_cr3(u64 value);                         // false: #GP
    u64 cr3() const { return paging_.cr3; }
    void invalidate_page(u64 linear);                   // INVLPG
    bool load_cr0(u64 value);
    bool load_cr4(u64 value);
    bool load_efer(u64 value);
    u64 efer() const { return efer_; }
    void print_summary() const;

private:
    struct Root {
        ShadowPage* page = nullptr;
        u64 used = 0;
    };
    enum class Mapped { done, emulate };

    bool paging_on() const;
    GuestPaging current_paging() const;
    void enter_direct();
    void set_paging(bool on);
    void use_root();
    void forget_roots();
    void flush_if_stale();
    void apply_cr4();
    Mapped map(const Walk& walk, u64 linear, u32 access);
    void map_direct(Vcpu& vcpu, u64 linear, u32 access);
    ShadowPage& descend(ShadowPage& page, u64 linear, u64 frame, int level, bool direct, u64 rights);
    void set_leaf(ShadowPage& page, u64& entry, u64 frame, u64 rights);
    void prefetch_around(ShadowPage& page, u64 linear);
    bool let_go(u64 frame);                             // the table may go out of step
    void synchronise_entry(ShadowPage& page, unsigned i);
    void synchronise(ShadowPage& page);
    void synchronise_root();
    void emulate_write(Vcpu& vcpu, const Walk& walk, u64 linear);
    void table_written(u64 frame, unsigned first, unsigned last);
    void reflect(Vcpu& vcpu, u64 linear, u32 error);
    [[noreturn]] void stop_at_nothing(Vcpu& vcpu, u64 address, u32 access) const;

    const GuestMemory& memory_;
    const ShadowOptions options_;
    ShadowPages pages_;
    u16 first_vpid_;
    u64 device_page_;
    GuestPaging paging_;
    u64 cr4_ = 0, efer_ = 0;                            // the guest's
    Root roots_[32];
    unsigned current_ = 0;
    u64 time_ = 0;
    ShadowPage* direct_[4] = {};                        // paging off: by GiB
    u64* direct_pointers_ = nullptr;

    static constexpr unsigned max_unsynchronised = 1024;
    ShadowPage** unsynchronised_;                       // some may be in step again
    unsigned unsynchronised_count_ = 0;

    struct Counters {
        u64 filled = 0, prefetched = 0, reflected = 0, emulated = 0, let_go = 0, synchronised = 0, changed = 0, flooded = 0, stepped_out = 0, cr3_kept = 0, cr3_made = 0, invlpg = 0,
            flushes = 0;
    } counters_;
};

}  // namespace guest
