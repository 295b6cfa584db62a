// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/physical_memory.h"

namespace vtsim::usermode {

// What a page allows. Pages of the user without any right keep their contents.
struct Rights {
    bool read = false, write = false, execute = false;
    bool user = true;
};

// Four-level page tables in simulated memory, the frames behind them, and copies between the host and linear addresses.
class AddressSpace {
public:
    static constexpr u64 user_end = u64{1} << 47;

    // Tables and frames are taken from all of `memory`, which has nothing else in it.
    explicit AddressSpace(PhysicalMemory& memory);

    [[nodiscard]] u64 root() const { return root_; }         // for CR3
    // Told of every page whose translation was changed or removed: the processor may have it cached.
    void on_change(std::function<void(u64 linear)> listener) { changed_ = std::move(listener); }

    // Whole pages around [first, first + bytes). Throws InputError when no frame is left.
    void map(u64 first, u64 bytes, Rights rights);           // to zeroed frames; drops what was there
    void unmap(u64 first, u64 bytes);
    bool protect(u64 first, u64 bytes, Rights rights);       // false: some page is not mapped
    [[nodiscard]] bool is_mapped(u64 linear) const { return find(linear) != nullptr; }

    // What the system may do with mapped pages whatever their rights are. Throws std::logic_error where nothing is mapped.
    void poke(u64 linear, const void* from, u64 bytes);
    void peek(u64 linear, void* to, u64 bytes) const;
    // What it does on behalf of the program: false, perhaps after a part, where the program itself may not.
    [[nodiscard]] bool copy_out(u64 linear, const void* from, u64 bytes);
    [[nodiscard]] bool copy_in(u64 linear, void* to, u64 bytes) const;
    // A string up to its NUL.
    [[nodiscard]] bool copy_in(u64 linear, std::string& to) const;

private:
    [[nodiscard]] u64 take_frame();
    [[nodiscard]] u64& slot(u64 table, u64 linear, unsigned level) const;
    [[nodiscard]] u64* find(u64 linear) const;               // the entry of a mapped page
    [[nodiscard]] u64& make(u64 linear);                     // the entry of any page
    void tell(u64 linear) const { if (changed_) changed_(linear); }

    PhysicalMemory& memory_;
    std::function<void(u64)> changed_;
    std::vector<u64> free_frames_;
    u64 next_frame_ = page_size;                             // the first stays unused: 0 is no frame
    u64 root_;
};

}  // namespace vtsim::usermode
