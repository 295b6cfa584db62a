// SPDX-License-Identifier: Apache-2.0
// What EPT costs one kernel, and where: the same kernel alone and as the guest of a VMM.
//
//     ept_anatomy [WORKLOAD [VMM-OPTIONS [KERNEL VMM]]]
//
// WORKLOAD is the kernel's command line, VMM-OPTIONS the VMM's (guests/README.md has the keys of both); KERNEL and VMM are multiboot images. Without arguments: random reads
// over 64 MiB with 4-KiB pages in both dimensions. What the kernel marks as its region of interest (vtsim/guest/magic.h) is measured, otherwise all of the run.
#include <fmt/format.h>
#include <vtsim/config.h>
#include <vtsim/machine.h>

#include <array>
#include <cstdio>
#include <optional>
#include <string>

namespace {

using vtsim::Statistics;

constexpr std::string_view buckets[] = {"instruction_issue", "branch",     "data_cache", "instruction_cache", "tlb",       "walk_native",
                                        "walk_ept",          "walk_nested", "vm_exit",   "vm_entry",          "interrupt", "idle"};

struct Figures {
    std::string checksum;                // what the guest printed
    Statistics region;                   // what the guest marked
    Statistics before;                   // from the start to there; empty when nothing was marked
    Statistics rest;                     // region and everything after it
};

std::string checksum_in(const std::string& serial) {
    const auto at = serial.find("checksum=");
    return at == std::string::npos ? "none" : serial.substr(at + 9, serial.find_first_of("\r\n", at) - at - 9);
}

Figures measure(const vtsim::Image& image, bool walk_caches) {
    auto config = vtsim::Config::preset("broadwell");
    config.set("machine.mode", "timing");
    config.set("mmu.walk_caches", walk_caches ? "true" : "false");
    vtsim::Machine machine{config};
    std::string serial;
    machine.on_serial([&](std::string_view text) { serial += text; });
    std::optional<Statistics> before, region;
    machine.on_guest_request([&](vtsim::GuestRequest request, std::uint64_t) {
        if (request == vtsim::GuestRequest::region_begin && !before) {
            before = machine.statistics();
            machine.reset_statistics();
        }
        if (request == vtsim::GuestRequest::region_end && !region) region = machine.statistics();
    });
    machine.load(image);
    const auto result = machine.run();
    constexpr int guest_success = 1;     // (0 << 1) | 1
    if (result.status != guest_success) throw vtsim::InputError(fmt::format("{} ended with status {}: {}\n{}", image.path, result.status, result.message, serial));
    auto rest = machine.statistics();
    return {.checksum = checksum_in(serial), .region = region ? *region : rest, .before = before.value_or(Statistics{}), .rest = std::move(rest)};
}

std::uint64_t of(const Statistics& figures, std::string_view name) { return figures.count(fmt::format("cpu0.{}", name)); }
double per(std::uint64_t amount, std::uint64_t events) { return events == 0 ? 0 : static_cast<double>(amount) / static_cast<double>(events); }

void print_cycles(const Statistics& native, const Statistics& ept) {
    const auto all_native = of(native, "cycles"), all_ept = of(ept, "cycles");
    fmt::print("Cycles\n  {:<20}{:>14}{:>8}{:>16}{:>8}\n", "", "native", "", "under EPT", "");
    for (const auto bucket : buckets) {
        const auto name = fmt::format("cycle_stack.{}", bucket);
        const auto a = of(native, name), b = of(ept, name);
        if (a + b != 0) fmt::print("  {:<20}{:>14}{:>7.1f}%{:>16}{:>7.1f}%\n", bucket, a, 100 * per(a, all_native), b, 100 * per(b, all_ept));
    }
    fmt::print("  {:<20}{:>14}{:>8}{:>16}\n", "total", all_native, "", all_ept);
    fmt::print("  {:<20}{:>14}{:>8}{:>16}\n", "instructions", of(native, "instructions"), "", of(ept, "instructions"));
    fmt::print("  under EPT it takes {:.2f} times as long\n\n", per(all_ept, all_native));
}

void print_exits(const Figures& run) {
    constexpr std::string_view prefix = "cpu0.vmx.exits.";
    fmt::print("VM exits: all of the run, and the region of interest\n  {:<20}{:>12}{:>12}{:>10}{:>10}{:>10}   mean cycles each\n", "reason", "in the run", "region", "exit", "handler", "entry");
    for (const auto& figure : run.rest) {
        if (!figure.name.starts_with(prefix)) continue;
        const auto reason = figure.name.substr(prefix.size());
        const auto in_all = [&](const std::string& name) { return run.before.count(name) + run.rest.count(name); };
        const auto count = in_all(figure.name);
        if (count == 0) continue;
        const auto mean = [&](std::string_view what) { return per(in_all(fmt::format("cpu0.vmx.{}.{}", what, reason)), count); };
        fmt::print("  {:<20}{:>12}{:>12}{:>10.1f}{:>10.1f}{:>10.1f}\n", reason, count, run.region.count(figure.name), mean("exit_cycles"), mean("handler_cycles"), mean("entry_cycles"));
    }
    fmt::print("\n");
}

// References that the walks of one kind made, all cells of "root" or "guest" together.
std::uint64_t references(const Statistics& figures, std::string_view side, std::string_view kind) {
    const auto prefix = fmt::format("cpu0.mmu.walker.{}.refs.{}.", side, kind);
    std::uint64_t sum = 0;
    for (const auto& figure : figures)
        if (figure.name.starts_with(prefix)) sum += figures.count(figure.name);
    return sum;
}

void print_walks(const Statistics& native, const Statistics& ept) {
    const auto row = [](const char* title, const Statistics& figures, std::string_view side, std::string_view kind) {
        const auto walks = of(figures, fmt::format("mmu.walker.{}.walks.{}", side, kind));
        const auto made = references(figures, side, kind);
        fmt::print("  {:<28}{:>12}{:>14}{:>12.2f}\n", title, walks, made, per(made, walks));
    };
    fmt::print("Page walks\n  {:<28}{:>12}{:>14}{:>12}\n", "", "walks", "references", "per walk");
    row("native", native, "root", "native");
    row("the VMM's own", ept, "root", "native");
    row("of the guest, paging off", ept, "guest", "ept");
    row("of the guest, nested", ept, "guest", "nested");
    fmt::print("\nTLBs\n  {:<12}{:>14}{:>10}{:>18}{:>10}\n", "", "native", "misses", "under EPT", "misses");
    for (const std::string_view tlb : {"itlb", "dtlb", "stlb"}) {
        const auto lookups = fmt::format("mmu.{}.lookups", tlb), misses = fmt::format("mmu.{}.misses", tlb);
        fmt::print("  {:<12}{:>14}{:>9.2f}%{:>18}{:>9.2f}%\n", tlb, of(native, lookups), 100 * per(of(native, misses), of(native, lookups)), of(ept, lookups),
                   100 * per(of(ept, misses), of(ept, lookups)));
    }
    fmt::print("\n");
}

constexpr int levels = 4;
using Matrix = std::array<std::array<std::uint64_t, levels + 1>, levels + 1>;        // [g][e]

Matrix nested_matrix(const Statistics& figures) {
    Matrix cells{};
    for (int g = 0; g <= levels; ++g)
        for (int e = 0; e <= levels; ++e) cells[g][e] = of(figures, fmt::format("mmu.walker.guest.refs.nested.g{}e{}", g, e));
    return cells;
}

// Rows: the guest entry that is wanted (g0: the final guest-physical address). Columns: the EPT level that is read; e0: the guest entry itself.
void print_matrix(std::string_view title, const Statistics& figures) {
    const auto walks = of(figures, "mmu.walker.guest.walks.nested");
    const auto cells = nested_matrix(figures);
    const auto mean = [&](std::uint64_t count) { return count == walks ? "1" : count == 0 ? "0" : fmt::format("{:.3f}", per(count, walks)); };
    fmt::print("{}\n  {:<6}", title, "");
    for (int e = levels; e >= 0; --e) fmt::print("{:>9}", fmt::format("e{}", e));
    fmt::print("{:>12}\n", "sum");
    std::uint64_t total = 0;
    for (int g = levels; g >= 0; --g) {
        std::uint64_t sum = 0;
        fmt::print("  {:<6}", fmt::format("g{}", g));
        for (int e = levels; e >= 0; --e) {
            sum += cells[g][e];
            fmt::print("{:>9}", g == 0 && e == 0 ? "-" : mean(cells[g][e]));
        }
        fmt::print("{:>12.3f}\n", per(sum, walks));
        total += sum;
    }
    fmt::print("  {:<51}{:>12.3f} references per walk, {} walks\n\n", "all", per(total, walks), walks);
}

int run(const std::string& workload, const std::string& vmm_options, const std::string& kernel, const std::string& vmm) {
    const vtsim::Image alone{.path = kernel, .command_line = workload, .initrd = "", .modules = {}};
    const vtsim::Image hosted{.path = vmm, .command_line = vmm_options, .initrd = "", .modules = {{kernel, workload}}};
    const auto native = measure(alone, true);
    const auto ept = measure(hosted, true);
    const auto cold = measure(hosted, false);
    fmt::print("The kernel with \"{}\", alone and under the VMM with \"{}\": checksum {} and {}\n\n", workload, vmm_options, native.checksum, ept.checksum);
    if (native.checksum != ept.checksum || ept.checksum != cold.checksum) throw vtsim::InputError("the checksums differ: expected the same result alone and under the VMM");
    print_cycles(native.region, ept.region);
    print_exits(ept);
    print_walks(native.region, ept.region);
    print_matrix("References of one cold nested walk: the mean of all walks with the walk caches off. (g+1)(e+1)-1 = 24 where both tables have 4 levels", cold.region);
    print_matrix("References of a nested walk, walk caches on", ept.region);
    return 0;
}

}  // namespace

int main(int count, char** arguments) try {
    constexpr std::array defaults{"workload=random mb=64 count=200000 pages=4k", "ept=4k", VTSIM_GUEST_DIR "/kernel.elf", VTSIM_GUEST_DIR "/vmm.elf"};
    if (count > 1 + static_cast<int>(defaults.size())) throw vtsim::InputError("too many arguments: expected [WORKLOAD [VMM-OPTIONS [KERNEL VMM]]]");
    std::array<std::string, defaults.size()> given;
    for (std::size_t i = 0; i < given.size(); ++i) given[i] = static_cast<int>(i) + 1 < count ? arguments[i + 1] : defaults[i];
    return run(given[0], given[1], given[2], given[3]);
} catch (const vtsim::InputError& error) {
    fmt::print(stderr, "ept_anatomy: {}\n", error.what());
    return 2;
}
