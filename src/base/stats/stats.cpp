// SPDX-License-Identifier: Apache-2.0
#include "base/stats/stats.h"

#include <algorithm>
#include <array>

namespace vtsim::stats {

std::string_view name_of(Unit unit) {
    static constexpr std::array<std::string_view, 8> names{"events", "instructions", "cycles", "references", "bytes", "seconds", "ratio", "per second"};
    return names[static_cast<std::size_t>(unit)];
}

Stat::Stat(Group& group, std::string name, Unit unit, std::string description)
    : name_(std::move(name)), description_(std::move(description)), unit_(unit) {
    group.stats_.push_back(this);
}

Group::Group(Group* parent, std::string name) : name_(std::move(name)), parent_(parent) {
    if (parent_ != nullptr) parent_->groups_.push_back(this);
}

// Groups below may live longer, where members are destroyed in an order of their own.
Group::~Group() {
    for (auto* group : groups_) group->parent_ = nullptr;
    if (parent_ != nullptr) std::erase(parent_->groups_, this);
}

void Group::visit(const std::function<void(const std::string&, const Stat&)>& visitor) const {
    visit_below("", visitor);
}

void Group::visit_below(const std::string& prefix, const std::function<void(const std::string&, const Stat&)>& visitor) const {
    for (const auto* stat : stats_) visitor(prefix + stat->name(), *stat);
    for (const auto* group : groups_) group->visit_below(prefix + group->name_ + ".", visitor);
}

void Group::reset() {
    for (auto* stat : stats_) stat->reset();
    for (auto* group : groups_) group->reset();
}

const Stat* Group::find(std::string_view dotted) const {
    for (const auto* stat : stats_)
        if (stat->name() == dotted) return stat;
    for (const auto* group : groups_) {
        if (dotted.size() > group->name_.size() && dotted.starts_with(group->name_) && dotted[group->name_.size()] == '.')
            if (const auto* found = group->find(dotted.substr(group->name_.size() + 1))) return found;
    }
    return nullptr;
}

}  // namespace vtsim::stats
