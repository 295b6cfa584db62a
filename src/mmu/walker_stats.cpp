// SPDX-License-Identifier: Apache-2.0
#include "mmu/walker_stats.h"

#include <map>

namespace vtsim::mmu {

ReferenceMatrix::ReferenceMatrix(stats::Group& parent, std::string name, stats::Unit unit, const std::string& what) : Group(parent, std::move(name)) {
    const auto add = [&](stats::Group& group, WalkKind kind, unsigned g, unsigned e, const std::string& cell, const std::string& where) {
        counters_.emplace_back(group, cell, unit, what + where);
        cells_[static_cast<unsigned>(kind)][g][e] = &counters_.back();
    };
    for (unsigned level = 5; level >= 1; --level) {
        const auto number = std::to_string(level);
        add(native_, WalkKind::native, level, 0, "g" + number, " of level " + number + " in native walks");
        add(ept_, WalkKind::ept, 0, level, "e" + number, " of EPT level " + number + " with paging off in the guest");
    }
    for (unsigned g = 6; g-- > 0;)
        for (unsigned e = 6; e-- > 0;) {
            if (g == 0 && e == 0) continue;
            const auto cell = "g" + std::to_string(g) + "e" + std::to_string(e);
            const std::string target = g == 0 ? "the final guest-physical address" : "the guest entry of level " + std::to_string(g);
            add(nested_, WalkKind::nested, g, e, cell, e == 0 ? ": " + target + " itself" : " of EPT level " + std::to_string(e) + " for " + target);
        }
}

u64 ReferenceMatrix::total() const {
    u64 sum = 0;
    for (const auto& counter : counters_) sum += counter;
    return sum;
}

WalkSide::WalkSide(stats::Group& parent, std::string name) : Group(parent, std::move(name)) {
    for (const auto* cause : {"fetch", "load", "store", "ad_update", "prefetch"})
        by_cause.emplace_back(causes, cause, stats::Unit::events, std::string{"walks started by cause "} + cause);
}

WalkerStats::WalkerStats(stats::Group& parent, std::string name) : Group(parent, std::move(name)) { add_totals(); }

// For every counter "a.b" of the two sides a sum of that name here.
void WalkerStats::add_totals() {
    std::map<std::string, stats::Group*> groups;
    const auto group_of = [&](const std::string& path) {
        stats::Group* group = this;
        for (std::size_t begin = 0, end; (end = path.find('.', begin)) != std::string::npos; begin = end + 1) {
            auto& known = groups[path.substr(0, end)];
            if (known == nullptr) known = &groups_.emplace_back(*group, path.substr(begin, end - begin));
            group = known;
        }
        return group;
    };
    root.visit([&](const std::string& path, const stats::Stat& stat) {
        const auto* const first = &stat;
        const auto* const second = guest.find(path);
        const auto dot = path.rfind('.');
        totals_.emplace_back(*group_of(path), path.substr(dot == std::string::npos ? 0 : dot + 1), stat.unit(), stat.description(),
                             [first, second] { return std::get<u64>(first->value()) + std::get<u64>(second->value()); });
    });
}

}  // namespace vtsim::mmu
