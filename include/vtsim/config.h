// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <vtsim/error.h>

namespace vtsim {

namespace platform {
struct ConfigAccess;
}

// Everything that makes a machine, as typed parameters with dotted names ("mmu.stlb.pages_4k.entries"). A preset comes first; files
// and settings change it in the order in which they are applied. Every error is a ConfigError of one line.
class Config {
public:
    // The preset "broadwell".
    Config();
    // A preset has two halves, files DIRECTORY/features/NAME.toml (what CPUID and the capability MSRs say) and DIRECTORY/timing/NAME.toml
    // (geometry and costs). "name" takes both of one name, "features:timing" combines two. Searched in the directories of the environment
    // variable VTSIM_PRESETS (separated by colons), then among vtsim's own.
    static Config preset(std::string_view name);
    ~Config();
    Config(const Config& other);
    Config(Config&& other) noexcept;
    Config& operator=(const Config& other);
    Config& operator=(Config&& other) noexcept;

    // Takes over what a TOML file says and leaves the rest alone; what follows an error in the file may not have been taken over.
    void load_file(const std::filesystem::path& path);
    void set(std::string_view setting);                             // "key=value"
    void set(std::string_view key, std::string_view value);

    // Throws ConfigError when no machine can be built from it.
    void validate() const;
    // The effective configuration, nested as the tables of a file are.
    [[nodiscard]] boost::json::object json() const;
    // "key = value    # sentence", one line each: a valid configuration file.
    [[nodiscard]] std::string listing() const;
    // The value of one parameter.
    [[nodiscard]] boost::json::value get(std::string_view key) const;
    // The preset that it began with, "features:timing" or one name.
    [[nodiscard]] const std::string& preset_name() const;

private:
    friend struct platform::ConfigAccess;
    struct Implementation;
    explicit Config(std::unique_ptr<Implementation> implementation);
    std::unique_ptr<Implementation> implementation_;
};

// Names of the preset halves that can be found, sorted.
struct PresetNames {
    std::vector<std::string> features;
    std::vector<std::string> timing;
};
[[nodiscard]] PresetNames preset_names();

}  // namespace vtsim
