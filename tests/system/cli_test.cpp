// SPDX-License-Identifier: Apache-2.0
// The vtsim program from outside: output, files and exit statuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "unit/platform/image_builder.h"

namespace vtsim {
namespace {

using platform::test::elf32;
using platform::test::TemporaryFile;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
using Code = std::vector<u8>;

std::string contents_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

struct Outcome {
    int status;
    std::string out;
    std::string err;
};

// 32-bit code at 0x10000c, behind the multiboot header.
Code say(const std::string& text) {
    Code code{0x66, 0xba, 0xf8, 0x03};                                                          // mov dx, 0x3f8
    for (const char c : text) code.insert(code.end(), {0xb0, static_cast<u8>(c), 0xee});        // mov al, c; out dx, al
    return code;
}
Code leave(u8 value) { return {0xb0, value, 0xe6, 0xf4}; }                                       // mov al, value; out 0xf4, al
const Code forever{0xeb, 0xfe};                                                                  // jmp itself
const Code halt{0xfa, 0xf4};                                                                     // cli; hlt
const Code triple_fault{0x0f, 0x0b};                                                             // ud2, without an IDT
const Code magic_exit{0x31, 0xff, 0x0f, 0x1f, 0x80, 0x05, 0x00, 0x54, 0x56};                     // xor edi, edi; VTSIM_MAGIC_EXIT

Code roi(const Code& inside) {                                                                   // VTSIM_MAGIC_ROI_BEGIN, inside, VTSIM_MAGIC_ROI_END
    Code code{0x0f, 0x1f, 0x80, 0x01, 0x00, 0x54, 0x56};
    code.insert(code.end(), inside.begin(), inside.end());
    code.insert(code.end(), {0x0f, 0x1f, 0x80, 0x02, 0x00, 0x54, 0x56});
    return code;
}

// Paging with one 4-MByte page at 0: a walk reads one entry.
const Code paging{
    0xc7, 0x05, 0x00, 0x20, 0x10, 0x00, 0x83, 0x00, 0x00, 0x00,     // mov dword [0x102000], present, writable, 4 MBytes
    0xb8, 0x00, 0x20, 0x10, 0x00, 0x0f, 0x22, 0xd8,                 // mov eax, 0x102000; mov cr3, eax
    0x0f, 0x20, 0xe0, 0x83, 0xc8, 0x10, 0x0f, 0x22, 0xe0,           // mov eax, cr4; or eax, CR4.PSE; mov cr4, eax
    0x0f, 0x20, 0xc0, 0x0d, 0x00, 0x00, 0x00, 0x80, 0x0f, 0x22, 0xc0,     // mov eax, cr0; or eax, CR0.PG; mov cr0, eax
};

Code operator+(Code left, const Code& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

class Program : public testing::Test {
protected:
    Program() { std::filesystem::create_directories(directory); }
    ~Program() override { std::filesystem::remove_all(directory); }

    Outcome run(const std::string& arguments) const {
        const auto out = directory / "out", err = directory / "err";
        const auto command = "timeout 20 " + std::string(VTSIM_PROGRAM) + ' ' + arguments + " >" + out.string() + " 2>" + err.string() + " </dev/null";
        const int status = std::system(command.c_str());
        return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents_of(out), contents_of(err)};
    }
    Outcome run_guest(const Code& code, const std::string& options = "") const {
        const TemporaryFile image(elf32({.memory_bytes = 0x4000, .entry = 0x10000c, .contents = code}));
        return run("run " + image.path() + ' ' + options);
    }
    static void expect_bad_input(const Outcome& outcome, const std::string& text) {
        EXPECT_EQ(outcome.status, 2);
        EXPECT_THAT(outcome.err, AllOf(StartsWith("vtsim: "), HasSubstr(text)));
        EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
        EXPECT_THAT(outcome.out, IsEmpty());
    }

    const std::filesystem::path directory = std::filesystem::path(testing::TempDir()) / ("vtsim_cli_" + std::to_string(getpid()));
};
using Running = Program;
using BadInput = Program;
using Commands = Program;

TEST_F(Running, PrintsTheSerialPortAndNothingElse) {
    const auto outcome = run_guest(say("hello\n") + leave(0));
    EXPECT_EQ(outcome.out, "hello\n");
    EXPECT_THAT(outcome.err, IsEmpty());
}

TEST_F(Running, EndsWithTheStatusesOfItsContract) {
    EXPECT_EQ(run_guest(leave(0x10)).status, 0x21);
    EXPECT_EQ(run_guest(magic_exit).status, 0);
    EXPECT_EQ(run_guest(triple_fault).status, 4);
    EXPECT_EQ(run_guest(forever, "--max-instructions 1000").status, 6);
    EXPECT_EQ(run_guest(forever, "--max-seconds 0.0001").status, 6);
    EXPECT_EQ(run_guest(halt).status, 8);
    EXPECT_EQ(run_guest(halt, "--cpus 3").status, 8);               // the others wait for a start-up IPI
    EXPECT_EQ(run_guest(triple_fault, "--cpus 3 --mode timing").status, 4);
}

TEST_F(Running, DumpsTheRegistersAfterATripleFault) { EXPECT_THAT(run_guest(triple_fault).err, AllOf(HasSubstr("triple fault"), HasSubstr("rip"))); }

TEST_F(Running, WritesReportsOfEveryKind) {
    const auto base = (directory / "stats").string();
    const auto outcome = run_guest(say("x") + leave(0), "--mode timing --memory 64M --stats " + base + ".json --stats " + base + ".csv --stats " + base + ".txt");
    EXPECT_EQ(outcome.status, 1);
    const auto json = boost::json::parse(contents_of(base + ".json"));
    EXPECT_EQ(json.at("schema").as_int64(), 1);
    EXPECT_EQ(json.at("config").at("memory").at("size").as_int64(), 64 << 20);
    EXPECT_EQ(json.at("config").at("machine").at("mode").as_string(), "timing");
    EXPECT_EQ(json.at("stats").at("sim.instructions").as_int64(), 5);
    EXPECT_GT(json.at("stats").at("sim.cycles").as_int64(), 0);
    EXPECT_TRUE(json.at("meta").as_object().contains("cpu0.vmx.entries"));
    EXPECT_THAT(contents_of(base + ".csv"), HasSubstr("sim.instructions,5,instructions,"));
    EXPECT_THAT(contents_of(base + ".txt"), HasSubstr("instructions"));
}

TEST_F(Running, WritesTheSerialPortToAFileInstead) {
    const auto path = (directory / "serial").string();
    EXPECT_THAT(run_guest(say("hello") + leave(0), "--serial " + path).out, IsEmpty());
    EXPECT_EQ(contents_of(path), "hello");
}

TEST_F(Running, SummarizesWhenAsked) {
    EXPECT_THAT(run_guest(say("x") + leave(0), "--report").err, AllOf(HasSubstr("status 1"), HasSubstr("instructions"), HasSubstr("MIPS"), Not(HasSubstr("cycles"))));
    EXPECT_THAT(run_guest(say("x") + leave(0), "--report --mode timing").err, HasSubstr("cycles"));
}

TEST_F(Running, SummaryShowsWhereCyclesWentAndWhatWalksRead) {
    const auto timed = run_guest(paging + say("x") + leave(0), "--report --mode timing").err;
    EXPECT_THAT(timed, AllOf(HasSubstr("instruction_issue"), HasSubstr(" %"), HasSubstr("(1.00 references each)")));
    EXPECT_THAT(run_guest(say("x") + leave(0), "--report").err, AllOf(Not(HasSubstr("instruction_issue")), Not(HasSubstr("page walks"))));
}

TEST_F(Running, TakesSettingsFilesAndPresets) {
    const auto file = directory / "machine.toml";
    std::ofstream(file) << "[memory]\nsize = \"64M\"\n[dram]\nlatency = 321\n";
    const auto stats = (directory / "stats.json").string();
    EXPECT_EQ(run_guest(leave(0), "--preset broadwell:ideal --config " + file.string() + " --set memory.size=128M --cpus 2 --stats " + stats).status, 1);
    const auto config = boost::json::parse(contents_of(stats)).at("config");
    EXPECT_EQ(config.at("memory").at("size").as_int64(), 128 << 20);
    EXPECT_EQ(config.at("dram").at("latency").as_int64(), 321);
    EXPECT_EQ(config.at("vmx_cost").at("exit_base").as_int64(), 0);
    EXPECT_EQ(config.at("machine").at("cpus").as_int64(), 2);
}

TEST_F(Running, TimesAndReportsTheRegionOfInterestAlone) {
    const auto stats = (directory / "stats.json").string();
    const std::string options = "--roi-mode timing --stats-roi --stats " + stats;
    const Code two_nops{0x90, 0x90};
    EXPECT_EQ(run_guest(say("x") + roi(two_nops) + say("y") + leave(0), options).err, "");
    const auto figures = boost::json::parse(contents_of(stats)).at("stats");
    EXPECT_EQ(figures.at("cpu0.instructions").as_int64(), 3) << "the marks are one instruction together";
    EXPECT_EQ(figures.at("cpu0.instructions_by_mode.timing").as_int64(), 3);
    EXPECT_THAT(run_guest(say("x") + leave(0), options).err, HasSubstr("marked no region of interest"));
    EXPECT_GT(boost::json::parse(contents_of(stats)).at("stats").at("cpu0.instructions").as_int64(), 3);
}

TEST_F(BadInput, IsOneClearLineAndStatusTwo) {
    expect_bad_input(run_guest(halt, "--roi-mode fast"), "machine.roi_mode");
    expect_bad_input(run(""), "expected a command");
    expect_bad_input(run("rum x"), "did you mean 'run'?");
    expect_bad_input(run("run"), "expected an image");
    expect_bad_input(run("run /nonexistent/image"), "/nonexistent/image");
    expect_bad_input(run("run a b"), "too many arguments: expected one image");
    expect_bad_input(run("config a"), "too many arguments: expected none");
    expect_bad_input(run("presets a"), "expected no arguments");
    expect_bad_input(run_guest(halt, "--stat x.json"), "did you mean '--stats'?");
    expect_bad_input(run_guest(halt, "--preset brodwell"), "did you mean 'broadwell'?");
    expect_bad_input(run_guest(halt, "--set mmu.stlb.latenzy=3"), "did you mean 'mmu.stlb.latency'?");
    expect_bad_input(run_guest(halt, "--set memory.size"), "expected key=value");
    expect_bad_input(run_guest(halt, "--mode fast"), "functional, warm or timing");
    expect_bad_input(run_guest(halt, "--memory lots"), "expected a whole number");
    expect_bad_input(run_guest(halt, "--cpus 0"), "1 to 64");
    expect_bad_input(run_guest(halt, "--max-instructions -1"), "expected a number of instructions");
    expect_bad_input(run_guest(halt, "--stats x.xml"), ".json, .csv or .txt");
    expect_bad_input(run_guest(halt, "--stats /nonexistent/x.json"), "expected a directory");
    expect_bad_input(run_guest(halt, "--serial /nonexistent/x"), "expected a file");
    expect_bad_input(run_guest(halt, "--module /nonexistent/module"), "/nonexistent/module");
    expect_bad_input(run_guest(halt, "--config /nonexistent/c.toml"), "/nonexistent/c.toml");
    expect_bad_input(run_guest(halt, "--trace t.json"), "--trace");
}

// Sets of no power of two, more than can be addressed or held, nothing at all.
TEST_F(BadInput, ImpossibleGeometriesNameTheParameter) {
    for (const std::string setting : {"mmu.stlb.pages_4k.ways=7", "mmu.stlb.pages_4k.entries=0", "mmu.stlb.pages_4k.entries=3221225472", "mmu.dtlb.pages_2m.ways=0", "cache.l1d.size=33000",
                                      "cache.l1d.size=0", "cache.l2.ways=0", "cache.l3.size=16G", "iommu.iotlb.ways=3", "mmu.physical_address_bits=53", "memory.size=4097", "memory.size=0",
                                      "memory.size=600G", "memory.size=18446744073709547520", "machine.quantum=0", "core.frequency_hz=0"}) {
        const auto table = setting.substr(0, setting.rfind('.'));
        expect_bad_input(run_guest(leave(0), "--set " + setting), "configuration key '" + table);
        expect_bad_input(run("config --set " + setting), "expected");
    }
}

TEST_F(BadInput, ImagesAreRefusedForWhatTheyAre) {
    const auto refused = [&](const std::vector<u8>& bytes, const std::string& text, const std::string& options = "") {
        const TemporaryFile image(bytes);
        const auto outcome = run("run " + image.path() + ' ' + options);
        expect_bad_input(outcome, text);
        EXPECT_THAT(outcome.err, HasSubstr(image.path()));
    };
    auto whole = elf32({.memory_bytes = 0x4000, .entry = 0x10000c, .contents = halt});
    refused({whole.begin(), whole.begin() + 40}, "truncated");
    refused({whole.begin(), whole.end() - 1}, "truncated");
    refused({'h', 'e', 'l', 'l', 'o'}, "not a multiboot image");
    refused({}, "is empty");
    refused(elf32({.address = 0x7000'0000}), "outside memory", "--memory 64M");
    whole[18] = 40;                                                 // e_machine: ARM
    refused(whole, "expected 3 (x86)");
    expect_bad_input(run("run " + directory.string()), "is a directory");
    expect_bad_input(run("run /dev/zero"), "is a device");
}

TEST_F(BadInput, LeavesNoFileBehind) {
    const auto serial = directory / "serial", stats = directory / "stats.json";
    const auto files = " --serial " + serial.string() + " --stats " + stats.string();
    expect_bad_input(run("run /nonexistent/image" + files), "/nonexistent/image");
    expect_bad_input(run_guest(halt, "--set dram.latency=0" + files), "dram.latency");
    expect_bad_input(run_guest(halt, "--module /nonexistent/module" + files), "/nonexistent/module");
    expect_bad_input(run_guest(halt, "--max-instructions none" + files), "expected a number");
    EXPECT_FALSE(std::filesystem::exists(serial));
    EXPECT_FALSE(std::filesystem::exists(stats));
    std::filesystem::create_directory(stats);
    expect_bad_input(run_guest(halt, files), "is a directory");     // and not after a long run
    EXPECT_FALSE(std::filesystem::exists(serial));
}

TEST_F(BadInput, LostSerialOutputIsNoSuccess) {
    if (!std::filesystem::exists("/dev/full")) GTEST_SKIP();
    expect_bad_input(run_guest(say("hello") + leave(0), "--serial /dev/full"), "could not all be written");
}

TEST_F(BadInput, InAFileNamesTheLine) {
    const auto file = directory / "bad.toml";
    std::ofstream(file) << "[dram]\nlatenzy = 3\n";
    expect_bad_input(run_guest(halt, "--config " + file.string()), "bad.toml:2: unknown key 'dram.latenzy'");
}

TEST_F(Commands, ShowTheConfiguration) {
    const auto json = run("config --set dram.latency=77");
    EXPECT_EQ(json.status, 0);
    EXPECT_EQ(boost::json::parse(json.out).at("dram").at("latency").as_int64(), 77);
    const auto listing = run("config --list --memory 1G");
    EXPECT_THAT(listing.out, AllOf(HasSubstr("memory.size = 1073741824"), HasSubstr("# ")));
}

TEST_F(Commands, ListPresetsAndHelp) {
    EXPECT_THAT(run("presets").out, AllOf(HasSubstr("features: broadwell haswell skylake-sp\n"), HasSubstr("timing  : broadwell haswell ideal skylake-sp\n")));
    EXPECT_THAT(run("help").out, HasSubstr("run an image"));
    EXPECT_THAT(run("run --help").out, AllOf(HasSubstr("--max-instructions"), HasSubstr("Status:")));
    EXPECT_THAT(run("version").out, StartsWith("vtsim "));
}

// guests/sensitive on a Machine: what the table rests on is in tests/system/guests/sensitive_test.cpp.
TEST_F(Commands, ClassifySensitiveInstructions) {
    const auto table = run("isa --sensitive");
    EXPECT_EQ(table.status, 0) << table.err;
    EXPECT_THAT(table.out, ContainsRegex("\nPOPF +control-sensitive +runs +silent +silent +own state +own state +write of IF/IOPL dropped\n"));
    EXPECT_THAT(table.out, ContainsRegex("\nSGDT +behaviour-sensitive +runs +silent +silent +exit 46 +exit 46 +reads GDTR\n"));
    EXPECT_THAT(table.out, ContainsRegex("\nLGDT +privileged +runs +#GP +#GP +exit 46 +exit #GP +writes GDTR\n"));
    EXPECT_THAT(table.out, ContainsRegex("\nADD +harmless +runs +runs +runs +runs +runs\n"));
    EXPECT_THAT(table.out, HasSubstr("none remain. Of all 90 rows,\nnone see or change something of the host.\n"));
    std::istringstream lines{table.out};
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 120U) << line;
    EXPECT_THAT(run("isa --sensitive --set features.vmx=false").out, AllOf(HasSubstr("so it fails"), HasSubstr("\nVMX: the processor has none.\n")));
}

TEST_F(Commands, PrintThePageOfInstructions) { EXPECT_EQ(run("isa --markdown").out, contents_of(VTSIM_DOCS "/isa.md")) << "vtsim isa --markdown > docs/isa.md"; }

TEST_F(Commands, ListTheFormsOfAnInstruction) {
    const auto result = run("isa fisttp add");
    EXPECT_EQ(result.status, 0);
    EXPECT_NE(result.out.find("fisttp m64"), std::string::npos) << result.out;
    EXPECT_NE(result.out.find("host"), std::string::npos);
    expect_bad_input(run("isa fistp2"), "there is no instruction 'fistp2'; did you mean 'fistp'?");
}

TEST_F(Commands, PrintThePageOfSensitiveInstructions) { EXPECT_EQ(run("isa --sensitive --markdown").out, contents_of(VTSIM_DOCS "/sensitive.md")) << "vtsim isa --sensitive --markdown > docs/sensitive.md"; }

TEST_F(BadInput, SensitiveInstructionsNeedTheGuestProgram) {
    ASSERT_EQ(setenv("VTSIM_SENSITIVE_ELF", "/nonexistent/sensitive.elf", 1), 0);
    expect_bad_input(run("isa --sensitive"), "the guest program '/nonexistent/sensitive.elf' does not exist: expected it built");
    ASSERT_EQ(unsetenv("VTSIM_SENSITIVE_ELF"), 0);
    expect_bad_input(run("isa --sensitive SGDT"), "expected neither --forms nor a mnemonic");
}

}  // namespace
}  // namespace vtsim
