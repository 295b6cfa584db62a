// SPDX-License-Identifier: Apache-2.0
#include "comparison.h"

#include <fmt/format.h>
#include <vtsim/config.h>
#include <vtsim/machine.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace vtsim::comparison {
namespace {

constexpr Setup all_setups[] = {
    {"native", "native", nullptr},
    {"shadow", "shadow", "mmu=shadow"},
    {"shadow, no VPID", "shadow_no_vpid", "mmu=shadow vpid=off"},
    {"EPT 4 KiB", "ept_4k", "ept=4k"},
    {"EPT 4 KiB, no VPID", "ept_4k_no_vpid", "ept=4k vpid=off"},
    {"EPT 2 MiB", "ept_2m", "ept=2m"},
    {"EPT 2 MiB, no VPID", "ept_2m_no_vpid", "ept=2m vpid=off"},
};

constexpr Setup variants[] = {
    {"shadow, every table write emulated", "shadow_no_unsync", "mmu=shadow unsync=off"},
    {"shadow, every page fault exits", "shadow_no_filter", "mmu=shadow filter=off"},
    {"shadow, no prefetch", "shadow_no_prefetch", "mmu=shadow prefetch=1"},
    {"shadow, 4 KiB only", "shadow_no_large", "mmu=shadow large=off"},
    {"shadow, one root", "shadow_one_root", "mmu=shadow roots=1"},
};

constexpr Workload all_workloads[] = {
    {"churn", "churn pages=4k", "churn iters=20 pages=4k", "pages are mapped, touched and unmapped again, an INVLPG each"},
    {"fork", "fork pages=4k", "fork children=4 pages=4k", "copy-on-write between a process and its children"},
    {"build", "build pages=4k", nullptr, "short processes: demand-zero memory, mapped files, some arithmetic"},
    {"switch", "switch pages=4k", "switch iters=2000 pages=4k", "eight address spaces in turn, a load of CR3 each"},
    {"switch_pcid", "switch pages=4k pcid=on", nullptr, "the same with PCID, which shadow paging hides from the guest"},
    {"syscall", "syscall pages=4k", "syscall count=10000 pages=4k", "SYSCALL and SYSRET"},
    {"interrupt", "interrupt pages=4k", nullptr, "software interrupts and self IPIs"},
    {"gups_4k", "gups mb=64 count=200000 pages=4k", "gups mb=64 count=50000 pages=4k", "random updates of 64 MiB in pages of 4 KiB"},
    {"gups_2m", "gups mb=64 count=200000 pages=2m", "gups mb=64 count=50000 pages=2m", "random updates of 64 MiB in pages of 2 MiB"},
    {"chase_4k", "chase bytes=32m stride=4160 count=200000 pages=4k", nullptr, "dependent loads, one a page of 4 KiB, over 32 MiB"},
    {"chase_2m", "chase bytes=32m stride=4160 count=200000 pages=2m", nullptr, "the same in pages of 2 MiB"},
    {"stream", "stream mb=16 iters=1 pages=4k", nullptr, "16 MiB read and written in order"},
    {"compute", "compute", "compute iters=100000", "registers only"},
};

std::string after(const std::string& text, const std::string& mark, const std::string& ends) {
    const auto at = text.find(mark);
    return at == std::string::npos ? "" : text.substr(at + mark.size(), text.find_first_of(ends, at + mark.size()) - at - mark.size());
}

std::uint64_t number(const std::string& text) { return text.empty() ? 0 : std::stoull(text); }

std::uint64_t sum_below(const Statistics& figures, std::string_view prefix) {
    std::uint64_t sum = 0;
    for (const auto& figure : figures)
        if (figure.name.starts_with(prefix))
            if (const auto* count = std::get_if<std::uint64_t>(&figure.value)) sum += *count;
    return sum;
}

void read_serial(Measurement& out, const std::string& serial) {
    out.checksum = after(serial, "checksum=", "\r\n");
    // "cycles: total=N THINGS=M per_THING_x1000=..."
    const auto counted = after(serial, "cycles: total=", "\r\n");
    const auto things = after(counted, " ", "=");
    if (const auto count = after(counted, things + "=", " "); !things.empty() && !count.empty()) {
        out.operations = number(count);
        out.operation = after(counted, "per_", "=");
        out.operation = out.operation.substr(0, out.operation.find("_x1000"));
    }
    const bool shadow = serial.find("vmm: shadow: tables:") != std::string::npos;
    out.table_kib = number(shadow ? after(serial, "at most ", " ") : after(serial, "leaves, ", " "));
}

void read_figures(Measurement& out, Statistics figures) {
    const auto of = [&](std::string_view name) { return figures.count(fmt::format("cpu0.{}", name)); };
    const auto bucket = [&](std::string_view name) { return of(fmt::format("cycle_stack.{}", name)); };
    out.cycles = of("cycles");
    out.instructions = of("instructions");
    out.exits = of("vmx.exits_total");
    out.stlb_misses = of("mmu.stlb.misses");
    for (const std::string_view side : {"root", "guest"}) {
        out.walks += sum_below(figures, fmt::format("cpu0.mmu.walker.{}.walks.", side));
        out.references += sum_below(figures, fmt::format("cpu0.mmu.walker.{}.refs.", side));
    }
    out.issue = bucket("instruction_issue");
    out.branch = bucket("branch");
    out.caches = bucket("data_cache") + bucket("instruction_cache");
    out.translation = bucket("tlb") + bucket("walk_native") + bucket("walk_ept") + bucket("walk_nested");
    out.transitions = bucket("vm_exit") + bucket("vm_entry");
    out.interrupts = bucket("interrupt") + bucket("idle");
    out.handlers = sum_below(figures, "cpu0.vmx.handler_cycles.");
    out.figures = std::move(figures);
}

const std::string kernel = VTSIM_GUEST_DIR "/kernel.elf", vmm = VTSIM_GUEST_DIR "/vmm.elf";

Measurement run(const Config& config, const Image& image, const Setup& setup) {
    Machine machine{config};
    std::string serial;
    machine.on_serial([&](std::string_view text) { serial += text; });
    machine.load(image);
    const auto result = machine.run();
    constexpr int guest_success = 1;     // (0 << 1) | 1
    if (result.status != guest_success) throw InputError(fmt::format("{}, {}: ended with status {}: {}\n{}", image.modules.empty() ? image.command_line : image.modules.front().command_line, setup.name, result.status, result.message, serial));
    Measurement out;
    read_serial(out, serial);
    read_figures(out, machine.statistics());
    out.seconds = static_cast<double>(out.cycles) / static_cast<double>(config.get("core.frequency_hz").to_number<std::uint64_t>());
    return out;
}

}  // namespace

std::span<const Setup> setups() { return all_setups; }
const Setup& native() { return all_setups[0]; }
std::span<const Setup> shadow_variants() { return variants; }
std::span<const Workload> workloads() { return all_workloads; }

Measurement measure(const std::string& command_line, const Setup& setup, const std::string& preset) {
    auto config = Config::preset(preset);
    config.set("machine.mode", "warm");
    config.set("machine.roi_mode", "timing");
    config.set("machine.roi_stats", "true");
    if (setup.vmm == nullptr) return run(config, {.path = kernel, .command_line = command_line, .initrd = "", .modules = {}}, setup);
    return run(config, {.path = vmm, .command_line = setup.vmm, .initrd = "", .modules = {{kernel, command_line}}}, setup);
}

Measurement measure_together(const std::string& command_line, const Setup& setup, unsigned guests, unsigned slice, const std::string& preset) {
    auto config = Config::preset(preset);
    config.set("machine.mode", "timing");
    return run(config, {.path = vmm, .command_line = fmt::format("{} guests={} slice={} mem=32m", setup.vmm, guests, slice), .initrd = "", .modules = {{kernel, command_line}}}, setup);
}

double Measurement::per_operation(std::uint64_t amount) const { return operations == 0 ? 0 : static_cast<double>(amount) / static_cast<double>(operations); }

std::string Measurement::exits_by_reason() const {
    constexpr std::string_view prefix = "cpu0.vmx.exits.";
    std::vector<std::pair<std::uint64_t, std::string>> reasons;
    for (const auto& figure : figures)
        if (figure.name.starts_with(prefix))
            if (const auto* count = std::get_if<std::uint64_t>(&figure.value); count != nullptr && per_operation(*count) >= 0.01) reasons.emplace_back(*count, figure.name.substr(prefix.size()));
    std::ranges::sort(reasons, std::greater{});
    std::string text;
    for (const auto& [count, name] : reasons) text += fmt::format("{}{} {:.2f}", text.empty() ? "" : ", ", name, per_operation(count));
    return text;
}

}  // namespace vtsim::comparison
