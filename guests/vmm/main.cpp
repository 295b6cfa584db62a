// SPDX-License-Identifier: Apache-2.0
// The VMM: runs its modules as guests, under EPT or with shadow paging. See README.md for the keys of its command line.
#include <new>

#include "capabilities.h"
#include "common/cpu.h"
#include "common/descriptors.h"
#include "common/interrupts.h"
#include "common/options.h"
#include "guest.h"
#include "stop.h"

extern "C" [[noreturn]] void guest_main(guest::u32 magic, const guest::MultibootInfo* info) {
    using namespace guest;
    initialize_serial();
    if (magic != multiboot_loader_magic) stop("not started by a multiboot loader");
    if (!(info->flags & multiboot_modules) || !info->module_count) stop("no module: the first one is the guest's kernel");
    static const Options options{info->flags & multiboot_command_line ? reinterpret_cast<const char*>(u64{info->command_line}) : ""};
    constexpr const char *keys = "mmu mem guests slice vpid ept ad lazy", *shadow_keys = "roots unsync filter large prefetch tables";
    if (const char* const word = options.bare_word(0)) stop("'", word, "': key=value expected, with one of these keys: ", keys, " ", shadow_keys);
    if (const char* const word = options.unknown(keys, shadow_keys)) stop("'", word, "': there is no such key, only: ", keys, " ", shadow_keys);
    const Settings settings{options};
    const u64 count = options.number("guests", info->module_count);
    if (count < 1 || count > most_guests) stop("guests=", count, ": 1 to ", most_guests, " expected");
    const u32 modules = info->module_count;
    // The loader's strings may lie where a guest's memory will be.
    static char lines[most_guests][1024];
    MultibootModule module[most_guests];
    for (unsigned i = 0; i < count; ++i) {
        module[i] = reinterpret_cast<const MultibootModule*>(u64{info->modules})[i % modules];
        const char* text = module[i].command_line ? reinterpret_cast<const char*>(u64{module[i].command_line}) : "";
        for (unsigned at = 0; at + 1 < sizeof lines[i] && text[at]; ++at) lines[i][at] = text[at];
        module[i].command_line = u32(reinterpret_cast<u64>(lines[i]));
    }

    mask_legacy_interrupts();
    load_descriptors();
    load_interrupts();
    static MemoryPool pool{end_of_loaded_data(*info), end_of_memory(*info)};
    enter_vmx_operation(pool);

    static Guest* guests[most_guests];
    for (unsigned i = 0; i < count; ++i) guests[i] = new (pool.take(sizeof(Guest), 64)) Guest(pool, options, settings, module[i], i, unsigned(count));

    // Round robin.
    for (bool running = true; running;) {
        running = false;
        for (unsigned i = 0; i < count; ++i) {
            if (!guests[i]->running()) continue;
            guests[i]->run_slice();
            running |= guests[i]->running();
        }
    }
    u32 status = 0;
    for (unsigned i = 0; i < count; ++i) {
        guests[i]->print_summary();
        if (!status) status = guests[i]->status();
    }
    vmxoff();
    exit_machine(status);
}
