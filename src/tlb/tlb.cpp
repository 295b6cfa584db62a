// SPDX-License-Identifier: Apache-2.0
#include "tlb/tlb.h"

#include <bit>

#include "base/error.h"

namespace vtsim::tlb {

namespace {

constexpr unsigned most_entries = 1U << 20;        // far above any processor; keeps a slip of the keyboard from asking the host for all its memory

void validate_bank(const std::string& key, const BankParams& bank) {
    if (bank.entries == 0) return;
    if (bank.entries > most_entries) throw ConfigError(key + ".entries", std::to_string(bank.entries), "at most " + std::to_string(most_entries));
    if (bank.ways == 0 || bank.entries % bank.ways != 0 || !std::has_single_bit(bank.entries / bank.ways))
        throw ConfigError(key + ".entries", std::to_string(bank.entries), "a power of two times the " + std::to_string(bank.ways) + " ways");
}

}  // namespace

void TlbParams::validate(const std::string& key) const {
    validate_bank(key + ".pages_4k", pages_4k);
    validate_bank(key + ".pages_2m", pages_2m);
    validate_bank(key + ".pages_1g", pages_1g);
    if (pages_4k.entries == 0) throw ConfigError(key + ".pages_4k.entries", "0", "at least one entry: larger pages fall back on it");
    if (index != "linear" && index != "xor") throw ConfigError(key + ".index", index, "linear or xor");
    if (ReplacementRegistry::find(replacement) == nullptr) throw ConfigError(key + ".replacement", replacement, "one of " + ReplacementRegistry::names());
}

void PagingStructureCacheParams::validate(const std::string& key) const {
    const auto check = [&](const char* level, unsigned entries) {
        if (entries > 4096) throw ConfigError(key + "." + level, std::to_string(entries), "at most 4096 entries");
    };
    check("level5", level5);
    check("level4", level4);
    check("level3", level3);
    check("level2", level2);
}

Tlb::Tlb(stats::Group& parent, std::string name, const TlbParams& params, u64 seed)
    : xor_index_{params.index == "xor"}, latency_{params.latency}, stats_{parent, std::move(name)} {
    const auto add = [&](const BankParams& bank) {
        if (bank.entries == 0) return no_bank;
        return array_.add_bank(bank.entries / bank.ways, bank.ways, params.replacement, seed);
    };
    bank_[0] = add(params.pages_4k);
    bank_[1] = params.shared_2m ? bank_[0] : add(params.pages_2m);
    bank_[2] = add(params.pages_1g);
}

u64 Tlb::hash(u64 address, unsigned size) const {
    const u64 page = address >> shifts[size];
    return xor_index_ ? page ^ (page >> std::countr_zero(array_.sets(bank_[size]))) : page;
}

// The largest size class with a bank that is no larger than the page.
unsigned Tlb::size_class(u8 shift) const {
    for (unsigned size = 2; size > 0; --size)
        if (shift >= shifts[size] && bank_[size] != no_bank) return size;
    return 0;
}

u32 Tlb::find(u64 address, Space space) const {
    for (unsigned size = 0; size < shifts.size(); ++size) {
        if (live_of_[size] == 0) continue;
        const u64 page = page_key(address, size);
        const u32 way = array_.find(set_of(address, size), [&](const Key& key) { return key.page == page && key.space.serves(space); });
        if (way != no_way) return way;
    }
    return no_way;
}

u32 Tlb::lookup(u64 address, Space space) {
    const u32 way = find(address, space);
    if (way == no_way) {
        ++stats_.misses;
        return no_way;
    }
    array_.touch(way);
    ++stats_.hits;
    return way;
}

void Tlb::forget(u32 way) {
    const auto size = array_.key(way).page & 3;
    --live_of_[size];
    --live_;
    if (array_.value(way).leaf_shift > shifts[size]) --fractured_;
}

u32 Tlb::fill(u64 address, Space space, const Mapping& mapping) {
    const unsigned size = size_class(mapping.shift);
    const Key key{page_key(address, size), space.with_global(mapping.global)};
    const Set set = set_of(address, size);
    array_.drop_in(set, [&](const Key& old, const Mapping&) {
        return old.page == key.page && (old.space.serves(space) || key.space.serves(old.space.with_global(false)));
    }, [&](u32 way) { forget(way); });
    const u32 way = array_.victim(bank_[size], set);
    if (array_.valid(way)) forget(way);

    Mapping held = mapping;
    held.shift = shifts[size];
    held.frame = mapping.physical(address) & ~low_bits(held.shift);
    array_.write(way, key, held);
    ++live_of_[size];
    ++live_;
    if (held.leaf_shift > held.shift) ++fractured_;
    ++stats_.fills;
    return way;
}

}  // namespace vtsim::tlb
