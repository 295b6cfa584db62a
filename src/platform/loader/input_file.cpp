// SPDX-License-Identifier: Apache-2.0
#include "platform/loader/input_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "base/error.h"

namespace vtsim::platform {

InputFile InputFile::open(const std::string& path) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) throw InputError(path + ": is a directory: expected a file");
    if (std::filesystem::is_character_file(path, error) || std::filesystem::is_block_file(path, error)) throw InputError(path + ": is a device: expected a file");
    std::ifstream stream(path, std::ios::binary);
    if (!stream) throw InputError(path + ": " + std::generic_category().message(errno != 0 ? errno : ENOENT) + ": expected a readable file");
    InputFile file(path, {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()});
    if (stream.bad()) throw InputError(path + ": could not be read to its end");
    if (file.size() == 0) throw InputError(path + ": is empty");
    return file;
}

void InputFile::check(u64 offset, u64 bytes, const char* what) const {
    if (!contains(offset, bytes))
        fail(fmt::format("truncated: {} needs {} bytes at file offset {}, the file has {}", what, bytes, offset, size()));
}

void InputFile::fail(const std::string& reason) const { throw InputError(name_ + ": " + reason); }

}  // namespace vtsim::platform
