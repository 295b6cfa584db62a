// SPDX-License-Identifier: Apache-2.0
// System calls that change the address space.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/bits.h"
#include "usermode/system_calls.h"

namespace vtsim::usermode {
namespace {

constexpr u64 longest = 128 * MiB;

Rights rights_of(u64 protection) { return {.read = (protection & PROT_READ) != 0, .write = (protection & PROT_WRITE) != 0, .execute = (protection & PROT_EXEC) != 0}; }

bool is_range_of_user(u64 first, u64 bytes) { return first < AddressSpace::user_end && bytes <= AddressSpace::user_end - first; }

}  // namespace

// The end of the data moves; memory that it leaves is lost.
i64 SystemCalls::brk(const Arguments& a) {
    const u64 wanted = a[0];
    if (wanted < first_break_ || wanted - first_break_ > longest) return static_cast<i64>(break_);
    const u64 mapped = align_up(break_, page_size), needed = align_up(wanted, page_size);
    if (needed > mapped) space_.map(mapped, needed - mapped, rights_of(PROT_READ | PROT_WRITE));
    if (needed < mapped) space_.unmap(needed, mapped - needed);
    break_ = wanted;
    return static_cast<i64>(break_);
}

// Private mappings only. Each that the system places lies below all before it.
i64 SystemCalls::mmap(const Arguments& a) {
    const auto [address, bytes, protection, flags, descriptor, offset] = a;
    const u64 size = align_up(bytes, page_size);
    if (bytes == 0 || size < bytes || (flags & MAP_PRIVATE) == 0) return -EINVAL;
    if (size > longest) return -ENOMEM;
    const File* from = nullptr;
    if ((flags & MAP_ANONYMOUS) == 0) {
        from = file(descriptor);
        if (from == nullptr || from->host < 0) return -EBADF;
    }
    const bool fixed = (flags & MAP_FIXED) != 0;
    if (fixed && (address % page_size != 0 || !is_range_of_user(address, size))) return -EINVAL;
    const u64 start = fixed ? address : (mappings_ -= size);
    space_.map(start, size, rights_of(protection));
    if (from != nullptr)
        if (const i64 error = read_into(start, *from, bytes, offset); error < 0) return error;
    return static_cast<i64>(start);
}

// Whatever the rights of the pages are; what lies behind the end of the file stays zero.
i64 SystemCalls::read_into(u64 linear, const File& from, u64 bytes, u64 offset) {
    std::array<u8, 64 * KiB> piece;
    for (u64 done = 0; done < bytes;) {
        const auto got = ::pread(from.host, piece.data(), std::min<u64>(piece.size(), bytes - done), static_cast<off_t>(offset + done));
        if (got < 0) return -errno;
        if (got == 0) break;
        space_.poke(linear + done, piece.data(), static_cast<u64>(got));
        done += static_cast<u64>(got);
    }
    return 0;
}

i64 SystemCalls::munmap(const Arguments& a) {
    if (a[0] % page_size != 0 || a[1] == 0 || !is_range_of_user(a[0], a[1])) return -EINVAL;
    space_.unmap(a[0], a[1]);
    return 0;
}

i64 SystemCalls::mprotect(const Arguments& a) {
    if (a[0] % page_size != 0) return -EINVAL;
    if (a[1] == 0) return 0;
    return is_range_of_user(a[0], a[1]) && space_.protect(a[0], a[1], rights_of(a[2])) ? 0 : -ENOMEM;
}

}  // namespace vtsim::usermode
