// SPDX-License-Identifier: Apache-2.0
// The extension module vtsim._core: the C++ interface as it is. What is pleasant to use stands in vtsim/__init__.py.
#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <vtsim/config.h>
#include <vtsim/error.h>
#include <vtsim/machine.h>
#include <vtsim/report.h>

#include <boost/json/serialize.hpp>
#include <string>

namespace py = pybind11;

namespace vtsim {
namespace {

// Runs without the GIL; a few times a second looks for signals, so that Ctrl-C ends the run as KeyboardInterrupt.
RunResult run(Machine& machine, std::uint64_t instructions, double seconds) {
    machine.on_progress([](const Progress&) {
        const py::gil_scoped_acquire gil;
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    });
    const py::gil_scoped_release no_gil;
    return machine.run({.instructions = instructions, .seconds = seconds});
}

// The callback runs with the GIL held. Serial output is bytes: a guest may send anything.
void on_serial(Machine& machine, py::function sink) {
    machine.on_serial([sink = std::move(sink)](std::string_view text) {
        const py::gil_scoped_acquire gil;
        sink(py::bytes(text.data(), text.size()));
    });
}

std::string json_report(const Machine& machine, const Config& config) {
    return report(machine.statistics(), boost::json::serialize(config.json()), ReportFormat::json);
}

Mode mode_of(const std::string& name) {
    if (name == "functional") return Mode::functional;
    if (name == "warm") return Mode::warm;
    if (name == "timing") return Mode::timing;
    throw InputError("mode '" + name + "': expected functional, warm or timing");
}

void load(Machine& machine, const std::string& path, const std::string& command_line, const std::string& initrd,
          const std::vector<std::pair<std::string, std::string>>& modules) {
    Image image{.path = path, .command_line = command_line, .initrd = initrd, .modules = {}};
    for (const auto& [file, text] : modules) image.modules.push_back({file, text});
    machine.load(image);
}

const char* name_of(StopReason reason) {
    switch (reason) {
        case StopReason::guest_exit: return "guest_exit";
        case StopReason::clean_end: return "clean_end";
        case StopReason::triple_fault: return "triple_fault";
        case StopReason::vmx_abort: return "vmx_abort";
        case StopReason::limit: return "limit";
        case StopReason::halted: break;
    }
    return "halted";
}

}  // namespace

PYBIND11_MODULE(_core, module) {
    py::register_exception<InputError>(module, "InputError", PyExc_ValueError);

    py::class_<Config>(module, "Config")
        .def(py::init<>())
        .def_static("preset", &Config::preset)
        .def("copy", [](const Config& config) { return Config(config); })
        .def("load_file", [](Config& config, const std::string& path) { config.load_file(path); })
        .def("set", [](Config& config, const std::string& key, const std::string& value) { config.set(key, value); })
        .def("validate", &Config::validate)
        .def("json", [](const Config& config) { return boost::json::serialize(config.json()); })
        .def("listing", &Config::listing);

    py::class_<RunResult>(module, "RunResult")
        .def_property_readonly("reason", [](const RunResult& result) { return name_of(result.reason); })
        .def_readonly("status", &RunResult::status)
        .def_readonly("message", &RunResult::message)
        .def_readonly("dump", &RunResult::dump);

    py::class_<Machine>(module, "Machine")
        .def(py::init<const Config&>())
        .def("load", &load)
        .def("run", &run)
        .def("on_serial", &on_serial)
        .def("serial_input", [](Machine& machine, const py::bytes& bytes) { machine.serial_input(std::string(bytes)); })
        .def("set_mode", [](Machine& machine, const std::string& mode) { machine.set_mode(mode_of(mode)); })
        .def("reset_statistics", &Machine::reset_statistics)
        .def("read_memory", [](const Machine& machine, std::uint64_t address, std::uint64_t size) { return py::bytes(machine.read_memory(address, size)); })
        .def("write_memory", [](Machine& machine, std::uint64_t address, const py::bytes& bytes) { machine.write_memory(address, std::string(bytes)); })
        .def("describe_core", &Machine::describe_core)
        .def("json_report", &json_report);

    module.def("preset_names", [] {
        const auto names = preset_names();
        return std::pair(names.features, names.timing);
    });
}

}  // namespace vtsim
