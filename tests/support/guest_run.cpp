// SPDX-License-Identifier: Apache-2.0
#include "support/guest_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <vtsim/config.h>

#include <variant>

namespace vtsim::test {

std::uint64_t GuestResult::printed(const std::string& key) const {
    const auto at = serial.find(key + '=');
    return at == std::string::npos ? 0 : std::stoull(serial.substr(at + key.size() + 1), nullptr, 0);
}

GuestResult run_guest(const GuestRun& run, const std::function<void(const Machine&)>& at_end, const std::vector<std::string>& others) {
    auto config = Config::preset(run.preset);
    config.set("machine.mode", run.mode == Mode::functional ? "functional" : run.mode == Mode::warm ? "warm" : "timing");
    for (const auto& [key, value] : run.settings) config.set(key, value);
    Machine machine{config};
    GuestResult result;
    machine.on_serial([&](std::string_view text) { result.serial += text; });
    Statistics before;
    machine.on_guest_request([&](GuestRequest request, std::uint64_t) {
        if (request == GuestRequest::region_begin) before = machine.statistics();
        if (request != GuestRequest::region_end) return;
        auto figures = machine.statistics();
        std::vector<Statistic> difference(figures.begin(), figures.end());
        for (auto& figure : difference)
            if (auto* count = std::get_if<std::uint64_t>(&figure.value)) *count -= before.count(figure.name);
        result.region = Statistics{std::move(difference)};
    });
    const std::string directory = VTSIM_GUEST_DIR "/", kernel = directory + (!run.program.empty() ? run.program : run.elf32 ? "kernel.elf" : "kernel64.elf"), vmm = directory + (run.elf32 ? "vmm32.elf" : "vmm.elf");
    std::vector<Module> modules{{kernel, run.workload}};
    for (const auto& other : others) modules.push_back({kernel, other});
    if (run.vmm) machine.load({.path = vmm, .command_line = *run.vmm, .initrd = "", .modules = modules});
    else machine.load({.path = kernel, .command_line = run.workload, .initrd = "", .modules = {}});
    constexpr std::uint64_t far_too_many = 2'000'000'000;
    result.end = machine.run({.instructions = far_too_many, .seconds = 0});
    result.figures = machine.statistics();
    if (at_end) at_end(machine);
    return result;
}

std::string as_text(const Statistics& figures) {
    std::string text;
    for (const auto& figure : figures) {
        if (figure.name.starts_with("host.") || figure.name.find(".blocks.") != std::string::npos) continue;
        if (const auto* count = std::get_if<std::uint64_t>(&figure.value)) text += fmt::format("{} {}\n", figure.name, *count);
        else if (const auto* real = std::get_if<double>(&figure.value)) text += fmt::format("{} {:a}\n", figure.name, *real);
        else text += fmt::format("{} {}\n", figure.name, fmt::join(std::get<std::vector<std::uint64_t>>(figure.value), " "));
    }
    return text;
}

}  // namespace vtsim::test
