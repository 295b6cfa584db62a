// SPDX-License-Identifier: Apache-2.0
#include "cpu/guest_shares.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <variant>

namespace vtsim::cpu {
namespace {

// The figures that have shares: what happens often and belongs to whoever runs. A name that ends in a dot stands for all below it.
constexpr std::array shared = std::to_array<std::string_view>({
    "instructions",      "cycles",          "exceptions",        "interrupts",          "cycle_stack.",       "branch.",          "l1i.fetch.",
    "l1d.data.",         "l1d.walk.",       "l2.",               "mmu.itlb.lookups",    "mmu.itlb.hits",      "mmu.itlb.misses",  "mmu.dtlb.lookups",
    "mmu.dtlb.hits",     "mmu.dtlb.misses", "mmu.stlb.lookups",  "mmu.stlb.hits",       "mmu.stlb.misses",    "mmu.nested_tlb.lookups", "mmu.nested_tlb.hits",
    "mmu.nested_tlb.misses", "mmu.walker.root.walks.", "mmu.walker.guest.walks.", "mmu.invalidations.", "vmx.exits.", "vmx.exits_total", "vmx.entries",
});

bool is_shared(std::string_view name) {
    return std::any_of(shared.begin(), shared.end(), [name](std::string_view wanted) { return wanted.ends_with('.') ? name.starts_with(wanted) : name == wanted; });
}

// One guest's part of a figure: what it has gained while the guest ran.
class Part final : public stats::Stat {
public:
    Part(stats::Group& group, const std::string& name, const stats::Stat& whole) : Stat(group, name, whole.unit(), whole.description() + ": this guest's share"), whole_(whole) {}
    void start() {
        since_ = now();
        running_ = true;
    }
    void stop() {
        gained_ += now() - since_;
        running_ = false;
    }
    void take_all() { gained_ = now(); }
    [[nodiscard]] Value value() const override { return gained_ + (running_ ? now() - since_ : 0); }
    // The figures themselves are reset before: groups are reset in the order of their making.
    void reset() override {
        gained_ = 0;
        since_ = now();
    }

private:
    [[nodiscard]] u64 now() const { return std::get<u64>(whole_.value()); }

    const stats::Stat& whole_;
    u64 gained_ = 0, since_ = 0;
    bool running_ = false;
};

}  // namespace

struct GuestShares::Share : stats::Group {
    Share(stats::Group& parent, const std::string& name, u64 of_vmcs) : Group(parent, name), vmcs(of_vmcs) {}

    u64 vmcs;
    std::deque<Part> parts;
    stats::Formula address{*this, "vmcs", stats::Unit::bytes, "physical address of the guest's VMCS; all ones for none", [this] { return stats::Stat::Value{vmcs}; }};
};

GuestShares::GuestShares(stats::Group& core) : core_(core) {}

GuestShares::~GuestShares() = default;

void GuestShares::choose_figures() {
    core_.visit([this](const std::string& name, const stats::Stat& stat) {
        if (is_shared(name) && std::holds_alternative<u64>(stat.value())) figures_.emplace_back(name, &stat);
    });
}

GuestShares::Share& GuestShares::make(const std::string& name, u64 vmcs) {
    auto& share = *shares_.emplace_back(std::make_unique<Share>(*group_, name, vmcs));
    for (const auto& [figure, whole] : figures_) share.parts.emplace_back(share, figure, *whole);
    return share;
}

GuestShares::Share& GuestShares::share_of(u64 vmcs) {
    if (group_ == nullptr) {
        choose_figures();
        group_ = std::make_unique<stats::Group>(core_, "guests");
        for (auto& part : make("outside", nobody).parts) part.take_all();
    }
    for (auto& share : shares_)
        if (share->vmcs == vmcs) return *share;
    if (shares_.size() <= limit) return make(std::to_string(shares_.size()), vmcs);
    if (shares_.size() == limit + 1) return make("others", nobody);
    return *shares_.back();
}

void GuestShares::change_to(u64 vmcs) {
    if (vmcs == nobody && group_ == nullptr) return;
    auto& next = share_of(vmcs);
    if (running_ != nullptr)
        for (auto& part : running_->parts) part.stop();
    for (auto& part : next.parts) part.start();
    running_ = &next;
    current_ = vmcs;
}

}  // namespace vtsim::cpu
