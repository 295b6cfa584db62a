// SPDX-License-Identifier: Apache-2.0
#include "support/laws.h"

#include <fmt/format.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string_view>

namespace vtsim::test {
namespace {

class Laws {
public:
    explicit Laws(const Statistics& figures) {
        for (const auto& figure : figures)
            if (const auto* count = std::get_if<std::uint64_t>(&figure.value)) counts_[figure.name] = *count;
    }

    bool has(const std::string& name) const { return counts_.contains(name); }
    std::uint64_t of(const std::string& name) {
        const auto found = counts_.find(name);
        if (found == counts_.end()) broken.push_back(fmt::format("there is no figure {}", name));
        return found == counts_.end() ? 0 : found->second;
    }
    // Of all figures below `prefix`, which ends in a dot; those whose last part is `except` do not count.
    std::uint64_t sum_below(const std::string& prefix, std::string_view except = "") {
        std::uint64_t sum = 0;
        for (auto at = counts_.lower_bound(prefix); at != counts_.end() && at->first.starts_with(prefix); ++at)
            if (except.empty() || at->first.substr(prefix.size()) != except) sum += at->second;
        return sum;
    }
    void equal(std::string_view what, std::uint64_t left, std::uint64_t right) {
        if (left != right) broken.push_back(fmt::format("{}: {} and {}", what, left, right));
    }
    const auto& counts() const { return counts_; }

    std::vector<std::string> broken;

private:
    std::map<std::string, std::uint64_t> counts_;
};

void lookups_hit_or_miss(Laws& laws) {
    constexpr std::string_view suffix = ".lookups";
    for (const auto& [name, count] : laws.counts()) {
        if (!name.ends_with(suffix)) continue;
        const auto structure = name.substr(0, name.size() - suffix.size());
        laws.equal(structure + ": lookups = hits + misses", count, laws.of(structure + ".hits") + laws.of(structure + ".misses"));
    }
}

void walks_end(Laws& laws, const std::string& cpu) {
    const auto mmu = cpu + "mmu.", total = mmu + "walker.";
    for (const auto& walker : {total, total + "root.", total + "guest."}) {
        const auto walks = laws.sum_below(walker + "walks.");
        laws.equal(walker + "walks = completed + aborted", walks, laws.of(walker + "completed") + laws.sum_below(walker + "aborted."));
        laws.equal(walker + "walks = causes", walks, laws.sum_below(walker + "causes."));
    }
    for (const std::string part : {"walks.", "aborted.", "causes.", "refs.native.", "refs.ept.", "refs.nested.", "ref_cycles.native.", "ref_cycles.ept.", "ref_cycles.nested.", "ad_writes."})
        laws.equal(total + part + " = root + guest", laws.sum_below(total + part), laws.sum_below(total + "root." + part) + laws.sum_below(total + "guest." + part));
    laws.equal(cpu + "walks = STLB misses + re-walks", laws.sum_below(total + "walks."), laws.of(mmu + "stlb.misses") + laws.sum_below(mmu + "rewalks."));
    laws.equal(cpu + "STLB lookups = misses of the first level", laws.of(mmu + "stlb.lookups"), laws.of(mmu + "itlb.misses") + laws.of(mmu + "dtlb.misses"));
    laws.equal(cpu + "the caches see every reference of the walker", laws.of(cpu + "l1d.walk.lookups"),
               laws.sum_below(total + "refs.") + laws.sum_below(total + "ad_writes.", "cycles") + laws.of(total + "pdpte_loads"));
}

void misses_go_down(Laws& laws, const std::string& cpu) {
    laws.equal(cpu + "l2 fetches", laws.of(cpu + "l2.fetch.lookups"), laws.of(cpu + "l1i.fetch.misses"));
    for (const std::string kind : {"data", "walk"}) laws.equal(cpu + "l2 " + kind, laws.of(cpu + "l2." + kind + ".lookups"), laws.of(cpu + "l1d." + kind + ".misses"));
}

void shared_levels(Laws& laws, unsigned cores) {
    std::uint64_t misses = 0;
    for (const std::string kind : {"data", "fetch", "walk"}) {
        std::uint64_t from_cores = 0;
        for (unsigned core = 0; core < cores; ++core) from_cores += laws.of(fmt::format("cpu{}.l2.{}.misses", core, kind));
        laws.equal("l3 " + kind, laws.of("memory.l3." + kind + ".lookups"), from_cores);
        misses += laws.of("memory.l3." + kind + ".misses");
    }
    laws.equal("DRAM reads = l3 misses", laws.of("memory.dram.reads"), misses);
}

void transitions(Laws& laws, const std::string& cpu) {
    const auto vmx = cpu + "vmx.";
    const auto exits = laws.of(vmx + "exits_total"), entries = laws.of(vmx + "entries");
    laws.equal(vmx + "exits = sum of the reasons", exits, laws.sum_below(vmx + "exits."));
    if (entries != exits && entries != exits + 1) laws.broken.push_back(fmt::format("{}entries = exits + in guest: {} and {}", vmx, entries, exits));
}

void cycles(Laws& laws, const std::string& cpu) {
    laws.equal(cpu + "cycles = sum of the cycle stack", laws.of(cpu + "cycles"), laws.sum_below(cpu + "cycle_stack."));
    laws.equal(cpu + "exit cycles by reason = their bucket", laws.sum_below(cpu + "vmx.exit_cycles."), laws.of(cpu + "cycle_stack.vm_exit"));
    if (laws.sum_below(cpu + "vmx.entry_cycles.") > laws.of(cpu + "cycle_stack.vm_entry")) laws.broken.push_back(cpu + "entry cycles by reason exceed their bucket");
}

}  // namespace

std::vector<std::string> broken_laws(const Statistics& figures, Mode mode) {
    Laws laws{figures};
    lookups_hit_or_miss(laws);
    unsigned cores = 0;
    std::uint64_t instructions = 0;
    for (; laws.has(fmt::format("cpu{}.instructions", cores)); ++cores) {
        const auto cpu = fmt::format("cpu{}.", cores);
        laws.equal(cpu + "instructions = sum of the modes", laws.of(cpu + "instructions"), laws.sum_below(cpu + "instructions_by_mode."));
        instructions += laws.of(cpu + "instructions");
        transitions(laws, cpu);
        walks_end(laws, cpu);
        misses_go_down(laws, cpu);
        if (mode == Mode::timing) cycles(laws, cpu);
    }
    laws.equal("sim.instructions = sum of the cores", laws.of("sim.instructions"), instructions);
    shared_levels(laws, cores);
    return laws.broken;
}

}  // namespace vtsim::test
