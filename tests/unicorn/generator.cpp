// SPDX-License-Identifier: Apache-2.0
#include "unicorn/generator.h"

#include <algorithm>
#include <cstring>

namespace vtsim::unicorn {

namespace flag = arch::rflags;
using differential::Class;
using differential::Encoding;

namespace {

constexpr unsigned longest_instruction = 15;
constexpr u8 hlt = 0xf4;                                // behind the instruction, so that Unicorn translates no further

arch::SegmentRegister segment_number(ZydisRegister reg) {
    switch (reg) {
        case ZYDIS_REGISTER_ES: return arch::es;
        case ZYDIS_REGISTER_CS: return arch::cs;
        case ZYDIS_REGISTER_SS: return arch::ss;
        case ZYDIS_REGISTER_FS: return arch::fs;
        case ZYDIS_REGISTER_GS: return arch::gs;
        default: return arch::ds;
    }
}

// Instructions that Unicorn's processor does not have, whatever its model: the comparison with the host covers them.
constexpr ZydisMnemonic absent[] = {ZYDIS_MNEMONIC_ADCX, ZYDIS_MNEMONIC_ADOX, ZYDIS_MNEMONIC_CLFLUSH, ZYDIS_MNEMONIC_CLFLUSHOPT, ZYDIS_MNEMONIC_MOVBE, ZYDIS_MNEMONIC_POPCNT};

u64 low(u64 value, unsigned bits) { return value & low_bits(bits); }

bool in_class(const Case& c, ZydisRegisterClass wanted) {
    for (unsigned i = 0; i < c.instruction.operand_count_visible; ++i)
        if (c.operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER && ZydisRegisterGetClass(c.operands[i].reg.value) == wanted) return true;
    return false;
}

}  // namespace

bool Case::interrupt_return() const { return !interrupt && (mnemonic() == ZYDIS_MNEMONIC_IRET || mnemonic() == ZYDIS_MNEMONIC_IRETD || mnemonic() == ZYDIS_MNEMONIC_IRETQ); }

bool Case::branches() const {
    if (interrupt) return false;
    const auto category = instruction.meta.category;
    return category == ZYDIS_CATEGORY_COND_BR || category == ZYDIS_CATEGORY_UNCOND_BR || category == ZYDIS_CATEGORY_CALL || category == ZYDIS_CATEGORY_RET || category == ZYDIS_CATEGORY_INTERRUPT ||
           category == ZYDIS_CATEGORY_SYSRET || category == ZYDIS_CATEGORY_SYSCALL;
}

int gpr_number(ZydisRegister reg) {
    const auto wide = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    return ZydisRegisterGetClass(wide) == ZYDIS_REGCLASS_GPR64 ? ZydisRegisterGetId(wide) : -1;
}

u64 stack_mask(const arch::State& s) { return s.code64() ? ~u64{0} : s.segment[arch::ss].default_big() ? low_bits(32) : low_bits(16); }

Place place_of(const Case& c, const ZydisDecodedOperand& operand) {
    const auto& memory = operand.mem;
    const auto& s = c.start;
    const auto value = [&](ZydisRegister reg) -> u64 {
        if (reg == ZYDIS_REGISTER_NONE) return 0;
        if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP) return s.rip + c.instruction.length;
        return s.gpr[static_cast<unsigned>(gpr_number(reg))];
    };
    const u64 displacement = memory.disp.has_displacement ? static_cast<u64>(memory.disp.value) : 0;
    if (c.mnemonic() == ZYDIS_MNEMONIC_XLAT) return {segment_number(memory.segment), low(s.gpr[arch::rbx] + low(s.gpr[arch::rax], 8), c.instruction.address_width)};
    const u64 sum = value(memory.base) + value(memory.index) * (memory.scale == 0 ? 1 : memory.scale) + displacement;
    return {segment_number(memory.segment), low(sum, c.instruction.address_width)};
}

u64 linear_of(const arch::State& s, const Place& place) {
    const u64 base = s.segment[place.segment].base;
    if (s.code64()) return place.offset + (place.segment == arch::fs || place.segment == arch::gs ? base : 0);
    return static_cast<u32>(base + place.offset);
}

// ---- what there is to choose from ------------------------------------------------------------------------------------------------------

Generator::Generator(u64 seed, World world, std::optional<ZydisMnemonic> only, Memories& memories) : random_{seed}, world_{world}, memories_{memories}, scene_{random_, memories, world} {
    memories.fill(random_);
    switch (world) {
        case World::real: case World::virtual8086: collect(CodeSize::real16, only); break;
        case World::protected_mode:
            collect(CodeSize::protected16, only);
            collect(CodeSize::protected32, only);
            break;
        case World::long_mode:
            collect(CodeSize::protected32, only);
            collect(CodeSize::long64, only);
            break;
    }
    interrupts_ = !only;
}

void Generator::collect(CodeSize size, std::optional<ZydisMnemonic> only) {
    auto& choice = choices_[static_cast<unsigned>(size)];
    for (const auto& [mnemonic, encodings] : differential::encodings(size)) {
        if ((only && mnemonic != *only) || std::ranges::find(absent, mnemonic) != std::end(absent)) continue;
        std::vector<Form> forms;
        for (const auto& encoding : encodings) {
            if (is_vex(encoding.map)) continue;
            if (mnemonic == ZYDIS_MNEMONIC_CRC32 && encoding.operand_size) continue;        // QEMU's translator takes 66H for the mandatory prefix, in place of F2H
            forms.push_back({encoding, mnemonic});
            const bool moves_segment = encoding.map == Encoding::Map::one_byte && (encoding.opcode == 0x8e || encoding.opcode == 0x07 || encoding.opcode == 0x17 || encoding.opcode == 0x1f);
            const bool pops = encoding.map == Encoding::Map::two_bytes && (encoding.opcode == 0xa1 || encoding.opcode == 0xa9);
            const bool pointers = mnemonic == ZYDIS_MNEMONIC_LDS || mnemonic == ZYDIS_MNEMONIC_LES || mnemonic == ZYDIS_MNEMONIC_LSS || mnemonic == ZYDIS_MNEMONIC_LFS || mnemonic == ZYDIS_MNEMONIC_LGS;
            const bool transfers = encoding.map == Encoding::Map::one_byte && (encoding.opcode == 0x9a || encoding.opcode == 0xea || encoding.opcode == 0xca || encoding.opcode == 0xcb || encoding.opcode == 0xcf ||
                                                                               (encoding.opcode == 0xff && ((encoding.modrm >> 3 & 7) == 3 || (encoding.modrm >> 3 & 7) == 5)));
            if (moves_segment || pops || pointers || transfers) choice.segments.push_back(forms.back());
        }
        if (forms.empty()) continue;
        const auto kind = differential::find_mnemonic(mnemonic)->kind;
        auto* list = kind == Class::integer ? &choice.integer : kind == Class::string ? &choice.string : kind == Class::legacy ? &choice.legacy : kind == Class::io ? &choice.io
                   : kind == Class::system ? &choice.system : nullptr;
        if (list == nullptr) continue;
        list->push_back(std::move(forms));
        chosen_.insert(mnemonic);
    }
}

const Generator::Form* Generator::choose(const Choice& choice) {
    const u64 which = random_.below(100);
    if (which < 25 && !choice.segments.empty()) return &choice.segments[random_.below(choice.segments.size())];
    const Forms* lists[] = {&choice.integer, &choice.string, &choice.legacy, &choice.io, &choice.system};
    const u64 at = which < 55 ? 0 : which < 65 ? 1 : which < 80 ? 2 : which < 86 ? 3 : 4;
    const Forms* forms = lists[at];
    for (unsigned i = 0; forms->empty() && i < 5; ++i) forms = lists[i];
    const auto& list = (*forms)[random_.below(forms->size())];
    return &list[random_.below(list.size())];
}

// ---- an instruction --------------------------------------------------------------------------------------------------------------------

bool Generator::draft(Case& c) {
    const auto& choice = choices_[static_cast<unsigned>(c.size)];
    const auto& form = *choose(choice);
    u8 bytes[32];
    for (auto& byte : bytes) byte = static_cast<u8>(random_.bits());
    u8* at = bytes;
    if (random_.percent(12)) *at++ = random_.one_of<u8>({0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65});
    if (random_.percent(c.size == CodeSize::long64 ? 5 : 25)) *at++ = 0x67;
    at = emit_opcode(random_, form.encoding, c.size, at);
    if (form.encoding.has_modrm) emit_modrm(random_, form.encoding, at);
    const auto decode = [&] { return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&differential::decoder(c.size), bytes, longest_instruction, &c.instruction, c.operands)); };
    if (!decode() || differential::find_mnemonic(c.mnemonic()) == nullptr || !chosen_.contains(c.mnemonic())) return false;
    if (in_class(c, ZYDIS_REGCLASS_XMM)) return false;                   // MOVSD and CMPSD have two meanings
    if (std::any_of(c.operands, c.operands + c.instruction.operand_count_visible, [](const auto& operand) { return operand.type == ZYDIS_OPERAND_TYPE_REGISTER && operand.reg.value == ZYDIS_REGISTER_CR8; }))
        return false;                                                    // Unicorn has no local APIC and crashes
    const auto& imm = c.instruction.raw.imm[0];
    if (imm.size != 0 && random_.percent(50)) {
        const u64 value = random_.integer();
        std::memcpy(bytes + imm.offset, &value, imm.size / 8);
        if (!decode()) return false;
    }
    c.code.assign(bytes, bytes + c.instruction.length);
    return true;
}

// Makes the operand lie where something is to be found, by its base or its index.
void Generator::place(Case& c, const ZydisDecodedOperand& operand) {
    auto& s = c.start;
    const auto& memory = operand.mem;
    const unsigned width = c.instruction.address_width;
    const auto segment = segment_number(memory.segment);
    const int base = gpr_number(memory.base), index = gpr_number(memory.index);
    if (memory.base == ZYDIS_REGISTER_RIP || memory.base == ZYDIS_REGISTER_EIP) return;
    u64 goal = scene_.offset_in(s.segment[segment], operand.size / 8 == 0 ? 1 : operand.size / 8);
    if (c.size == CodeSize::long64) goal = static_cast<u64>(static_cast<i64>(static_cast<i32>(goal - (segment == arch::fs || segment == arch::gs ? s.segment[segment].base : 0))));
    const auto& disp = c.instruction.raw.disp;
    if (base < 0 && index < 0) {
        if (disp.size == 0) return;
        std::memcpy(c.code.data() + disp.offset, &goal, disp.size / 8);
        ZydisDecoderDecodeFull(&differential::decoder(c.size), c.code.data(), c.code.size(), &c.instruction, c.operands);
        return;
    }
    if (width == 16 && (random_.percent(50) || s.protected_mode())) return;          // any offset will do there
    const bool free_base = base >= 0 && (claimed_ >> base & 1) == 0 && base != index, free_index = index >= 0 && (claimed_ >> index & 1) == 0;
    if (index >= 0 && free_index && free_base && random_.percent(70)) s.gpr[static_cast<unsigned>(index)] = random_.below(64);
    if (!free_base && !free_index) return;
    const auto moved = static_cast<unsigned>(free_base ? base : index);
    const u64 scale = free_base ? 1 : memory.scale + (base == index ? 1U : 0U);
    const u64 before = s.gpr[moved];
    const u64 away = goal - place_of(c, operand).offset;
    u64 value = before + away / (scale == 0 ? 1 : scale);
    if (width == 16) value = (before & ~low_bits(16)) | low(value, 16);
    if (width == 32) value = static_cast<u32>(value);
    s.gpr[moved] = value;
    if (base >= 0) claimed_ |= 1U << base;
    if (index >= 0) claimed_ |= 1U << index;
}

void Generator::write_pointer(u64 linear, unsigned offset_bytes, u64 offset, u16 selector) {
    memories_.write(linear, &offset, offset_bytes);
    memories_.put(linear + offset_bytes, selector);
}

u64 Generator::target_offset(const Case& c) {
    if (random_.percent(5)) return random_.integer();
    const u64 linear = targets + random_.below(targets_end - targets);
    return random_.percent(50) ? linear - room : linear - (c.start.long_mode_active() || random_.percent(50) ? 0 : c.start.segment[arch::cs].base);
}

// Selectors in registers, in memory, in the instruction itself.
void Generator::fill_selectors(Case& c) {
    auto& s = c.start;
    const unsigned cpl = s.cpl;
    const auto mnemonic = c.mnemonic();
    const bool transfer = c.far() && mnemonic != ZYDIS_MNEMONIC_RET;
    const bool loads_stack = mnemonic == ZYDIS_MNEMONIC_LSS || (in_class(c, ZYDIS_REGCLASS_SEGMENT) && c.operands[0].reg.value == ZYDIS_REGISTER_SS);
    const auto meant = transfer ? Scene::Meant::to_code : loads_stack ? Scene::Meant::to_stack : Scene::Meant::to_data;
    const auto real_or = [&](u16 selector) { return !s.protected_mode() || s.virtual8086() ? static_cast<u16>(0x1000 + random_.below(0x900)) : selector; };
    for (unsigned i = 0; i < c.instruction.operand_count_visible; ++i) {
        const auto& operand = c.operands[i];
        if (operand.type == ZYDIS_OPERAND_TYPE_POINTER) {
            const auto& raw = c.instruction.raw.imm;
            const u64 offset = target_offset(c);
            const u16 selector = real_or(scene_.selector(meant, cpl));
            std::memcpy(c.code.data() + raw[0].offset, &offset, raw[0].size / 8);
            std::memcpy(c.code.data() + raw[1].offset, &selector, 2);
            ZydisDecoderDecodeFull(&differential::decoder(c.size), c.code.data(), c.code.size(), &c.instruction, c.operands);
        } else if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) {
            const u64 linear = linear_of(s, place_of(c, operand));
            // Not over the page tables: code that lies elsewhere all of a sudden is not what Unicorn executes.
            if ((s.cr0 & arch::cr0::pg) != 0 && linear + 16 > page_tables && linear < page_tables + 0x4000) continue;
            if (operand.size > 16) write_pointer(linear, operand.size / 8U - 2, target_offset(c), real_or(scene_.selector(meant, cpl)));
            else memories_.put(linear, real_or(scene_.selector(random_.percent(80) ? meant : Scene::Meant::anything, cpl)));
        } else if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER) {
            const int number = gpr_number(operand.reg.value);
            if (number < 0 || (claimed_ >> number & 1) != 0) continue;
            auto& value = s.gpr[static_cast<unsigned>(number)];
            value = (value & ~low_bits(16)) | real_or(scene_.selector(random_.percent(80) ? meant : Scene::Meant::anything, cpl));
        }
    }
}

// What returns, and POPF, find on the stack.
void Generator::fill_stack(Case& c) {
    auto& s = c.start;
    const auto mnemonic = c.mnemonic();
    const unsigned slot = c.instruction.operand_width / 8U;
    const bool real = !s.protected_mode() || s.virtual8086();
    const u64 mask = stack_mask(s);
    u64 offset = s.gpr[arch::rsp];
    const auto push = [&](u64 value) {
        memories_.write(linear_of(s, {arch::ss, offset & mask}), &value, slot);
        offset += slot;
    };
    const bool flags_only = mnemonic == ZYDIS_MNEMONIC_POPF || mnemonic == ZYDIS_MNEMONIC_POPFD || mnemonic == ZYDIS_MNEMONIC_POPFQ;
    u64 flags = random_.bits() & 0x3f'ffff & ~flag::vm & ~(random_.percent(90) ? flag::tf : 0) & ~(random_.percent(80) ? flag::nt : 0);
    if (flags_only) return push(flags);
    const unsigned cpl = random_.percent(60) ? s.cpl : std::max<unsigned>(s.cpl, static_cast<unsigned>(random_.below(4)));
    const bool interrupt_return = mnemonic != ZYDIS_MNEMONIC_RET && mnemonic != ZYDIS_MNEMONIC_POP;
    const bool virtual8086 = interrupt_return && !real && s.cpl == 0 && !s.long_mode_active() && random_.percent(30);
    if (virtual8086) flags |= flag::vm;
    if (mnemonic == ZYDIS_MNEMONIC_POP) return push(real ? 0x1000 + random_.below(0x1000) : scene_.selector(c.operands[0].reg.value == ZYDIS_REGISTER_SS ? Scene::Meant::to_stack : Scene::Meant::to_data, s.cpl));
    push(target_offset(c));
    if (mnemonic == ZYDIS_MNEMONIC_RET && !c.far()) return;
    u16 selector = real || virtual8086 ? static_cast<u16>(0x1000 + random_.below(0x900)) : scene_.selector(Scene::Meant::to_code, cpl);
    if (!real && !virtual8086 && random_.percent(85)) selector = static_cast<u16>((selector & 0xfffc) | cpl);
    push(selector | (random_.percent(20) ? random_.bits() << 16 : 0));
    if (interrupt_return) push(flags);
    if (mnemonic == ZYDIS_MNEMONIC_RET && c.operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) offset += c.operands[0].imm.value.u & 0xffff;
    push(random_.percent(80) ? stacks + random_.below(0xe000) : random_.integer());
    push(virtual8086 ? 0x1000 + random_.below(0x1000) : (scene_.selector(Scene::Meant::to_stack, cpl) & 0xfffcU) | cpl);
    if (virtual8086)
        for (int i = 0; i < 4; ++i) push(0x1000 + random_.below(0x1000));
}

// Near to what the register holds. Paging stays as it is: the rest of the state is made for it.
u64 Generator::control_value(const arch::State& s, ZydisRegister reg) {
    namespace cr0 = arch::cr0;
    namespace cr4 = arch::cr4;
    const u64 changed = random_.percent(90) ? random_.bits() : u64{0};
    switch (reg) {
        case ZYDIS_REGISTER_CR0: return s.cr0 ^ (changed & (cr0::mp | cr0::em | cr0::ts | cr0::ne | cr0::wp | cr0::am | (random_.percent(30) ? cr0::cd | cr0::nw : 0)));
        case ZYDIS_REGISTER_CR3: return s.cr3 | (s.long_mode_active() ? 0 : changed & 0xffff'f000);
        case ZYDIS_REGISTER_CR4: return s.cr4 ^ (changed & (cr4::tsd | cr4::de | cr4::pse | cr4::mce | cr4::pge | cr4::osfxsr | cr4::osxmmexcpt));
        case ZYDIS_REGISTER_DR5: case ZYDIS_REGISTER_DR7: return 0x400 | (changed & 0xffff'0300);       // no breakpoint that is enabled
        default: return changed;
    }
}

// Registers and immediates that decide whether something interesting happens.
void Generator::special(Case& c) {
    auto& s = c.start;
    const u64 counter_mask = low_bits(c.instruction.address_width);
    const auto low_register = [&](arch::Gpr number, u64 value, u64 mask) { s.gpr[number] = (s.gpr[number] & ~mask) | (value & mask); };
    switch (c.mnemonic()) {
        case ZYDIS_MNEMONIC_DIV: case ZYDIS_MNEMONIC_IDIV:
            if (random_.percent(60)) s.gpr[arch::rdx] = random_.percent(70) ? random_.below(3) : low_bits(c.size == CodeSize::long64 ? 64 : 32);
            break;
        case ZYDIS_MNEMONIC_LOOP: case ZYDIS_MNEMONIC_LOOPE: case ZYDIS_MNEMONIC_LOOPNE: case ZYDIS_MNEMONIC_JCXZ: case ZYDIS_MNEMONIC_JECXZ: case ZYDIS_MNEMONIC_JRCXZ:
            if (random_.percent(60)) low_register(arch::rcx, random_.below(3), counter_mask);
            break;
        case ZYDIS_MNEMONIC_ENTER:
            if (!s.code64()) low_register(arch::rbp, scene_.offset_in(s.segment[arch::ss], 64), stack_mask(s));
            else s.gpr[arch::rbp] = stacks + random_.below(0xe000);
            break;
        case ZYDIS_MNEMONIC_LEAVE:
            if (random_.percent(90)) low_register(arch::rbp, scene_.offset_in(s.segment[arch::ss], 8), stack_mask(s));
            break;
        case ZYDIS_MNEMONIC_BT: case ZYDIS_MNEMONIC_BTC: case ZYDIS_MNEMONIC_BTR: case ZYDIS_MNEMONIC_BTS:
            if (const int number = gpr_number(c.operands[1].reg.value); c.operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER && number >= 0 && (claimed_ >> number & 1) == 0 && random_.percent(80))
                s.gpr[static_cast<unsigned>(number)] = low(random_.below(512) - 256, c.size == CodeSize::long64 ? 64 : 32);
            break;
        case ZYDIS_MNEMONIC_RDMSR: case ZYDIS_MNEMONIC_WRMSR:
            s.gpr[arch::rcx] = random_.one_of<u64>({0x174, 0x175, 0x176, 0xc000'0080, 0xc000'0081, 0xc000'0082, 0xc000'0083, 0xc000'0084, 0xc000'0100, 0xc000'0101, 0xc000'0102});
            if (s.gpr[arch::rcx] == 0xc000'0080) s.gpr[arch::rax] = s.efer ^ (random_.percent(50) ? random_.bits() & 0xd01 : 0), s.gpr[arch::rdx] = 0;
            else if (random_.percent(70)) s.gpr[arch::rdx] = low(sign_extend(random_.bits() & 0xffff, 16), 32);
            break;
        case ZYDIS_MNEMONIC_MOV: {
            const auto kind = c.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER ? ZydisRegisterGetClass(c.operands[0].reg.value) : ZYDIS_REGCLASS_INVALID;
            const bool writes = kind == ZYDIS_REGCLASS_CONTROL || kind == ZYDIS_REGCLASS_DEBUG;
            if (writes) s.gpr[static_cast<unsigned>(gpr_number(c.operands[1].reg.value))] = low(control_value(s, c.operands[0].reg.value), c.size == CodeSize::long64 ? 64 : 32);
            break;
        }
        default: break;
    }
    const auto category = c.instruction.meta.category;
    if (category == ZYDIS_CATEGORY_IO || category == ZYDIS_CATEGORY_IOSTRINGOP) {
        s.gpr[arch::rdx] = (s.gpr[arch::rdx] & ~low_bits(16)) | random_.below(random_.percent(90) ? 0x220 : 0x1'0000);
        const bool immediate = c.instruction.raw.imm[0].size != 0;
        c.port = {static_cast<u16>(immediate ? c.instruction.raw.imm[0].value.u & 0xff : s.gpr[arch::rdx]), random_.bits()};
    }
    if (c.repeated()) low_register(arch::rcx, random_.below(random_.percent(85) ? 12 : 300), counter_mask);
}

void Generator::fill(Case& c) {
    claimed_ = 1U << arch::rsp;
    special(c);
    for (unsigned i = 0; i < c.instruction.operand_count; ++i) {
        const auto operand = c.operands[i];
        if (is_memory(operand) && gpr_number(operand.mem.base) != arch::rsp) place(c, operand);
    }
    const auto mnemonic = c.mnemonic();
    const bool pointers = mnemonic == ZYDIS_MNEMONIC_LDS || mnemonic == ZYDIS_MNEMONIC_LES || mnemonic == ZYDIS_MNEMONIC_LSS || mnemonic == ZYDIS_MNEMONIC_LFS || mnemonic == ZYDIS_MNEMONIC_LGS;
    const bool selects = mnemonic == ZYDIS_MNEMONIC_LAR || mnemonic == ZYDIS_MNEMONIC_LSL || mnemonic == ZYDIS_MNEMONIC_VERR || mnemonic == ZYDIS_MNEMONIC_VERW || mnemonic == ZYDIS_MNEMONIC_ARPL ||
                         mnemonic == ZYDIS_MNEMONIC_LLDT || mnemonic == ZYDIS_MNEMONIC_LTR;
    const bool segment = in_class(c, ZYDIS_REGCLASS_SEGMENT);
    if (pointers || selects || (segment && mnemonic == ZYDIS_MNEMONIC_MOV) || (c.far() && mnemonic != ZYDIS_MNEMONIC_RET && !c.interrupt_return())) fill_selectors(c);
    const bool returns = mnemonic == ZYDIS_MNEMONIC_RET || c.interrupt_return() || mnemonic == ZYDIS_MNEMONIC_POPF || mnemonic == ZYDIS_MNEMONIC_POPFD || mnemonic == ZYDIS_MNEMONIC_POPFQ;
    if (returns || (segment && mnemonic == ZYDIS_MNEMONIC_POP)) fill_stack(c);
    // Near transfers go somewhere else in the code, not anywhere.
    if (c.branches() && !c.far() && (mnemonic == ZYDIS_MNEMONIC_JMP || mnemonic == ZYDIS_MNEMONIC_CALL) && random_.percent(90)) {
        const u64 target = target_offset(c);
        const auto& operand = c.operands[0];
        if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) memories_.write(linear_of(c.start, place_of(c, operand)), &target, operand.size / 8U);
        else if (const int number = operand.type == ZYDIS_OPERAND_TYPE_REGISTER ? gpr_number(operand.reg.value) : -1; number >= 0 && number != arch::rsp)
            c.start.gpr[static_cast<unsigned>(number)] = c.size == CodeSize::long64 ? target : low(target, 32);
    }
}

Case Generator::make() {
    Case c;
    c.world = world_;
    c.linear = code + random_.below(0x40) * 16;
    const bool interrupt = interrupts_ && random_.percent(10);
    c.start = scene_.make(c.linear, 4);
    c.size = scene_.code_size(c.start);
    if (interrupt) {
        c.interrupt = static_cast<u8>(random_.bits());
        return c;
    }
    while (!draft(c)) {}
    fill(c);
    const auto cl = static_cast<u8>(c.start.gpr[arch::rcx]);
    c.undefined = differential::undefined_flags(c.instruction, c.operands, &cl);
    auto bytes = c.code;
    bytes.push_back(hlt);
    memories_.write_code(c.linear, bytes);
    return c;
}

}  // namespace vtsim::unicorn
