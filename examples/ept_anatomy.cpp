// SPDX-License-Identifier: Apache-2.0
// What EPT costs one kernel, and where: the same kernel alone and as the guest of a VMM.
//
//     ept_anatomy [KERNEL [VMM]]          multiboot images; the VMM gets the kernel as its first module
//
// Without arguments: guests/kernel.elf and guests/vmm.elf below the current directory (the build tree). What the kernel marks as its region
// of interest (vtsim/guest/magic.h) is measured, otherwise all of the run.
#include <fmt/format.h>
#include <vtsim/config.h>
#include <vtsim/machine.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace {

using vtsim::Statistics;

constexpr std::string_view buckets[] = {"instruction_issue", "branch",     "data_cache", "instruction_cache", "tlb",       "walk_native",
                                        "walk_ept",          "walk_nested", "vm_exit",   "vm_entry",          "interrupt", "idle"};

Statistics measure(const vtsim::Image& image, bool walk_caches) {
    auto config = vtsim::Config::preset("broadwell");
    config.set("machine.mode", "timing");
    config.set("mmu.walk_caches", walk_caches ? "true" : "false");
    vtsim::Machine machine{config};
    std::optional<Statistics> region;
    machine.on_guest_request([&](vtsim::GuestRequest request, std::uint64_t) {
        if (request == vtsim::GuestRequest::region_begin) machine.reset_statistics();
        if (request == vtsim::GuestRequest::region_end) region = machine.statistics();
    });
    machine.load(image);
    const auto result = machine.run();
    if (result.reason != vtsim::StopReason::clean_end && result.reason != vtsim::StopReason::guest_exit)
        throw vtsim::InputError(image.path + ": " + result.message + ": expected an image that ends by itself\n" + result.dump);
    return region ? *region : machine.statistics();
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

void print_exits(const Statistics& figures) {
    constexpr std::string_view prefix = "cpu0.vmx.exits.";
    fmt::print("VM exits\n  {:<28}{:>10}{:>12}{:>12}{:>12}   mean cycles each\n", "reason", "count", "exit", "handler", "entry");
    for (const auto& figure : figures) {
        if (!figure.name.starts_with(prefix)) continue;
        const auto reason = figure.name.substr(prefix.size());
        const auto count = figures.count(figure.name);
        if (count == 0) continue;
        const auto mean = [&](std::string_view what) { return per(of(figures, fmt::format("vmx.{}.{}", what, reason)), count); };
        fmt::print("  {:<28}{:>10}{:>12.1f}{:>12.1f}{:>12.1f}\n", reason, count, mean("exit_cycles"), mean("handler_cycles"), mean("entry_cycles"));
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

// Rows: the guest entry that is wanted (g0: the final guest-physical address). Columns: the EPT level that is read; e0: the guest entry itself.
void print_matrix(const char* title, const Statistics& figures) {
    const auto walks = of(figures, "mmu.walker.guest.walks.nested");
    const auto cell = [&](int g, int e) { return per(of(figures, fmt::format("mmu.walker.guest.refs.nested.g{}e{}", g, e)), walks); };
    fmt::print("{} ({} walks)\n  {:<6}", title, walks, "");
    for (int e = 4; e >= 0; --e) fmt::print("{:>9}", fmt::format("e{}", e));
    fmt::print("{:>10}\n", "sum");
    double total = 0;
    for (int g = 4; g >= 0; --g) {
        double sum = 0;
        fmt::print("  {:<6}", fmt::format("g{}", g));
        for (int e = 4; e >= 0; --e) {
            sum += cell(g, e);
            fmt::print("{:>9}", g == 0 && e == 0 ? "-" : fmt::format("{:.3f}", cell(g, e)));
        }
        fmt::print("{:>10.3f}\n", sum);
        total += sum;
    }
    fmt::print("  {:<51}{:>10.3f} references per walk\n\n", "all", total);
}

int run(const std::string& kernel, const std::string& vmm) {
    const vtsim::Image alone{.path = kernel, .command_line = "", .initrd = "", .modules = {}};
    const vtsim::Image hosted{.path = vmm, .command_line = "", .initrd = "", .modules = {{kernel, ""}}};
    const auto native = measure(alone, true);
    const auto ept = measure(hosted, true);
    const auto cold = measure(hosted, false);
    print_cycles(native, ept);
    print_exits(ept);
    print_walks(native, ept);
    print_matrix("References of a nested walk, walk caches off: 24 where both tables have 4 levels", cold);
    print_matrix("References of a nested walk, walk caches on", ept);
    return 0;
}

}  // namespace

int main(int count, char** arguments) try {
    const std::vector<std::string> given(arguments + 1, arguments + count);
    return run(!given.empty() ? given[0] : VTSIM_GUEST_DIR "/kernel.elf", given.size() > 1 ? given[1] : VTSIM_GUEST_DIR "/vmm.elf");
} catch (const vtsim::InputError& error) {
    fmt::print(stderr, "ept_anatomy: {}\n", error.what());
    return 2;
}
