// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <systemc>

namespace vtsim::platform {

// One thing at a time uses the SystemC kernel: its current context is a global variable and not thread safe. Constructing, running
// and destroying a machine take this guard.
class KernelGuard {
public:
    // Throws InputError when another host thread or an enclosing run holds the kernel. `doing` completes the sentence "cannot ...".
    explicit KernelGuard(const char* doing);
    ~KernelGuard();
    KernelGuard(const KernelGuard&) = delete;
    KernelGuard& operator=(const KernelGuard&) = delete;

    // For destructors, which can neither refuse nor wait (the holder may be waiting for a lock of the caller, such as Python's):
    // runs `action` now, or when the holder lets go.
    static void run_when_free(std::function<void()> action);
};

// Makes a context the kernel's current one and restores the previous one: around everything that creates, runs or destroys SystemC objects.
class ContextScope {
public:
    explicit ContextScope(sc_core::sc_simcontext& context) : previous_{sc_core::sc_get_curr_simcontext()} { make_current(&context); }
    ~ContextScope() { make_current(previous_); }
    ContextScope(const ContextScope&) = delete;
    ContextScope& operator=(const ContextScope&) = delete;

private:
    static void make_current(sc_core::sc_simcontext* context) { sc_core::sc_curr_simcontext = sc_core::sc_default_global_context = context; }
    sc_core::sc_simcontext* previous_;
};

// A fresh context. The kernel's process-wide report settings are set on first use: no chatter, errors as exceptions, no abort().
[[nodiscard]] std::unique_ptr<sc_core::sc_simcontext> make_context();

}  // namespace vtsim::platform
