// SPDX-License-Identifier: Apache-2.0
// Inline parts of Core: included at the end of cpu/core.h.
#pragma once

namespace vtsim::cpu {

template <class T>
inline T Core::reg(u8 number) const {
    T value;
    if constexpr (sizeof(T) == 1) std::memcpy(&value, reinterpret_cast<const u8*>(s.gpr.data()) + number, 1);
    else std::memcpy(&value, &s.gpr[number], sizeof(T));
    return value;
}

template <class T>
inline void Core::set_reg(u8 number, T value) {
    if constexpr (sizeof(T) == 1) std::memcpy(reinterpret_cast<u8*>(s.gpr.data()) + number, &value, 1);
    else if constexpr (sizeof(T) == 2) std::memcpy(&s.gpr[number], &value, 2);
    else s.gpr[number] = value;
}

inline u64 Core::reg_sized(u8 number, unsigned width_log2) const {
    switch (width_log2) {
        case 0: return reg<u8>(number);
        case 1: return reg<u16>(number);
        case 2: return reg<u32>(number);
        default: return reg<u64>(number);
    }
}

inline void Core::set_reg_sized(u8 number, unsigned width_log2, u64 value) {
    switch (width_log2) {
        case 0: return set_reg<u8>(number, static_cast<u8>(value));
        case 1: return set_reg<u16>(number, static_cast<u16>(value));
        case 2: return set_reg<u32>(number, static_cast<u32>(value));
        default: return set_reg<u64>(number, value);
    }
}

inline u64 Core::effective_address(const MicroOp& op) const {
    const u64 sum = s.gpr[op.base] + (s.gpr[op.index] << op.scale()) + static_cast<u64>(static_cast<i64>(op.disp));
    // 16- and 32-bit addresses use the low parts of the registers; the sum is truncated, so the high parts do not matter. A RIP-relative
    // operand is relative to the page's linear address, which equals RIP's page in 64-bit mode.
    switch (op.address_size()) {
        case AddressSize::a16: return sum & 0xffff;
        case AddressSize::a32: return sum & 0xffff'ffff;
        default: return sum;
    }
}

inline arch::Outcome<u64> Core::linear(const MicroOp& op, unsigned bytes, bool write) const {
    return linear(op.segment(), effective_address(op), bytes, write);
}

template <class T>
inline arch::Outcome<T> Core::read_linear(u64 linear) {
    const auto entry = mmu.data.at(linear);
    if (!decode_mode.timed && (((linear + sizeof(T) - 1) & ~page_offset_mask) | data_context) == entry.read_tag) [[likely]] {
        T value;
        std::memcpy(&value, reinterpret_cast<const u8*>(linear + entry.addend), sizeof value);
        return value;
    }
    T value{};
    if (const auto event = read_bytes(linear, &value, sizeof value, access(arch::AccessKind::load))) return event;
    return value;
}

template <class T>
inline arch::Event Core::write_linear(u64 linear, const T& value) {
    const auto entry = mmu.data.at(linear);
    if (!decode_mode.timed && (((linear + sizeof(T) - 1) & ~page_offset_mask) | data_context) == entry.write_tag) [[likely]] {
        std::memcpy(reinterpret_cast<u8*>(linear + entry.addend), &value, sizeof value);
        return {};
    }
    return write_bytes(linear, &value, sizeof value, access(arch::AccessKind::store));
}

template <class T>
inline arch::Outcome<T> Core::read_system(u64 linear) {
    T value{};
    if (const auto event = read_tables(linear, &value, sizeof value)) return event;
    return value;
}

template <class T>
inline arch::Event Core::write_system(u64 linear, const T& value) {
    return write_tables(linear, &value, sizeof value, arch::Access{.kind = arch::AccessKind::store});
}

template <class T>
inline arch::Outcome<T> Core::read(arch::SegmentRegister segment, u64 offset) {
    const auto address = linear(segment, offset, sizeof(T), false);
    if (!address) return address.event;
    return read_linear<T>(*address);
}

template <class T>
inline arch::Event Core::write(arch::SegmentRegister segment, u64 offset, const T& value) {
    const auto address = linear(segment, offset, sizeof(T), true);
    if (!address) return address.event;
    return write_linear<T>(*address, value);
}

template <class T>
inline arch::Outcome<T> Core::read(const MicroOp& op) {
    return read<T>(op.segment(), effective_address(op));
}

template <class T>
inline arch::Event Core::write(const MicroOp& op, const T& value) {
    return write<T>(op.segment(), effective_address(op), value);
}

template <class T>
inline arch::Event Core::push(T value) {
    const u64 top = (s.gpr[arch::rsp] - sizeof(T)) & stack_mask();
    if (const auto event = write<T>(arch::ss, top, value)) return event;
    set_stack_pointer(top);
    return {};
}

template <class T>
inline arch::Outcome<T> Core::pop() {
    const auto value = read<T>(arch::ss, s.gpr[arch::rsp] & stack_mask());
    if (value) set_stack_pointer(s.gpr[arch::rsp] + sizeof(T));
    return value;
}

}  // namespace vtsim::cpu
