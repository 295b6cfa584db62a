// SPDX-License-Identifier: Apache-2.0
#include "platform/kernel/context.h"

#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"

namespace vtsim::platform {
namespace {

struct KernelOwner {
    std::mutex mutex;
    bool busy = false;
    std::thread::id holder;
    std::vector<std::function<void()>> deferred;
};

KernelOwner& owner() {
    static KernelOwner instance;
    return instance;
}

// The deferred actions run with the kernel still held, outside the lock: they may defer more.
void release() {
    for (;;) {
        std::vector<std::function<void()>> actions;
        {
            const std::lock_guard lock{owner().mutex};
            actions = std::exchange(owner().deferred, {});
            if (actions.empty()) {
                owner().busy = false;
                return;
            }
        }
        for (auto& action : actions) action();
    }
}

}  // namespace

KernelGuard::KernelGuard(const char* doing) {
    const std::lock_guard lock{owner().mutex};
    if (owner().busy) {
        const bool nested = owner().holder == std::this_thread::get_id();
        throw InputError(std::string("cannot ") + doing + (nested ? " from a callback of a running machine: return from run() first"
                                                                  : " while another host thread uses a machine: one host thread at a time in a process"));
    }
    owner().busy = true;
    owner().holder = std::this_thread::get_id();
}

KernelGuard::~KernelGuard() { release(); }

void KernelGuard::run_when_free(std::function<void()> action) {
    {
        const std::lock_guard lock{owner().mutex};
        if (owner().busy) {
            owner().deferred.push_back(std::move(action));
            return;
        }
        owner().busy = true;
        owner().holder = std::this_thread::get_id();
    }
    action();
    release();
}

std::unique_ptr<sc_core::sc_simcontext> make_context() {
    static const bool configured = [] {
        using sc_core::sc_report_handler;
        sc_report_handler::set_actions(sc_core::SC_INFO, sc_core::SC_DO_NOTHING);
        sc_report_handler::set_actions(sc_core::SC_WARNING, sc_core::SC_DO_NOTHING);
        sc_report_handler::set_actions(sc_core::SC_ERROR, sc_core::SC_THROW);
        sc_report_handler::set_actions(sc_core::SC_FATAL, sc_core::SC_THROW);
        return true;
    }();
    static_cast<void>(configured);
    return std::make_unique<sc_core::sc_simcontext>();
}

}  // namespace vtsim::platform
