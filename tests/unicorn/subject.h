// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "support/core_bench.h"
#include "unicorn/machine.h"

namespace vtsim::unicorn {

// vtsim's processor, seen the same way: one instruction, or the delivery of one event.
class SimulatedProcessor {
public:
    explicit SimulatedProcessor(cpu::Mode mode);

    Outcome step(const arch::State& start, const Port& port);
    Outcome deliver(const arch::State& start, u8 vector);

    [[nodiscard]] u8* at(u64 address) { return bench_.memory.host(PhysicalAddress{address}); }
    void write_code(u64 address, std::span<const u8> bytes) { bench_.memory.write_block(PhysicalAddress{address}, bytes.data(), bytes.size()); }
    [[nodiscard]] const std::vector<std::string>& log() const { return bench_.log; }

private:
    void load(const arch::State& start);

    // With linear addresses of 48 bits, by which the oracle checks bases.
    static cpu::CoreParams params() {
        auto every = test::every_feature_params();
        every.features.la57 = false;
        return every;
    }
    test::CoreBench bench_{test::CodeMode::real, params()};
    std::optional<cpu::events::Delivery> event_;
};

}  // namespace vtsim::unicorn
