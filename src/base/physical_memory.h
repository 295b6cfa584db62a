// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/types.h"

namespace vtsim {

// What lies behind the physical addresses that are not RAM, and behind all of them with bus.dmi=off: the modelled bus.
// Implemented by the platform over TLM; a model sees only this.
class BusPort {
public:
    virtual ~BusPort() = default;
    // Sizes 1 to 8 bytes, little endian. What nobody answers reads as all ones.
    virtual u64 read(PhysicalAddress address, unsigned size) = 0;
    virtual void write(PhysicalAddress address, unsigned size, u64 value) = 0;
};

// The I/O address space: what IN and OUT reach. Sizes 1, 2 and 4; ports that nobody answers read as all ones.
class IoPort {
public:
    virtual ~IoPort() = default;
    virtual u64 in(u16 port, unsigned size) = 0;
    virtual void out(u16 port, unsigned size, u64 value) = 0;
};

// Told when bytes of a page with decoded code change (blocks die) or when a page becomes code (write entries of translation caches go).
class CodeListener {
public:
    virtual ~CodeListener() = default;
    virtual void code_written(PhysicalAddress address, unsigned size) = 0;
    virtual void page_becomes_code(PhysicalAddress page) = 0;
};

// RAM as its initiators see it by DMI, and the flags of its pages. Host address = base + physical address, so that a translation cache needs
// one addition. RAM lies in [0, low_end) and, when it is larger than the 3 GiB below the device hole, in [4 GiB, high_end).
class PhysicalMemory {
public:
    static constexpr u64 hole_start = 3 * GiB;      // devices live in [3 GiB, 4 GiB)
    static constexpr u64 hole_end = 4 * GiB;

    explicit PhysicalMemory(u64 bytes);             // a multiple of 4 KiB; throws InputError when the host cannot map it
    ~PhysicalMemory();
    PhysicalMemory(const PhysicalMemory&) = delete;
    PhysicalMemory& operator=(const PhysicalMemory&) = delete;

    [[nodiscard]] u64 size() const { return size_; }
    [[nodiscard]] u64 low_end() const { return low_end_; }
    [[nodiscard]] u64 high_end() const { return high_end_; }      // 4 GiB when there is none above
    [[nodiscard]] bool is_ram(PhysicalAddress address, u64 bytes = 1) const {
        const u64 first = address.value();
        if (first < low_end_) return bytes <= low_end_ - first;
        return first >= hole_end && first < high_end_ && bytes <= high_end_ - first;
    }
    [[nodiscard]] u8* host_base() const { return base_; }
    [[nodiscard]] u8* host(PhysicalAddress address) const { return base_ + address.value(); }   // only where is_ram

    // bus.dmi=off: RAM stays where it is, but accesses go through the bus, whose memory module ends at host(). A core then keeps no host pointers.
    void set_direct(bool direct) {
        direct_ = direct;
        direct_low_end_ = direct ? low_end_ : 0;
        direct_high_end_ = direct ? high_end_ : hole_end;
    }
    [[nodiscard]] bool direct() const { return direct_; }
    [[nodiscard]] bool is_direct(PhysicalAddress address, u64 bytes = 1) const {
        const u64 first = address.value();
        return first + bytes <= direct_low_end_ || (first >= hole_end && first + bytes <= direct_high_end_);
    }

    // Reads and writes of any model but the core's fast path: RAM directly, all else by the bus. Values may cross pages.
    template <class T>
    [[nodiscard]] T read(PhysicalAddress address) const {
        if (is_direct(address, sizeof(T))) {
            T value;
            std::memcpy(&value, host(address), sizeof value);
            return value;
        }
        return static_cast<T>(bus_ != nullptr ? bus_->read(address, sizeof(T)) : ~u64{0});
    }
    template <class T>
    void write(PhysicalAddress address, T value) {
        if (is_direct(address, sizeof(T))) {
            std::memcpy(host(address), &value, sizeof value);
            if (holds_code(address) || holds_code(address + (sizeof(T) - 1))) note_code_write(address, sizeof(T));
        } else if (bus_ != nullptr) {
            bus_->write(address, sizeof(T), value);
        }
    }
    void read_block(PhysicalAddress address, void* to, u64 bytes) const;        // RAM only; elsewhere all ones
    void write_block(PhysicalAddress address, const void* from, u64 bytes);     // RAM only; elsewhere dropped

    // Pages that hold decoded code.
    [[nodiscard]] bool holds_code(PhysicalAddress address) const { return is_ram(address) && code_[address.page()] != 0; }
    void mark_code(PhysicalAddress address);        // tells every listener on the first time
    void clear_code(PhysicalAddress address) { code_[address.page()] = 0; }
    void note_code_write(PhysicalAddress address, unsigned bytes);

    void attach(BusPort* bus) { bus_ = bus; }
    void add_listener(CodeListener* listener) { listeners_.push_back(listener); }
    void remove_listener(CodeListener* listener) { std::erase(listeners_, listener); }

private:
    static constexpr u64 host_large_page = 2 * MiB;

    u64 size_;
    u64 low_end_;
    u64 high_end_;
    u64 mapped_;
    u64 reserved_ = 0;
    u64 direct_low_end_ = low_end_;
    u64 direct_high_end_ = high_end_;
    bool direct_ = true;
    void* reservation_ = nullptr;
    u8* base_ = nullptr;
    BusPort* bus_ = nullptr;
    std::vector<u8> code_;
    std::vector<CodeListener*> listeners_;
};

}  // namespace vtsim
