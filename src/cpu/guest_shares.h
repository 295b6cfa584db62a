// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/stats/stats.h"

namespace vtsim::cpu {

// What each guest of a processor has of its statistics. A guest is a VMCS; what happens from a VM entry with it until the VM entry with another one, or VMXOFF, is its share: its
// own execution and the VMM's work for it. `guests.outside` has the rest, so that the shares of a figure sum up to the processor's own. Costs nothing while the guest stays the same.
class GuestShares {
public:
    static constexpr unsigned limit = 16;           // guests with shares of their own; later ones share `guests.others`

    explicit GuestShares(stats::Group& core);
    ~GuestShares();
    GuestShares(const GuestShares&) = delete;
    GuestShares& operator=(const GuestShares&) = delete;

    // A VM entry with the VMCS at that physical address. `settle()` brings figures that are counted lazily up to date.
    template <class Settle>
    void enter(u64 vmcs, Settle&& settle) {
        if (vmcs == current_) [[likely]] return;
        settle();
        change_to(vmcs);
    }
    template <class Settle>
    void leave(Settle&& settle) { enter(nobody, settle); }

private:
    static constexpr u64 nobody = ~u64{0};
    struct Share;

    void change_to(u64 vmcs);
    Share& share_of(u64 vmcs);
    Share& make(const std::string& name, u64 vmcs);
    void choose_figures();

    stats::Group& core_;
    u64 current_ = nobody;
    std::unique_ptr<stats::Group> group_;           // made at the first VM entry
    std::vector<std::pair<std::string, const stats::Stat*>> figures_;
    std::deque<std::unique_ptr<Share>> shares_;
    Share* running_ = nullptr;
};

}  // namespace vtsim::cpu
