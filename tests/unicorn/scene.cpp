// SPDX-License-Identifier: Apache-2.0
#include "unicorn/scene.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "cpu/events/descriptor.h"

namespace vtsim::unicorn {
namespace {

namespace flag = arch::rflags;

// Slots of the GDT that hold what the state's own segment registers were loaded from; all below are anything.
enum Slot : unsigned { slot_cs = 48, slot_ss = 49, slot_ds = 50, slot_es = 51, slot_fs = 52, slot_gs = 53, slot_ldt = 54, slot_tss = 56, slot_ring_stacks = 58 };

constexpr u64 access_code = 0x98, access_data = 0x92, conforming = 4, expand_down = 4, readable = 2, writable = 2, accessed = 1;
constexpr u64 flag_granular = 8, flag_big = 4, flag_long = 2;

constexpr u64 pack(u64 base, u64 limit, u64 access, u64 flags) {
    return (limit & 0xffff) | (base & 0xff'ffff) << 16 | access << 40 | (limit >> 16 & 15) << 48 | flags << 52 | (base >> 24 & 0xff) << 56;
}
constexpr u64 flat(u64 access, u64 flags) { return pack(0, 0xf'ffff, access, flags | flag_granular); }

}  // namespace

// ---- memory ----------------------------------------------------------------------------------------------------------------------------

void Memories::fill(Random& random) {
    for (u64 at = 0; at < room_end; at += 8) put(at, random.percent(40) ? random.integer() : random.bits());
    for (u64 at = targets; at < targets_end; ++at) put(at, u8{0xf4});
    for (u64 at = top_start; at < top_end; at += 8) put(at, random.bits());
}

void Memories::write(u64 address, const void* from, u64 bytes) {
    if (!inside(address, bytes)) return;
    std::memcpy(reference_.at(address), from, bytes);
    std::memcpy(subject_.at(address), from, bytes);
}

void Memories::write_code(u64 address, std::span<const u8> bytes) {
    reference_.write_code(address, bytes);
    subject_.write_code(address, bytes);
}

bool Memories::equal() {
    return std::memcmp(reference_.at(0), subject_.at(0), room_end) == 0 && std::memcmp(reference_.at(top_start), subject_.at(top_start), top_end - top_start) == 0;
}

void Memories::forget() {
    std::memcpy(reference_.at(0), subject_.at(0), room_end);
    std::memcpy(reference_.at(top_start), subject_.at(top_start), top_end - top_start);
}

std::vector<std::string> Memories::differences() {
    std::vector<std::string> lines;
    const auto look = [&](u64 from, u64 to) {
        for (u64 at = from; at < to && lines.size() < 12; at += 8)
            if (std::memcmp(reference_.at(at), subject_.at(at), 8) != 0) {
                u64 expected, actual;
                std::memcpy(&expected, reference_.at(at), 8);
                std::memcpy(&actual, subject_.at(at), 8);
                lines.push_back(fmt::format("[{:#x}]: unicorn {:016x}, vtsim {:016x}", at, expected, actual));
            }
    };
    look(0, room_end);
    look(top_start, top_end);
    return lines;
}

// ---- descriptors -----------------------------------------------------------------------------------------------------------------------

Scene::Scene(Random& random, Memories& memories, World world) : random_{random}, memories_{memories}, world_{world} {
    for (unsigned i = 1; i < gdt_entries; ++i) gdt_[i] = random_descriptor();
    for (auto& entry : ldt_) entry = random_descriptor();
    for (unsigned i = 0; i < idt_.size(); ++i) idt_[i] = gate(random_.one_of<u64>({6, 7, 14, 15, 14, 15, 5}));
}

u64 Scene::base_address() {
    if (random_.percent(30)) return 0;
    const u64 base = room + random_.below(0x8000);
    return random_.percent(50) ? base & ~u64{15} : base;
}

u64 Scene::segment_descriptor(u64 access, bool expand_down_too) {
    const u64 base = world_ == World::long_mode ? 0 : base_address();
    u64 limit = 0xf'ffff, flags = flag_granular;
    if (base != 0 && random_.percent(60)) {
        limit = random_.percent(60) ? 0xffff : random_.percent(50) ? random_.below(0x1'0000) : 0x1'0000 + random_.below(0x1'0000);
        flags = 0;
    }
    if (random_.percent(4)) limit = random_.below(0x30);
    if (expand_down_too && random_.percent(15)) {
        access |= expand_down;
        limit = random_.below(0x8000);
        flags = 0;
    }
    if (random_.percent(60)) flags |= flag_big;
    if (random_.percent(70)) access |= accessed;
    return pack(base, limit, access, flags);
}

u64 Scene::gate(u64 type) {
    const u64 dpl = random_.percent(60) ? 3 : random_.below(4);
    const u64 offset = random_.percent(90) ? targets + random_.below(targets_end - targets) - (random_.percent(50) ? room : 0) : random_.integer();
    const u64 selected = random_.percent(60) ? u64{slot_cs} * 8 + random_.below(4) : selector(Meant::to_code, 0);
    const u64 access = type | dpl << 5 | (random_.percent(95) ? 0x80 : 0);
    const u64 count = random_.percent(60) ? random_.below(4) : random_.below(32);
    return (offset & 0xffff) | selected << 16 | (type == 12 || type == 4 || random_.percent(20) ? count : 0) << 32 | access << 40 | (offset >> 16 & 0xffff) << 48;
}

u64 Scene::system_descriptor() {
    switch (random_.below(8)) {
        case 0: case 1: case 2: case 3: return gate(random_.one_of<u64>({4, 12, 12}));
        case 4: return pack(tss + random_.below(64), tss_bytes - 1 + random_.below(64) - 8, 0x80 | random_.below(4) << 5 | random_.one_of<u64>({1, 3, 9, 11}), 0);
        case 5: return pack(ldt, ldt_entries * 8 - 1, 0x82 | random_.below(4) << 5, 0);
        default: return random_.bits() & ~(u64{0x10} << 40);
    }
}

u64 Scene::random_descriptor() {
    u64 made;
    const u64 dpl = random_.below(4) << 5;
    switch (random_.below(10)) {
        case 0: case 1: case 2: case 3:
            made = segment_descriptor(access_code | dpl | (random_.percent(85) ? readable : 0) | (random_.percent(25) ? conforming : 0), false);
            if (world_ == World::long_mode && random_.percent(65)) made = (made | flag_long << 52) & ~((random_.percent(90) ? flag_big : 0) << 52);
            break;
        case 4: case 5: case 6: case 7: made = segment_descriptor((access_data ^ (random_.percent(20) ? writable : 0)) | dpl, true); break;
        default: made = system_descriptor();
    }
    if (random_.percent(7)) made &= ~(u64{0x80} << 40);
    return made;
}

void Scene::renew_tables() {
    for (int i = 0; i < 4; ++i) gdt_[1 + random_.below(slot_cs - 1)] = random_descriptor();
    ldt_[random_.below(ldt_entries)] = random_descriptor();
    for (int i = 0; i < 3; ++i) {
        const u64 at = random_.below(vectors);
        const u64 type = random_.percent(8) ? random_.below(32) : random_.one_of<u64>({6, 7, 14, 15, 14, 15, 14});
        if (world_ == World::long_mode) {
            idt_[2 * at] = (gate(type) & ~(u64{0xff} << 32)) | (random_.percent(30) ? random_.below(8) : 0) << 32;
            idt_[2 * at + 1] = random_.percent(95) ? 0 : random_.bits();
        } else {
            idt_[at] = gate(type);
        }
    }
}

void Scene::write_tables() {
    memories_.write(gdt, gdt_.data(), sizeof gdt_);
    memories_.write(ldt, ldt_.data(), sizeof ldt_);
    memories_.write(idt, idt_.data(), world_ == World::long_mode ? sizeof idt_ : sizeof idt_ / 2);
}

u16 Scene::selector(Meant meant, unsigned cpl) {
    if (random_.percent(4)) return static_cast<u16>(random_.below(4));
    if (random_.percent(3)) return static_cast<u16>(random_.bits());
    u16 chosen = 0;
    for (int i = 0; i < 12; ++i) {
        const bool local = random_.percent(25);
        const u64 index = random_.below(local ? ldt_entries : gdt_entries);
        chosen = static_cast<u16>(index << 3 | u64{local} << 2 | (random_.percent(70) ? cpl : random_.below(4)));
        const cpu::Descriptor d{local ? ldt_[index] : gdt_[index], 0};
        if (meant == Meant::anything || random_.percent(7)) break;
        if (meant == Meant::to_code && !d.is_code_or_data() && (d.type() == 4 || d.type() == 12) && random_.percent(40)) break;
        if (meant == Meant::to_code && d.is_code() && (d.conforming() ? d.dpl() <= cpl : d.dpl() == cpl)) break;
        if (meant == Meant::to_data && d.is_code_or_data() && d.readable() && d.dpl() >= cpl) break;
        if (meant == Meant::to_stack && d.writable_data() && d.dpl() == (chosen & 3U)) break;
    }
    return chosen;
}

// ---- states ----------------------------------------------------------------------------------------------------------------------------

arch::Segment Scene::own(unsigned slot, u64 descriptor, unsigned rpl) {
    gdt_[slot] = descriptor;
    return cpu::Descriptor{descriptor, 0}.segment(static_cast<u16>(slot * 8 + rpl));
}

u64 Scene::offset_in(const arch::Segment& segment, unsigned bytes) {
    const bool small = segment.limit <= 0xffff && !segment.expands_down();
    if (random_.percent(6)) return segment.limit - bytes + random_.below(4);
    if (random_.percent(3)) return 0x1'0000 - bytes + random_.below(4);
    for (int i = 0; i < 8; ++i) {
        const u64 linear = segment.base != 0 && random_.percent(50) ? segment.base + random_.below(0x8000) : data + random_.below(room_end - data - 64);
        const u64 offset = static_cast<u32>(linear - segment.base);
        if (segment.expands_down() ? offset > segment.limit : offset + bytes <= u64{segment.limit} + 1) return offset;
        if (small) return random_.below(u64{segment.limit} + 2 > bytes ? u64{segment.limit} + 2 - bytes : 1);
    }
    return static_cast<u32>(data + random_.below(0x8000) - segment.base);
}

CodeSize Scene::code_size(const arch::State& s) const {
    if (s.code64()) return CodeSize::long64;
    if (!s.protected_mode() || s.virtual8086()) return CodeSize::real16;
    return s.segment[arch::cs].default_big() ? CodeSize::protected32 : CodeSize::protected16;
}

void Scene::system_registers(arch::State& s) {
    s.cr0 = 0x30 | (random_.percent(10) ? random_.below(8) << 1 : 0);
    s.gdtr = {gdt, gdt_entries * 8 - 1};
    s.idtr = world_ == World::real ? arch::DescriptorTable{0, 0x3ff} : arch::DescriptorTable{idt, static_cast<u16>(world_ == World::long_mode ? 0xfff : 0x7ff)};
    if (random_.percent(3)) s.idtr.limit = static_cast<u16>(random_.below(s.idtr.limit));
    if (random_.percent(2)) s.gdtr.limit = static_cast<u16>(random_.below(s.gdtr.limit));
    u64 flags = flag::one | (random_.bits() & flag::status) | (random_.percent(20) ? flag::df : 0);
    flags |= random_.bits() & flag::if_;
    if (random_.percent(40)) flags |= random_.bits() & (flag::iopl | flag::ac | flag::id);
    if (random_.percent(2)) flags |= flag::tf;
    if (random_.percent(3)) flags |= flag::nt;
    s.write_rflags(flags);
    for (unsigned i = 0; i < 4; ++i) s.dr[i] = world_ == World::long_mode ? random_.bits() >> 17 : static_cast<u32>(random_.bits());
    s.dr[6] = 0xffff0ff0, s.dr[7] = 0x400;
    for (unsigned i = 0; i < 16; ++i) s.gpr[i] = world_ == World::long_mode ? random_.integer() : i < 8 ? static_cast<u32>(random_.integer()) : 0;
}

arch::State Scene::real_state(u64 linear) {
    arch::State s;
    system_registers(s);
    for (const auto number : {arch::es, arch::ss, arch::ds, arch::fs, arch::gs}) {
        const auto selected = static_cast<u16>(random_.percent(6) ? 0xff00 + random_.below(0x100) : 0x1000 + random_.below(0x1000));
        s.segment[number] = {u64{selected} << 4, 0xffff, 0x93, selected};
        // "Unreal" mode: a limit that protected mode left behind. (With 16-bit addresses a base around 1 MByte leads out of what is compared.)
        if (number != arch::ss && random_.percent(15)) s.segment[number].limit = random_.percent(50) ? ~u32{0} : static_cast<u32>(random_.below(0x1'0000));
    }
    const auto selected = static_cast<u16>(0x1000 + random_.below((linear - room) >> 4));
    s.segment[arch::cs] = {u64{selected} << 4, 0xffff, 0x9b, selected};
    s.rip = linear - s.segment[arch::cs].base;
    s.segment[arch::tr] = {0, 0xffff, 0x8b, 0};
    s.segment[arch::ldtr] = {0, 0xffff, 0x82, 0};
    return s;
}

void Scene::write_tss(const arch::State& s) {
    std::array<u8, tss_bytes + io_map_bytes> image{};
    for (auto& byte : image) byte = random_.percent(70) ? u8{0} : static_cast<u8>(random_.bits());
    const auto put = [&](u64 at, auto value) { std::memcpy(image.data() + at, &value, sizeof value); };
    const bool is32 = (s.segment[arch::tr].type() & 8) != 0;
    for (unsigned ring = 0; ring < 3; ++ring) {
        const auto selected = random_.percent(92) ? static_cast<u16>((slot_ring_stacks + ring) * 8 + ring) : selector(Meant::to_stack, ring);
        const u64 pointer = stacks + random_.below(0xe000);
        const auto offset = static_cast<u32>(pointer - cpu::Descriptor{gdt_[slot_ring_stacks + ring], 0}.segment(0).base);
        if (world_ == World::long_mode) put(4 + 8 * ring, random_.percent(96) ? pointer : random_.integer());
        else if (is32) put(4 + 8 * ring, offset), put(8 + 8 * ring, selected);
        else put(2 + 4 * ring, static_cast<u16>(offset)), put(4 + 4 * ring, selected);
    }
    if (world_ == World::long_mode)
        for (unsigned i = 0; i < 7; ++i) put(0x24 + 8 * i, random_.percent(96) ? stacks + random_.below(0xe000) : random_.integer());
    put(102, static_cast<u16>(random_.percent(90) ? tss_bytes : random_.below(256)));
    memories_.write(tss, image.data(), image.size());
}

// CS, SS and what the processor needs to change privilege.
void Scene::load_segments(arch::State& s, u64 linear, unsigned length) {
    const u64 dpl = u64{s.cpl} << 5;
    u64 descriptor = pack(random_.percent(40) ? 0 : room + random_.below(linear - room), 0xf'ffff, access_code | readable | accessed | dpl, flag_granular | (random_.percent(60) ? flag_big : 0));
    auto& cs = s.segment[arch::cs];
    cs = cpu::Descriptor{descriptor, 0}.segment(0);
    if (!cs.default_big() && cs.base == 0) descriptor = pack(room, 0xffff, access_code | readable | accessed | dpl, 0);
    else if (random_.percent(10)) descriptor = pack(cs.base, std::min<u64>(linear - cs.base + length - 1 + random_.below(3) - 1, 0xf'ffff), access_code | readable | accessed | dpl, cs.default_big() ? flag_big : 0);
    if (random_.percent(8)) descriptor |= conforming << 40;
    if (random_.percent(8)) descriptor &= ~(readable << 40);
    cs = own(slot_cs, descriptor, s.cpl);
    s.rip = linear - cs.base;
    s.segment[arch::ss] = own(slot_ss, (segment_descriptor(access_data, true) | (accessed | dpl) << 40), s.cpl);
    auto& ss = s.segment[arch::ss];
    s.gpr[arch::rsp] = offset_in(ss, 64);
    if (!ss.default_big()) s.gpr[arch::rsp] = (s.gpr[arch::rsp] & 0xffff) | (random_.percent(50) ? 0 : static_cast<u32>(random_.bits()) & 0xffff'0000);
    for (u64 ring = 0; ring < 3; ++ring) gdt_[slot_ring_stacks + ring] = random_.percent(97) ? segment_descriptor(access_data, true) | (ring << 5 | accessed) << 40 : random_descriptor();
    gdt_[slot_ldt] = pack(ldt, ldt_entries * 8 - 1, 0x82, 0);
    s.segment[arch::ldtr] = own(slot_ldt, gdt_[slot_ldt], 0);
    if (random_.percent(4)) s.segment[arch::ldtr] = {};
    const u64 tss_limit = random_.percent(92) ? tss_bytes + io_map_bytes - 1 : random_.below(tss_bytes + io_map_bytes);
    s.segment[arch::tr] = own(slot_tss, pack(tss, tss_limit, random_.percent(90) || world_ == World::long_mode ? 0x8b : 0x83, 0), 0);
}

arch::State Scene::protected_state(u64 linear, unsigned length) {
    arch::State s;
    system_registers(s);
    s.cr0 |= arch::cr0::pe;
    s.cpl = random_.one_of<u8>({0, 0, 0, 3, 3, 1, 2});
    load_segments(s, linear, length);
    const arch::SegmentRegister registers[] = {arch::es, arch::ds, arch::fs, arch::gs};
    for (const auto number : registers) {
        static constexpr unsigned slots[] = {slot_es, 0, 0, slot_ds, slot_fs, slot_gs};
        const u64 access = (random_.percent(15) ? access_code | readable : access_data ^ (random_.percent(15) ? writable : 0)) | (std::max<u64>(s.cpl, random_.below(4)) << 5) | accessed;
        s.segment[number] = own(slots[number], segment_descriptor(access, (access & 8) == 0), s.cpl);
        if (random_.percent(6)) s.segment[number] = {};
    }
    return s;
}

arch::State Scene::virtual8086_state(u64 linear) {
    arch::State s = real_state(linear);
    auto segments = s.segment;
    s.cr0 |= arch::cr0::pe;
    s.cpl = 0;                                                        // for what the monitor runs at
    load_segments(s, linear, 1);
    const u16 code_selector = segments[arch::cs].selector;
    s.rip = linear - (u64{code_selector} << 4);
    for (const auto number : {arch::es, arch::cs, arch::ss, arch::ds, arch::fs, arch::gs}) s.segment[number] = {segments[number].base, 0xffff, 0xf3, segments[number].selector};
    gdt_[slot_cs] = flat(access_code | readable | accessed, flag_big);
    s.cpl = 3;
    s.gpr[arch::rsp] = static_cast<u32>(random_.integer());
    s.write_rflags(s.read_rflags() | flag::vm | (random_.percent(50) ? flag::iopl : 0));
    return s;
}

void Scene::write_page_tables() {
    constexpr u64 pdpt = page_tables + 0x1000, directory = page_tables + 0x2000, table = page_tables + 0x3000;
    constexpr u64 present = 1, write = 2, user = 4, touched = 0x60, large = 0x80, no_execute = u64{1} << 63;
    const auto upper = [&](u64 next) { return next | present | write | user | (random_.percent(50) ? touched & 0x20 : 0); };
    static constexpr std::array<u64, 0x800> nothing{};
    memories_.write(page_tables, nothing.data(), sizeof nothing);
    memories_.put(page_tables, upper(pdpt) & ~(random_.percent(2) ? write : 0));
    memories_.put(pdpt, upper(directory));
    memories_.put(directory, upper(table) & ~(random_.percent(2) ? user : 0));
    memories_.put(directory + 8, u64{0x20'0000} | present | write | user | touched | large);
    for (u64 at = 0; at < top_end; at += 0x1000) {
        if (at >= room_end && at < top_start) continue;
        u64 entry = at | present | write | user | (random_.percent(50) ? touched : random_.bits() & touched);
        if (at >= data) {
            if (random_.percent(8)) entry &= ~present;
            if (random_.percent(10)) entry &= ~write;
            if (random_.percent(10)) entry &= ~user;
            if (random_.percent(8)) entry |= no_execute;
            if (random_.percent(2)) entry |= u64{1} << 48;
        } else if (at >= code) {
            if (random_.percent(3)) entry &= ~random_.one_of({present, user});
            if (random_.percent(3)) entry |= no_execute;
        } else if (at < room) {
            entry &= ~user;                                           // the processor's own accesses: SMAP has them fault whatever AC is, which QEMU does not
        }
        memories_.put(table + (at >> 12) * 8, entry);
    }
}

arch::State Scene::long_state(u64 linear) {
    arch::State s;
    system_registers(s);
    s.cr0 |= arch::cr0::pe | arch::cr0::pg | (random_.percent(60) ? arch::cr0::wp : 0);
    s.cr3 = page_tables;
    s.cr4 = arch::cr4::pae | arch::cr4::osfxsr | (random_.percent(20) ? arch::cr4::smap : 0);
    s.efer = arch::efer::sce | arch::efer::lme | arch::efer::lma | (random_.percent(80) ? arch::efer::nxe : 0);
    s.cpl = random_.one_of<u8>({0, 0, 0, 3, 3});
    const bool compatibility = random_.percent(25);
    load_segments(s, linear, 1);
    const u64 dpl = u64{s.cpl} << 5;
    s.segment[arch::cs] = own(slot_cs, flat(access_code | readable | accessed | dpl, compatibility ? flag_big : flag_long), s.cpl);
    s.rip = linear;
    s.segment[arch::ss] = own(slot_ss, flat(access_data | accessed | dpl, flag_big), s.cpl);
    s.segment[arch::ds] = own(slot_ds, flat(access_data | accessed | u64{3} << 5, flag_big), s.cpl);
    s.segment[arch::es] = s.segment[arch::ds];
    for (const auto number : {arch::fs, arch::gs}) {
        s.segment[number] = s.segment[arch::ds];
        if (!compatibility) s.segment[number].base = random_.percent(90) ? data + random_.below(0x800) : random_.bits() >> 17;
    }
    gdt_[slot_ldt + 1] = gdt_[slot_tss + 1] = 0;
    for (auto& value : s.gpr) value = compatibility ? static_cast<u32>(value) : value;
    if (compatibility) std::fill(s.gpr.begin() + 8, s.gpr.end(), 0);
    s.gpr[arch::State::zero_register] = 0;
    s.gpr[arch::rsp] = stacks + random_.below(0xe000);
    s.star = random_.bits() & 0xfff8'fff8'ffff'ffff, s.lstar = sign_extend(random_.bits(), 48), s.cstar = random_.bits() >> 17, s.sfmask = static_cast<u32>(random_.bits());
    s.kernel_gs_base = sign_extend(random_.bits(), 48);
    s.sysenter_cs = random_.percent(80) ? random_.bits() & 0xfff8 : random_.below(4), s.sysenter_esp = random_.bits() >> 17, s.sysenter_eip = random_.bits() >> 17;
    write_page_tables();
    return s;
}

arch::State Scene::make(u64 linear, unsigned length) {
    arch::State s;
    if (world_ == World::real) return real_state(linear);
    renew_tables();
    switch (world_) {
        case World::protected_mode: s = protected_state(linear, length); break;
        case World::virtual8086: s = virtual8086_state(linear); break;
        default: s = long_state(linear); break;
    }
    write_tables();
    write_tss(s);
    return s;
}

}  // namespace vtsim::unicorn
