// SPDX-License-Identifier: Apache-2.0
#include "timing/core_model.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>

#include "base/error.h"
#include "unit/timing/core_bench.h"

namespace vtsim::timing {
namespace {

using Shapes = std::vector<InstructionShape>;

struct Miss {
    unsigned instruction;
    u32 latency;
    MissParts parts;
};

// The rules of core_model.h once more, instruction by instruction, with a queue for the reorder buffer and sorted lists for the
// units: knows no summaries and keeps no composition of waits.
class Scoreboard {
public:
    explicit Scoreboard(const CoreModelParams& params) : params_(params), fill_(params.line_fill_buffers), walk_(params.page_walkers) {}

    void run(const Shapes& shapes, const BlockTiming& block, const std::vector<Miss>& misses, const std::vector<u64>& latency, bool mispredicted) {
        enter(block.uops);
        const u64 start = front;
        u64 last = 0;
        for (unsigned i = 0; i < shapes.size(); ++i) {
            last = execute(shapes[i], start + block.steps()[i].entry, latency[i], i, misses);
            completed = std::max(completed, last);
        }
        buffer_.emplace_back(block.uops, completed);
        front = start + block.cost;
        if (mispredicted) front = std::max(front, last) + 64 * params_.mispredict_penalty;
    }

    u64 front = 0, completed = 0;

private:
    void enter(u32 uops) {
        const auto held = [this] {
            u32 sum = 0;
            for (const auto& [count, done] : buffer_) sum += count;
            return sum;
        };
        while (!buffer_.empty() && held() + uops > params_.reorder_buffer) {
            front = std::max(front, buffer_.front().second);
            buffer_.pop_front();
        }
    }
    static u64 take(std::vector<u64>& units, u64 from, u64 ticks) {
        std::ranges::sort(units);
        const u64 start = std::max(from, units.front());
        units.front() = start + ticks;
        return start;
    }
    u64 execute(const InstructionShape& shape, u64 entry, u64 latency, unsigned number, const std::vector<Miss>& misses) {
        u64 address = entry, data = entry;
        for (unsigned i = 0; i < shape.source_count; ++i) {
            const u64 at = ready_[shape.sources[i]];
            if ((shape.address_sources & (1 << i)) != 0)
                address = std::max(address, at);
            else
                data = std::max(data, at);
        }
        u64 value = std::max(data, address + (shape.load ? 64 * CoreBench::load_latency : 0));
        u64 retires = 0;
        for (const auto& miss : misses) {
            if (miss.instruction != number) continue;
            const u64 translation = 64 * u64{miss.parts.translation()};
            const u64 access = 64 * u64{miss.latency} - translation;
            u64 t = address;
            t = (miss.parts.walk() != 0 ? take(walk_, t, translation) : t) + translation;
            if (miss.parts.data_cache != 0) t = take(fill_, t, access);
            if (shape.load)
                value = std::max(value, t + access);
            else
                retires = std::max(retires, t);
        }
        for (unsigned i = 0; i < shape.destination_count; ++i) ready_[shape.destinations[i]] = value + latency;
        return std::max(value + latency, retires);
    }

    CoreModelParams params_;
    std::deque<std::pair<u32, u64>> buffer_;
    std::vector<u64> fill_, walk_;
    std::map<u8, u64> ready_;
};

class RandomProgram {
public:
    explicit RandomProgram(u64 seed) : random_(seed) {}
    u64 below(u64 limit) { return random_() % limit; }
    u8 reg() { return static_cast<u8>(below(5) == 0 ? 32 + below(16) : below(17)); }
    InstructionShape instruction(u8 index) {
        const auto cost_class = static_cast<CoreBench::Class>(1 + below(7));
        InstructionShape shape = CoreBench::op(cost_class, {}, {}, index);
        for (u64 i = below(4); i > 0; --i) shape.add_source(reg(), below(3) == 0);
        for (u64 i = below(3); i > 0; --i) shape.add_destination(reg());
        shape.load = below(3) == 0;
        shape.store = below(5) == 0;
        return shape;
    }
    Shapes block() {
        Shapes shapes;
        const u64 count = 1 + below(12);
        for (u8 i = 0; i < count; ++i) shapes.push_back(instruction(i));
        return shapes;
    }
    std::vector<Miss> misses(const Shapes& shapes, unsigned percent) {
        std::vector<Miss> result;
        for (unsigned i = 0; i < shapes.size(); ++i) {
            if (!shapes[i].load && !shapes[i].store) continue;
            if (below(100) < percent) result.push_back(miss(i));
            if (below(400) < percent) result.push_back(miss(i));
        }
        return result;
    }

private:
    Miss miss(unsigned instruction) {
        Miss miss{instruction, CoreBench::load_latency, {}};
        if (below(2) == 0) miss.parts.data_cache = static_cast<u32>(8 + below(250));
        if (below(3) == 0) miss.parts.tlb = 8;
        if (below(4) == 0) miss.parts.walk_nested = static_cast<u32>(20 + below(300));
        miss.latency += miss.parts.total();
        return miss;
    }
    std::mt19937_64 random_;
};

void compare(unsigned miss_percent, unsigned mispredict_percent, const CoreModelParams& params) {
    CoreBench bench{params};
    Scoreboard oracle{params};
    RandomProgram program{miss_percent * 100 + mispredict_percent + params.reorder_buffer};
    std::vector<Shapes> shapes;
    for (int i = 0; i < 40; ++i) shapes.push_back(program.block());
    for (int i = 0; i < 4000; ++i) {
        const auto& chosen = shapes[program.below(shapes.size())];
        std::vector<u64> latency;
        for (const auto& shape : chosen) latency.push_back(64 * bench.costs[shape.cost_class].latency);
        const auto& block = bench.block(chosen);
        const auto misses = program.misses(chosen, miss_percent);
        const bool mispredicted = program.below(100) < mispredict_percent;
        for (const auto& miss : misses) bench.model.note_miss(static_cast<u8>(miss.instruction), miss.latency, miss.parts);
        if (mispredicted) bench.model.note_mispredict();
        bench.model.retire(block);
        oracle.run(chosen, block, misses, latency, mispredicted);
        ASSERT_EQ(bench.model.front_ticks(), oracle.front) << "block " << i;
        ASSERT_EQ(bench.model.stack().ticks(), oracle.front) << "every tick is in a bucket";
    }
    bench.model.serialise();
    EXPECT_EQ(bench.model.front_ticks(), std::max(oracle.front, oracle.completed));
}

TEST(CoreModel, AgreesWithAScoreboardOnRandomBlocksWithoutMisses) { compare(0, 0, {}); }
TEST(CoreModel, AgreesWithAScoreboardWhenSomeBlocksMiss) { compare(10, 0, {}); }
TEST(CoreModel, AgreesWithAScoreboardWhenMostBlocksMissAndBranchesAreMispredicted) { compare(60, 20, {}); }
// Loops: each chosen block runs up to 300 times in a row, which the model settles in one step if nothing happens in between.
void compare_loops(const CoreModelParams& params) {
    CoreBench bench{params};
    Scoreboard oracle{params};
    RandomProgram program{params.reorder_buffer};
    for (int loop = 0; loop < 400; ++loop) {
        const auto shapes = program.block();
        std::vector<u64> latency;
        for (const auto& shape : shapes) latency.push_back(64 * bench.costs[shape.cost_class].latency);
        const auto& block = bench.block(shapes);
        const u64 turns = 1 + program.below(300);
        const bool disturbed = program.below(3) == 0;
        for (u64 turn = 0; turn < turns; ++turn) {
            const auto misses = program.misses(shapes, disturbed ? 1 : 0);
            const bool mispredicted = turn + 1 == turns && program.below(2) == 0;
            for (const auto& miss : misses) bench.model.note_miss(static_cast<u8>(miss.instruction), miss.latency, miss.parts);
            if (mispredicted) bench.model.note_mispredict();
            bench.model.retire(block);
            oracle.run(shapes, block, misses, latency, mispredicted);
            ASSERT_EQ(bench.model.front_ticks(), oracle.front) << "loop " << loop << ", turn " << turn;
        }
        ASSERT_EQ(bench.model.stack().ticks(), oracle.front);
    }
    bench.model.serialise();
    EXPECT_EQ(bench.model.front_ticks(), std::max(oracle.front, oracle.completed));
}
TEST(CoreModel, AgreesWithAScoreboardOnLoops) { compare_loops({}); }
TEST(CoreModel, AgreesWithAScoreboardOnLoopsOfASmallCore) { compare_loops({.reorder_buffer = 5, .line_fill_buffers = 2}); }
TEST(CoreModel, AgreesWithAScoreboardOnLoopsOfALargeCore) { compare_loops({.reorder_buffer = 1024}); }

TEST(CoreModel, AgreesWithAScoreboardOnASmallCore) {
    compare(20, 5, {.issue_width = 2, .reorder_buffer = 12, .line_fill_buffers = 2, .page_walkers = 1, .mispredict_penalty = 9});
}

TEST(CoreModel, EvaluatesABlockWithoutMissesToTheSameTickBySummaryAndExactly) {
    CoreBench quick, exact;
    RandomProgram program{7};
    for (int i = 0; i < 2000; ++i) {
        const auto shapes = program.block();
        quick.model.retire(quick.block(shapes));
        const auto& block = exact.block(shapes);
        exact.model.retire_partial(block, block.step_count);
        ASSERT_EQ(quick.model.front_ticks(), exact.model.front_ticks());
    }
}

u64 steady_cycles(CoreBench& bench, const Shapes& shapes, u64 repetitions) {
    const auto& block = bench.block(shapes);
    for (int i = 0; i < 1000; ++i) bench.model.retire(block);
    const u64 before = bench.model.cycles();
    for (u64 i = 0; i < repetitions; ++i) bench.model.retire(block);
    return bench.model.cycles() - before;
}

TEST(CoreModel, IssuesIndependentInstructionsAtItsWidth) {
    CoreBench bench;
    EXPECT_EQ(steady_cycles(bench, Shapes(8, CoreBench::op(CoreBench::alu, {}, {1})), 1000), 2000U);
}

TEST(CoreModel, IsBoundByTheBusiestPorts) {
    CoreBench bench;
    EXPECT_EQ(steady_cycles(bench, Shapes(4, CoreBench::op(CoreBench::multiply, {}, {1})), 1000), 4000U) << "one multiplier";
    EXPECT_EQ(steady_cycles(bench, Shapes(4, CoreBench::load(1, 2)), 1000), 2000U) << "two load ports";
    EXPECT_EQ(steady_cycles(bench, Shapes(4, CoreBench::store(1, 2)), 1000), 4000U) << "one store-data port";
    EXPECT_EQ(steady_cycles(bench, Shapes(2, CoreBench::op(CoreBench::divide, {}, {1})), 1000), 18000U) << "a divider that is not pipelined";
}

TEST(CoreModel, FusesACompareWithTheJumpBehindIt) {
    CoreBench bench;
    const auto compare = CoreBench::op(CoreBench::compare, {1, 2}, {16});
    const auto jump = CoreBench::op(CoreBench::branch, {16}, {});
    EXPECT_EQ(bench.block({compare, jump}).uops, 1U);
    EXPECT_EQ(bench.block({compare, CoreBench::op(CoreBench::alu, {1}, {1}), jump}).uops, 3U);
}

TEST(CoreModel, RunsALoopCarriedChainAtItsLatency) {
    CoreBench bench;
    const auto chain = CoreBench::op(CoreBench::multiply, {1, 2}, {1});
    EXPECT_NEAR(static_cast<double>(steady_cycles(bench, {chain, CoreBench::op(CoreBench::alu, {3}, {3})}, 1000)), 3000, 3);
    EXPECT_NEAR(static_cast<double>(steady_cycles(bench, Shapes(5, chain), 1000)), 15000, 15);
}

// Unrolled `mov rax, [rax]`, every load with the same latency.
u64 chase(CoreBench& bench, u64 loads, u32 latency, const MissParts& parts) {
    Shapes shapes;
    for (u8 i = 0; i < 10; ++i) shapes.push_back(CoreBench::load(0, 0, i));
    const auto& block = bench.block(shapes);
    const u64 before = bench.model.cycles();
    for (u64 i = 0; i < loads; i += 10) {
        if (parts.total() != 0)
            for (u8 k = 0; k < 10; ++k) bench.model.note_miss(k, latency, parts);
        bench.model.retire(block);
    }
    bench.model.serialise();
    return bench.model.cycles() - before;
}

TEST(CoreModel, ChasesPointersAtExactlyTheLatencyOfEachLoad) {
    CoreBench bench;
    EXPECT_EQ(chase(bench, 1000, 4, {}), 4000U);
    EXPECT_EQ(chase(bench, 1000, 12, {.data_cache = 8}), 12000U);
    EXPECT_EQ(chase(bench, 1000, 230, {.data_cache = 226}), 230000U);
    EXPECT_EQ(chase(bench, 1000, 12, {.tlb = 8}), 12000U);
    EXPECT_EQ(chase(bench, 1000, 48, {.tlb = 8, .walk_native = 36}), 48000U);
}

TEST(CoreModel, BlamesAChaseOnWhatItMissed) {
    CoreBench bench;
    static_cast<void>(chase(bench, 1000, 330, {.data_cache = 226, .walk_nested = 100}));
    const auto& stack = bench.model.stack();
    EXPECT_NEAR(static_cast<double>(stack.cycles(Bucket::data_cache)), 226e3, 226e3 * 0.02);
    EXPECT_NEAR(static_cast<double>(stack.cycles(Bucket::walk_nested)), 100e3, 100e3 * 0.02);
    EXPECT_EQ(stack.cycles(Bucket::tlb), 0U);
    EXPECT_EQ(stack.cycles(), bench.model.cycles());
}

TEST(CoreModel, OverlapsIndependentMissesUpToTheLineFillBuffers) {
    CoreBench bench;
    Shapes shapes;
    for (u8 i = 0; i < 10; ++i) shapes.push_back(CoreBench::load(static_cast<u8>(i), 15, i));
    const auto& block = bench.block(shapes);
    for (int i = 0; i < 1000; ++i) {
        for (u8 k = 0; k < 10; ++k) bench.model.note_miss(k, 230, {.data_cache = 226});
        bench.model.retire(block);
    }
    bench.model.serialise();
    EXPECT_NEAR(static_cast<double>(bench.model.cycles()), 230.0 * 10000 / 10, 300);
    EXPECT_GT(bench.model.stack().cycles(Bucket::data_cache), bench.model.cycles() * 9 / 10);
}

TEST(CoreModel, RunsOnlyOnePageWalkPerWalker) {
    CoreBench one{{.page_walkers = 1}}, two{{.page_walkers = 2}};
    for (CoreBench* bench : {&one, &two}) {
        const auto& block = bench->block({CoreBench::load(1, 15, 0), CoreBench::load(2, 15, 1)});
        for (int i = 0; i < 100; ++i) {
            for (u8 k = 0; k < 2; ++k) bench->model.note_miss(k, 104, {.walk_native = 100});
            bench->model.retire(block);
        }
        bench->model.serialise();
    }
    EXPECT_NEAR(static_cast<double>(one.model.cycles()), 100.0 * 200, 110);
    EXPECT_NEAR(static_cast<double>(two.model.cycles()), 100.0 * 100, 110);
}

TEST(CoreModel, DoesNotWaitForStoresThatMissBeforeTheBuffersAreFull) {
    CoreBench bench;
    const auto& block = bench.block({CoreBench::store(1, 2, 0)});
    for (int i = 0; i < 10; ++i) {
        bench.model.note_miss(0, 230, {.data_cache = 226});
        bench.model.retire(block);
    }
    bench.model.serialise();
    EXPECT_LE(bench.model.cycles(), 11U);
    bench.model.note_miss(0, 230, {.data_cache = 226});
    bench.model.retire(block);
    bench.model.serialise();
    EXPECT_GE(bench.model.cycles(), 230U);
}

TEST(CoreModel, ChargesAMispredictedBranchFromItsResolution) {
    CoreBench bench;
    bench.model.note_mispredict();
    bench.model.note_miss(0, 104, {.data_cache = 100});
    bench.model.retire(bench.block({CoreBench::load(1, 2, 0), CoreBench::op(CoreBench::branch, {1}, {}, 1)}));
    EXPECT_NEAR(static_cast<double>(bench.model.cycles()), 104 + 1 + 16, 1);
    EXPECT_NEAR(static_cast<double>(bench.stat("cycle_stack.data_cache")), 100, 1);
    EXPECT_NEAR(static_cast<double>(bench.stat("cycle_stack.branch")), 20, 1) << "penalty, load hit and compare";
}

TEST(CoreModel, StallsTheFrontForFetches) {
    CoreBench bench;
    bench.model.note_fetch_miss({.tlb = 7, .instruction_cache = 30});
    bench.model.note_fetch_miss({.walk_ept = 50, .instruction_cache = 8});
    bench.model.retire(bench.block(Shapes(4, CoreBench::op(CoreBench::alu, {}, {1}))));
    EXPECT_EQ(bench.model.cycles(), 7U + 30 + 50 + 8 + 1);
    EXPECT_EQ(bench.stat("cycle_stack.instruction_cache"), 38U);
    EXPECT_EQ(bench.stat("cycle_stack.tlb"), 7U);
    EXPECT_EQ(bench.stat("cycle_stack.walk_ept"), 50U);
    EXPECT_EQ(bench.stat("cycle_stack.instruction_issue"), 1U);
}

TEST(CoreModel, RetiresTheFirstInstructionsOfABlockThatFaults) {
    CoreBench bench;
    const auto& block = bench.block(Shapes(8, CoreBench::op(CoreBench::alu, {}, {1})));
    bench.model.retire_partial(block, 4);
    EXPECT_EQ(bench.model.cycles(), 1U);
    bench.model.note_miss(0, 300, {.walk_native = 296});
    bench.model.retire_partial(block, 0);
    EXPECT_EQ(bench.model.cycles(), 1U);
    bench.model.serialise();
    EXPECT_EQ(bench.model.cycles(), 301U) << "the fault waits for its page walk";
}

TEST(CoreModel, KeepsTheStackWholeThroughChargesIdleTimeAndResets) {
    CoreBench bench;
    RandomProgram program{11};
    const auto sum = [&] {
        u64 total = 0;
        for (const auto& text : bucket_texts) total += bench.stat("cycle_stack." + std::string{text.name});
        return total;
    };
    for (int i = 0; i < 3000; ++i) {
        const auto shapes = program.block();
        for (const auto& miss : program.misses(shapes, 20)) bench.model.note_miss(static_cast<u8>(miss.instruction), miss.latency, miss.parts);
        bench.model.retire(bench.block(shapes));
        if (program.below(10) == 0) bench.model.charge(Bucket::vm_exit, 332);
        if (program.below(20) == 0) bench.model.idle_until(bench.model.cycles() + program.below(1000));
        if (program.below(30) == 0) bench.model.serialise();
        ASSERT_EQ(sum(), bench.stat("cycles"));
        ASSERT_EQ(bench.stat("cycles"), bench.model.cycles());
    }
    const u64 clock = bench.model.cycles();
    bench.group.reset();
    EXPECT_EQ(bench.stat("cycles"), 0U);
    EXPECT_EQ(bench.model.cycles(), clock) << "a reset of statistics leaves the clock alone";
    bench.model.resume_at(clock + 12345);
    EXPECT_EQ(bench.stat("cycles"), 0U) << "a phase without a model has no cycles";
    bench.model.charge(Bucket::interrupt, 5);
    EXPECT_EQ(bench.model.cycles(), clock + 12350);
    EXPECT_EQ(sum(), 5U);
}

TEST(CoreModel, RefusesParametersOutOfRange) {
    EXPECT_THROW(CoreBench({.reorder_buffer = 2000}), ConfigError);
    EXPECT_THROW(CoreBench({.issue_width = 0}), ConfigError);
}

}  // namespace
}  // namespace vtsim::timing
