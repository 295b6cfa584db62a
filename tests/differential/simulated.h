// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "differential/machine.h"
#include "support/core_bench.h"

namespace vtsim::differential {

// The same on vtsim's core: 64-bit mode, CPL 3, identity-mapped.
class SimulatedProcessor {
public:
    explicit SimulatedProcessor(cpu::Mode mode);

    Outcome run(std::span<const u8> code, const Registers& start);
    [[nodiscard]] Data& data() { return *reinterpret_cast<Data*>(bench_.memory.host(PhysicalAddress{data_start})); }
    [[nodiscard]] const std::vector<std::string>& log() const { return bench_.log; }

private:
    void map_pages();
    void load(const Registers& registers);
    [[nodiscard]] Outcome outcome(u64 end) const;

    test::CoreBench bench_{test::CodeMode::long64, test::every_feature_params()};
};

}  // namespace vtsim::differential
