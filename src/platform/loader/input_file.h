// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"

namespace vtsim::platform {

// The bytes of a file, read with bounds: what lies past the end is not there instead of undefined. Fields are little endian.
class InputFile {
public:
    InputFile(std::string name, std::vector<u8> bytes) : name_{std::move(name)}, bytes_{std::move(bytes)} {}
    static InputFile open(const std::string& path);          // throws InputError: missing, a directory, unreadable, empty

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] u64 size() const { return bytes_.size(); }
    [[nodiscard]] const u8* data() const { return bytes_.data(); }
    [[nodiscard]] bool contains(u64 offset, u64 bytes) const { return offset <= size() && bytes <= size() - offset; }
    template <class T>
    [[nodiscard]] std::optional<T> get(u64 offset) const {
        if (!contains(offset, sizeof(T))) return std::nullopt;
        T value;
        std::memcpy(&value, bytes_.data() + offset, sizeof value);
        return value;
    }
    // Throws InputError: "NAME: truncated: WHAT needs ... ".
    template <class T>
    [[nodiscard]] T require(u64 offset, const char* what) const {
        check(offset, sizeof(T), what);
        return *get<T>(offset);
    }
    void check(u64 offset, u64 bytes, const char* what) const;
    [[noreturn]] void fail(const std::string& reason) const;  // throws InputError "NAME: REASON"

private:
    std::string name_;
    std::vector<u8> bytes_;
};

}  // namespace vtsim::platform
