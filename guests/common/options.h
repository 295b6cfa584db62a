// SPDX-License-Identifier: Apache-2.0
// The command line as words, most of them key=value: "kernel.elf workload=copy size=16384". A first word that contains a '/' or ends in
// .elf or .bin is the program's path, as GRUB and QEMU pass it, and not an option.
#pragma once
#include "common/types.h"

namespace guest {

bool same_text(const char* a, const char* b);

class Options {
public:
    explicit Options(const char* command_line);  // keeps a copy: the loader's memory may be used for something else

    const char* text(const char* key, const char* otherwise) const;
    // A value that is neither ends the machine with one line.
    u64 number(const char* key, u64 otherwise) const;  // decimal or 0x...; a suffix k, m or g multiplies by 2^10, 2^20, 2^30
    bool flag(const char* key, bool otherwise) const;  // on, off, 1, 0
    bool has(const char* key) const { return find(key) != nullptr; }

    const char* bare_word(unsigned number) const;  // of the words without '=', from 0; nullptr: there are not so many
    // The first word that has a '=' but none of the keys, which are separated by blanks, before it; nullptr: all are known.
    const char* unknown(const char* keys, const char* more_keys) const;

private:
    const char* find(const char* key) const;
    [[noreturn]] void refuse(const char* key, const char* expected) const;
    const char* next_word(const char* after) const;  // nullptr begins; nullptr ends

    static constexpr std::size_t capacity = 1024;
    char words_[capacity];  // each word ends in 0
    std::size_t used_ = 0;
    std::size_t first_ = 0;  // where the options begin
};

}  // namespace guest
