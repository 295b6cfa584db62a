// SPDX-License-Identifier: Apache-2.0
// Memory of the core: segmentation, the slow path behind the translation cache, devices.
#include <algorithm>

#include "apic/local_apic.h"
#include "cpu/core.h"
#include "cpu/exec/memory.h"

namespace vtsim::cpu {

using arch::Event;
using arch::Outcome;

// ---- segmentation -------------------------------------------------------------------------------------------------------

namespace {

// SDM vol. 3, "Limit Checking" and "Type Checking"; the fault is #SS for the stack segment, else #GP.
Event segment_fault(arch::SegmentRegister segment) { return arch::exception(segment == arch::ss ? arch::Vector::ss : arch::Vector::gp); }

bool within_limit(const arch::Segment& segment, u64 offset, unsigned bytes) {
    const u64 last = offset + bytes - 1;
    if (segment.expands_down()) return offset > segment.limit && last <= (segment.default_big() ? 0xffff'ffff : 0xffff);
    return last <= segment.limit;
}

}  // namespace

Outcome<u64> Core::linear(arch::SegmentRegister number, u64 offset, unsigned bytes, bool write) const {
    const auto& segment = s.segment[number];
    if (decode_mode.code64) {
        const u64 address = number == arch::fs || number == arch::gs ? segment.base + offset : offset;
        if (!canonical(address) || !canonical(address + bytes - 1)) return segment_fault(number);
        return address;
    }
    if (s.protected_mode() && !s.virtual8086()) {
        if (segment.unusable() || !segment.present()) return segment_fault(number);
        if (write ? !segment.writable() : !segment.readable()) return segment_fault(number);
    }
    if (!within_limit(segment, offset, bytes)) return segment_fault(number);
    return static_cast<u32>(segment.base + offset);
}

// ---- linear addresses -----------------------------------------------------------------------------------------------------

namespace {

// One part of an access, inside one page. `op` (timing mode) is the instruction that misses are charged to; nullptr charges serially.
struct Place {
    u8* host = nullptr;
    PhysicalAddress physical;
};

}  // namespace

static Outcome<Place> locate(Core& core, const MicroOp* op, u64 linear, unsigned bytes, arch::Access access) {
    const auto translation = core.mmu.translate(linear, access);
    if (!translation) {
        core.fault = core.mmu.details;
        return translation.event;
    }
    const auto& t = translation.value;
    if (core.decode_mode.timed) {
        core.charge_access(op, t, access.writes());
        // The second line of an access that is split.
        if ((linear & (timing::line_bytes - 1)) + bytes > timing::line_bytes && t.host != nullptr) core.charge_line(op, t.physical + (bytes - 1), access.writes());
    }
    return Place{t.host, t.physical};
}

static Outcome<u64> device_read(Core& core, PhysicalAddress address, unsigned bytes) {
    if (!core.in_step()) return Core::resync_event;
    u64 value = 0;
    for (unsigned at = 0; at < bytes; at += 8) {
        const unsigned part = std::min(bytes - at, 8U);
        value = core.apic_page(address) ? core.read_apic(address + at, part) : core.apic->leaves_empty(address) ? low_bits(8 * part) : core.bus.read(address + at, part);
    }
    return value;
}

static Event device_write(Core& core, PhysicalAddress address, unsigned bytes, u64 value) {
    if (!core.in_step()) return Core::resync_event;
    if (core.apic_page(address)) core.write_apic(address, bytes, value);
    else if (!core.apic->leaves_empty(address)) core.bus.write(address, bytes, value);
    return {};
}

static Event read_at(Core& core, const Place& place, u8* to, unsigned bytes) {
    const bool ram = place.host != nullptr;
    if (ram && core.memory.direct()) {
        std::memcpy(to, place.host, bytes);
        return {};
    }
    for (unsigned at = 0; at < bytes; at += 8) {
        const unsigned part = std::min(bytes - at, 8U);
        const auto address = place.physical + at;
        // RAM by transactions needs no step with the kernel: it has no sense of time.
        const auto value = ram ? Outcome<u64>{core.bus.read(address, part)} : device_read(core, address, part);
        if (!value) return value.event;
        std::memcpy(to + at, &value.value, part);
    }
    return {};
}

static Event read_part(Core& core, const MicroOp* op, u64 linear, u8* to, unsigned bytes, arch::Access access) {
    const auto place = locate(core, op, linear, bytes, access);
    if (!place) return place.event;
    return read_at(core, place.value, to, bytes);
}

static Event write_part(Core& core, const Place& place, const u8* from, unsigned bytes) {
    const bool ram = place.host != nullptr;
    if (ram && core.memory.direct()) {
        std::memcpy(place.host, from, bytes);
        if (core.memory.holds_code(place.physical)) core.memory.note_code_write(place.physical, bytes);
        return {};
    }
    for (unsigned at = 0; at < bytes; at += 8) {
        const unsigned part = std::min(bytes - at, 8U);
        u64 value = 0;
        std::memcpy(&value, from + at, part);
        if (ram) core.bus.write(place.physical + at, part, value);       // the memory module notes writes to code
        else if (const auto event = device_write(core, place.physical + at, part, value)) return event;
    }
    return {};
}

static unsigned in_first_page(u64 linear, unsigned bytes) {
    const u64 rest = page_size - (linear & page_offset_mask);
    return rest < bytes ? static_cast<unsigned>(rest) : bytes;
}

static u64 next_page(const Core& core, u64 linear) {
    const u64 next = (linear & ~page_offset_mask) + page_size;
    return core.s.long_mode_active() ? next : static_cast<u32>(next);
}

static Event read_any(Core& core, const MicroOp* op, u64 linear, void* to, unsigned bytes, arch::Access access) {
    auto* bytes_to = static_cast<u8*>(to);
    const unsigned first = in_first_page(linear, bytes);
    if (const auto event = read_part(core, op, linear, bytes_to, first, access)) return event;
    if (first == bytes) return {};
    return read_part(core, op, next_page(core, linear), bytes_to + first, bytes - first, access);
}

static Event write_any(Core& core, const MicroOp* op, u64 linear, const void* from, unsigned bytes, arch::Access access) {
    const auto* bytes_from = static_cast<const u8*>(from);
    const unsigned first = in_first_page(linear, bytes);
    const auto place = locate(core, op, linear, first, access);
    if (!place) return place.event;
    if (first == bytes) return write_part(core, place.value, bytes_from, bytes);
    // Both halves are translated before either is written: a fault on the second page leaves memory untouched.
    const auto second = locate(core, op, next_page(core, linear), bytes - first, access);
    if (!second) return second.event;
    if (const auto event = write_part(core, place.value, bytes_from, first)) return event;
    return write_part(core, second.value, bytes_from + first, bytes - first);
}

Event Core::read_bytes(u64 linear, void* to, unsigned bytes, arch::Access access) {
    note_data(linear, bytes, false);
    return read_any(*this, nullptr, linear, to, bytes, access);
}
Event Core::write_bytes(u64 linear, const void* from, unsigned bytes, arch::Access access) {
    note_data(linear, bytes, true);
    return write_any(*this, nullptr, linear, from, bytes, access);
}
// A base may be loaded that the paging mode does not reach.
Event Core::read_tables(u64 linear, void* to, unsigned bytes) { return canonical(linear) ? read_any(*this, nullptr, linear, to, bytes, arch::Access{}) : arch::general_protection(); }
Event Core::write_tables(u64 linear, const void* from, unsigned bytes, arch::Access access) {
    return canonical(linear) ? write_any(*this, nullptr, linear, from, bytes, access) : arch::general_protection();
}

static Event probe(Core& core, u64 linear, unsigned bytes, arch::Access how) {
    const unsigned first = in_first_page(linear, bytes);
    if (const auto place = locate(core, nullptr, linear, first, how); !place) return place.event;
    if (first == bytes) return {};
    return locate(core, nullptr, next_page(core, linear), bytes - first, how).event;
}

Event Core::probe_write(u64 linear, unsigned bytes) { return probe(*this, linear, bytes, access(arch::AccessKind::store)); }
Event Core::probe_write_system(u64 linear, unsigned bytes) { return probe(*this, linear, bytes, {.kind = arch::AccessKind::store}); }

// ---- alignment checks -----------------------------------------------------------------------------------------------------

// SDM vol. 3, "Alignment Check Exception (#AC)": CR0.AM, EFLAGS.AC and CPL 3.
static bool misaligned(const Core& core, u64 linear, unsigned bytes) {
    return (linear & (bytes - 1)) != 0 && core.s.cpl == 3 && (core.s.cr0 & arch::cr0::am) != 0 && (core.s.rflags & arch::rflags::ac) != 0;
}

// ---- what handlers call -----------------------------------------------------------------------------------------------------

namespace slow {

u8* find_timed(Core& core, const MicroOp& op, u64 linear, unsigned bytes, bool write) {
    const auto entry = core.mmu.data.at(linear);
    const u64 wanted = ((linear + bytes - 1) & ~page_offset_mask) | core.data_context;
    if (wanted != (write ? entry.write_tag : entry.read_tag) || !core.mmu.touch_data(entry.way, entry.serial)) return nullptr;
    auto* const place = reinterpret_cast<u8*>(linear + entry.addend);
    const PhysicalAddress address{static_cast<u64>(place - core.host_base)};
    core.charge_line(&op, address, write);
    if ((linear & (timing::line_bytes - 1)) + bytes > timing::line_bytes) {
        core.charge_line(&op, address + (bytes - 1), write);
        return place;
    }
    const auto slot = core.port.find_data(address, write);
    if (slot != timing::CacheLevel::none && core.mmu.stamps_data()) remember_line(core, op, entry, linear, slot, write);
    return place;
}

// The segment that an address fault is blamed on: the operand's, or the stack's for pushes and pops.
static arch::SegmentRegister linear_segment(const MicroOp& op) { return op.memory() ? op.segment() : arch::ss; }

template <class T>
Outcome<T> load(Core& core, const MicroOp& op, u64 linear) {
    if (!core.canonical(linear) || !core.canonical(linear + sizeof(T) - 1)) [[unlikely]] return segment_fault(linear_segment(op));
    if (misaligned(core, linear, sizeof(T))) [[unlikely]] return arch::exception(arch::Vector::ac);
    core.note_data(linear, sizeof(T), false);
    T value{};
    if (const auto event = read_any(core, &op, linear, &value, sizeof value, core.access(arch::AccessKind::load))) return event;
    return value;
}

template <class T>
Outcome<T> load_for_write(Core& core, const MicroOp& op, u64 linear) {
    if (!core.canonical(linear) || !core.canonical(linear + sizeof(T) - 1)) [[unlikely]] return segment_fault(linear_segment(op));
    if (misaligned(core, linear, sizeof(T))) [[unlikely]] return arch::exception(arch::Vector::ac);
    core.note_data(linear, sizeof(T), true);
    const auto how = core.access(arch::AccessKind::read_modify_write);
    auto& places = core.write_places;
    places.in_first = in_first_page(linear, sizeof(T));
    T value{};
    for (unsigned part = 0, at = 0; at < sizeof(T); ++part) {
        const unsigned bytes = part == 0 ? places.in_first : static_cast<unsigned>(sizeof(T)) - at;
        const auto place = locate(core, &op, part == 0 ? linear : next_page(core, linear), bytes, how);
        if (!place) return place.event;
        places.host[part] = place.value.host;
        places.physical[part] = place.value.physical;
        at += bytes;
    }
    for (unsigned part = 0, at = 0; at < sizeof(T); ++part) {
        const unsigned bytes = part == 0 ? places.in_first : static_cast<unsigned>(sizeof(T)) - at;
        if (const auto event = read_at(core, {places.host[part], places.physical[part]}, reinterpret_cast<u8*>(&value) + at, bytes)) return event;
        at += bytes;
    }
    return value;
}

template <class T>
Event store_back(Core& core, T value) {
    const auto& places = core.write_places;
    const auto* bytes = reinterpret_cast<const u8*>(&value);
    if (const auto event = write_part(core, {places.host[0], places.physical[0]}, bytes, places.in_first)) return event;
    if (places.in_first == sizeof(T)) return {};
    return write_part(core, {places.host[1], places.physical[1]}, bytes + places.in_first, static_cast<unsigned>(sizeof(T)) - places.in_first);
}

template <class T>
Event store(Core& core, const MicroOp& op, u64 linear, T value) {
    if (!core.canonical(linear) || !core.canonical(linear + sizeof(T) - 1)) [[unlikely]] return segment_fault(linear_segment(op));
    if (misaligned(core, linear, sizeof(T))) [[unlikely]] return arch::exception(arch::Vector::ac);
    core.note_data(linear, sizeof(T), true);
    return write_any(core, &op, linear, &value, sizeof value, core.access(arch::AccessKind::store));
}

template <class T>
static u8* cached(Core& core, const MicroOp& op, u64 linear, bool write) {
    return core.decode_mode.timed ? find_timed(core, op, linear, sizeof(T), write) : find_in_page<T>(core, linear, write);
}

template <class T>
Outcome<T> load_checked(Core& core, const MicroOp& op) {
    const auto linear = core.linear(op, sizeof(T), false);
    if (!linear) return linear.event;
    const u8* place = cached<T>(core, op, linear.value, false);
    if (place == nullptr) [[unlikely]] return load<T>(core, op, linear.value);
    T value;
    std::memcpy(&value, place, sizeof value);
    return value;
}

template <class T>
Outcome<T> load_for_write_checked(Core& core, const MicroOp& op) {
    const auto address = core.linear(op, sizeof(T), true);
    if (!address) return address.event;
    auto* const host = cached<T>(core, op, address.value, true);
    if (host == nullptr) [[unlikely]] return load_for_write<T>(core, op, address.value);
    core.write_places = {.host = {host, nullptr}, .physical = {PhysicalAddress{static_cast<u64>(host - core.host_base)}, {}}, .in_first = sizeof(T)};
    T value;
    std::memcpy(&value, host, sizeof value);
    return value;
}

template <class T>
Event store_checked(Core& core, const MicroOp& op, T value) {
    const auto linear = core.linear(op, sizeof(T), true);
    if (!linear) return linear.event;
    u8* place = cached<T>(core, op, linear.value, true);
    if (place == nullptr) [[unlikely]] return store<T>(core, op, linear.value, value);
    std::memcpy(place, &value, sizeof value);
    return {};
}

#define VTSIM_ACCESS(T)                                                     \
    template Outcome<T> load<T>(Core&, const MicroOp&, u64);                \
    template Outcome<T> load_for_write<T>(Core&, const MicroOp&, u64);      \
    template Event store_back<T>(Core&, T);                                 \
    template Event store<T>(Core&, const MicroOp&, u64, T);                 \
    template Outcome<T> load_checked<T>(Core&, const MicroOp&);             \
    template Outcome<T> load_for_write_checked<T>(Core&, const MicroOp&);   \
    template Event store_checked<T>(Core&, const MicroOp&, T);
VTSIM_ACCESS(u8)
VTSIM_ACCESS(u16)
VTSIM_ACCESS(u32)
VTSIM_ACCESS(u64)
VTSIM_ACCESS(u128)
#undef VTSIM_ACCESS

}  // namespace slow

}  // namespace vtsim::cpu
