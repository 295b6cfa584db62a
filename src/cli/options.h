// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vtsim/config.h>

#include <boost/program_options.hpp>
#include <string>
#include <vector>

#include "cli/commands.h"

namespace vtsim::cli {

// --preset, --config, --set and the options that stand for one parameter.
[[nodiscard]] boost::program_options::options_description machine_options();

// Applies them: the preset, then files, then settings, then options; within a kind in the order of the command line.
[[nodiscard]] Config config_of(const boost::program_options::variables_map& values);

// InputError in one line: what is wrong with which option, and the nearest one that exists.
[[nodiscard]] boost::program_options::variables_map parse(const Arguments& arguments, const boost::program_options::options_description& options,
                                                          const boost::program_options::positional_options_description& positional = {});

}  // namespace vtsim::cli
