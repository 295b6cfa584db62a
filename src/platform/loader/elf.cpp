// SPDX-License-Identifier: Apache-2.0
#include "platform/loader/elf.h"

#include <elf.h>
#include <fmt/format.h>

namespace vtsim::platform {
namespace {

template <class Header, class Program>
ElfImage parse(const InputFile& file, u16 machine) {
    const auto header = file.require<Header>(0, "the ELF header");
    if (header.e_machine != machine) file.fail(fmt::format("ELF for machine {}: expected {} (x86)", header.e_machine, machine));
    if (header.e_type != ET_EXEC) file.fail(fmt::format("ELF file of type {}: expected an executable (2)", header.e_type));
    if (header.e_phnum == 0) file.fail("ELF file without program headers: expected segments to load");
    if (header.e_phentsize != sizeof(Program)) file.fail(fmt::format("ELF program headers of {} bytes: expected {}", header.e_phentsize, sizeof(Program)));
    file.check(header.e_phoff, u64{header.e_phnum} * sizeof(Program), "the ELF program header table");

    ElfImage image{.wide = sizeof(Program) == sizeof(Elf64_Phdr), .entry = header.e_entry, .segments = {}};
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        const auto program = file.require<Program>(header.e_phoff + u64{i} * sizeof(Program), "an ELF program header");
        if (program.p_type != PT_LOAD || program.p_memsz == 0) continue;
        file.check(program.p_offset, program.p_filesz, "an ELF segment");
        if (program.p_filesz > program.p_memsz) file.fail(fmt::format("ELF segment {}: more bytes in the file than in memory", i));
        image.segments.push_back({program.p_offset, program.p_vaddr, program.p_paddr, program.p_filesz, program.p_memsz});
    }
    if (image.segments.empty()) file.fail("ELF file has nothing to load: expected a loadable segment");
    return image;
}

// The entry point is a virtual address: the segment that holds it says where it is loaded.
u64 physical_entry(const ElfImage& image) {
    for (const auto& segment : image.segments)
        if (image.entry - segment.virtual_address < segment.memory_bytes) return image.entry - segment.virtual_address + segment.physical_address;
    return image.entry;
}

}  // namespace

bool is_elf(const InputFile& file) { return file.get<u32>(0) == 0x464c457fU; }

ElfImage parse_elf(const InputFile& file) {
    if (!is_elf(file)) file.fail("not an ELF file");
    if (file.require<u8>(EI_DATA, "the ELF identification") != ELFDATA2LSB) file.fail("big-endian ELF file: expected little endian");
    ElfImage image;
    switch (file.require<u8>(EI_CLASS, "the ELF identification")) {
        case ELFCLASS32: image = parse<Elf32_Ehdr, Elf32_Phdr>(file, EM_386); break;
        case ELFCLASS64: image = parse<Elf64_Ehdr, Elf64_Phdr>(file, EM_X86_64); break;
        default: file.fail("ELF class is neither 32 nor 64 bits");
    }
    image.entry = physical_entry(image);
    return image;
}

}  // namespace vtsim::platform
