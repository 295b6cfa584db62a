// SPDX-License-Identifier: Apache-2.0
#include "usermode/loader.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "platform/loader/input_file.h"

namespace vtsim::usermode {
namespace {

constexpr u64 base_of_position_independent = 0x5555'5555'4000;
constexpr u64 stack_top = AddressSpace::user_end - page_size, stack_bytes = 1 * MiB;

void map_segment(AddressSpace& space, const platform::InputFile& file, const Elf64_Phdr& segment, u64 base) {
    file.check(segment.p_offset, segment.p_filesz, "an ELF segment");
    if (segment.p_filesz > segment.p_memsz) file.fail("an ELF segment has more bytes in the file than in memory");
    const u64 start = base + segment.p_vaddr;
    space.map(start, segment.p_memsz, {.read = (segment.p_flags & PF_R) != 0, .write = (segment.p_flags & PF_W) != 0, .execute = (segment.p_flags & PF_X) != 0});
    space.poke(start, file.data() + segment.p_offset, segment.p_filesz);
}

// Grows towards lower addresses from the top of the stack.
class StackBuilder {
public:
    explicit StackBuilder(AddressSpace& space) : space_{space} { space_.map(stack_top - stack_bytes, stack_bytes, {.read = true, .write = true}); }

    u64 push(const void* bytes, u64 count) {
        at_ -= count;
        space_.poke(at_, bytes, count);
        return at_;
    }
    u64 push(const std::string& text) { return push(text.c_str(), text.size() + 1); }
    std::vector<u64> push(const std::vector<std::string>& texts) {
        std::vector<u64> addresses;
        for (const auto& text : texts) addresses.push_back(push(text));
        return addresses;
    }
    // The words end at a multiple of 16 bytes: the stack pointer.
    u64 finish(const std::vector<u64>& words) {
        at_ = (at_ - words.size() * sizeof(u64)) & ~u64{15};
        space_.poke(at_, words.data(), words.size() * sizeof(u64));
        return at_;
    }

private:
    AddressSpace& space_;
    u64 at_ = stack_top;
};

}  // namespace

Program load_program(AddressSpace& space, const std::string& path) {
    const auto file = platform::InputFile::open(path);
    const auto header = file.require<Elf64_Ehdr>(0, "the ELF header");
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64) file.fail("not an ELF file for x86-64");
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN) file.fail(fmt::format("ELF file of type {}: expected an executable", header.e_type));
    const u64 base = header.e_type == ET_DYN ? base_of_position_independent : 0;

    Program program{.path = path, .entry = base + header.e_entry, .headers = 0, .header_count = header.e_phnum, .end = 0};
    for (u64 i = 0; i < header.e_phnum; ++i) {
        const auto segment = file.require<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr), "an ELF program header");
        if (segment.p_type == PT_INTERP) file.fail("dynamically linked: expected a static program");
        if (segment.p_type != PT_LOAD || segment.p_memsz == 0) continue;
        map_segment(space, file, segment, base);
        program.end = std::max(program.end, base + segment.p_vaddr + segment.p_memsz);
        if (header.e_phoff - segment.p_offset < segment.p_filesz) program.headers = base + segment.p_vaddr + header.e_phoff - segment.p_offset;
    }
    if (program.end == 0) file.fail("ELF file has nothing to load: expected a loadable segment");
    return program;
}

u64 build_stack(AddressSpace& space, const Program& program, const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
                u32 hardware_capabilities) {
    StackBuilder stack{space};
    const u64 path = stack.push(program.path), platform = stack.push("x86_64");
    constexpr std::array<u8, 16> random{0x3a, 0x91, 0x5c, 0xe7, 0x08, 0xbd, 0x42, 0xf6, 0x1d, 0xa3, 0x79, 0x64, 0xcb, 0x20, 0x8e, 0x57};      // the same in every run
    const u64 random_bytes = stack.push(random.data(), random.size());
    const auto texts = stack.push(arguments), variables = stack.push(environment);

    std::vector<u64> words{arguments.size()};
    words.insert(words.end(), texts.begin(), texts.end());
    words.push_back(0);
    words.insert(words.end(), variables.begin(), variables.end());
    words.push_back(0);
    const u64 auxiliary[][2] = {
        {AT_PHDR, program.headers}, {AT_PHENT, sizeof(Elf64_Phdr)}, {AT_PHNUM, program.header_count}, {AT_PAGESZ, page_size}, {AT_BASE, 0}, {AT_FLAGS, 0},
        {AT_ENTRY, program.entry}, {AT_UID, 0}, {AT_EUID, 0}, {AT_GID, 0}, {AT_EGID, 0}, {AT_SECURE, 0}, {AT_CLKTCK, 100}, {AT_HWCAP, hardware_capabilities},
        {AT_HWCAP2, 0}, {AT_RANDOM, random_bytes}, {AT_PLATFORM, platform}, {AT_EXECFN, path}, {AT_NULL, 0},
    };
    for (const auto& [type, value] : auxiliary) words.insert(words.end(), {type, value});
    return stack.finish(words);
}

}  // namespace vtsim::usermode
