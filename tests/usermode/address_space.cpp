// SPDX-License-Identifier: Apache-2.0
#include "usermode/address_space.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "base/bits.h"
#include "vtsim/error.h"

namespace vtsim::usermode {
namespace {

// Bits of paging-structure entries. SDM vol. 3, "4-Level Paging and 5-Level Paging".
constexpr u64 present = bit(0), writable = bit(1), user_page = bit(2), in_use = bit(9), no_execute = bit(63);       // in_use: one of those that are left to software
constexpr u64 frame_mask = low_bits(52) & ~page_offset_mask;
constexpr unsigned levels = 4;

u64 bits_of(Rights rights) {
    u64 bits = in_use;
    if (rights.read || rights.write || rights.execute) bits |= present;
    if (rights.write) bits |= writable;
    if (!rights.execute) bits |= no_execute;
    if (rights.user) bits |= user_page;
    return bits;
}

constexpr u64 page_of(u64 linear) { return linear & ~page_offset_mask; }
constexpr u64 page_end(u64 first, u64 bytes) { return page_of(first + bytes + page_offset_mask); }

// Calls piece(linear address, offset, bytes) for every part that lies within a page, as long as it returns true.
template <class Piece>
bool by_pages(u64 linear, u64 bytes, Piece piece) {
    for (u64 done = 0; done < bytes;) {
        const u64 part = std::min(bytes - done, page_size - (linear + done) % page_size);
        if (!piece(linear + done, done, part)) return false;
        done += part;
    }
    return true;
}

bool allows(const u64* entry, u64 wanted) { return entry != nullptr && (*entry & wanted) == wanted; }

[[noreturn]] void not_mapped(u64 linear) { throw std::logic_error(fmt::format("nothing is mapped at {:#x}", linear)); }

}  // namespace

AddressSpace::AddressSpace(PhysicalMemory& memory) : memory_{memory}, root_{take_frame()} {}

u64 AddressSpace::take_frame() {
    u64 frame = next_frame_;
    if (!free_frames_.empty()) {
        static constexpr std::array<u8, page_size> zeros{};
        frame = free_frames_.back();
        free_frames_.pop_back();
        memory_.write_block(PhysicalAddress{frame}, zeros.data(), page_size);
    } else {
        if (frame + page_size > memory_.low_end()) throw InputError(fmt::format("the program needs more than the {} MiB of memory it has", memory_.size() / MiB));
        next_frame_ += page_size;
    }
    return frame;
}

u64& AddressSpace::slot(u64 table, u64 linear, unsigned level) const {
    return reinterpret_cast<u64*>(memory_.host(PhysicalAddress{table}))[linear >> (3 + 9 * level) & 511];
}

u64* AddressSpace::find(u64 linear) const {
    u64* entry = nullptr;
    u64 table = root_;
    for (unsigned level = levels; level > 0; --level) {
        entry = &slot(table, linear, level);
        if ((*entry & in_use) == 0) return nullptr;
        table = *entry & frame_mask;
    }
    return entry;
}

u64& AddressSpace::make(u64 linear) {
    u64 table = root_;
    for (unsigned level = levels; level > 1; --level) {
        u64& entry = slot(table, linear, level);
        if (entry == 0) entry = take_frame() | in_use | present | writable | user_page;
        table = entry & frame_mask;
    }
    return slot(table, linear, 1);
}

void AddressSpace::map(u64 first, u64 bytes, Rights rights) {
    unmap(first, bytes);
    for (u64 page = page_of(first); page != page_end(first, bytes); page += page_size) make(page) = take_frame() | bits_of(rights);
}

void AddressSpace::unmap(u64 first, u64 bytes) {
    for (u64 page = page_of(first); page != page_end(first, bytes); page += page_size) {
        u64* const entry = find(page);
        if (entry == nullptr) continue;
        free_frames_.push_back(*entry & frame_mask);
        *entry = 0;
        tell(page);
    }
}

bool AddressSpace::protect(u64 first, u64 bytes, Rights rights) {
    for (u64 page = page_of(first); page != page_end(first, bytes); page += page_size) {
        u64* const entry = find(page);
        if (entry == nullptr) return false;
        *entry = (*entry & frame_mask) | bits_of(rights);
        tell(page);
    }
    return true;
}

void AddressSpace::poke(u64 linear, const void* from, u64 bytes) {
    by_pages(linear, bytes, [&](u64 at, u64 done, u64 part) {
        const u64* const entry = find(at);
        if (entry == nullptr) not_mapped(at);
        memory_.write_block(PhysicalAddress{(*entry & frame_mask) + at % page_size}, static_cast<const u8*>(from) + done, part);
        return true;
    });
}

void AddressSpace::peek(u64 linear, void* to, u64 bytes) const {
    by_pages(linear, bytes, [&](u64 at, u64 done, u64 part) {
        const u64* const entry = find(at);
        if (entry == nullptr) not_mapped(at);
        memory_.read_block(PhysicalAddress{(*entry & frame_mask) + at % page_size}, static_cast<u8*>(to) + done, part);
        return true;
    });
}

bool AddressSpace::copy_out(u64 linear, const void* from, u64 bytes) {
    return by_pages(linear, bytes, [&](u64 at, u64 done, u64 part) {
        if (!allows(find(at), present | writable | user_page)) return false;
        poke(at, static_cast<const u8*>(from) + done, part);
        return true;
    });
}

bool AddressSpace::copy_in(u64 linear, void* to, u64 bytes) const {
    return by_pages(linear, bytes, [&](u64 at, u64 done, u64 part) {
        if (!allows(find(at), present | user_page)) return false;
        peek(at, static_cast<u8*>(to) + done, part);
        return true;
    });
}

bool AddressSpace::copy_in(u64 linear, std::string& to) const {
    to.clear();
    for (char c = 0; copy_in(linear + to.size(), &c, 1); to += c)
        if (c == 0) return true;
    return false;
}

}  // namespace vtsim::usermode
