// SPDX-License-Identifier: Apache-2.0
// Programs of a few bytes: what the harness says when one does not end well.
#include <elf.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "usermode/run.h"
#include "vtsim/error.h"

namespace vtsim::usermode {
namespace {

using testing::HasSubstr;

constexpr u64 address = 0x40'0000, code_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);

// An executable with one segment, readable and executable: the headers and this code.
std::string executable(const std::vector<u8>& code) {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_entry = address + code_offset;
    header.e_phoff = sizeof header;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 1;
    const Elf64_Phdr segment{PT_LOAD, PF_R | PF_X, 0, address, address, code_offset + code.size(), code_offset + code.size(), page_size};
    std::string file(code_offset + code.size(), 0);
    std::memcpy(file.data(), &header, sizeof header);
    std::memcpy(file.data() + sizeof header, &segment, sizeof segment);
    std::ranges::copy(code, file.begin() + code_offset);
    return file;
}

class Harness : public testing::Test {
protected:
    void SetUp() override { std::filesystem::remove(path_); }
    void TearDown() override { std::filesystem::remove(path_); }
    void write(const std::string& bytes) {
        std::ofstream{path_, std::ios::binary} << bytes;
        std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
    }
    SimulatedResult run(const std::vector<u8>& code, cpu::Mode mode = cpu::Mode::functional, u64 limit = 1'000'000) {
        write(executable(code));
        return run_simulated({.arguments = {path_}}, mode, limit);
    }
    const std::string path_ = fmt::format("{}vtsim-usermode-{}", testing::TempDir(), testing::UnitTest::GetInstance()->current_test_info()->name());
};

// MOV EAX, number; SYSCALL; MOV EDI, EAX; NEG EDI; MOV EAX, SYS_exit; SYSCALL
std::vector<u8> call_and_exit_with_error(u8 number) {
    return {0xb8, number, 0x01, 0, 0, 0x0f, 0x05, 0x89, 0xc7, 0xf7, 0xdf, 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05};
}

TEST_F(Harness, ExitStatusIsThatOfTheProgramInBothModesAndNatively) {
    const std::vector<u8> code{0xbf, 42, 0, 0, 0, 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05};         // MOV EDI, 42; MOV EAX, SYS_exit; SYSCALL
    for (const auto mode : {cpu::Mode::functional, cpu::Mode::timing}) {
        const auto result = run(code, mode);
        EXPECT_EQ(result.problem, "");
        EXPECT_EQ(result.status, 42);
    }
    EXPECT_EQ(run_natively({.arguments = {path_}}).status, 42);
}

TEST_F(Harness, PageFaultIsNamedWithItsAddress) {
    const auto result = run({0xb8, 0x78, 0x56, 0x34, 0x12, 0x8a, 0x00});                    // MOV EAX, 12345678H; MOV AL, [RAX]
    EXPECT_THAT(result.problem, HasSubstr(fmt::format("exception 14 #PF at RIP {:#x}", address + code_offset + 5)));
    EXPECT_THAT(result.problem, HasSubstr("error code 0x4, CR2 0x12345678, code 8a 00"));
    EXPECT_EQ(result.status, -1);
}

TEST_F(Harness, TextIsReadOnlyAndTheSupervisorIsOutOfReach) {
    EXPECT_THAT(run({0xc6, 0x05, 0, 0, 0, 0, 0}).problem, HasSubstr("#PF"));                // MOV BYTE PTR [RIP], 0
    EXPECT_THAT(run({0x48, 0xb8, 0, 0, 0, 0, 0, 0x80, 0xff, 0xff, 0x8a, 0x00}).problem, HasSubstr("error code 0x5, CR2 0xffff800000000000"));
    EXPECT_THAT(run({0xf4}).problem, HasSubstr("exception 13 #GP"));                        // HLT
}

TEST_F(Harness, MissingInstructionIsNamed) { EXPECT_THAT(run({0x66, 0x0f, 0x79, 0xc1}).problem, HasSubstr("instruction extrq is not there: #UD raised at")); }        // SSE4a

TEST_F(Harness, EndlessLoopMeetsTheLimit) { EXPECT_EQ(run({0xeb, 0xfe}).problem, "no end within 1000000 instructions"); }

TEST_F(Harness, MissingSystemCallIsNamedAndFailsAsOnAnOldKernel) {
    const auto result = run(call_and_exit_with_error(0xa9));                                // 425: io_uring_setup
    EXPECT_EQ(result.problem, "system call 425 is missing");
    EXPECT_EQ(result.status, ENOSYS);
}

TEST_F(Harness, OtherFilesAreRefused) {
    write("a text that is longer than the header of an ELF file, which has sixty-four bytes in its 64-bit form");
    EXPECT_THROW((void)run_simulated({.arguments = {path_}}, cpu::Mode::functional), InputError);
    EXPECT_THROW((void)run_simulated({.arguments = {"there/is/no/such/file"}}, cpu::Mode::functional), InputError);
    EXPECT_THROW((void)run_natively({.arguments = {"there/is/no/such/file"}}), InputError);
}

}  // namespace
}  // namespace vtsim::usermode
