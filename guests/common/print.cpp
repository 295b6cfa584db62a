// SPDX-License-Identifier: Apache-2.0
#include "common/print.h"

#include "common/serial.h"

namespace guest {

void print_one(char c) { put_serial(c); }

void print_one(const char* text) {
    while (*text) put_serial(*text++);
}

void print_one(u64 value) {
    char digits[20];
    unsigned n = 0;
    do digits[n++] = char('0' + value % 10);
    while (value /= 10);
    while (n) put_serial(digits[--n]);
}

void print_one(Hex hexadecimal) {
    print_one("0x");
    unsigned n = 16;
    while (n > 1 && n > hexadecimal.digits && !(hexadecimal.value >> (4 * (n - 1)) & 0xf)) --n;
    while (n--) put_serial("0123456789abcdef"[hexadecimal.value >> (4 * n) & 0xf]);
}

}  // namespace guest
