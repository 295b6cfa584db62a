// SPDX-License-Identifier: Apache-2.0
// Random user-mode instructions on the host's processor and on vtsim's: registers, flags, memory and exceptions must be the same.
// Usage: differential [--cases N] [--seed S] [--length L] [--only MNEMONIC] [--classes integer,string,sse,x87,avx,bases] [--mode functional|warm|timing] [--mismatches M]
//        [--forms FILE]: writes the forms of the instructions that were compared, one a line
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

#include "cpu/isa/form.h"
#include "differential/compare.h"
#include "differential/native.h"
#include "differential/options.h"
#include "differential/simulated.h"

namespace {

using namespace vtsim;
using namespace vtsim::differential;

struct Options {
    u64 cases = 50'000, seed = 1, mismatches = 10;
    Choice choice;
    cpu::Mode mode = cpu::Mode::functional;
    std::string forms;
};

void choose_classes(Choice& choice, const std::string& names) {
    const auto has = [&](const char* name) { return names.find(name) != std::string::npos; };
    choice.integer = has("integer"), choice.string = has("string"), choice.sse = has("sse"), choice.x87 = has("x87"), choice.avx = has("avx"), choice.bases = has("bases");
}

Options parse(int count, char** arguments) {
    Options options;
    for (int i = 1; i < count; i += 2) {
        const std::string name = arguments[i];
        if (i + 1 == count) throw std::runtime_error(name + " needs a value");
        const std::string value = arguments[i + 1];
        if (name == "--cases") options.cases = std::stoull(value);
        else if (name == "--seed") options.seed = std::stoull(value);
        else if (name == "--length") options.choice.longest = static_cast<unsigned>(std::stoul(value));
        else if (name == "--mismatches") options.mismatches = std::stoull(value);
        else if (name == "--only") options.choice.only = mnemonic_of(value);
        else if (name == "--classes") choose_classes(options.choice, value);
        else if (name == "--forms") options.forms = value;
        else if (name == "--mode") options.mode = mode_of(value);
        else throw std::runtime_error("unknown option " + name);
    }
    return options;
}

// The host must have the instructions that vtsim has.
bool host_suffices() {
    return __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("aes") &&
           __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sha") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

struct Tally {
    std::map<ZydisMnemonic, u64> executed;
    std::set<std::string> forms;
    u64 faults = 0, mismatches = 0;
};

// Of a case that ran to its end.
void add_forms(const Case& c, std::set<std::string>& forms) {
    for (const auto& instruction : c.instructions) {
        ZydisDecodedInstruction decoded;
        ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
        if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder(), c.code.data() + instruction.offset, c.code.size() - instruction.offset, &decoded, operands))) forms.insert(cpu::isa::form_of(decoded, operands));
    }
}

void run_case(Generator& generator, NativeProcessor& native, SimulatedProcessor& simulated, u64 number, bool with_forms, Tally& tally) {
    const Case c = generator.make(native.data());
    simulated.data() = native.data();
    const Outcome expected = native.run(c.code, c.start);
    const Outcome actual = simulated.run(c.code, c.start);
    for (const auto& instruction : c.instructions) ++tally.executed[instruction.mnemonic];
    if (expected.vector != no_vector) ++tally.faults;
    else if (with_forms) add_forms(c, tally.forms);
    const auto lines = differences(c, expected, actual, native.data(), simulated.data());
    if (lines.empty()) return;
    ++tally.mismatches;
    fmt::print("case {}\n{}", number, describe(c));
    for (const auto& line : lines) fmt::print("    {}\n", line);
}

int run(Options options) {
    if (!host_suffices()) {
        fmt::print("skipped: the host lacks one of BMI1, BMI2, SSE4.2, AES, PCLMULQDQ, SHA, AVX2, FMA, F16C\n");
        return 0;
    }
    if (!NativeProcessor::has_bases()) {
        fmt::print("left out: FSGSBASE and operands in FS and GS, which the host's kernel does not let user code move\n");
        options.choice.bases = false;
    }
    NativeProcessor native;
    SimulatedProcessor simulated{options.mode};
    Generator generator{options.seed, options.choice};
    Random{options.seed}.data(native.data().data(), writable_bytes);
    Tally tally;
    u64 number = 0;
    for (; number < options.cases && tally.mismatches < options.mismatches; ++number) run_case(generator, native, simulated, number, !options.forms.empty(), tally);
    const auto never = std::ranges::count_if(generator.chosen(), [&](ZydisMnemonic mnemonic) { return tally.executed[mnemonic] == 0; });
    fmt::print("{} cases, {} of them with an exception; {} instructions, {} of them never executed; {} mismatches\n", number, tally.faults, generator.chosen().size(), never, tally.mismatches);
    for (const auto& line : simulated.log()) fmt::print("{}\n", line);
    write_forms(options.forms, tally.forms);
    return tally.mismatches == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) try {
    return run(parse(count, arguments));
} catch (const std::exception& error) {
    std::fprintf(stderr, "differential: %s\n", error.what());
    return 2;
}
