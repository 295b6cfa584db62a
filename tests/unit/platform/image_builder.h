// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <elf.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/types.h"

namespace vtsim::platform::test {

// A file that is gone at the end of the test.
class TemporaryFile {
public:
    explicit TemporaryFile(const std::vector<u8>& bytes) {
        static std::atomic<unsigned> count;
        path_ = (std::filesystem::temp_directory_path() / ("vtsim-test-" + std::to_string(getpid()) + "-" + std::to_string(count++))).string();
        std::ofstream(path_, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
    explicit TemporaryFile(const std::string& text) : TemporaryFile(std::vector<u8>(text.begin(), text.end())) {}
    ~TemporaryFile() { std::filesystem::remove(path_); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

template <class T>
void put(std::vector<u8>& bytes, std::size_t offset, const T& value) {
    if (bytes.size() < offset + sizeof value) bytes.resize(offset + sizeof value);
    std::memcpy(bytes.data() + offset, &value, sizeof value);
}

struct ImageShape {
    u64 address = 0x100000;
    u64 virtual_address = 0x100000;
    u64 memory_bytes = 0x3000;
    u64 entry = 0x100010;
    u32 flags = 0;
    std::vector<u8> contents = std::vector<u8>(64, 0xf4);
};

inline void put_multiboot_header(std::vector<u8>& bytes, std::size_t offset, u32 flags) {
    put(bytes, offset, u32{0x1badb002});
    put(bytes, offset + 4, flags);
    put(bytes, offset + 8, static_cast<u32>(0) - 0x1badb002U - flags);
}

// One segment: 12 bytes of multiboot header, then the contents.
template <class Header, class Program>
std::vector<u8> elf_image(const ImageShape& shape, unsigned char elf_class, u16 machine) {
    constexpr std::size_t segment_offset = 0x80;
    std::vector<u8> bytes;
    Header header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = elf_class;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_EXEC;
    header.e_machine = machine;
    header.e_version = EV_CURRENT;
    header.e_entry = static_cast<decltype(header.e_entry)>(shape.entry);
    header.e_phoff = sizeof(Header);
    header.e_ehsize = sizeof(Header);
    header.e_phentsize = sizeof(Program);
    header.e_phnum = 1;
    put(bytes, 0, header);
    Program program{};
    program.p_type = PT_LOAD;
    program.p_offset = segment_offset;
    program.p_vaddr = static_cast<decltype(program.p_vaddr)>(shape.virtual_address);
    program.p_paddr = static_cast<decltype(program.p_paddr)>(shape.address);
    program.p_filesz = static_cast<decltype(program.p_filesz)>(12 + shape.contents.size());
    program.p_memsz = static_cast<decltype(program.p_memsz)>(shape.memory_bytes);
    put(bytes, sizeof(Header), program);
    put_multiboot_header(bytes, segment_offset, shape.flags);
    bytes.insert(bytes.end(), shape.contents.begin(), shape.contents.end());
    return bytes;
}

inline std::vector<u8> elf32(const ImageShape& shape = {}) { return elf_image<Elf32_Ehdr, Elf32_Phdr>(shape, ELFCLASS32, EM_386); }
inline std::vector<u8> elf64(const ImageShape& shape = {}) { return elf_image<Elf64_Ehdr, Elf64_Phdr>(shape, ELFCLASS64, EM_X86_64); }

}  // namespace vtsim::platform::test
