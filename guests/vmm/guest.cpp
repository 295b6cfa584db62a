// SPDX-License-Identifier: Apache-2.0
#include "guest.h"

#include <new>

#include "capabilities.h"
#include "common/cpu.h"
#include "common/options.h"
#include "exits.h"
#include "stop.h"

namespace guest {
namespace {

constexpr u32 msr_cstar = 0xc0000083, msr_vmx_misc = 0x485;
constexpr u32 switched_msrs[] = {msr_star, msr_lstar, msr_cstar, msr_fmask, msr_kernel_gs_base, msr_tsc_aux};

const char* on_off(bool value) { return value ? "on" : "off"; }

// The guest gets whole leaves: what it can reach is its own.
GuestMemory take_guest_memory(MemoryPool& pool, const Settings& settings) {
    const u64 leaf = settings.shadow ? 2 * mib : page_bytes(settings.ept_level), bytes = align_up(settings.memory, leaf), end = pool.end();
    const u64 base = pool.take_from_top(bytes, leaf);
    if (!base)
        stop("a guest of ", bytes / mib, " MiB at a boundary of ", leaf / kib, " KiB does not fit between the VMM's own end at ", hex(pool.next()), " and the memory's at ",
             hex(end), ": give the machine more memory, or the guest less with mem=");
    return {base, bytes};
}

template <class T, class... Arguments>
T& make(MemoryPool& pool, Arguments&&... arguments) {
    return *new (pool.take(sizeof(T), alignof(T) < 64 ? 64 : alignof(T))) T(static_cast<Arguments&&>(arguments)...);
}

bool has_rdtscp() { return cpuid_extended_edx(27); }

}  // namespace

Settings::Settings(const Options& options)
    : shadow(same_text(options.text("mmu", "ept"), "shadow")),
      ept_level(leaf_level(options.text("ept", "4k"))),
      vpid(options.flag("vpid", true)),
      accessed_dirty(options.flag("ad", true)),
      lazy(options.flag("lazy", true)),
      memory(options.number("mem", 128 * mib)),
      slice(options.number("slice", 1000000)),
      ept_name(options.text("ept", "4k")) {
    if (!shadow && !same_text(options.text("mmu", "ept"), "ept")) stop("mmu=ept or shadow expected, not ", options.text("mmu", ""));
    if (!ept_level) stop("ept=4k, 2m or 1g expected, not ", ept_name);
    if (memory < 2 * mib) stop("mem=", memory, ": at least 2m expected");
    if (slice < 1000) stop("slice=", slice, ": at least 1000 cycles expected");
}

// ---- what a change of guests changes ------------------------------------------------------------------------------------------

void SwitchedState::save() {
    if (has_xsave()) {
        xcr0 = read_xcr0();
        write_xcr0(xcr0_supported());
        asm volatile("xsave64 %0" : "=m"(extended) : "a"(~0u), "d"(~0u));
    } else {
        asm volatile("fxsave64 %0" : "=m"(extended));
    }
    for (unsigned i = 0; i < 6; ++i)
        if (switched_msrs[i] != msr_tsc_aux || has_rdtscp()) msrs[i] = read_msr(switched_msrs[i]);
    cr2 = read_cr2();
    asm volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3; mov %%dr6, %4" : "=r"(dr[0]), "=r"(dr[1]), "=r"(dr[2]), "=r"(dr[3]), "=r"(dr6));
}

void SwitchedState::restore() const {
    if (has_xsave()) {
        write_xcr0(xcr0_supported());
        asm volatile("xrstor64 %0" ::"m"(extended), "a"(~0u), "d"(~0u));
        write_xcr0(xcr0);
    } else {
        asm volatile("fxrstor64 %0" ::"m"(extended));
    }
    for (unsigned i = 0; i < 6; ++i)
        if (switched_msrs[i] != msr_tsc_aux || has_rdtscp()) write_msr(switched_msrs[i], msrs[i]);
    asm volatile("mov %0, %%cr2" ::"r"(cr2));
    asm volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3; mov %4, %%dr6" ::"r"(dr[0]), "r"(dr[1]), "r"(dr[2]), "r"(dr[3]), "r"(dr6));
}

// ---- a guest ------------------------------------------------------------------------------------------------------------------

Guest::Guest(MemoryPool& pool, const Options& options, const Settings& settings, const MultibootModule& module, const Place& place)
    : memory_(take_guest_memory(pool, settings)), slice_(settings.slice), alone_(place.on_processor == 1), only_(place.count == 1) {
    static constexpr const char* names[most_guests] = {"guest 1", "guest 2", "guest 3", "guest 4", "guest 5", "guest 6", "guest 7", "guest 8"};
    name_ = only_ ? "the guest" : names[place.number];
    const GuestEntry entry = load_guest(memory_, module);

    constexpr u64 apic_base_address = 0xffffff000;
    const u64 apic_page = read_msr(msr_apic_base) & apic_base_address;
    constexpr u16 vpids_of_a_guest = 32;
    vcpu_.name = name_;
    vcpu_.vpid = settings.vpid ? u16(1 + place.number * vpids_of_a_guest) : u16(0);
    vcpu_.alone = alone_;
    vcpu_.own_serial_port = only_;
    if (settings.shadow) {
        vcpu_.shadow = &make<Shadow>(pool, pool, memory_, ShadowOptions{options}, vcpu_.vpid, alone_ ? apic_page : no_device);
    } else {
        vcpu_.ept = &make<Ept>(pool, pool, memory_, settings.ept_level, settings.accessed_dirty);
        if (alone_) vcpu_.ept->map_device(apic_page);
        if (!settings.lazy) vcpu_.ept->map_all();
    }
    set_up(vcpu_, pool,
           {.rip = entry.rip, .eax = multiboot_loader_magic, .ebx = entry.information, .io_bitmaps = make_io_bitmaps(pool), .msr_bitmap = make_msr_bitmap(pool, settings.shadow, alone_)});
    state_.save();

    print("vmm: ", only_ ? "a guest" : name_, only_ ? " of " : ": ", memory_.bytes / mib, " MiB at ", hex(memory_.base), ", ");
    if (settings.shadow) print("mmu=shadow");
    else print("ept=", settings.ept_name, " ad=", on_off(settings.accessed_dirty), " lazy=", on_off(settings.lazy));
    print(" vpid=", on_off(settings.vpid), "\n");
}

void Guest::run_slice() {
    const u64 start = rdtsc_ordered();
    ++slices_;
    if (!alone_) {
        if (!vmptrld(vcpu_.vmcs)) stop("VMPTRLD of the VMCS at ", hex(vcpu_.vmcs), " failed");
        state_.restore();
        vmwrite(Field::preemption_timer, slice_ >> (read_msr(msr_vmx_misc) & 31));
        vcpu_.slice_over = false;
    }
    run(vcpu_);
    if (!alone_) state_.save();
    cycles_ += rdtsc_ordered() - start;
}

void Guest::print_summary() const {
    u64 total = 0;
    for (const u64 count : vcpu_.exits) total += count;
    print("vmm: ", name_, " ended with status ", hex(vcpu_.status, 2), " after ", cycles_, " cycles and ", total, " VM exits\n");
    if (!alone_) print("vmm:   slices: ", slices_, "\n");
    for (unsigned reason = 0; reason < exit_reason_count; ++reason)
        if (vcpu_.exits[reason]) print("vmm:   ", exit_name(ExitReason(reason)), ": ", vcpu_.exits[reason], "\n");
    if (vcpu_.ept) print("vmm: EPT: ", vcpu_.ept->leaves(), " leaves, ", vcpu_.ept->table_bytes() / kib, " KiB of tables\n");
    if (vcpu_.shadow) vcpu_.shadow->print_summary();
}

}  // namespace guest
