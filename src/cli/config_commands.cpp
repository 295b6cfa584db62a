// SPDX-License-Identifier: Apache-2.0
#include <vtsim/config.h>
#include <vtsim/error.h>

#include <boost/json/serialize.hpp>
#include <cstdio>
#include <iostream>

#include "cli/commands.h"
#include "cli/options.h"

namespace vtsim::cli {

namespace po = boost::program_options;

int config(const Arguments& arguments) {
    po::options_description options("vtsim config: the effective configuration as JSON");
    options.add_options()("help,h", "show this")("list,l", "as TOML, with the meaning of each parameter");
    options.add(machine_options());
    const auto values = parse(arguments, options);
    if (values.count("help") != 0) {
        std::cout << options;
        return 0;
    }
    const auto effective = config_of(values);
    std::cout << (values.count("list") != 0 ? effective.listing() : boost::json::serialize(effective.json()) + '\n');
    return 0;
}

int presets(const Arguments& arguments) {
    if (!arguments.empty() && arguments.front() != "--help") throw InputError("presets: expected no arguments, got '" + arguments.front() + "'");
    const auto print = [](const char* half, const std::vector<std::string>& names) {
        std::printf("%s:", half);
        for (const auto& name : names) std::printf(" %s", name.c_str());
        std::putchar('\n');
    };
    const auto names = preset_names();
    print("features", names.features);
    print("timing  ", names.timing);
    std::puts("Use as --preset NAME (both halves) or --preset FEATURES:TIMING; `vtsim config --list --preset NAME` shows what one says.");
    return 0;
}

}  // namespace vtsim::cli
