// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "apic/local_apic.h"

namespace vtsim::apic {

// A local APIC with everything around it recorded. Core 2 GHz, timer clock 100 MHz: one timer tick is 20 core cycles.
struct Bench : IpiSink {
    explicit Bench(const LocalApicParams& params = {}, u32 id = 5, bool bootstrap = true) : apic{params, id, bootstrap, 2'000'000'000, 46, nullptr} {
        apic.attach(this);
        apic.attach(Wake{[](void* self) { ++static_cast<Bench*>(self)->wakes; }, this});
    }
    Bench& enabled() {
        write(offset::svr, 0x1ff);
        return *this;
    }
    Bench& x2apic() {
        EXPECT_FALSE(apic.write_base(LocalApic::default_base | 0xd00, now));
        return *this;
    }
    u32 read(u32 where) { return static_cast<u32>(apic.read_mmio(where, 4, now)); }
    void write(u32 where, u32 value) { apic.write_mmio(where, 4, value, now); }
    u32 errors() {
        write(offset::esr, 0);
        return read(offset::esr);
    }

    void send(u32 source, const Message& message) override { sent.emplace_back(source, message); }
    void end_of_interrupt(u8 vector) override { ended.push_back(vector); }
    u8 acknowledge_external() override {
        apic.set_lint(0, false);
        return 0x30;
    }

    LocalApic apic;
    u64 now = 0;
    unsigned wakes = 0;
    std::vector<std::pair<u32, Message>> sent;
    std::vector<u8> ended;
};

}  // namespace vtsim::apic
