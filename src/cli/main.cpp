// SPDX-License-Identifier: Apache-2.0
#include <vtsim/error.h>
#include <vtsim/nearest.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <new>
#include <utility>

#include "cli/commands.h"

namespace vtsim::cli {
namespace {

int help(const Arguments&);
int version(const Arguments&) {
    std::puts("vtsim " VTSIM_VERSION);
    return 0;
}

struct Command {
    const char* name;
    int (*function)(const Arguments&);
    const char* text;
};
constexpr Command commands[] = {
    {"run", run, "run an image on a simulated machine"},
    {"config", config, "show the effective configuration (--list: every parameter with its meaning)"},
    {"presets", presets, "list the presets"},
    {"isa", isa, "list the instructions that the engine has, and what each was compared with"},
    {"version", version, "show the version"},
    {"help", help, "show this; `vtsim COMMAND --help` shows the options of a command"},
};

int help(const Arguments&) {
    std::puts("vtsim simulates an x86-64 machine with Intel VT-x.\n\nusage: vtsim COMMAND [OPTIONS]\n");
    for (const auto& command : commands) std::printf("  %-8s  %s\n", command.name, command.text);
    std::puts("\nexample: vtsim run vmm.elf --module kernel.elf --mode timing --stats stats.json");
    return 0;
}

int dispatch(Arguments arguments) {
    if (arguments.empty()) throw InputError("expected a command: run, config, presets, isa, version or help");
    auto name = arguments.front();
    arguments.erase(arguments.begin());
    if (name == "--help" || name == "-h") name = "help";
    if (name == "--version") name = "version";
    std::vector<std::string> names;
    for (const auto& command : commands) {
        if (name == command.name) return command.function(arguments);
        names.emplace_back(command.name);
    }
    throw InputError("unknown command '" + name + "'" + vtsim::config::suggestion(name, names) + " (`vtsim help` lists all)");
}

}  // namespace
}  // namespace vtsim::cli

int main(int argc, char** argv) {
    try {
        return vtsim::cli::dispatch({argv + 1, argv + argc});
    } catch (const vtsim::InputError& error) {
        std::fprintf(stderr, "vtsim: %s\n", error.what());
        return vtsim::cli::bad_input;
    } catch (const std::bad_alloc&) {
        std::fputs("vtsim: the host has not enough memory for this machine: expected a smaller one\n", stderr);
        return vtsim::cli::bad_input;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "vtsim: internal error: %s\n", error.what());
        return 70;                                      // EX_SOFTWARE of sysexits.h
    }
}
