// SPDX-License-Identifier: Apache-2.0
#include "shadow/shadow.h"

#include "common/cpu.h"
#include "common/interrupts.h"
#include "common/options.h"
#include "shadow/write_emulation.h"
#include "stop.h"
#include "vcpu.h"

namespace guest {
namespace {

constexpr u64 accessed = 1u << 5, dirty = 1u << 6, entry_rights = page_write | page_user | page_no_execute;
constexpr u64 cr0_nw = 1u << 29, cr0_cd = 1u << 30;
constexpr u64 cr4_la57 = 1u << 12, cr4_smep = 1u << 20, cr4_smap = 1u << 21, cr4_pke = 1u << 22;
constexpr u64 efer_lme = 1u << 8, efer_lma = 1u << 10;
constexpr u64 owned_cr0 = cr0_pe | cr0_ne | cr0_wp | cr0_nw | cr0_cd | cr0_pg;
constexpr u64 owned_cr4 = cr4_pae | cr4_pge | cr4_la57 | cr4_vmxe | cr4_pcide | cr4_smep | cr4_smap | cr4_pke;
constexpr unsigned direct_slot = 31;     // of the root that maps memory while the guest has paging off
constexpr unsigned flood = 3;            // writes in a row after which a table is taken for one no longer (KVM's heuristic of the same name)

unsigned physical_bits() { return cpuid(0x80000008).eax & 0xff; }

// What the guest's leaf allows, as a leaf of the same level. The tables above carry their own rights.
u64 rights_of(u64 guest_leaf) {
    const u64 writable = guest_leaf & dirty ? guest_leaf & page_write : 0;      // the first write exits, so that D can be set
    return (guest_leaf & (page_user | page_no_execute)) | writable;
}

bool less(u64 rights, u64 than) { return (than & (page_write | page_user) & ~rights) || (rights & ~than & page_no_execute); }

}  // namespace

ShadowOptions::ShadowOptions(const Options& options)
    : unsync(options.flag("unsync", true)),
      filter(options.flag("filter", true)),
      large(options.flag("large", true)),
      roots(unsigned(options.number("roots", 16))),
      prefetch(unsigned(options.number("prefetch", 8))),
      tables(options.number("tables", 0)) {
    if (roots < 1 || roots > direct_slot) stop("roots=", roots, ": 1 to ", direct_slot, " expected");
    if (prefetch < 1 || prefetch > entries_per_table || prefetch & (prefetch - 1)) stop("prefetch=", prefetch, ": a power of two from 1 to ", entries_per_table, " expected");
    if (tables && tables < 64) stop("tables=", tables, ": at least 64 expected");
}

Shadow::Shadow(MemoryPool& pool, const GuestMemory& memory, const ShadowOptions& options, u16 first_vpid, u64 device_page)
    : memory_(memory),
      options_(options),
      pages_(pool, memory, options.tables ? options.tables : (memory.bytes >> 12) / 50 > 64 ? (memory.bytes >> 12) / 50 : 64),
      first_vpid_(first_vpid),
      device_page_(device_page),
      unsynchronised_(static_cast<ShadowPage**>(pool.take(sizeof(ShadowPage*) * max_unsynchronised))) {
    if (physical_bits() >= 52) stop("shadow paging needs a reserved bit in table entries: the processor has 52 physical-address bits");
    paging_.reserved = frame_mask & ~((u64{1} << physical_bits()) - 1);
    direct_pointers_ = static_cast<u64*>(pool.take(4096));
}

// ---- modes ------------------------------------------------------------------------------------------------------------------

void Shadow::start() {
    vmwrite(Field::cr0_mask, owned_cr0);
    vmwrite(Field::cr4_mask, owned_cr4);
    vmwrite(Field::cr0_shadow, vmread(Field::guest_cr0) & ~u64{cr0_pg | cr0_ne});
    vmwrite(Field::cr4_shadow, 0);
    vmwrite(Field::guest_cr0, vmread(Field::guest_cr0) | cr0_pg | cr0_wp);
    apply_cr4();
    constexpr u32 page_fault_vector = 14;
    vmwrite(Field::exception_bitmap, 1u << page_fault_vector);
    // SDM vol. 3, "Exception Bitmap": a page fault exits if its error code & mask equals match.
    vmwrite(Field::page_fault_mask, options_.filter ? u32{fault_present} : 0);
    vmwrite(Field::page_fault_match, options_.filter ? u32{fault_present} : 0);
    enter_direct();
}

void Shadow::apply_cr4() {
    vmwrite(Field::cr4_shadow, cr4_);
    vmwrite(Field::guest_cr4, cr4_ | cr4_pae | cr4_vmxe);
}

// SDM vol. 3, "PAE Paging": without unrestricted guest the processor pages always; what the guest takes for physical memory is mapped by four page directories.
void Shadow::enter_direct() {
    current_ = direct_slot;
    for (unsigned i = 0; i < 4; ++i) {
        if (!direct_[i]) {
            direct_[i] = &pages_.get(u64{i} << 18, 2, true);
            direct_[i]->is_root = true;
            direct_[i]->roots = 1u << direct_slot;
        }
        direct_pointers_[i] = reinterpret_cast<u64>(direct_[i]->entries) | page_present;
    }
    vmwrite(Field::guest_cr3, reinterpret_cast<u64>(direct_pointers_));
    if (first_vpid_) vmwrite(Field::vpid, first_vpid_ + direct_slot);
}

bool Shadow::paging_on() const { return vmread(Field::cr0_shadow) & cr0_pg; }

void Shadow::set_paging(bool on) {
    const u64 entry = vmread(Field::entry_controls);
    efer_ = on ? efer_ | efer_lma : efer_ & ~efer_lma;
    vmwrite(Field::entry_controls, on ? entry | guest_is_ia32e : entry & ~u64{guest_is_ia32e});
    vmwrite(Field::guest_efer, on ? efer_ : efer_ & ~efer_lme);     // with CR0.PG = 1 the processor wants LME and LMA equal
}

bool Shadow::load_cr0(u64 value) {
    const u64 now = vmread(Field::cr0_shadow), changes = now ^ value;
    if (value >> 32 || (value & cr0_pg && !(value & cr0_pe)) || (value & cr0_nw && !(value & cr0_cd))) return false;
    if (changes & cr0_pg && value & cr0_pg) {
        if (efer_ & efer_lme && !(cr4_ & cr4_pae)) return false;
        if (!(efer_ & efer_lme)) stop("paging outside IA-32e mode is not shadowed");
    }
    if (!(value & cr0_pe)) stop("real-address mode needs EPT and unrestricted guest");
    vmwrite(Field::cr0_shadow, value);
    vmwrite(Field::guest_cr0, value | cr0_ne | cr0_pg | cr0_wp);
    paging_.write_protect = value & cr0_wp;
    if (changes & (cr0_pg | cr0_wp)) forget_roots();
    if (changes & cr0_pg) set_paging(value & cr0_pg);
    if (value & cr0_pg) {
        if (changes & (cr0_pg | cr0_wp)) use_root();
    } else if (changes & cr0_pg) {
        enter_direct();
    }
    flush_if_stale();
    return true;
}

bool Shadow::load_cr4(u64 value) {
    if (value & (cr4_vmxe | cr4_pcide | cr4_la57 | cr4_pke)) return false;      // the guest has none of them (cpuid.cpp)
    if (efer_ & efer_lma && !(value & cr4_pae)) return false;
    const u64 changes = cr4_ ^ value;
    cr4_ = value;
    paging_.smep = value & cr4_smep;
    paging_.smap = value & cr4_smap;
    apply_cr4();
    if (!paging_on() || !(changes & (cr4_pge | cr4_smep | cr4_smap))) return true;
    synchronise_root();
    pages_.stale = ~0u;
    flush_if_stale();
    return true;
}

bool Shadow::load_efer(u64 value) {
    constexpr u64 known = efer_sce | efer_lme | efer_lma | efer_nxe;
    const u64 changes = efer_ ^ value;
    if (value & ~known || changes & efer_lma || (changes & efer_lme && paging_on())) return false;
    efer_ = value;
    paging_.no_execute = value & efer_nxe;
    vmwrite(Field::guest_efer, efer_ & efer_lma ? efer_ : efer_ & ~efer_lme);
    if (!(changes & efer_nxe) || !paging_on()) return true;
    forget_roots();
    use_root();
    flush_if_stale();
    return true;
}

// ---- roots ------------------------------------------------------------------------------------------------------------------

bool Shadow::load_cr3(u64 value) {
    if (value & (paging_.reserved | ~(frame_mask | 0xfff))) return false;
    paging_.cr3 = value;
    if (!paging_on()) return true;
    use_root();
    synchronise_root();
    flush_if_stale();
    return true;
}

void Shadow::use_root() {
    const u64 frame = (paging_.cr3 & frame_mask) >> 12;
    if (!pages_.owns(frame)) stop("CR3 = ", hex(paging_.cr3), " is outside the guest's memory");
    unsigned slot = options_.roots;
    for (unsigned i = 0; i < options_.roots && slot == options_.roots; ++i)
        if (roots_[i].page && roots_[i].page->frame == frame) slot = i;
    if (slot < options_.roots) {
        ++counters_.cr3_kept;
        pages_.touch(*roots_[slot].page);
    } else {
        ++counters_.cr3_made;
        slot = 0;
        for (unsigned i = 1; i < options_.roots; ++i)
            if (roots_[i].used < roots_[slot].used) slot = i;
        Root& root = roots_[slot];
        if (root.page) root.page->is_root = false;      // its tables stay until there is no room
        root.page = &pages_.get(frame, 4, false);
        root.page->is_root = true;
        pages_.spread_roots(*root.page, 1u << slot);
        pages_.stale |= 1u << slot;             // its VPID had another owner
    }
    roots_[slot].used = ++time_;
    current_ = slot;
    vmwrite(Field::guest_cr3, reinterpret_cast<u64>(roots_[slot].page->entries));
    if (first_vpid_) vmwrite(Field::vpid, first_vpid_ + slot);
}

void Shadow::forget_roots() {
    for (Root& root : roots_) root = {};
    pages_.drop_tables();
    pages_.stale = ~0u;
}

void Shadow::flush_if_stale() {
    if (!(pages_.stale >> current_ & 1)) return;
    pages_.stale &= ~(1u << current_);
    if (!first_vpid_) return;                   // the VM entry does it
    ++counters_.flushes;
    if (!invvpid(Invvpid::single_context, u16(first_vpid_ + current_))) stop("INVVPID failed");
}

// ---- page faults ------------------------------------------------------------------------------------------------------------

GuestPaging Shadow::current_paging() const {
    GuestPaging paging = paging_;
    constexpr u64 rflags_ac = 1u << 18;
    paging.access_control = paging.smap && vmread(Field::guest_rflags) & rflags_ac;
    return paging;
}

void Shadow::page_fault(Vcpu& vcpu) {
    const u64 linear = vmread(Field::exit_qualification);
    const u32 access = u32(vmread(Field::exit_interruption_error_code)) & (fault_write | fault_user | fault_fetch);
    if (!paging_on()) {
        map_direct(vcpu, linear, access);
        return flush_if_stale();
    }
    const Walk walk = walk_guest(memory_, current_paging(), linear, access);
    if (!walk.permitted) return reflect(vcpu, linear, walk.error);
    if (!pages_.owns(walk.frame) && walk.frame != device_page_ >> 12) stop_at_nothing(vcpu, walk.frame << 12 | (linear & 4095), access);
    if (map(walk, linear, access) == Mapped::emulate) emulate_write(vcpu, walk, linear);
    flush_if_stale();
}

void Shadow::reflect(Vcpu& vcpu, u64 linear, u32 error) {
    ++counters_.reflected;
    // SDM vol. 3, table "Conditions for Generating a Double Fault".
    const u32 event = u32(vmread(Field::idt_vectoring));
    constexpr u32 double_fault = 8, page_fault_vector = 14, external_interrupt = 0, type_mask = 7;
    if (event & event_valid) {
        const u32 vector = event & 0xff, type = event >> event_type_shift & type_mask;
        const bool contributory = vector == 0 || (vector >= 10 && vector <= 13) || vector == page_fault_vector;
        if (type == hardware_exception && vector == double_fault) return triple_fault(vcpu);
        if (type == hardware_exception && contributory) return inject_exception(double_fault, 0);
        if (type == external_interrupt) stop("the guest's stack or IDT faults while an interrupt is delivered, at ", hex(linear));
    }
    asm volatile("mov %0, %%cr2" ::"r"(linear));
    inject_exception(page_fault_vector, error);
}

// The entry for the next level down leads to the shadow of that table (or direct page); it is made if need be.
ShadowPage& Shadow::descend(ShadowPage& page, u64 linear, u64 frame, int level, bool direct, u64 rights) {
    u64& entry = page.at(linear);
    ShadowPage* child = pages_.child_of(entry);
    if (!child || child->frame != frame || child->direct != direct) {
        if (translates(entry)) pages_.clear(page, entry);
        child = &pages_.get(frame, level, direct);
        if (child->unsynchronised) synchronise(*child);
        pages_.link(page, entry, *child, rights);
    } else {
        if (less(rights, entry & entry_rights)) pages_.stale |= page.roots;
        entry = (entry & ~u64{entry_rights}) | rights;
        pages_.touch(*child);
    }
    return *child;
}

Shadow::Mapped Shadow::map(const Walk& walk, u64 linear, u32 access) {
    const bool write = access & fault_write;
    if (write && pages_.owns(walk.frame) && pages_.is_protected(walk.frame) && !let_go(walk.frame)) return Mapped::emulate;
    const u64 around = walk.frame & ~u64{511};
    const bool large = options_.large && walk.leaf_level > 1 && pages_.owns(around) && pages_.owns(around + 511) && !pages_.region_has_tables(around);
    const int target = large ? 2 : 1;
    // CR0.WP = 0: the supervisor writes where nobody may, so that the user may not even read there until the next fault.
    const u64 more = walk.supervisor_write ? u64{page_write} : 0, fewer = walk.supervisor_write ? u64{page_user} : 0, no_fetch = walk.supervisor_write && paging_.smep ? u64{page_no_execute} : 0;
    const auto adjust = [&](u64 rights) { return ((rights | more) & ~fewer) | no_fetch; };

    ShadowPage* page = roots_[current_].page;
    for (int level = 4; level > target; --level) {
        const bool table = level > walk.leaf_level;
        const u64 first = walk.frame & ~((u64{1} << 9 * (level - 1)) - 1);      // of the memory that a direct page of the next level maps
        const u64 rights = table ? walk.entry[level] & entry_rights : level == walk.leaf_level ? rights_of(walk.entry[level]) : page_write | page_user;
        page = &descend(*page, linear, table ? walk.table[level - 1] : first, level - 1, !table, adjust(rights));
    }
    const u64 rights = target >= walk.leaf_level ? rights_of(walk.entry[walk.leaf_level]) : page_write | page_user;
    set_leaf(*page, page->at(linear), walk.frame, adjust(rights));
    ++counters_.filled;
    prefetch_around(*page, linear);
    return Mapped::done;
}

void Shadow::set_leaf(ShadowPage& page, u64& entry, u64 frame, u64 rights) {
    const bool memory = pages_.owns(frame);
    const u64 first = frame & ~((u64{1} << 9 * (page.level - 1)) - 1);
    if (memory && page.level == 1 && pages_.is_protected(frame)) rights &= ~u64{page_write};
    const u64 size = page.level > 1 ? u64{page_large} : 0, type = memory ? 0 : u64{page_uncached};
    const u64 value = (memory ? pages_.host(first) : frame << 12) | page_present | accessed | (rights & page_write ? dirty : 0) | rights | size | type;
    if (translates(entry) && (entry & frame_mask) == (value & frame_mask)) {
        if (less(rights, entry & entry_rights)) pages_.stale |= page.roots;
        entry = value;
        return;
    }
    pages_.set_leaf(page, entry, value, first);
}

void Shadow::prefetch_around(ShadowPage& page, u64 linear) {
    if (page.level != 1 || options_.prefetch == 1) return;
    const unsigned first = table_index(linear, 1) & ~(options_.prefetch - 1);
    const u64* const table = page.direct ? nullptr : reinterpret_cast<const u64*>(pages_.host(page.frame));
    for (unsigned i = first; i < first + options_.prefetch; ++i) {
        u64& entry = page.entries[i];
        if (!is_unknown(entry)) continue;
        constexpr u64 used = page_present | accessed;
        if (table && (table[i] & used) != used) continue;       // A is for the guest's own accesses to set
        const u64 frame = table ? (table[i] & frame_mask) >> 12 : page.frame + i;
        if (!pages_.owns(frame) || (table && table[i] & paging_.reserved)) continue;
        set_leaf(page, entry, frame, table ? rights_of(table[i]) : page_write | page_user);
        ++counters_.prefetched;
    }
}

void Shadow::map_direct(Vcpu& vcpu, u64 linear, u32 access) {
    const u64 frame = linear >> 12, around = frame & ~u64{511};
    if (!pages_.owns(frame) && frame != device_page_ >> 12) stop_at_nothing(vcpu, linear, access);
    ShadowPage* page = direct_[linear >> 30];
    const bool large = options_.large && pages_.owns(around) && pages_.owns(around + 511);
    if (!large) page = &descend(*page, linear, around, 1, true, page_write | page_user);
    set_leaf(*page, page->at(linear), frame, page_write | page_user);
    ++counters_.filled;
    prefetch_around(*page, linear);
}

void Shadow::stop_at_nothing(Vcpu& vcpu, u64 address, u32 access) const {
    print_guest_state(vcpu);
    stop("the guest ", access & fault_fetch ? "executes" : access & fault_write ? "writes" : "reads", " guest-physical address ", hex(address), ", where it has neither memory nor a device");
}

// ---- tables that the guest writes -------------------------------------------------------------------------------------------

bool Shadow::let_go(u64 frame) {
    if (!options_.unsync || unsynchronised_count_ == max_unsynchronised) return false;
    bool lowest = true;
    pages_.for_each_shadow(frame, [&](ShadowPage& page) { lowest &= page.level == 1; });
    if (!lowest) return false;
    pages_.for_each_shadow(frame, [&](ShadowPage& page) {
        pages_.unprotect(page);
        // From now on the guest may make an entry present at any time: a fault there must exit.
        for (unsigned i = 0; i < entries_per_table; ++i)
            if (page.entries[i] == entry_absent) page.entries[i] = entry_unknown;
        unsynchronised_[unsynchronised_count_++] = &page;
    });
    ++counters_.let_go;
    return true;
}

void Shadow::synchronise_entry(ShadowPage& page, unsigned i) {
    const u64 now = reinterpret_cast<const u64*>(pages_.host(page.frame))[i];
    u64& entry = page.entries[i];
    const u64 empty = now & page_present ? entry_unknown : page.unsynchronised ? entry_unknown : entry_absent;
    if (!translates(entry)) {
        entry = empty;
        return;
    }
    const u64 frame = (now & frame_mask) >> 12, shown = entry & frame_mask;
    const bool same = shown == (pages_.owns(frame) ? pages_.host(frame) : frame << 12);
    if (!(now & page_present) || !(now & accessed) || !same || now & paging_.reserved) {
        pages_.clear(page, entry, empty);
        ++counters_.changed;
        return;
    }
    const u64 rights = rights_of(now);
    if (rights == (entry & entry_rights)) return;
    ++counters_.changed;
    set_leaf(page, entry, frame, rights);
}

void Shadow::synchronise(ShadowPage& page) {
    ++counters_.synchronised;
    pages_.protect(page);
    for (unsigned i = 0; i < entries_per_table; ++i) synchronise_entry(page, i);
}

void Shadow::synchronise_root() {
    unsigned kept = 0;
    for (unsigned i = 0; i < unsynchronised_count_; ++i) {
        ShadowPage& page = *unsynchronised_[i];
        if (!page.unsynchronised) continue;
        if (page.roots >> current_ & 1) synchronise(page);
        else unsynchronised_[kept++] = &page;
    }
    unsynchronised_count_ = kept;
}

void Shadow::invalidate_page(u64 linear) {
    ++counters_.invlpg;
    if (!paging_on()) return;
    ShadowPage* page = roots_[current_].page;
    while (page->level > 1) {
        page = pages_.child_of(page->at(linear));
        if (!page) return;                      // a large page, or nothing: in step, as its table is write-protected
    }
    if (page->direct || !page->unsynchronised) return;
    const u32 before = pages_.stale;
    synchronise_entry(*page, table_index(linear, 1));
    if (before >> current_ & 1 || !(pages_.stale >> current_ & 1)) return flush_if_stale();
    // Only this translation has changed; the other roots that reach the table flush when they are used.
    pages_.stale &= ~(1u << current_);
    if (!first_vpid_) return;
    ++counters_.flushes;
    if (!invvpid(Invvpid::individual_address, u16(first_vpid_ + current_), linear)) stop("INVVPID failed");
}

void Shadow::table_written(u64 frame, unsigned first, unsigned last) {
    const u64* const table = reinterpret_cast<const u64*>(pages_.host(frame));
    pages_.for_each_shadow(frame, [&](ShadowPage& page) {
        for (unsigned i = first; i <= last; ++i) pages_.clear(page, page.entries[i], table[i] & page_present || page.unsynchronised ? entry_unknown : entry_absent);
        if (++page.writes >= flood && !page.is_root) {
            ++counters_.flooded;
            pages_.drop(page);
        }
    });
}

void Shadow::emulate_write(Vcpu& vcpu, const Walk& walk, u64 linear) {
    constexpr unsigned longest = 15;
    u8 code[longest];
    unsigned available = 0;
    const u64 rip = vmread(Field::guest_rip);
    while (available < longest) {
        const u64 offset = (rip + available) & 4095;
        const Walk fetch = walk_guest(memory_, current_paging(), rip + available, fault_fetch);
        if (!fetch.permitted || !pages_.owns(fetch.frame)) break;
        const u8* const from = memory_.at(fetch.frame << 12);
        for (u64 at = offset; at < 4096 && available < longest; ++at) code[available++] = from[at];
    }
    const unsigned offset = linear & 4095;
    const TableWrite write = emulate_table_write(vcpu, code, available, memory_.at(walk.frame << 12 | offset));
    if (write.known) {
        ++counters_.emulated;
        skip_instruction(vcpu, write.length);
        return table_written(walk.frame, offset / 8, (offset + write.bytes - 1) / 8);
    }
    // Something else writes there, a string instruction for example: probably the page is a table no longer.
    ++counters_.stepped_out;
    pages_.for_each_shadow(walk.frame, [&](ShadowPage& page) {
        for (unsigned i = 0; i < options_.roots; ++i) {
            if (roots_[i].page != &page) continue;
            if (i == current_) stop("the instruction at ", hex(rip), " writes the root of the running address space and cannot be emulated");
            roots_[i] = {};
            page.is_root = false;
        }
        pages_.drop(page);
    });
}

void Shadow::print_summary() const {
    const ShadowCounters& pages = pages_.counters;
    print("vmm: shadow: ", counters_.filled, " entries filled, ", counters_.prefetched, " prefetched, ", counters_.reflected, " faults of the guest's own\n");
    print("vmm: shadow: CR3 loads: ", counters_.cr3_kept, " to kept roots, ", counters_.cr3_made, " to others; INVLPG: ", counters_.invlpg, "; flushes: ", counters_.flushes, "\n");
    print("vmm: shadow: table writes: ", counters_.emulated, " emulated, ", counters_.let_go, " tables let go, ", counters_.synchronised, " synchronised (", counters_.changed,
          " entries had changed), ", counters_.flooded, " flooded, ", counters_.stepped_out, " given up\n");
    print("vmm: shadow: tables: ", pages.pages_made, " made, ", pages.pages_dropped, " dropped, ", pages.evicted, " of them evicted; at most ", pages.peak_pages * 4, " KiB at a time, ",
          pages_.overhead_bytes() / kib, " KiB of bookkeeping\n");
}

}  // namespace guest
