// SPDX-License-Identifier: Apache-2.0
// The VMM: runs its modules as guests, under EPT or with shadow paging, on one processor or on several. See README.md for the keys of its command line.
#include <algorithm>
#include <new>

#include "capabilities.h"
#include "common/cpu.h"
#include "common/descriptors.h"
#include "common/interrupts.h"
#include "common/options.h"
#include "guest.h"
#include "processors.h"
#include "stop.h"

namespace guest {
namespace {

constexpr std::size_t line_bytes = 1024;

// What all processors share: what to run, and what is running.
struct Shared {
    Options options;
    Settings settings{options};
    MemoryPool pool;
    unsigned guest_count, processors;
    MultibootModule modules[most_guests];
    SpinLock making;  // one guest is made at a time
    Guest* guests[most_guests] = {};
    unsigned processors_running;
};
Shared* shared;

const char* command_line(const MultibootInfo& info) { return info.flags & multiboot_command_line ? reinterpret_cast<const char*>(u64{info.command_line}) : ""; }

void check_keys(const Options& options) {
    constexpr const char *keys = "mmu mem guests cores slice vpid ept ad lazy", *shadow_keys = "roots unsync filter large prefetch tables";
    if (const char* const word = options.bare_word(0)) stop("'", word, "': key=value expected, with one of these keys: ", keys, " ", shadow_keys);
    if (const char* const word = options.unknown(keys, shadow_keys)) stop("'", word, "': there is no such key, only: ", keys, " ", shadow_keys);
}

unsigned number_in_range(const Options& options, const char* key, u64 otherwise, u64 most) {
    const u64 value = options.number(key, otherwise);
    if (value < 1 || value > most) stop(key, "=", value, ": 1 to ", most, " expected");
    return unsigned(value);
}

// The guests' modules, with the texts at a place of the VMM's own: the loader's may lie where a guest's memory will be.
void copy_modules(const MultibootInfo& info) {
    static char lines[most_guests][line_bytes];
    for (unsigned i = 0; i < shared->guest_count; ++i) {
        MultibootModule& module = shared->modules[i];
        module = reinterpret_cast<const MultibootModule*>(u64{info.modules})[i % info.module_count];
        const char* text = module.command_line ? reinterpret_cast<const char*>(u64{module.command_line}) : "";
        for (unsigned at = 0; at + 1 < line_bytes && text[at]; ++at) lines[i][at] = text[at];
        module.command_line = u32(reinterpret_cast<u64>(lines[i]));
    }
}

// The guests number, number + processors, ... in turns, to their ends.
void run_guests(unsigned processor) {
    const unsigned step = shared->processors, count = shared->guest_count;
    for (unsigned i = processor; i < count; i += step) {
        const Locked locked{shared->making};
        shared->guests[i] = new (shared->pool.take(sizeof(Guest), 64))
            Guest(shared->pool, shared->options, shared->settings, shared->modules[i], {.number = i, .count = count, .on_processor = (count - processor + step - 1) / step});
    }
    for (bool running = true; running;) {
        running = false;
        for (unsigned i = processor; i < count; i += step) {
            if (!shared->guests[i]->running()) continue;
            shared->guests[i]->run_slice();
            running |= shared->guests[i]->running();
        }
    }
}

// The last processor to end prints the summaries and ends the machine; the others halt.
void run_processor(unsigned processor) {
    enter_vmx_operation(shared->pool);
    run_guests(processor);
    vmxoff();
    if (__atomic_sub_fetch(&shared->processors_running, 1, __ATOMIC_ACQ_REL)) return;
    u32 status = 0;
    for (unsigned i = 0; i < shared->guest_count; ++i) {
        shared->guests[i]->print_summary();
        if (!status) status = shared->guests[i]->status();
    }
    exit_machine(status);
}

}  // namespace

extern "C" [[noreturn]] void guest_main(u32 magic, const MultibootInfo* info) {
    initialize_serial();
    if (magic != multiboot_loader_magic) stop("not started by a multiboot loader");
    if (!(info->flags & multiboot_modules) || !info->module_count) stop("no module: the first one is the guest's kernel");
    mask_legacy_interrupts();
    load_descriptors();
    load_interrupts();

    const Options options{command_line(*info)};
    check_keys(options);
    const unsigned guests = number_in_range(options, "guests", info->module_count, most_guests), processors = number_in_range(options, "cores", 1, std::min(guests, most_processors));
    alignas(Shared) static u8 place[sizeof(Shared)];
    shared = new (place) Shared{.options = options,
                                .pool{end_of_loaded_data(*info), end_of_memory(*info)},
                                .guest_count = guests,
                                .processors = processors,
                                .modules = {},
                                .making = {},
                                .processors_running = processors};
    copy_modules(*info);
    start_processors(shared->pool, processors, run_processor);
    run_processor(0);
    for (;;) asm volatile("cli; hlt");
}

}  // namespace guest
