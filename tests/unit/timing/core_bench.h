// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "timing/core_model.h"

namespace vtsim::timing {

// A core model with its analyser, and shapes that need no decoder.
struct CoreBench {
    static constexpr u32 load_latency = 4;
    enum Class : u16 { alu = 1, multiply, divide, move, compare, branch, jump };

    explicit CoreBench(const CoreModelParams& core_params = {}, Dram* dram = nullptr)
        : params(core_params), costs(InstructionCosts::parse(table, "bench")), analyser(params, costs, load_latency), model(params, group, dram) {}

    const BlockTiming& block(const std::vector<InstructionShape>& shapes) {
        return *analyser.analyse(shapes, [this](std::size_t bytes) {
            arena.push_back(std::make_unique<u64[]>((bytes + 7) / 8));
            return arena.back().get();
        });
    }
    [[nodiscard]] u64 stat(const std::string& name) const { return std::get<u64>(group.find(name)->value()); }

    static InstructionShape op(Class cost_class, std::vector<u8> sources, std::vector<u8> destinations, u8 index = 0) {
        InstructionShape shape{.cost_class = cost_class, .index = index};
        for (const u8 id : sources) shape.add_source(id);
        for (const u8 id : destinations) shape.add_destination(id);
        return shape;
    }
    static InstructionShape load(u8 to, u8 address, u8 index = 0) {
        InstructionShape shape{.cost_class = move, .load = true, .index = index};
        shape.add_source(address, true);
        shape.add_destination(to);
        return shape;
    }
    static InstructionShape store(u8 value, u8 address, u8 index = 0) {
        InstructionShape shape{.cost_class = move, .store = true, .index = index};
        shape.add_source(value);
        shape.add_source(address, true);
        return shape;
    }

    static constexpr const char* table = R"(
[core]
instructions = [
  {name = "add", latency = 1, uops = 1, ports = "p0156"},
  {name = "imul", latency = 3, uops = 1, ports = "p1"},
  {name = "div", latency = 26, uops = 10, ports = "10p0156", busy = 9},
  {name = "mov", latency = 0, uops = 0},
  {name = "cmp", latency = 1, uops = 1, ports = "p0156", fuse = "first"},
  {name = "jz", latency = 1, uops = 1, ports = "p06", fuse = "second"},
  {name = "jmp", latency = 1, uops = 1, ports = "p6"},
])";

    CoreModelParams params;
    stats::Group group{nullptr, "cpu0"};
    InstructionCosts costs;
    BlockAnalyser analyser;
    CoreModel model;
    std::vector<std::unique_ptr<u64[]>> arena;
};

}  // namespace vtsim::timing
