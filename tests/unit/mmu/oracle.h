// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "arch/access.h"
#include "base/physical_memory.h"

// A second, naive implementation of paging for 64-bit entries: recursive, one case after the other as the SDM tells them, with no
// code of the model. It names the entries that a translation uses, so that tests can predict A and D bits.
namespace vtsim::mmu::oracle {

enum class Kind { ok, page_fault, violation, misconfiguration };

struct Answer {
    Kind kind = Kind::ok;
    u32 code = 0;                       // page fault
    u64 gpa = 0, qualification = 0;     // violation, misconfiguration
    u64 pa = 0;
    std::vector<u64> guest_slots;       // physical addresses of the entries used, leaf last
};

struct Machine {
    const PhysicalMemory& memory;
    const arch::PagingContext& c;
    unsigned maxphyaddr;

    u64 read(u64 pa) const { return memory.read<u64>(PhysicalAddress{pa}); }
    u64 above() const { return ((u64{1} << 52) - 1) & ~((u64{1} << maxphyaddr) - 1); }

    // EPT: R=1 W=2 X=4 needed.
    Answer second(u64 gpa, u64 needed, u64 qualification) const {
        Answer a;
        a.gpa = gpa;
        if (!c.ept) return a.pa = gpa, a;
        const unsigned levels = static_cast<unsigned>((c.eptp >> 3) & 7) + 1;
        return descend(c.eptp & 0xffffffffff000, levels, gpa, 7, needed, qualification);
    }

    Answer descend(u64 table, unsigned level, u64 gpa, u64 rights, u64 needed, u64 qualification) const {
        Answer a;
        a.gpa = gpa;
        const unsigned low = 12 + 9 * (level - 1);
        const u64 e = read(table + ((gpa >> low) % 512) * 8);
        if ((e & 7) == 0) {
            a.kind = Kind::violation;
            a.qualification = qualification;
            return a;
        }
        const bool is_leaf = level == 1 || ((level == 2 || level == 3) && (e >> 7 & 1) != 0);
        bool bad = (e & 3) == 2 || (e & above()) != 0;
        if (is_leaf) {
            const u64 type = e >> 3 & 7;
            bad = bad || type == 2 || type == 3 || type == 7;
            for (unsigned b = 12; b < low; ++b) bad = bad || (e >> b & 1) != 0;
        } else {
            for (unsigned b = 3; b <= 6; ++b) bad = bad || (e >> b & 1) != 0;
            if (level >= 4) bad = bad || (e >> 7 & 1) != 0;
        }
        if (bad) {
            a.kind = Kind::misconfiguration;
            return a;
        }
        rights &= e & 7;
        if (!is_leaf) return descend(e & 0xffffffffff000, level - 1, gpa, rights, needed, qualification);
        if ((rights & needed) != needed) {
            a.kind = Kind::violation;
            a.qualification = qualification | rights << 3;
            return a;
        }
        a.pa = (e & 0xffffffffff000) + gpa % (u64{1} << low);
        return a;
    }

    static u64 kind_bits(arch::Access access) {
        if (access.kind == arch::AccessKind::load) return 1;
        if (access.kind == arch::AccessKind::store) return 2;
        return access.kind == arch::AccessKind::fetch ? 4 : 3;
    }

    static bool permitted(const arch::PagingContext& c, bool w, bool u, bool nx, unsigned key, arch::Access access) {
        const bool write = access.kind == arch::AccessKind::store || access.kind == arch::AccessKind::read_modify_write;
        const bool instruction = access.kind == arch::AccessKind::fetch;
        if (!access.user) {                                     // supervisor-mode access
            if (!u) {
                if (instruction) return !nx;
                return !write || w || !c.write_protect;
            }
            if (instruction) return !c.smep && !nx;
            if (c.smap && !access.smap_off) return false;
            if (write && c.write_protect && !w) return false;
        } else {
            if (!u) return false;
            if (instruction) return !nx;
            if (write && !w) return false;
        }
        if (!c.protection_keys) return true;
        const bool ad = (c.pkru >> (2 * key) & 1) != 0, wd = (c.pkru >> (2 * key + 1) & 1) != 0;
        if (ad) return false;
        return !(wd && write && (access.user || c.write_protect));
    }

    Answer translate(u64 la, arch::Access access) const {
        u64 table = c.cr3 & 0xffffffffff000;
        unsigned level = c.mode == arch::PagingMode::level5 ? 5 : 4;
        bool w = true, u = true, nx = false;
        const bool write = access.kind == arch::AccessKind::store || access.kind == arch::AccessKind::read_modify_write;
        const bool ad = (c.eptp >> 6 & 1) != 0;
        u32 code = (write ? 2U : 0U) | (access.user ? 4U : 0U);
        if (access.kind == arch::AccessKind::fetch && (c.smep || c.no_execute)) code |= 16;
        std::vector<u64> slots, gpas, rights;
        for (;; --level) {
            const unsigned low = 12 + 9 * (level - 1);
            const u64 gpa = table + ((la >> low) % 512) * 8;
            const auto slot = second(gpa, ad ? 3 : 1, (ad ? 3U : 1U) | 0x80);
            if (slot.kind != Kind::ok) return slot;
            const u64 e = read(slot.pa);
            slots.push_back(slot.pa);
            gpas.push_back(gpa);
            if ((e & 1) == 0) return fault(code);
            const bool big = (e >> 7 & 1) != 0 && level != 1;
            bool reserved = (e & above()) != 0 || (!c.no_execute && e >> 63 != 0) || (big && level >= 4);
            if (big)
                for (unsigned b = 13; b < low; ++b) reserved = reserved || (e >> b & 1) != 0;
            if (reserved) return fault(code | 9);
            w = w && (e & 2) != 0;
            u = u && (e & 4) != 0;
            nx = nx || e >> 63 != 0;
            if (level == 1 || big) {
                const unsigned key = static_cast<unsigned>(e >> 59 & 15);
                if (!permitted(c, w, u, nx, key, access)) return fault(code | 1 | (u && by_key(key, access, write) ? 32U : 0U));
                return finish(e, low, la, access, write, slots, gpas);
            }
            table = e & 0xffffffffff000;
        }
    }

    bool by_key(unsigned key, arch::Access access, bool write) const {
        if (!c.protection_keys || access.kind == arch::AccessKind::fetch) return false;
        return (c.pkru >> (2 * key) & 1) != 0 || ((c.pkru >> (2 * key + 1) & 1) != 0 && write && (access.user || c.write_protect));
    }

    // A guest entry whose A or D bit must be set needs a page that EPT lets be written; then the final address.
    Answer finish(u64 e, unsigned low, u64 la, arch::Access access, bool write, const std::vector<u64>& slots, const std::vector<u64>& gpas) const {
        for (std::size_t i = 0; i < slots.size(); ++i) {
            const u64 flags = 32 | (write && i + 1 == slots.size() ? 64U : 0U);
            if ((read(slots[i]) & flags) == flags) continue;
            const auto again = second(gpas[i], 3, 0x83);
            if (again.kind != Kind::ok) return again;
        }
        const u64 gpa = (e & 0xffffffffff000 & ~((u64{1} << low) - 1)) + la % (u64{1} << low);
        u64 needed = kind_bits(access);
        auto a = second(gpa, needed, needed | 0x180);
        a.guest_slots = slots;
        return a;
    }

    static Answer fault(u32 code) {
        Answer a;
        a.kind = Kind::page_fault;
        a.code = code;
        return a;
    }
};

}  // namespace vtsim::mmu::oracle
