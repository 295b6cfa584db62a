// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include <vtsim/error.h>
#include <vtsim/nearest.h>

namespace vtsim::cli {
namespace {

namespace po = boost::program_options;
using Words = std::vector<std::string>;

// Options that stand for a parameter.
constexpr std::pair<const char*, const char*> shorthands[] = {{"memory", "memory.size"}, {"cpus", "machine.cpus"}, {"mode", "machine.mode"}, {"roi-mode", "machine.roi_mode"}};

Words names_of(const po::options_description& options) {
    Words names;
    for (const auto& option : options.options())
        if (const auto& name = option->long_name(); name != "image") names.push_back("--" + name);
    return names;
}

}  // namespace

po::options_description machine_options() {
    po::options_description options("The machine");
    options.add_options()
        ("preset,p", po::value<std::string>()->value_name("NAME"), "features and timing of a processor: NAME or FEATURES:TIMING (default broadwell; see `vtsim presets`)")
        ("config,c", po::value<Words>()->value_name("FILE"), "configuration file (TOML); may be repeated")
        ("set,s", po::value<Words>()->value_name("KEY=VALUE"), "one parameter (see `vtsim config --list`); may be repeated")
        ("memory,m", po::value<std::string>()->value_name("SIZE"), "RAM: 256M, 1G (memory.size)")
        ("cpus", po::value<std::string>()->value_name("N"), "logical processors (machine.cpus)")
        ("mode", po::value<std::string>()->value_name("MODE"), "functional, warm or timing (machine.mode)")
        ("roi-mode", po::value<std::string>()->value_name("MODE"), "mode while the guest is in its region of interest (machine.roi_mode)")
        ("stats-roi", "statistics of the guest's region of interest only (machine.roi_stats)");
    return options;
}

Config config_of(const po::variables_map& values) {
    auto config = values.count("preset") != 0 ? Config::preset(values["preset"].as<std::string>()) : Config();
    if (values.count("config") != 0)
        for (const auto& file : values["config"].as<Words>()) config.load_file(file);
    if (values.count("set") != 0)
        for (const auto& setting : values["set"].as<Words>()) config.set(setting);
    for (const auto& [option, key] : shorthands)
        if (values.count(option) != 0) config.set(key, values[option].as<std::string>());
    if (values.count("stats-roi") != 0) config.set("machine.roi_stats", "on");
    config.validate();
    return config;
}

po::variables_map parse(const Arguments& arguments, const po::options_description& options, const po::positional_options_description& positional) {
    po::variables_map values;
    try {
        const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
        po::store(po::command_line_parser(arguments).options(options).positional(positional).style(style).run(), values);
        po::notify(values);
    } catch (const po::unknown_option& error) {
        const auto name = error.get_option_name();
        throw InputError("unknown option '" + name + "'" + vtsim::config::suggestion(name, names_of(options)));
    } catch (const po::too_many_positional_options_error&) {
        const auto images = positional.max_total_count();
        throw InputError(std::string("too many arguments: expected ") + (images == 0 ? "none" : "one image") + "; options start with '--' (`vtsim help`)");
    } catch (const po::error& error) {
        throw InputError(error.what());
    }
    return values;
}

}  // namespace vtsim::cli
