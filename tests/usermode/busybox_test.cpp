// SPDX-License-Identifier: Apache-2.0
// Debian's busybox, a statically linked program that nobody compiled for vtsim: what the host's processor makes of the same command is the oracle.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "usermode/run.h"

namespace vtsim::usermode {
namespace {

const std::string busybox = "/bin/busybox", source = VTSIM_SOURCE_DIR "/";

struct Applet {
    std::string name;                            // of the test
    std::vector<std::string> arguments;          // files are named from the root of the repository
    std::string input;                           // standard input; empty: none
    int status = 0;
};

void PrintTo(const Applet& applet, std::ostream* out) { *out << applet.name; }

const Applet applets[] = {
    {"echo", {"echo", "hello"}, ""},
    {"true", {"true"}, ""},
    {"false", {"false"}, "", 1},
    {"missing_file", {"cat", "there/is/no/such/file"}, "", 1},
    {"unknown_applet", {"there-is-no-such-applet"}, "", 127},
    {"cat", {"cat", "guests/README.md", "docs/architecture.md"}, ""},
    {"wc", {"wc", "docs/architecture.md", "guests/README.md", "docs/shadow_vs_ept.md"}, ""},
    {"sha256sum", {"sha256sum", "docs/shadow_vs_ept.md", "guests/README.md"}, ""},
    {"sha256sum_of_itself", {"sha256sum", busybox}, ""},
    {"sha1sum", {"sha1sum", "docs/shadow_vs_ept.md"}, ""},
    {"sha512sum", {"sha512sum", "docs/shadow_vs_ept.md"}, ""},
    {"sha3sum", {"sha3sum", "docs/shadow_vs_ept.md"}, ""},
    {"md5sum", {"md5sum", "docs/architecture.md", "tests/data/vmx/vmcs_fields.csv"}, ""},
    {"cksum", {"crc32", "docs/architecture.md"}, ""},
    {"gzip", {"gzip", "-c"}, "docs/shadow_vs_ept.md"},
    {"bzip2", {"bzip2", "-c"}, "docs/architecture.md"},
    {"sort", {"sort", "tests/data/vmx/vmcs_fields.csv"}, ""},
    {"sort_by_number", {"sort", "-t,", "-k2", "-n", "-r", "tests/data/guests/checksums.csv"}, ""},
    {"uniq", {"uniq", "-c"}, "docs/architecture.md"},
    {"awk_fields", {"awk", "-F,", "{ n[length($1)] += NR; printf \"%s|%.3f\\n\", toupper($2), NR / 7 } END { for (i = 0; i < 99; ++i) if (i in n) print i, n[i], n[i] / 3, n[i] % 7 }"},
     "tests/data/vmx/vmcs_fields.csv"},
    {"awk_text", {"awk", "{ gsub(/[aeiou]+/, \"<&>\"); print NR, NF, substr($0, 3, 20), index($0, \"the\") }"}, "docs/architecture.md"},
    {"sed", {"sed", "-n", "-e", "s/\\([A-Z][a-z]*\\) \\([a-z]*\\)/\\2 \\1/gp", "-e", "/guest/{=;y/abc/xyz/;p}"}, "guests/README.md"},
    {"tr", {"tr", "a-zA-Z", "n-za-mN-ZA-M"}, "docs/architecture.md"},
    {"tr_squeeze", {"tr", "-cs", "[:alpha:]", "\\n"}, "guests/README.md"},
    {"grep", {"grep", "-n", "-i", "-E", "(table|page)s? of", "docs/architecture.md", "guests/README.md", "docs/shadow_vs_ept.md"}, ""},
    {"grep_without_match", {"grep", "no line has these words"}, "docs/architecture.md", 1},
    {"cut", {"cut", "-d,", "-f1,3"}, "tests/data/vmx/vmx_msrs.csv"},
    {"fold", {"fold", "-s", "-w", "40"}, "docs/architecture.md"},
    {"hexdump", {"hexdump", "-C"}, "tests/data/vmx/vmx_controls.csv"},
    {"xxd", {"xxd"}, "tests/data/vmx/exit_reasons.csv"},
    {"base64", {"base64"}, "docs/architecture.md"},
    {"diff", {"diff", "docs/architecture.md", "docs/statistics.md"}, "", 1},
    {"find", {"find", "docs", "tests/data", "-name", "*.md"}, ""},
    {"tail", {"tail", "-n", "7", "docs/architecture.md"}, ""},
    {"rev", {"rev"}, "docs/configuration.md"},
    {"factor", {"factor", "1000003000002000003", "67280421310721", "720720"}, ""},
    {"seq", {"seq", "0.5", "0.25", "20"}, ""},
    {"printf", {"printf", "%08.3f %x %-10s| %e %g %o\\n", "3.14159265358979", "3735928559", "left", "6.02214076e23", "0.0001", "511"}, ""},
    {"expr", {"expr", "123456789", "*", "987654321", "%", "1000007"}, ""},
    {"date", {"date", "-u", "-d", "@1234567890", "+%Y-%m-%d %H:%M:%S %j %a"}, ""},
    {"shell", {"sh", "-c", "i=0; while [ $i -lt 200 ]; do i=$((i + 1)); [ $((i * i % 7)) -eq 2 ] && echo \"$i ${#i} $((i * 37))\"; done; exit 5"}, "", 5},
};

Command command_of(const Applet& applet) {
    Command command{.arguments = {busybox}};
    command.arguments.insert(command.arguments.end(), applet.arguments.begin(), applet.arguments.end());
    if (!applet.input.empty()) command.input = applet.input;
    return command;
}

class InRepository : public testing::Test {
protected:
    void SetUp() override {
        if (!std::filesystem::exists(busybox)) GTEST_SKIP() << busybox << " is missing: apt-get install busybox-static";
        std::filesystem::current_path(source);
    }

    // `status`: the command does what it is meant for, on both. Returns the output.
    static std::string expect_same(const Command& command, cpu::Mode mode, int status = 0) {
        const auto native = run_natively(command);
        EXPECT_EQ(native.status, status) << "of the native run:\n" << native.output;
        const auto simulated = run_simulated(command, mode);
        EXPECT_EQ(simulated.problem, "");
        EXPECT_EQ(simulated.status, native.status);
        EXPECT_EQ(simulated.output, native.output);
        return native.output;
    }
};

class Busybox : public InRepository, public testing::WithParamInterface<Applet> {};

TEST_P(Busybox, DoesAsNatively) { expect_same(command_of(GetParam()), cpu::Mode::functional, GetParam().status); }

std::string name_of(const testing::TestParamInfo<Applet>& tested) { return tested.param.name; }
INSTANTIATE_TEST_SUITE_P(Functional, Busybox, testing::ValuesIn(applets), name_of);

// A small file each: what is timed takes other handlers.
class TimedBusybox : public Busybox {};

TEST_P(TimedBusybox, DoesAsNatively) { expect_same(command_of(GetParam()), cpu::Mode::timing, GetParam().status); }

const Applet timed_applets[] = {
    {"sha256sum", {"sha256sum", "tests/data/vmx/vmx_msrs.csv"}, ""},
    {"md5sum", {"md5sum", "tests/data/vmx/vmx_msrs.csv"}, ""},
    {"gzip", {"gzip", "-c"}, "tests/data/vmx/vmx_msrs.csv"},
    {"sort", {"sort", "tests/data/vmx/vmx_msrs.csv"}, ""},
    {"wc", {"wc"}, "tests/data/vmx/vmx_msrs.csv"},
    {"awk", {"awk", "-F,", "{ print NR / 3, length($2), NR % 7, toupper($1) }"}, "tests/data/vmx/vmx_msrs.csv"},
    {"sed", {"sed", "s/[a-z]\\([a-z]*\\)/<\\1>/g"}, "tests/data/vmx/vmx_msrs.csv"},
    {"tr", {"tr", "a-z", "A-Z"}, "tests/data/vmx/vmx_msrs.csv"},
};
INSTANTIATE_TEST_SUITE_P(Timing, TimedBusybox, testing::ValuesIn(timed_applets), name_of);

// Calculators and decompressors read what the tests write.
class BusyboxWithFile : public InRepository {
protected:
    void write(const std::string& text) { std::ofstream{path_, std::ios::binary} << text; }
    void TearDown() override { std::filesystem::remove(path_); }
    const std::string path_ = fmt::format("{}vtsim-usermode-{}", testing::TempDir(), testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(BusyboxWithFile, UnpacksWhatItHasPacked) {
    for (const auto* format : {"gzip", "bzip2"}) {
        const Command pack{.arguments = {busybox, format, "-c"}, .input = "docs/shadow_vs_ept.md"};
        write(run_simulated(pack, cpu::Mode::functional).output);
        const auto unpacked = expect_same({.arguments = {busybox, format, "-dc"}, .input = path_}, cpu::Mode::functional);
        EXPECT_EQ(unpacked, run_natively({.arguments = {busybox, "cat"}, .input = pack.input}).output);
    }
}

TEST_F(BusyboxWithFile, GunzipSeesDamage) {
    auto packed = run_natively({.arguments = {busybox, "gzip", "-c"}, .input = "docs/architecture.md"}).output;
    packed[packed.size() / 2] = static_cast<char>(packed[packed.size() / 2] ^ 0x10);
    write(packed);
    expect_same({.arguments = {busybox, "gunzip", "-c"}, .input = path_}, cpu::Mode::functional, 1);
}

TEST_F(BusyboxWithFile, Bc) {
    write("scale=60\n4*a(1)\ne(1)\nsqrt(2)\n2^500\n100!=99\ndefine f(n) { if (n < 2) return 1; return n * f(n - 1); }\nf(60)\n");
    expect_same({.arguments = {busybox, "bc", "-l", path_}}, cpu::Mode::functional);
}

TEST_F(BusyboxWithFile, Dc) {
    write("40k 2v p 3 7 / p 2 200 ^ p 16o 123456789012345678901234567890 p");
    expect_same({.arguments = {busybox, "dc", path_}}, cpu::Mode::functional);
}

}  // namespace
}  // namespace vtsim::usermode
