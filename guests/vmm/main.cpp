// SPDX-License-Identifier: Apache-2.0
// The VMM: runs its first module as a guest under EPT. See README.md for the keys of its command line.
#include "capabilities.h"
#include "common/cpu.h"
#include "common/descriptors.h"
#include "common/interrupts.h"
#include "common/options.h"
#include "exits.h"
#include "guest_image.h"
#include "shadow/shadow.h"
#include "stop.h"

namespace guest {
namespace {

struct Settings {
    bool shadow;
    int ept_level;
    bool vpid, accessed_dirty, lazy;
    u64 memory;
    const char* ept_name;

    explicit Settings(const Options& options)
        : shadow(same_text(options.text("mmu", "ept"), "shadow")),
          ept_level(leaf_level(options.text("ept", "4k"))),
          vpid(options.flag("vpid", true)),
          accessed_dirty(options.flag("ad", true)),
          lazy(options.flag("lazy", true)),
          memory(options.number("mem", 128 * mib)),
          ept_name(options.text("ept", "4k")) {
        if (!shadow && !same_text(options.text("mmu", "ept"), "ept")) stop("mmu=ept or shadow expected, not ", options.text("mmu", ""));
        if (!ept_level) stop("ept=4k, 2m or 1g expected, not ", ept_name);
        if (memory < 2 * mib) stop("mem=", memory, ": at least 2m expected");
    }
};

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

void print_summary(const Vcpu& vcpu, u64 cycles) {
    u64 total = 0;
    for (const u64 count : vcpu.exits) total += count;
    print("vmm: the guest ended with status ", hex(vcpu.status, 2), " after ", cycles, " cycles and ", total, " VM exits\n");
    for (unsigned reason = 0; reason < exit_reason_count; ++reason)
        if (vcpu.exits[reason]) print("vmm:   ", exit_name(ExitReason(reason)), ": ", vcpu.exits[reason], "\n");
    if (vcpu.ept) print("vmm: EPT: ", vcpu.ept->leaves(), " leaves, ", vcpu.ept->table_bytes() / kib, " KiB of tables\n");
    if (vcpu.shadow) vcpu.shadow->print_summary();
}

}  // namespace

extern "C" [[noreturn]] void guest_main(u32 magic, const MultibootInfo* info) {
    initialize_serial();
    if (magic != multiboot_loader_magic) stop("not started by a multiboot loader");
    if (!(info->flags & multiboot_modules) || !info->module_count) stop("no module: the first one is the guest's kernel");
    const MultibootModule module = *reinterpret_cast<const MultibootModule*>(u64{info->modules});
    static const Options options{info->flags & multiboot_command_line ? reinterpret_cast<const char*>(u64{info->command_line}) : ""};
    const Settings settings{options};

    mask_legacy_interrupts();
    load_descriptors();
    load_interrupts();
    static MemoryPool pool{end_of_loaded_data(*info), end_of_memory(*info)};
    static GuestMemory memory = take_guest_memory(pool, settings);
    const GuestEntry entry = load_guest(memory, module);
    enter_vmx_operation(pool);

    constexpr u64 apic_base_address = 0xffffff000;
    const u64 apic_page = read_msr(msr_apic_base) & apic_base_address;
    static Vcpu vcpu;
    vcpu.vpid = settings.vpid ? 1 : 0;
    if (settings.shadow) {
        static Shadow shadow{pool, memory, ShadowOptions{options}, vcpu.vpid, apic_page};
        vcpu.shadow = &shadow;
    } else {
        static Ept ept{pool, memory, settings.ept_level, settings.accessed_dirty};
        ept.map_device(apic_page);
        if (!settings.lazy) ept.map_all();
        vcpu.ept = &ept;
    }
    set_up(vcpu, pool, {.rip = entry.rip, .eax = multiboot_loader_magic, .ebx = entry.information, .io_bitmaps = make_io_bitmaps(pool), .msr_bitmap = make_msr_bitmap(pool, settings.shadow)});

    print("vmm: a guest of ", memory.bytes / mib, " MiB at ", hex(memory.base), ", ");
    if (settings.shadow) print("mmu=shadow");
    else print("ept=", settings.ept_name, " ad=", on_off(settings.accessed_dirty), " lazy=", on_off(settings.lazy));
    print(" vpid=", on_off(settings.vpid), "\n");
    const u64 start = rdtsc_ordered();
    run(vcpu);
    print_summary(vcpu, rdtsc_ordered() - start);
    vmxoff();
    exit_machine(vcpu.status);
}

}  // namespace guest
