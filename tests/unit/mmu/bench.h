// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/physical_memory.h"
#include "mmu/mmu.h"

// Memory, an MMU and hand-made paging structures. Guest-physical memory begins at 1 GiB of physical memory, so that no test passes
// because two address spaces coincide.
namespace vtsim::mmu {

struct Bench {
    static constexpr u64 guest_offset = 1 * GiB;
    static constexpr u64 present = 1, writable = 2, user = 4, accessed = 32, dirty = 64, large = 128, global = 256, no_execute = bit(63);
    static constexpr u64 all_rights = present | writable | user;
    static constexpr u64 ept_all = 7, write_back = 6 << 3;

    PhysicalMemory memory{3 * GiB};
    stats::Group root{nullptr, "cpu0"};
    Mmu mmu;
    arch::PagingContext context;
    u64 next_physical = 16 * MiB;       // for tables of the host: EPT and native paging
    u64 next_guest = 16 * MiB;          // for tables of the guest

    explicit Bench(MmuParams params = {}, WalkPort port = {}) : mmu{params, memory, port, root} {}

    static MmuParams without_caches() {
        MmuParams params;
        params.walk_caches = false;
        return params;
    }

    u64 new_table(bool guest) {
        u64& next = guest ? next_guest : next_physical;
        next += page_size;
        return next - page_size;
    }
    u64 entry(u64 address, bool guest) { return memory.read<u64>(PhysicalAddress{address + (guest ? guest_offset : 0)}); }
    void set_entry(u64 address, bool guest, u64 value) { memory.write<u64>(PhysicalAddress{address + (guest ? guest_offset : 0)}, value); }

    // A radix tree of 512-entry tables. Returns the address of the leaf entry (guest-physical for a guest's tree).
    u64 map(u64 table, unsigned top, u64 address, unsigned leaf, u64 leaf_value, u64 table_flags, bool guest) {
        for (unsigned level = top;; --level) {
            const u64 slot = table + (address >> (12 + 9 * (level - 1)) & 511) * 8;
            if (level == leaf) {
                set_entry(slot, guest, leaf_value | (leaf > 1 ? large : 0));
                return slot;
            }
            if (entry(slot, guest) == 0) set_entry(slot, guest, new_table(guest) | table_flags);
            table = entry(slot, guest) & 0x000f'ffff'ffff'f000;
        }
    }
    // The chain of entries that translates an address, topmost first.
    std::vector<u64> chain(u64 table, unsigned top, u64 address, unsigned leaf, bool guest) {
        std::vector<u64> slots;
        for (unsigned level = top; level >= leaf; --level) {
            slots.push_back(table + (address >> (12 + 9 * (level - 1)) & 511) * 8);
            table = entry(slots.back(), guest) & 0x000f'ffff'ffff'f000;
        }
        return slots;
    }

    // Long-mode paging on; leaf 1, 2 or 3. Guest tables when EPT is on.
    void paging(unsigned levels) {
        context.mode = levels == 5 ? arch::PagingMode::level5 : arch::PagingMode::level4;
        context.write_protect = context.no_execute = context.global_pages = true;
        context.cr3 = new_table(context.ept);
    }
    unsigned levels() const { return context.mode == arch::PagingMode::level5 ? 5 : 4; }
    u64 map_page(u64 linear, u64 target, unsigned leaf = 1, u64 flags = all_rights, u64 table_flags = all_rights) {
        return map(context.cr3 & ~u64{0xfff}, levels(), linear, leaf, target | flags, table_flags, context.ept);
    }

    // EPT on, guest-physical [0, 64 MiB) (or all of the first GiB by one leaf) at guest_offset with leaves of one size.
    void ept(unsigned levels, unsigned leaf, bool accessed_dirty = false) {
        context.guest = context.ept = true;
        const u64 table = new_table(false);
        context.eptp = table | (levels - 1) << 3 | 6 | (accessed_dirty ? 64 : 0);
        const u64 step = u64{1} << (12 + 9 * (leaf - 1));
        for (u64 address = 0; address < (leaf == 3 ? GiB : 64 * MiB); address += step) map_ept(address, address + guest_offset, leaf);
    }
    u64 map_ept(u64 address, u64 target, unsigned leaf = 1, u64 flags = ept_all) {
        const unsigned top = static_cast<unsigned>(context.eptp >> 3 & 7) + 1;
        return map(context.eptp & 0x000f'ffff'ffff'f000, top, address, leaf, target | flags | write_back, ept_all, false);
    }

    void apply() { mmu.set_context(context); }
    u64 stat(const std::string& name) const {
        const auto* const found = root.find(name);
        return found == nullptr ? ~u64{0} : std::get<u64>(found->value());
    }
};

inline constexpr arch::Access load{arch::AccessKind::load, false, false, false};
inline constexpr arch::Access store{arch::AccessKind::store, false, false, false};
inline constexpr arch::Access fetch{arch::AccessKind::fetch, false, false, false};
inline constexpr arch::Access user_load{arch::AccessKind::load, true, false, false};
inline constexpr arch::Access user_store{arch::AccessKind::store, true, false, false};

}  // namespace vtsim::mmu
