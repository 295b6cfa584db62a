// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/types.h"

// Statistics are declared where they are counted, with a unit and a sentence. The counter is the value: a report reads it,
// a reset zeroes it, nothing is copied.
namespace vtsim::stats {

enum class Unit : u8 { events, instructions, cycles, references, bytes, seconds, ratio, per_second };

[[nodiscard]] std::string_view name_of(Unit unit);

class Group;

// One named value in a group. Its address is its identity, so it neither moves nor copies.
class Stat {
public:
    Stat(Group& group, std::string name, Unit unit, std::string description);
    virtual ~Stat() = default;
    Stat(const Stat&) = delete;
    Stat& operator=(const Stat&) = delete;

    using Value = std::variant<u64, double, std::vector<u64>>;
    [[nodiscard]] virtual Value value() const = 0;
    virtual void reset() = 0;
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] const std::string& description() const { return description_; }
    [[nodiscard]] Unit unit() const { return unit_; }

private:
    std::string name_;
    std::string description_;
    Unit unit_;
};

// Counts up; as cheap as the integer it is.
class Counter final : public Stat {
public:
    using Stat::Stat;
    Counter& operator++() { ++count_; return *this; }
    Counter& operator+=(u64 amount) { count_ += amount; return *this; }
    operator u64() const { return count_; }             // NOLINT: a counter is its value
    void set(u64 count) { count_ = count; }
    [[nodiscard]] Value value() const override { return count_; }
    void reset() override { count_ = 0; }

private:
    u64 count_ = 0;
};

// A value derived from others at the moment of the report (sums, rates). Nothing to reset.
class Formula final : public Stat {
public:
    using Function = std::function<Value()>;
    Formula(Group& group, std::string name, Unit unit, std::string description, Function function)
        : Stat(group, std::move(name), unit, std::move(description)), function_(std::move(function)) {}
    [[nodiscard]] Value value() const override { return function_(); }
    void reset() override {}

private:
    Function function_;
};

// A histogram over powers of two: bucket 0 counts the value 0, bucket k the values in [2^(k-1), 2^k).
class Distribution final : public Stat {
public:
    Distribution(Group& group, std::string name, Unit unit, std::string description, unsigned buckets = 32)
        : Stat(group, std::move(name), unit, std::move(description)), counts_(buckets) {}
    void sample(u64 value) {
        const auto index = value == 0 ? 0U : 64U - static_cast<unsigned>(__builtin_clzll(value));
        ++counts_[index < counts_.size() ? index : counts_.size() - 1];
    }
    [[nodiscard]] Value value() const override { return counts_; }
    void reset() override { counts_.assign(counts_.size(), 0); }

private:
    std::vector<u64> counts_;
};

// A node of the tree of statistics. Groups are members of the models whose events they count; a name "cpu0.mmu.walker" is the path.
// Groups and statistics register at construction and leave at destruction.
class Group {
public:
    Group(Group* parent, std::string name);
    Group(Group& parent, std::string name) : Group(&parent, std::move(name)) {}
    virtual ~Group();
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;

    // Calls `visit(dotted name, statistic)` for everything below, in order of declaration, own statistics first.
    void visit(const std::function<void(const std::string&, const Stat&)>& visitor) const;
    void reset();
    // The statistic with that dotted name below this group, or nullptr.
    [[nodiscard]] const Stat* find(std::string_view dotted) const;
    [[nodiscard]] const std::string& name() const { return name_; }

private:
    friend class Stat;
    void visit_below(const std::string& prefix, const std::function<void(const std::string&, const Stat&)>& visitor) const;

    std::string name_;
    Group* parent_;
    std::vector<Stat*> stats_;
    std::vector<Group*> groups_;
};

}  // namespace vtsim::stats
