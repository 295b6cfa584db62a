// SPDX-License-Identifier: Apache-2.0
// Which instructions are sensitive, in the sense of Popek and Goldberg, "Formal Requirements for Virtualizable Third Generation Architectures", 1974:
// found out by executing each at rings 0, 1 and 3 and in VMX non-root operation. See guests/README.md.
#include "common/cpu.h"
#include "common/interrupts.h"
#include "common/multiboot.h"
#include "common/options.h"
#include "common/paging.h"
#include "common/print.h"
#include "common/serial.h"
#include "non_root.h"
#include "report.h"
#include "rings.h"

extern "C" const guest::Snippet snippets[], snippets_end[];

namespace guest {

std::span<const Snippet> all_snippets() { return {snippets, snippets_end}; }

namespace {

constexpr unsigned most_snippets = 128;
constexpr u8 rings[] = {0, 1, 3};
constexpr const char *ring_names[] = {"ring0", "ring1", "", "ring3"}, *cpl_names[] = {"vmx0", "", "", "vmx3"};
Finding native[most_snippets][4];           // by ring

template <class... Items>
[[noreturn]] void refuse(const Items&... message) {
    print("sensitive: ", message..., "\n");
    exit_machine(1);
}

// Which resources change the results of `run(resources)`, compared with a run where all have their first form: first all at once, then one by one.
template <class Run>
Resources resources_that_matter(const Snippet& snippet, const Finding& finding, Run run) {
    const auto matters = [&](Resources resources) { return Differences{finding.observation, run(resources)}.beyond(finding.noise); };
    const Resources candidates = Resources::all().without(fixed_for(snippet));
    Resources matter;
    if (candidates.empty() || !matters(candidates)) return matter;
    for (unsigned i = 0; i < resource_count; ++i) {
        Resources one;
        one.add(Resource(i));
        if (candidates.has(Resource(i)) && matters(one)) matter.add(Resource(i));
    }
    return matter;
}

template <class Run>
Finding find_out(const Snippet& snippet, u8 ring, Run run) {
    Finding finding;
    finding.observation = run(Resources{});
    if (!finding.observation.done()) return finding;
    finding.noise = Differences{finding.observation, run(Resources{})};
    finding.reads = resources_that_matter(snippet, finding, run);
    finding.writes = finding.observation.after.differs_from(finding.observation.before);
    finding.writes_ring = finding.observation.ring != ring;
    return finding;
}

bool differ(const Finding& a, const Finding& b) { return a.observation.done() && b.observation.done() && Differences{a.observation, b.observation}.beyond(a.noise | b.noise); }

void try_rings(unsigned number) {
    const Snippet& snippet = snippets[number];
    for (const u8 ring : rings) {
        Finding& finding = native[number][ring] = find_out(snippet, ring, [&](Resources other) { return run_at_ring(snippet, ring, other); });
        finding.reads_ring = ring && differ(finding, native[number][0]);
        print_finding(snippet, ring_names[ring], finding);
    }
}

// The guest has all resources in their first form and the host in their other one; then one of either changes at a time.
void try_non_root(unsigned number) {
    const Snippet& snippet = snippets[number];
    for (const u8 cpl : {u8(0), u8(3)}) {
        const Resources host = Resources::all();
        Finding finding = find_out(snippet, cpl, [&](Resources other) { return run_in_non_root(snippet, cpl, other, host); });
        run_in_non_root(snippet, cpl, Resources{}, host);
        finding.host = host_resources_changed();
        if (finding.observation.done()) {
            finding.host.add(resources_that_matter(snippet, finding, [&](Resources first) { return run_in_non_root(snippet, cpl, Resources{}, host.without(first)); }));
            finding.reads_ring = cpl && native[number][cpl].reads_ring && !differ(finding, native[number][cpl]);
            finding.unlike_native = differ(finding, native[number][cpl]);
        }
        print_finding(snippet, cpl_names[cpl], finding);
    }
}

ExitPolicy chosen_policy(const Options& options) {
    constexpr const char* keys = "exits";
    if (const char* const word = options.bare_word(0)) refuse("'", word, "': key=value expected, with this key: ", keys);
    if (const char* const word = options.unknown(keys, "")) refuse("'", word, "': there is no such key, only: ", keys);
    const char* const exits = options.text("exits", "all");
    if (same_text(exits, "all")) return ExitPolicy::all;
    if (same_text(exits, "few")) return ExitPolicy::few;
    refuse("exits=all or few expected, not ", exits);
}

// The first 4 GiB one to one, open to ring 3: what a snippet may do is for its ring to say, not for its pages.
u64 map_everything(MemoryPool& memory) {
    constexpr u64 devices = 3 * gib, end = 4 * gib;
    PageTables tables{linear_format, memory};
    tables.map_range(0, 0, devices, page_write | page_user, 2);
    tables.map_range(devices, devices, end - devices, page_write | page_user | page_uncached, 2);
    return tables.root();
}

}  // namespace

extern "C" [[noreturn]] void guest_main(u32 magic, const MultibootInfo* info) {
    initialize_serial();
    if (magic != multiboot_loader_magic) refuse("not started by a multiboot loader");
    const Options options{info->flags & multiboot_command_line ? reinterpret_cast<const char*>(u64{info->command_line}) : ""};
    const ExitPolicy policy = chosen_policy(options);
    const unsigned count = unsigned(all_snippets().size());
    if (count > most_snippets) refuse("more than ", most_snippets, " snippets");
    static MemoryPool memory{end_of_loaded_data(*info), end_of_memory(*info)};
    mask_legacy_interrupts();
    load_descriptors();
    load_interrupts();
    const u64 root = map_everything(memory), other_root = map_everything(memory);
    write_cr3(root);
    static Tables guest_tables{tables_of_guest()}, host_tables{tables_of_host()};
    initialize_worlds(root, other_root);
    initialize_rings(guest_tables, other_root);
    install_handlers();

    print_header();
    for (unsigned i = 0; i < count; ++i)
        if (is_possible(snippets[i]) && (!(snippets[i].needs & NEEDS_VMX_ROOT) || !has_vmx())) try_rings(i);
    if (has_vmx()) {
        initialize_non_root(memory, guest_tables, host_tables, other_root, policy);
        // Launches the VMCS, so that VMCALL in root operation fails for one reason only: with a clear one it may look for the SMM-transfer monitor.
        run_in_non_root(snippets[0], 0, Resources{}, Resources{});
        for (unsigned i = 0; i < count; ++i)
            if (snippets[i].needs & NEEDS_VMX_ROOT) try_rings(i);
        for (unsigned i = 0; i < count; ++i)
            if (is_possible(snippets[i])) try_non_root(i);
    }
    print_checksum();
    exit_machine(0);
}

}  // namespace guest
