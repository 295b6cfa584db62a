// SPDX-License-Identifier: Apache-2.0
// The command line as keys: "kernel.elf workload=copy size=16384". A word without '=' (the program's name) is skipped.
#pragma once
#include "common/types.h"

namespace guest {

bool same_text(const char* a, const char* b);

class Options {
public:
    explicit Options(const char* command_line);  // keeps a copy: the loader's memory may be used for something else

    const char* text(const char* key, const char* otherwise) const;
    u64 number(const char* key, u64 otherwise) const;  // decimal or 0x...; a suffix k, m or g multiplies by 2^10, 2^20, 2^30
    bool flag(const char* key, bool otherwise) const;  // on, off, 1, 0
    bool has(const char* key) const { return find(key) != nullptr; }

private:
    const char* find(const char* key) const;

    static constexpr std::size_t capacity = 1024;
    char words_[capacity];  // each word ends in 0
    std::size_t used_ = 0;
};

}  // namespace guest
