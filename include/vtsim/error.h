// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

namespace vtsim {

// What a user got wrong: an image, an option, a configuration key or value. The text says in one line what, where and
// what was expected; command-line programs print it and end with status 2.
class InputError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// A configuration that cannot be built: names the key, the value and what was expected.
class ConfigError : public InputError {
public:
    ConfigError(const std::string& key, const std::string& value, const std::string& expected)
        : InputError("configuration key '" + key + "' = " + value + ": expected " + expected) {}
    using InputError::InputError;
};

}  // namespace vtsim
