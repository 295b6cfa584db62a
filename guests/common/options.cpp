// SPDX-License-Identifier: Apache-2.0
#include "common/options.h"

namespace guest {

bool same_text(const char* a, const char* b) {
    while (*a && *a == *b) ++a, ++b;
    return *a == *b;
}

Options::Options(const char* command_line) {
    for (const char* p = command_line; *p && used_ + 2 < capacity; ++p) words_[used_++] = *p == ' ' ? '\0' : *p;
    words_[used_++] = '\0';
}

const char* Options::find(const char* key) const {
    for (std::size_t at = 0; at < used_; ++at) {
        const char* k = key;
        std::size_t i = at;
        while (*k && i < used_ && words_[i] == *k) ++i, ++k;
        if (!*k && words_[i] == '=') return words_ + i + 1;
        while (at < used_ && words_[at]) ++at;  // the next word
    }
    return nullptr;
}

const char* Options::text(const char* key, const char* otherwise) const {
    const char* value = find(key);
    return value ? value : otherwise;
}

u64 Options::number(const char* key, u64 otherwise) const {
    const char* p = find(key);
    if (!p) return otherwise;
    unsigned base = 10;
    if (p[0] == '0' && (p[1] | 0x20) == 'x') base = 16, p += 2;
    u64 value = 0;
    for (; *p; ++p) {
        const char c = char(*p | 0x20);
        if (*p >= '0' && *p <= '9') value = value * base + u64(*p - '0');
        else if (base == 16 && c >= 'a' && c <= 'f') value = value * base + u64(c - 'a' + 10);
        else if (c == 'k') value *= kib;
        else if (c == 'm') value *= mib;
        else if (c == 'g') value *= gib;
    }
    return value;
}

bool Options::flag(const char* key, bool otherwise) const {
    const char* value = find(key);
    return value ? same_text(value, "on") || same_text(value, "1") : otherwise;
}

}  // namespace guest
