// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "arch/registers.h"
#include "unit/mmu/bench.h"

// What every invalidating operation removes and what it keeps: mappings are cached under many tags, their page-table entries are changed
// behind the TLB's back, and after the operation an access shows which mapping is used.
namespace vtsim::mmu {
namespace {

struct Tag {
    u16 vpid;
    unsigned root;          // 0: EPT off
    unsigned pcid;
    unsigned page;          // 0 and 1: two pages, 2: a global page
};
constexpr u64 page_address[] = {0x10'0000'1000, 0x10'0000'2000, 0x10'0000'3000};
constexpr u64 before = 0x40'0000, after = 0x48'0000;

enum class Keeping { exactly, at_most };    // modelled structures and mmu.stale=retain; translation caches of functional mode

struct World {
    Bench bench;
    arch::PagingContext bases[3];
    std::vector<u64> leaves[2];

    static MmuParams params(const char* stale) {
        MmuParams params;
        params.dtlb = {.pages_4k = {512, 512}, .pages_2m = {64, 64}, .pages_1g = {0, 1}};
        params.stale = stale;
        return params;
    }

    World(Mode mode, const char* stale) : bench{params(stale)} {
        bench.paging(4);
        bench.context.pcid_enabled = true;
        map_pages(false);
        bases[0] = bench.context;
        bench.ept(4, 2);
        bench.context.cr3 = bench.new_table(true);
        map_pages(true);
        bases[1] = bench.context;
        bench.ept(4, 2);
        bases[2] = bench.context;
        bench.mmu.set_mode(mode);
        for (const auto& tag : all()) EXPECT_EQ(use(tag), before);
        for (const bool guest : {false, true})
            for (const u64 leaf : leaves[guest]) bench.set_entry(leaf, guest, bench.entry(leaf, guest) + (after - before));
    }
    void map_pages(bool guest) {
        for (unsigned page = 0; page < 3; ++page) {
            const u64 flags = Bench::all_rights | Bench::accessed | (page == 2 ? Bench::global : 0);
            leaves[guest].push_back(bench.map_page(page_address[page], before + page * page_size, 1, flags));
        }
    }
    // Global mappings serve every PCID: each is asked for once.
    static std::vector<Tag> all() {
        std::vector<Tag> tags;
        for (const u16 vpid : {u16{0}, u16{1}, u16{2}})
            for (const unsigned root : {0U, 1U, 2U})
                for (const unsigned pcid : {5U, 6U})
                    for (const unsigned page : {0U, 1U, 2U})
                        if (page != 2 || pcid == 5) tags.push_back({vpid, root, pcid, page});
        return tags;
    }
    void enter(const Tag& tag) {
        auto context = bases[tag.root];
        context.vpid = tag.vpid;
        context.cr3 |= tag.pcid;
        bench.mmu.set_context(context);
    }
    u64 use(const Tag& tag) {
        enter(tag);
        const auto translation = bench.mmu.translate(page_address[tag.page], load);
        return translation.value.physical.value() - tag.page * page_size - (tag.root != 0 ? Bench::guest_offset : 0);
    }
    u64 eptp(unsigned root) const { return bases[root].eptp; }
};

struct Operation {
    const char* name;
    std::function<void(World&)> run;            // the context is VPID 1, root 1, PCID 5
    std::function<bool(const Tag&)> removes;
};

const Tag current{1, 1, 5, 0};

const std::vector<Operation>& operations() {
    using M = World;
    static const std::vector<Operation> rows{
        {"INVLPG", [](M& w) { w.bench.mmu.invlpg(page_address[0] + 0x123); }, [](const Tag& t) { return t.vpid == 1 && t.pcid == 5 && t.page == 0; }},
        {"INVLPG of a global page", [](M& w) { w.bench.mmu.invlpg(page_address[2]); }, [](const Tag& t) { return t.vpid == 1 && t.page == 2; }},
        {"MOV CR3", [](M& w) { w.bench.mmu.mov_cr3(6, false); }, [](const Tag& t) { return t.vpid == 1 && t.pcid == 6 && t.page != 2; }},
        {"MOV CR3 with bit 63", [](M& w) { w.bench.mmu.mov_cr3(6, true); }, [](const Tag&) { return false; }},
        {"CR4.PGE", [](M& w) { w.bench.mmu.control_registers_changed(0, 0, 0, arch::cr4::pge); }, [](const Tag& t) { return t.vpid == 1; }},
        {"CR0.PG", [](M& w) { w.bench.mmu.control_registers_changed(arch::cr0::pg, 0, 0, 0); }, [](const Tag& t) { return t.vpid == 1; }},
        {"CR4.PCIDE cleared", [](M& w) { w.bench.mmu.control_registers_changed(0, 0, arch::cr4::pcide, 0); }, [](const Tag& t) { return t.vpid == 1; }},
        {"CR4.PCIDE set", [](M& w) { w.bench.mmu.control_registers_changed(0, 0, 0, arch::cr4::pcide); }, [](const Tag&) { return false; }},
        {"CR4.SMEP set", [](M& w) { w.bench.mmu.control_registers_changed(0, 0, 0, arch::cr4::smep); }, [](const Tag& t) { return t.vpid == 1 && t.pcid == 5; }},
        {"CR0.WP", [](M& w) { w.bench.mmu.control_registers_changed(0, arch::cr0::wp, 0, 0); }, [](const Tag&) { return false; }},
        {"INVPCID 0", [](M& w) { w.bench.mmu.invpcid(0, 6, page_address[1]); }, [](const Tag& t) { return t.vpid == 1 && t.pcid == 6 && t.page == 1; }},
        {"INVPCID 0 of a global page", [](M& w) { w.bench.mmu.invpcid(0, 5, page_address[2]); }, [](const Tag&) { return false; }},
        {"INVPCID 1", [](M& w) { w.bench.mmu.invpcid(1, 6, 0); }, [](const Tag& t) { return t.vpid == 1 && t.pcid == 6 && t.page != 2; }},
        {"INVPCID 2", [](M& w) { w.bench.mmu.invpcid(2, 0, 0); }, [](const Tag& t) { return t.vpid == 1; }},
        {"INVPCID 3", [](M& w) { w.bench.mmu.invpcid(3, 0, 0); }, [](const Tag& t) { return t.vpid == 1 && t.page != 2; }},
        {"INVEPT single-context", [](M& w) { w.bench.mmu.invept(1, w.eptp(2)); }, [](const Tag& t) { return t.root == 2; }},
        {"INVEPT single-context of an unused root", [](M& w) { w.bench.mmu.invept(1, 0x7000); }, [](const Tag&) { return false; }},
        {"INVEPT all-context", [](M& w) { w.bench.mmu.invept(2, 0); }, [](const Tag& t) { return t.root != 0; }},
        {"INVVPID individual-address", [](M& w) { w.bench.mmu.invvpid(0, 2, page_address[1]); }, [](const Tag& t) { return t.vpid == 2 && t.page == 1; }},
        {"INVVPID individual-address, global page", [](M& w) { w.bench.mmu.invvpid(0, 2, page_address[2]); }, [](const Tag& t) { return t.vpid == 2 && t.page == 2; }},
        {"INVVPID single-context", [](M& w) { w.bench.mmu.invvpid(1, 2, 0); }, [](const Tag& t) { return t.vpid == 2; }},
        {"INVVPID all-context", [](M& w) { w.bench.mmu.invvpid(2, 0, 0); }, [](const Tag& t) { return t.vpid != 0; }},
        {"INVVPID retaining globals", [](M& w) { w.bench.mmu.invvpid(3, 2, 0); }, [](const Tag& t) { return t.vpid == 2 && t.page != 2; }},
        {"VM transition with VPID", [](M& w) { w.bench.mmu.vm_transition(true); }, [](const Tag&) { return false; }},
        {"VM transition without VPID", [](M& w) { w.bench.mmu.vm_transition(false); }, [](const Tag& t) { return t.vpid == 0; }},
        {"EPTP switch with VPID", [](M& w) { w.bench.mmu.eptp_switched(true); }, [](const Tag&) { return false; }},
        {"EPTP switch without VPID", [](M& w) { w.bench.mmu.eptp_switched(false); }, [](const Tag& t) { return t.vpid == 0 && t.root != 0; }},
        {"#PF", [](M& w) { w.bench.mmu.page_fault(page_address[0]); }, [](const Tag& t) { return t.vpid == 1 && t.root == 1 && t.pcid == 5 && t.page == 0; }},
        {"reset", [](M& w) { w.bench.mmu.reset(); }, [](const Tag&) { return true; }},
    };
    return rows;
}

void check(Mode mode, const char* stale, Keeping keeping) {
    for (const auto& operation : operations()) {
        World world{mode, stale};
        world.enter(current);
        operation.run(world);
        for (const auto& tag : World::all()) {
            const u64 seen = world.use(tag);
            const bool removed = operation.removes(tag);
            const auto where = testing::Message() << operation.name << ": VPID " << tag.vpid << " root " << tag.root << " PCID " << tag.pcid << " page " << tag.page;
            if (removed) {
                EXPECT_EQ(seen, after) << where;
            } else if (keeping == Keeping::exactly) {
                EXPECT_EQ(seen, before) << where;
            }
        }
    }
}

TEST(Invalidation, RemovesFromTheModelledStructuresExactlyWhatItNames) { check(Mode::warm, "model", Keeping::exactly); }
TEST(Invalidation, RemovesAtLeastThatInFunctionalMode) { check(Mode::functional, "model", Keeping::at_most); }
TEST(Invalidation, RemovesNoMoreWhereEverythingIsRetained) {
    check(Mode::functional, "retain", Keeping::exactly);
    check(Mode::warm, "retain", Keeping::exactly);
}

TEST(Forgetting, KeepsNothing) {
    for (const Mode mode : {Mode::functional, Mode::timing}) {
        MmuParams params;
        params.stale = "forget";
        Bench bench{params};
        bench.paging(4);
        const u64 leaf = bench.map_page(0x1000, 0x5000);
        bench.apply();
        bench.mmu.set_mode(mode);
        for (u64 frame = 0x5000; frame < 0x9000; frame += page_size) {
            bench.set_entry(leaf, false, frame | Bench::all_rights);
            EXPECT_EQ(bench.mmu.translate(0x1000, load).value.physical.value(), frame);
            EXPECT_EQ(bench.mmu.data.at(0x1000).read_tag, no_tag);
        }
    }
}

// A 2-MByte guest page over 4-KByte EPT pages is held in pieces: INVLPG of any address removes all of them.
TEST(FracturedPages, AreInvalidatedAsOne) {
    for (const Mode mode : {Mode::functional, Mode::warm}) {
        Bench bench;
        bench.ept(4, 1);
        bench.paging(4);
        const u64 leaf = bench.map_page(0x4000'0000, 0, 2, Bench::all_rights | Bench::accessed);
        bench.map_page(0x4040'0000, 6 * MiB, 2, Bench::all_rights | Bench::accessed);
        bench.apply();
        bench.mmu.set_mode(mode);
        for (u64 page = 0; page < 40; ++page) ASSERT_TRUE(bench.mmu.translate(0x4000'0000 + page * page_size, load).ok());
        ASSERT_TRUE(bench.mmu.translate(0x4040'0000, load).ok());
        bench.set_entry(leaf, true, 4 * MiB | Bench::all_rights | Bench::large);
        bench.mmu.invlpg(0x4010'0000);
        for (u64 page = 0; page < 40; ++page) {
            const auto got = bench.mmu.translate(0x4000'0000 + page * page_size, load);
            ASSERT_EQ(got.value.physical.value(), 4 * MiB + page * page_size + Bench::guest_offset) << page;
        }
        if (mode == Mode::warm) { EXPECT_EQ(bench.stat("mmu.stlb.removed.invlpg"), 40U); }
    }
}

TEST(LargePages, ArePurgedFromTheTranslationCachesPieceByPiece) {
    for (const unsigned leaf_level : {2U, 3U}) {
        Bench bench;
        bench.paging(4);
        const u64 leaf = bench.map_page(0x4000'0000, 0, leaf_level);
        bench.apply();
        for (u64 page = 0; page < 512; page += 7) ASSERT_TRUE(bench.mmu.translate(0x4000'0000 + page * page_size, load).ok());
        bench.set_entry(leaf, false, 1 * GiB | Bench::all_rights | Bench::large);
        bench.mmu.invlpg(0x4000'0000 + 33 * page_size);
        for (u64 page = 0; page < 512; page += 7)
            ASSERT_EQ(bench.mmu.translate(0x4000'0000 + page * page_size, load).value.physical.value(), GiB + page * page_size);
    }
}

// Also beyond the memory, where devices are: their translations are kept, too.
TEST(LargePages, OfDevicesArePurgedPieceByPiece) {
    for (const unsigned leaf_level : {2U, 3U}) {
        Bench bench;
        bench.paging(4);
        const u64 leaf = bench.map_page(0x4000'0000, 128 * GiB, leaf_level);
        bench.apply();
        for (u64 page = 0; page < 512; page += 7) ASSERT_TRUE(bench.mmu.translate(0x4000'0000 + page * page_size, load).ok());
        bench.set_entry(leaf, false, 256 * GiB | Bench::all_rights | Bench::large);
        bench.mmu.invlpg(0x4000'0000 + 33 * page_size);
        for (u64 page = 0; page < 512; page += 7)
            ASSERT_EQ(bench.mmu.translate(0x4000'0000 + page * page_size, load).value.physical.value(), 256 * GiB + page * page_size);
    }
}

// What is known about where large pages are is forgotten when they are purged, and known again afterwards; also where many regions share the place for it.
TEST(LargePages, ArePurgedAgainAndAgain) {
    for (const unsigned leaf_level : {2U, 3U}) {
        Bench bench;
        bench.paging(4);
        std::map<u64, u64> leaves;
        for (u64 region = 1; region <= 300; ++region) leaves[region * GiB] = bench.map_page(region * GiB, 0, leaf_level);
        bench.apply();
        for (u64 round = 1; round <= 3; ++round) {
            for (const auto& [linear, leaf] : leaves) ASSERT_TRUE(bench.mmu.translate(linear + 5 * page_size, load).ok());
            for (const auto& [linear, leaf] : leaves) {
                bench.set_entry(leaf, false, round * GiB | Bench::all_rights | Bench::large);
                bench.mmu.invlpg(linear + 33 * page_size);
            }
            for (const auto& [linear, leaf] : leaves) ASSERT_EQ(bench.mmu.translate(linear + 5 * page_size, load).value.physical.value(), round * GiB + 5 * page_size) << linear;
        }
    }
}

// A guest's EPT violation is repaired without INVEPT: what was cached for the address goes with the exit.
TEST(EptViolation, LeavesNothingStaleBehind) {
    for (const Mode mode : {Mode::functional, Mode::timing}) {
        Bench bench;
        bench.ept(4, 1);
        bench.paging(4);
        bench.map_page(0x1000, 0x5000);
        bench.map_ept(0x5000, 0x5000 + Bench::guest_offset, 1, 1);
        bench.apply();
        bench.mmu.set_mode(mode);
        ASSERT_TRUE(bench.mmu.translate(0x1000, load).ok());
        ASSERT_EQ(bench.mmu.translate(0x1000, store).event.number, 48);
        bench.map_ept(0x5000, 0x9000 + Bench::guest_offset, 1, 7);     // copied on write
        const auto got = bench.mmu.translate(0x1000, load);
        EXPECT_EQ(got.value.physical.value(), 0x9000 + Bench::guest_offset);
    }
}

TEST(GuestPhysicalMappings, SurviveEverythingButInvept) {
    for (const bool invept : {false, true}) {
        Bench bench;
        bench.ept(4, 1);
        bench.apply();
        bench.mmu.set_mode(Mode::warm);
        const auto use = [&] { return bench.mmu.translate_guest_physical(GuestPhysicalAddress{0x5000}, load).value.physical.value() - Bench::guest_offset; };
        EXPECT_EQ(use(), 0x5000U);
        bench.map_ept(0x5000, 0x9000 + Bench::guest_offset);
        if (invept) bench.mmu.invept(1, bench.context.eptp);
        bench.mmu.invvpid(1, 0, 0);
        bench.mmu.invvpid(2, 0, 0);
        bench.mmu.invpcid(2, 0, 0);
        bench.mmu.vm_transition(false);
        EXPECT_EQ(use(), invept ? 0x9000U : 0x5000U);
    }
}

TEST(ContextNumbers, AreStableUntilAFlushAndRunOutSafely) {
    Bench bench;
    bench.paging(4);
    const u64 leaf = bench.map_page(0x1000, 0x5000);
    bench.apply();
    const u64 number = bench.mmu.tag(load);
    auto other = bench.context;
    other.write_protect = false;
    bench.mmu.set_context(other);
    EXPECT_NE(bench.mmu.tag(load), number);
    bench.apply();
    EXPECT_EQ(bench.mmu.tag(load), number);
    for (unsigned flush = 0; flush < 10000; ++flush) {
        const u64 frame = 0x5000 + (flush % 8) * page_size;
        bench.set_entry(leaf, false, frame | Bench::all_rights);
        bench.mmu.mov_cr3(bench.context.cr3, false);
        ASSERT_LT(bench.mmu.tag(false, true), never_context);
        const auto entry = bench.mmu.data.at(0x1000);
        ASSERT_NE(entry.read_tag, page_tag(0x1000, bench.mmu.tag(load)));
        ASSERT_EQ(bench.mmu.translate(0x1000, load).value.physical.value(), frame);
        ASSERT_EQ(entry.read_tag, page_tag(0x1000, bench.mmu.tag(load)));
    }
    EXPECT_EQ(bench.stat("mmu.invalidations.mov_cr3"), 10000U);
}

TEST(CodePages, HaveNoWriteEntry) {
    Bench bench;
    bench.paging(4);
    bench.map_page(0x1000, 0x5000);
    bench.apply();
    ASSERT_TRUE(bench.mmu.translate(0x1000, store).ok());
    EXPECT_NE(bench.mmu.data.at(0x1000).write_tag, no_tag);
    bench.memory.mark_code(PhysicalAddress{0x5000});
    bench.mmu.drop_write_entries(PhysicalAddress{0x5000});
    EXPECT_EQ(bench.mmu.data.at(0x1000).write_tag, no_tag);
    ASSERT_TRUE(bench.mmu.translate(0x1000, store).ok());
    EXPECT_EQ(bench.mmu.data.at(0x1000).write_tag, no_tag);
    EXPECT_NE(bench.mmu.data.at(0x1000).read_tag, no_tag);
}

TEST(TranslationCache, GivesNeighbouringPagesDifferentSlots) {
    for (u64 page = 0; page < 1 << 20; ++page) ASSERT_NE(TranslationCache::index(page << 12), TranslationCache::index((page + 1) << 12));
    EXPECT_NE(TranslationCache::index(0x7fff000), TranslationCache::index(0x8000000));
}

}  // namespace
}  // namespace vtsim::mmu
