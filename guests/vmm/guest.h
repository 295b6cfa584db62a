// SPDX-License-Identifier: Apache-2.0
// A guest: its memory, how it is virtualized, its processor. Several share the real processor in turns.
#pragma once
#include "guest_image.h"
#include "shadow/shadow.h"
#include "vcpu.h"

namespace guest {

struct Settings {
    bool shadow;
    int ept_level;
    bool vpid, accessed_dirty, lazy;
    u64 memory;
    u64 slice;                  // TSC cycles
    const char* ept_name;

    explicit Settings(const Options& options);
};

// What VM entries and exits do not switch, and the guest may change. SDM vol. 3, "Guest-State Area", lists the rest.
struct SwitchedState {
    alignas(64) u8 extended[4096];      // an XSAVE area of whatever the processor has, or x87 and SSE by FXSAVE
    u64 xcr0;
    u64 msrs[6];
    u64 cr2, dr[4], dr6;

    void save();
    void restore() const;
};

class Guest {
public:
    // Where a guest has its place: `number` from 0 on, of `count` guests, of which `on_processor` take turns on this processor.
    struct Place {
        unsigned number, count, on_processor;
    };

    // Loads the module; the VMCS is ready, for the processor that makes it and no other.
    Guest(MemoryPool& pool, const Options& options, const Settings& settings, const MultibootModule& module, const Place& place);

    bool running() const { return vcpu_.running; }
    u32 status() const { return vcpu_.status; }
    // Until it ends, or its slice does.
    void run_slice();
    void print_summary() const;

private:
    GuestMemory memory_;
    Vcpu vcpu_;
    SwitchedState state_;
    u64 slice_, cycles_ = 0, slices_ = 0;
    bool alone_, only_;  // on its processor; of all
    const char* name_;
};

constexpr unsigned most_guests = 8;

}  // namespace guest
