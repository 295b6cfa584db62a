// SPDX-License-Identifier: Apache-2.0
#include "platform/loader/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "unit/platform/image_builder.h"

namespace vtsim::platform {
namespace {

using testing::HasSubstr;
using namespace test;

// The text of the InputError that `action` throws.
template <class Action>
std::string refusal(Action&& action) {
    try {
        action();
    } catch (const InputError& error) {
        return error.what();
    }
    return "(accepted)";
}

class Loader : public testing::Test {
protected:
    BootState load(const std::vector<u8>& bytes, LoadRequest request = {}) {
        const TemporaryFile file(bytes);
        request.path = file.path();
        loaded_path_ = request.path;
        return load_image(request, params_, memory_);
    }
    [[nodiscard]] u32 word(u64 address) const { return memory_.read<u32>(PhysicalAddress{address}); }
    [[nodiscard]] std::string text(u64 address) const {
        std::string result;
        for (char c = 0; (c = memory_.read<char>(PhysicalAddress{address++})) != 0;) result.push_back(c);
        return result;
    }
    LoaderParams params_;
    PhysicalMemory memory_{16 * MiB};
    std::string loaded_path_;
};

TEST_F(Loader, EntersAnElf32AtItsPhysicalEntryWithTheMagicNumber) {
    const auto boot = load(elf32({.address = 0x200000, .virtual_address = 0xc0200000, .entry = 0xc020000c}));
    EXPECT_EQ(boot.entry, BootState::Entry::protected32);
    EXPECT_EQ(boot.address, 0x20000cU);
    EXPECT_EQ(boot.eax, 0x2badb002U);
    EXPECT_EQ(word(0x200000), 0x1badb002U);
    EXPECT_EQ(word(0x20000c), 0xf4f4f4f4U);
}

TEST_F(Loader, TakesAnElf64AsGrubDoes) {
    const auto boot = load(elf64({.virtual_address = 0xffffffff80000000, .entry = 0xffffffff80000010}));
    EXPECT_EQ(boot.address, 0x100010U);
    EXPECT_EQ(word(0x100000), 0x1badb002U);
}

TEST_F(Loader, TakesAddressFieldsWithoutElf) {
    std::vector<u8> bytes(0x200, 0x90);
    put_multiboot_header(bytes, 0x40, 1U << 16);
    put(bytes, 0x40 + 12, std::array<u32, 5>{0x300040, 0x300000, 0x300180, 0x301000, 0x300100});
    const auto boot = load(bytes);
    EXPECT_EQ(boot.address, 0x300100U);
    EXPECT_EQ(word(0x300040), 0x1badb002U);
    EXPECT_EQ(word(0x30017c), 0x90909090U);
    EXPECT_EQ(word(0x300180), 0U);                              // load_end: the rest of the file stays out
    put(bytes, 0x40 + 20, u32{0});                              // load_end 0: all of the file
    PhysicalMemory fresh{16 * MiB};
    const TemporaryFile file(bytes);
    static_cast<void>(load_image({.path = file.path(), .command_line = "", .modules = {}}, params_, fresh));
    EXPECT_EQ(fresh.read<u32>(PhysicalAddress{0x3001fc}), 0x90909090U);
}

TEST_F(Loader, DescribesMemoryCommandLineAndLoader) {
    const auto boot = load(elf32(), {.path = "", .command_line = "one two", .modules = {}});
    const u64 info = boot.ebx;
    EXPECT_EQ(word(info) & 0x24fU, 0x24fU);
    EXPECT_EQ(word(info + 4), 640U);
    EXPECT_EQ(word(info + 8), 15 * 1024U);
    EXPECT_EQ(text(word(info + 16)), loaded_path_ + " one two");
    EXPECT_EQ(text(word(info + 64)), "vtsim");
    EXPECT_EQ(word(info + 20), 0U);
}

TEST_F(Loader, MapsTheMemoryOfTheMachineAndNothingElse) {
    PhysicalMemory large{5 * GiB};
    const TemporaryFile file(elf32());
    const auto boot = load_image({.path = file.path(), .command_line = "", .modules = {}}, params_, large);
    const auto at = [&](u64 address) { return large.read<u32>(PhysicalAddress{address}); };
    u64 available = 0, last_end = 0;
    bool above = false;
    const u64 first = at(boot.ebx + 48), end = first + at(boot.ebx + 44);
    for (u64 entry = first; entry < end; entry += at(entry) + 4) {
        const u64 base = large.read<u64>(PhysicalAddress{entry + 4}), bytes = large.read<u64>(PhysicalAddress{entry + 12});
        EXPECT_GE(base, last_end);
        last_end = base + bytes;
        if (at(entry + 20) != 1) continue;
        EXPECT_TRUE(large.is_ram(PhysicalAddress{base}, bytes));
        available += bytes;
        above |= base == 4 * GiB && bytes == 2 * GiB;
    }
    EXPECT_TRUE(above);
    EXPECT_EQ(available, 5 * GiB - (MiB - 0x9fc00));             // all but the video and firmware areas
}

TEST_F(Loader, PutsModulesBehindTheImageAtPageBoundaries) {
    const TemporaryFile one(std::string(5000, 'a')), two(std::string("NR_CPUS=2\n"));
    const auto boot = load(elf32(), {.path = "", .command_line = "", .modules = {{one.path(), "first module"}, {two.path(), ""}}});
    ASSERT_EQ(word(boot.ebx + 20), 2U);
    const u64 list = word(boot.ebx + 24);
    const u64 start1 = word(list), end1 = word(list + 4), start2 = word(list + 16), end2 = word(list + 20);
    EXPECT_EQ(start1 % 4096, 0U);
    EXPECT_EQ(start2 % 4096, 0U);
    EXPECT_GE(start1, 0x103000U);                               // behind the memory size of the segment, not its file size
    EXPECT_EQ(end1 - start1, 5000U);
    EXPECT_GE(start2, end1);
    EXPECT_EQ(end2 - start2, 10U);
    EXPECT_EQ(text(word(list + 8)), one.path() + " first module");
    EXPECT_EQ(text(word(list + 24)), two.path());
    EXPECT_EQ(memory_.read<char>(PhysicalAddress{end1 - 1}), 'a');
    EXPECT_EQ(memory_.read<char>(PhysicalAddress{start2}), 'N');
}

TEST_F(Loader, KeepsTheBootInformationOutOfAnImageInLowMemory) {
    const auto boot = load(elf32({.address = 0x8000, .virtual_address = 0x8000, .memory_bytes = 0x10000, .entry = 0x800c}));
    EXPECT_TRUE(boot.ebx >= 0x18000) << std::hex << boot.ebx;
    EXPECT_EQ(load_image({.path = TemporaryFile(elf32()).path(), .command_line = "", .modules = {}}, params_, memory_).ebx, 0x9000U);
}

TEST_F(Loader, SetsUpTheProcessorAsMultibootSays) {
    arch::State state;
    state.cr0 |= arch::cr0::pg;
    state.cr0 &= ~arch::cr0::pg;
    apply(load(elf32()), state);
    EXPECT_EQ(state.gpr[arch::rax], 0x2badb002U);
    EXPECT_EQ(state.rip, 0x100010U);
    EXPECT_TRUE(state.protected_mode());
    EXPECT_EQ(state.cr0 & arch::cr0::pg, 0U);
    EXPECT_EQ(state.read_rflags(), 2U);
    for (const auto which : {arch::cs, arch::ds, arch::es, arch::fs, arch::gs, arch::ss}) {
        const auto& segment = state.segment[which];
        EXPECT_EQ(segment.base, 0U);
        EXPECT_EQ(segment.limit, 0xffffffffU);
        EXPECT_TRUE(segment.present() && segment.default_big());
        EXPECT_EQ(segment.is_code(), which == arch::cs);
        EXPECT_TRUE(which == arch::cs ? segment.readable() : segment.writable());
    }
}

TEST_F(Loader, EntersBootSectorsInRealModeAt7c00) {
    std::vector<u8> sector(512, 0x90);
    put(sector, 510, u16{0xaa55});
    const auto boot = load(sector);
    arch::State state;
    apply(boot, state);
    EXPECT_FALSE(state.protected_mode());
    EXPECT_EQ(state.segment[arch::cs].base + state.rip, 0x7c00U);
    EXPECT_EQ(state.gpr[arch::rdx], 0x80U);
    EXPECT_EQ(word(0x7c00), 0x90909090U);
}

TEST_F(Loader, PutsFlatBinariesWhereTheConfigurationSays) {
    params_ = {.format = "flat", .flat_address = 0x12340};
    arch::State state;
    apply(load({1, 2, 3, 4}), state);
    EXPECT_EQ(word(0x12340), 0x04030201U);
    EXPECT_EQ(state.segment[arch::cs].base + state.rip, 0x12340U);
    EXPECT_EQ(state.segment[arch::cs].base, u64{state.segment[arch::cs].selector} * 16);
    EXPECT_LE(state.rip, 0xffffU);
}

TEST_F(Loader, SaysInOneLineWhatIsWrong) {
    const auto refused = [&](const std::vector<u8>& bytes, LoadRequest request = {}) {
        const auto message = refusal([&] { static_cast<void>(load(bytes, std::move(request))); });
        EXPECT_EQ(message.find('\n'), std::string::npos) << message;
        EXPECT_THAT(message, HasSubstr(loaded_path_.substr(0, 10)));
        return message;
    };
    const auto changed = [](std::vector<u8> bytes, std::size_t offset, auto value) {
        put(bytes, offset, value);
        return bytes;
    };
    EXPECT_THAT(refused(std::vector<u8>(100, 'x')), HasSubstr("not a multiboot image"));
    EXPECT_THAT(refused(changed(elf32(), 0x80, u32{0})), HasSubstr("without a multiboot header"));
    EXPECT_THAT(refused(elf32({.address = 0x2000000})), HasSubstr("outside memory"));
    EXPECT_THAT(refused(elf32({.memory_bytes = 0xf1000000})), HasSubstr("outside memory"));
    EXPECT_THAT(refused(elf64({.address = ~u64{0} - 0xfff})), HasSubstr("outside memory"));
    EXPECT_THAT(refused(elf64({.address = 0xc8000000})), HasSubstr("outside memory"));          // the device hole
    EXPECT_THAT(refused(elf32({.memory_bytes = 4})), HasSubstr("more bytes in the file"));
    EXPECT_THAT(refused(elf32({.entry = 0xf0000000})), HasSubstr("entry point"));
    EXPECT_THAT(refused(elf32({.flags = 8})), HasSubstr("flags"));
    EXPECT_THAT(refused(changed(elf32(), 18, u16{EM_ARM})), HasSubstr("machine"));
    EXPECT_THAT(refused(changed(elf32(), 16, u16{ET_REL})), HasSubstr("executable"));
    EXPECT_THAT(refused(changed(elf32(), 4, u8{9})), HasSubstr("class"));
    EXPECT_THAT(refused(changed(elf32(), 42, u16{7})), HasSubstr("program headers of 7 bytes"));
    EXPECT_THAT(refused(changed(elf32(), 44, u16{0})), HasSubstr("without program headers"));
    EXPECT_THAT(refused(changed(elf32(), 44, u16{500})), HasSubstr("truncated"));
    EXPECT_THAT(refused({}), HasSubstr("is empty"));
    EXPECT_THAT(refusal([&] { static_cast<void>(load(elf32(), {.path = "", .command_line = "", .modules = {{"/nowhere/module", ""}}})); }), HasSubstr("/nowhere/module"));
    EXPECT_THAT(refusal([&] { static_cast<void>(load_image({.path = "/nowhere/image", .command_line = "", .modules = {}}, params_, memory_)); }),
                HasSubstr("/nowhere/image"));
    EXPECT_THAT(refusal([&] { static_cast<void>(load_image({.path = "/tmp", .command_line = "", .modules = {}}, params_, memory_)); }), HasSubstr("directory"));
}

// No prefix of an image is mistaken for all of it, and none is read past its end (which the sanitizers watch).
TEST_F(Loader, RefusesEveryTruncatedPrefixOfAnImage) {
    for (const auto& image : {elf32(), elf64()}) {
        for (std::size_t length = 0; length < image.size(); ++length) {
            const InputFile file("prefix", std::vector<u8>(image.begin(), image.begin() + static_cast<std::ptrdiff_t>(length)));
            ASSERT_THROW(static_cast<void>(load_multiboot(file, {}, memory_)), InputError) << length;
        }
        EXPECT_NO_THROW(static_cast<void>(load_multiboot(InputFile("all", image), {}, memory_)));
    }
}

TEST_F(Loader, SurvivesEveryDamagedByteOfItsHeaders) {
    unsigned accepted = 0;
    for (const auto& image : {elf32(), elf64()}) {
        for (std::size_t offset = 0; offset < 0x8c; ++offset) {
            for (const u8 value : {u8{0}, u8{1}, u8{0x7f}, u8{0x80}, u8{0xff}}) {
                auto damaged = image;
                damaged[offset] = value;
                try {
                    static_cast<void>(load_multiboot(InputFile("damaged", damaged), {}, memory_));
                    ++accepted;
                } catch (const InputError&) {
                }
            }
        }
    }
    EXPECT_GT(accepted, 0U);
}

}  // namespace
}  // namespace vtsim::platform
