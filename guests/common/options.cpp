// SPDX-License-Identifier: Apache-2.0
#include "common/options.h"

#include "common/print.h"
#include "common/serial.h"

namespace guest {
namespace {

std::size_t length(const char* text) {
    std::size_t n = 0;
    while (text[n]) ++n;
    return n;
}

bool contains(const char* text, char wanted) {
    while (*text && *text != wanted) ++text;
    return *text;
}

bool begins_with(const char* text, const char* beginning) {
    while (*beginning && *text == *beginning) ++text, ++beginning;
    return !*beginning;
}

bool ends_with(const char* text, const char* end) {
    const std::size_t n = length(text), m = length(end);
    return n >= m && same_text(text + n - m, end);
}

bool is_path(const char* word) { return !contains(word, '=') && (contains(word, '/') || ends_with(word, ".elf") || ends_with(word, ".bin")); }

unsigned digit_of(char c) {
    const char lower = char(c | 0x20);
    return c >= '0' && c <= '9' ? unsigned(c - '0') : lower >= 'a' && lower <= 'f' ? unsigned(lower - 'a' + 10) : 16;
}

u64 unit_of(char c) {
    switch (c | 0x20) {
        case 'k': return kib;
        case 'm': return mib;
        case 'g': return gib;
        default: return 0;
    }
}

// `word` is "key=value", `keys` are separated by blanks.
bool is_key_of(const char* word, const char* keys) {
    while (*keys) {
        const char* w = word;
        while (*keys && *keys != ' ' && *w == *keys) ++w, ++keys;
        if (*w == '=' && (!*keys || *keys == ' ')) return true;
        while (*keys && *keys != ' ') ++keys;
        while (*keys == ' ') ++keys;
    }
    return false;
}

}  // namespace

bool same_text(const char* a, const char* b) {
    while (*a && *a == *b) ++a, ++b;
    return *a == *b;
}

Options::Options(const char* command_line) {
    for (const char* p = command_line; *p && used_ + 2 < capacity; ++p) words_[used_++] = *p == ' ' ? '\0' : *p;
    words_[used_++] = '\0';
    const char* const first = next_word(nullptr);
    if (first && is_path(first)) first_ = std::size_t(first - words_) + length(first);
}

const char* Options::next_word(const char* after) const {
    const char* at = after ? after + length(after) : words_ + first_;
    while (at < words_ + used_ && !*at) ++at;
    return at < words_ + used_ ? at : nullptr;
}

const char* Options::find(const char* key) const {
    for (const char* word = next_word(nullptr); word; word = next_word(word)) {
        const std::size_t n = length(key);
        if (begins_with(word, key) && word[n] == '=') return word + n + 1;
    }
    return nullptr;
}

const char* Options::bare_word(unsigned number) const {
    for (const char* word = next_word(nullptr); word; word = next_word(word))
        if (!contains(word, '=') && !number--) return word;
    return nullptr;
}

const char* Options::unknown(const char* keys, const char* more_keys) const {
    for (const char* word = next_word(nullptr); word; word = next_word(word))
        if (contains(word, '=') && !is_key_of(word, keys) && !is_key_of(word, more_keys)) return word;
    return nullptr;
}

const char* Options::text(const char* key, const char* otherwise) const {
    const char* value = find(key);
    return value ? value : otherwise;
}

void Options::refuse(const char* key, const char* expected) const {
    print("'", key, "=", find(key), "': ", expected, " expected\n");
    exit_machine(1);
}

u64 Options::number(const char* key, u64 otherwise) const {
    const char* p = find(key);
    if (!p) return otherwise;
    unsigned base = 10;
    if (p[0] == '0' && (p[1] | 0x20) == 'x') base = 16, p += 2;
    u64 value = 0;
    const char* const first = p;
    for (unsigned digit; (digit = digit_of(*p)) < base; ++p) value = value * base + digit;
    if (p == first) refuse(key, "a number");
    if (const u64 unit = unit_of(*p); unit) value *= unit, ++p;
    if (*p) refuse(key, "a number");
    return value;
}

bool Options::flag(const char* key, bool otherwise) const {
    const char* const value = find(key);
    if (!value) return otherwise;
    const bool on = same_text(value, "on") || same_text(value, "1");
    if (!on && !same_text(value, "off") && !same_text(value, "0")) refuse(key, "on or off");
    return on;
}

}  // namespace guest
