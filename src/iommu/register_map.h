// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bits.h"
#include "base/types.h"

namespace vtsim::iommu {

enum class Rw : u8 { read_only, write_only, read_write };

// Called after software wrote a register, with the bits as written (reserved ones included).
struct Hook {
    void (*function)(void* self, u64 written) = nullptr;
    void* self = nullptr;
};
template <auto member, class Owner>
Hook hook(Owner* owner) {
    return {[](void* self, u64 written) { (static_cast<Owner*>(self)->*member)(written); }, owner};
}

class RegisterMap;

// A memory-mapped register: where it is, what software may do with it, and what happens then. VT-d, "Register Descriptions".
class RegisterBase {
public:
    RegisterBase(const RegisterBase&) = delete;
    RegisterBase& operator=(const RegisterBase&) = delete;

    [[nodiscard]] u32 offset() const { return offset_; }
    [[nodiscard]] unsigned width() const { return width_; }         // in bytes: 4 or 8
    [[nodiscard]] std::string_view name() const { return name_; }
    [[nodiscard]] Rw access() const { return access_; }
    [[nodiscard]] u64 value() const { return value_; }
    void assign(u64 value) { value_ = value; }
    template <class F>
    void set(u64 field) { value_ = F::set(value_, field); }
    template <class F>
    [[nodiscard]] u64 get() const { return F::get(value_); }

    [[nodiscard]] u64 software_read() const { return access_ == Rw::write_only ? 0 : value_; }
    // Writes the bytes that `mask` selects.
    void software_write(u64 written, u64 mask);
    void reset() { value_ = reset_; }

protected:
    struct Rules {
        u64 writable = ~u64{0};     // the others keep their value
        u64 clears = 0;             // of the writable ones: writing 1 clears, writing 0 does nothing
        u64 reset = 0;
        Hook hook{};
    };
    RegisterBase(RegisterMap& map, u32 offset, unsigned width, std::string name, Rw access, const Rules& rules);

private:
    u32 offset_;
    unsigned width_;
    std::string name_;
    Rw access_;
    u64 writable_, clears_, reset_, value_;
    Hook hook_;
};

template <class T>
class Reg final : public RegisterBase {
public:
    using RegisterBase::Rules;
    Reg(RegisterMap& map, u32 offset, std::string name, Rw access, const Rules& rules = {})
        : RegisterBase(map, offset, sizeof(T), std::move(name), access, rules) {}
};

// The registers of one unit. Software reads and writes 32 or 64 bits, naturally aligned; a 64-bit register may be accessed by halves, two
// 32-bit neighbours by one 64-bit access (low half first). Everything else, and what is no register, reads 0 and ignores writes.
class RegisterMap {
public:
    [[nodiscard]] u64 read(u32 offset, unsigned size) const;
    void write(u32 offset, unsigned size, u64 value);
    void reset();
    [[nodiscard]] const std::vector<RegisterBase*>& registers() const { return registers_; }      // by offset

private:
    friend class RegisterBase;
    [[nodiscard]] RegisterBase* covering(u32 offset) const;
    std::vector<RegisterBase*> registers_;
};

}  // namespace vtsim::iommu
