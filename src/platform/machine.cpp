// SPDX-License-Identifier: Apache-2.0
#include <vtsim/guest/magic.h>
#include <vtsim/machine.h>

#include <fmt/format.h>

#include <chrono>
#include <optional>

#include "base/error.h"
#include "platform/config_access.h"
#include "platform/core_processor.h"
#include "platform/kernel/context.h"
#include "platform/machine_access.h"

namespace vtsim {

using platform::Ending;
using platform::System;

struct Machine::Implementation {
    Implementation(const platform::MachineParams& machine_params, const platform::ProcessorFactory& make_processor);

    platform::MachineParams params;
    std::unique_ptr<sc_core::sc_simcontext> context;
    std::unique_ptr<System> system;              // inside the context: destroyed first
    bool loaded = false;
    std::string image;
    TextSink log;
    std::function<void(const Progress&)> progress;
    std::chrono::steady_clock::time_point last_progress;

    // Everything that touches SystemC objects happens with the context current and the kernel held.
    template <class Function>
    decltype(auto) inside(const char* doing, Function&& function) const {
        const platform::KernelGuard guard{doing};
        const platform::ContextScope scope{*context};
        return function();
    }
    RunResult run(const RunLimits& limits);
    void report_progress();
    [[nodiscard]] System::Limits absolute(const RunLimits& limits) const;
    [[nodiscard]] RunResult result_of(const Ending& ending) const;
    [[nodiscard]] RunResult limit_result(const RunLimits& limits) const;
};

Machine::Implementation::Implementation(const platform::MachineParams& machine_params, const platform::ProcessorFactory& make_processor) : params{machine_params} {
    params.validate();
    const platform::KernelGuard guard{"create a machine"};
    context = platform::make_context();
    const platform::ContextScope scope{*context};
    system = std::make_unique<System>(params, make_processor);
    system->on_log = [this](const std::string& line) {
        if (log) log(line);
    };
}

Machine::Machine(const Config& config)
    : Machine{std::make_unique<Implementation>(platform::ConfigAccess::params(config), platform::core_factory(platform::ConfigAccess::params(config).core_params()))} {}
Machine::Machine(std::unique_ptr<Implementation> implementation) : implementation_{std::move(implementation)} {}
Machine::Machine(Machine&&) noexcept = default;
Machine& Machine::operator=(Machine&& other) noexcept {
    std::swap(implementation_, other.implementation_);
    return *this;
}

// A machine may be dropped where it cannot be taken apart: in a callback of another one, or by another thread (Python's collector).
Machine::~Machine() {
    if (implementation_ == nullptr) return;
    const std::shared_ptr<Implementation> rest{std::move(implementation_)};
    platform::KernelGuard::run_when_free([rest] {
        {
            const platform::ContextScope scope{*rest->context};
            rest->system.reset();
        }
        rest->context.reset();
    });
}

void Machine::load(const Image& image) {
    auto& self = *implementation_;
    if (self.loaded) throw InputError("this machine has already loaded " + self.image + ": one image a machine");
    platform::LoadRequest request{.path = image.path, .command_line = image.command_line, .modules = {}};
    if (!image.initrd.empty()) request.modules.push_back({image.initrd, ""});
    for (const auto& module : image.modules) request.modules.push_back({module.path, module.command_line});
    self.inside("load an image", [&] { self.system->start(platform::load_image(request, self.params.loader, self.system->memory())); });
    self.loaded = true;
    self.image = image.path;
}

RunResult Machine::run(const RunLimits& limits) {
    return implementation_->inside("run a machine", [&] { return implementation_->run(limits); });
}

RunResult Machine::Implementation::run(const RunLimits& limits) {
    if (!loaded) throw InputError("nothing to run: load an image first");
    if (system->ending()) throw InputError("the machine has ended: " + result_of(*system->ending()).message);
    last_progress = std::chrono::steady_clock::now();
    try {
        const auto outcome = system->run(absolute(limits), [this] { report_progress(); });
        if (outcome == System::Outcome::limit) return limit_result(limits);
    } catch (const sc_core::sc_report& report) {
        throw std::runtime_error(std::string("SystemC: ") + report.what());
    }
    return result_of(*system->ending());
}

void Machine::Implementation::report_progress() {
    constexpr std::chrono::milliseconds interval{100};
    const auto now = std::chrono::steady_clock::now();
    if (!progress || now - last_progress < interval) return;
    last_progress = now;
    progress({system->seconds(), system->host_seconds(), system->instructions()});
}

System::Limits Machine::Implementation::absolute(const RunLimits& limits) const {
    System::Limits absolute;
    if (limits.instructions != 0) absolute.instructions = limits.instructions;
    if (limits.seconds > 0) {
        const double cycles = limits.seconds * static_cast<double>(params.core.frequency_hz);
        if (cycles < 1e18) absolute.cycles = system->kernel_cycles() + std::max<u64>(1, static_cast<u64>(cycles));
    }
    return absolute;
}

RunResult Machine::Implementation::result_of(const Ending& ending) const {
    switch (ending.cause) {
        case Ending::Cause::guest_exit:
            return {StopReason::guest_exit, ending.status, fmt::format("the guest ended with status {}", ending.status), {}};
        case Ending::Cause::magic_exit:
            if (ending.status == 0) return {StopReason::clean_end, 0, "the guest ended", {}};
            // As by the exit device: odd, so that the simulator's own statuses stay apart.
            return {StopReason::guest_exit, ending.status << 1 | 1, fmt::format("the guest ended with status {}", ending.status << 1 | 1), {}};
        case Ending::Cause::triple_fault: return {StopReason::triple_fault, 4, fmt::format("cpu{}: triple fault", ending.core), ending.dump};
        case Ending::Cause::vmx_abort: return {StopReason::vmx_abort, 4, fmt::format("cpu{}: VMX abort", ending.core), ending.dump};
        case Ending::Cause::halted: break;
    }
    return {StopReason::halted, 8, "every core is halted and nothing can wake one", {}};
}

RunResult Machine::Implementation::limit_result(const RunLimits& limits) const {
    const auto all = system->instructions();
    if (limits.instructions != 0 && system->instruction_limit_reached())
        return {StopReason::limit, 6, fmt::format("stopped after {} instructions ({} in all)", limits.instructions, all), {}};
    return {StopReason::limit, 6, fmt::format("stopped after {} simulated seconds ({} instructions in all)", limits.seconds, all), {}};
}

void Machine::on_serial(TextSink sink) { implementation_->system->devices().serial.model.on_transmit(std::move(sink)); }
void Machine::on_debug_console(TextSink sink) { implementation_->system->devices().debug_console.model.on_text(std::move(sink)); }
void Machine::on_log(TextSink sink) { implementation_->log = std::move(sink); }
void Machine::on_progress(std::function<void(const Progress&)> listener) { implementation_->progress = std::move(listener); }

void Machine::serial_input(std::string_view bytes) {
    // From a callback of the running machine the context is current already; else nothing runs that could be disturbed.
    const platform::ContextScope scope{*implementation_->context};
    implementation_->system->devices().serial.model.receive(bytes);
}

void Machine::set_mode(Mode mode) {
    implementation_->system->set_mode(static_cast<platform::ExecutionMode>(mode));
}

void Machine::on_guest_request(std::function<void(GuestRequest, std::uint64_t)> listener) {
    implementation_->system->on_magic = [listener = std::move(listener)](unsigned function, u64 argument) {
        switch (function) {
            case VTSIM_MAGIC_ROI_BEGIN: return listener(GuestRequest::region_begin, argument);
            case VTSIM_MAGIC_ROI_END: return listener(GuestRequest::region_end, argument);
            case VTSIM_MAGIC_STATS_DUMP: return listener(GuestRequest::dump_statistics, argument);
            case VTSIM_MAGIC_MARK: return listener(GuestRequest::mark, argument);
            default: return;
        }
    };
}

bool Machine::region_seen() const { return implementation_->system->region_seen(); }

Mode Machine::mode() const { return static_cast<Mode>(implementation_->system->cores().front()->processor().mode()); }

Statistics Machine::statistics() const { return implementation_->system->figures(); }

std::map<std::string, std::uint64_t> Machine::recorded_forms() const {
    std::map<std::string, std::uint64_t> all;
    for (const auto& core : implementation_->system->cores())
        for (const auto& [form, count] : core->processor().recorded_forms()) all[form] += count;
    return all;
}

void Machine::reset_statistics() { implementation_->system->reset_statistics(); }

std::string Machine::read_memory(std::uint64_t address, std::uint64_t bytes) const {
    std::string result(bytes, '\xff');
    const auto& memory = implementation_->system->memory();
    for (std::uint64_t done = 0; done < bytes;) {
        const PhysicalAddress at{address + done};
        const std::uint64_t piece = std::min(bytes - done, page_size - at.page_offset());
        if (memory.is_ram(at, piece)) memory.read_block(at, result.data() + done, piece);
        done += piece;
    }
    return result;
}

void Machine::write_memory(std::uint64_t address, std::string_view bytes) {
    auto& memory = implementation_->system->memory();
    if (address + bytes.size() < address || !memory.is_ram(PhysicalAddress{address}, bytes.size()))
        throw InputError(fmt::format("{} bytes at {:#x}: expected an address in RAM", bytes.size(), address));
    memory.write_block(PhysicalAddress{address}, bytes.data(), bytes.size());
}

unsigned Machine::core_count() const { return static_cast<unsigned>(implementation_->system->cores().size()); }

std::string Machine::describe_core(unsigned index) const {
    if (index >= core_count()) throw InputError(fmt::format("core {}: expected 0 to {}", index, core_count() - 1));
    return implementation_->system->cores()[index]->processor().describe();
}

namespace platform {

Machine MachineAccess::make(const MachineParams& params, const ProcessorFactory& make_processor) {
    return Machine{std::make_unique<Machine::Implementation>(params, make_processor)};
}

Machine MachineAccess::make(const MachineParams& params) { return make(params, core_factory(params.core_params())); }

System& MachineAccess::system(Machine& machine) { return *machine.implementation_->system; }

}  // namespace platform
}  // namespace vtsim
