// SPDX-License-Identifier: Apache-2.0
#include "differential/generator.h"

#include <algorithm>
#include <map>
#include <string>

#include "arch/registers.h"
#include "cpu/isa/form.h"

namespace vtsim::differential {

using Map = Encoding::Map;

struct Generator::Draft {
    u8 bytes[32];
    unsigned length = 0;
    ZydisDecodedInstruction instruction{};
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT] = {};
    [[nodiscard]] ZydisMnemonic mnemonic() const { return instruction.mnemonic; }
    [[nodiscard]] bool relative() const { return instruction.raw.imm[0].is_relative != 0; }
    bool decode() {
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder(), bytes, sizeof bytes, &instruction, operands))) return false;
        length = instruction.length;
        return true;
    }
};

namespace {

constexpr int attempts = 30;

int gpr_number(ZydisRegister reg) {
    const auto wide = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    return ZydisRegisterGetClass(wide) == ZYDIS_REGCLASS_GPR64 ? ZydisRegisterGetId(wide) : -1;
}

bool is_instruction_pointer(ZydisRegister reg) { return reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP; }

bool is_memory(const ZydisDecodedOperand& operand) { return operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.type == ZYDIS_MEMOP_TYPE_MEM; }

bool is_branch(const ZydisDecodedInstruction& instruction) {
    return instruction.meta.category == ZYDIS_CATEGORY_COND_BR || instruction.meta.category == ZYDIS_CATEGORY_UNCOND_BR || instruction.meta.category == ZYDIS_CATEGORY_CALL;
}

bool is_base_write(const ZydisDecodedInstruction& i) { return i.mnemonic == ZYDIS_MNEMONIC_WRFSBASE || i.mnemonic == ZYDIS_MNEMONIC_WRGSBASE; }

bool compares_to_flags(ZydisMnemonic mnemonic) {
    return mnemonic == ZYDIS_MNEMONIC_FCOMI || mnemonic == ZYDIS_MNEMONIC_FCOMIP || mnemonic == ZYDIS_MNEMONIC_FUCOMI || mnemonic == ZYDIS_MNEMONIC_FUCOMIP;
}

bool is_transcendental(ZydisMnemonic mnemonic) {
    switch (mnemonic) {
        case ZYDIS_MNEMONIC_F2XM1: case ZYDIS_MNEMONIC_FCOS: case ZYDIS_MNEMONIC_FPATAN: case ZYDIS_MNEMONIC_FPTAN: case ZYDIS_MNEMONIC_FSIN: case ZYDIS_MNEMONIC_FSINCOS:
        case ZYDIS_MNEMONIC_FYL2X: case ZYDIS_MNEMONIC_FYL2XP1: return true;
        default: return false;
    }
}

bool has_register_class(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands, std::initializer_list<ZydisRegisterClass> classes) {
    for (unsigned i = 0; i < instruction.operand_count_visible; ++i)
        if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER && std::ranges::find(classes, ZydisRegisterGetClass(operands[i].reg.value)) != classes.end()) return true;
    return false;
}

// Every form as often as any other, though one register form has many encodings here and one with an accumulator few.
std::vector<std::vector<Encoding>> by_form(const std::vector<Encoding>& encodings) {
    std::map<std::string, std::vector<Encoding>> forms;
    for (const auto& e : encodings) {
        ZydisDecodedInstruction instruction;
        ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
        for (const u8 vvvv : {u8{0}, u8{5}}) {                      // gathers want three different registers
            u8 bytes[24] = {};
            u8* at = cpu::isa::emit(e, {.vvvv = vvvv}, bytes);
            if (e.has_modrm) *at = e.modrm;
            if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder(), bytes, sizeof bytes, &instruction, operands))) continue;
            forms[cpu::isa::form_of(instruction, operands)].push_back(e);
            break;
        }
    }
    std::vector<std::vector<Encoding>> result;
    for (auto& [form, list] : forms) result.push_back(std::move(list));
    return result;
}

}  // namespace

Generator::Generator(u64 seed, const Choice& choice) : random_{seed}, choice_{choice} {
    for (const auto& [mnemonic, forms] : encodings()) {
        const auto kind = find_mnemonic(mnemonic)->kind;
        const bool wanted = choice.only ? mnemonic == *choice.only
                                        : (kind == Class::integer && choice.integer) || (kind == Class::string && choice.string) || (kind == Class::sse && choice.sse) ||
                                              (kind == Class::x87 && choice.x87) || (kind == Class::avx && choice.avx) ||
                                              (kind == Class::bases && choice.bases);
        if (!wanted) continue;
        mnemonics_.push_back(mnemonic);
        forms_[mnemonic] = by_form(forms);
    }
}

// ---- one instruction --------------------------------------------------------------------------------------------------------------

bool Generator::draft(Draft& d) {
    const auto& forms = forms_.at(mnemonics_[random_.below(mnemonics_.size())]);
    const auto& same = forms[random_.below(forms.size())];
    const auto& e = same[random_.below(same.size())];
    for (auto& byte : d.bytes) byte = static_cast<u8>(random_.bits());
    u8* at = d.bytes;
    for (int i = 0; i < 2; ++i)
        if (random_.percent(4)) *at++ = choice_.bases ? random_.one_of<u8>({0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x64, 0x65}) : random_.one_of<u8>({0x26, 0x2e, 0x36, 0x3e});
    if (random_.percent(4)) *at++ = 0x67;
    at = emit_opcode(random_, e, CodeSize::long64, at);
    if (e.has_modrm) at = emit_modrm(random_, e, at);
    if (!d.decode()) return false;
    // Immediates are interesting numbers as often as any.
    const auto& imm = d.instruction.raw.imm[0];
    if (imm.size != 0 && random_.percent(50)) {
        const u64 value = random_.integer();
        std::memcpy(d.bytes + imm.offset, &value, imm.size / 8);
        if (!d.decode()) return false;
    }
    return acceptable(d);
}

bool Generator::acceptable(const Draft& d) const {
    const auto& i = d.instruction;
    const auto* row = find_mnemonic(i.mnemonic);
    if (row == nullptr || std::ranges::find(mnemonics_, i.mnemonic) == mnemonics_.end()) return false;
    if (has_register_class(i, d.operands, {ZYDIS_REGCLASS_SEGMENT, ZYDIS_REGCLASS_CONTROL, ZYDIS_REGCLASS_DEBUG})) return false;
    if (is_transcendental(i.mnemonic) && choice_.longest > 1) return false;
    // Relative branches only, with the operand size that all processors agree on.
    if (is_branch(i) && (!d.relative() || (i.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) != 0)) return false;
    // Repeat prefixes turn LOOPE into LOOPNE and back on AMD's processors; the manuals do not define them there.
    if ((i.mnemonic == ZYDIS_MNEMONIC_LOOPE || i.mnemonic == ZYDIS_MNEMONIC_LOOPNE) && std::any_of(d.bytes, d.bytes + i.raw.imm[0].offset, [](u8 byte) { return (byte & 0xfe) == 0xf2; })) return false;
    // 0F 0D between registers: a NOP on Intel's processors, undefined on AMD's (APM vol. 3, "PREFETCH").
    if (i.mnemonic == ZYDIS_MNEMONIC_NOP && i.opcode == 0x0d && i.raw.modrm.mod == 3) return false;
    // SDM vol. 2, "CVTPI2PS", goes over to MMX with a memory operand too; AMD's processors do not (APM vol. 5).
    if (i.mnemonic == ZYDIS_MNEMONIC_CVTPI2PS && is_memory(d.operands[1])) return false;
    // SDM vol. 2, "SHLD", "SHRD", "BSWAP": the results of 16-bit forms are undefined (the shifts': for counts above 16).
    if (d.operands[0].size != 16) return true;
    if (i.mnemonic == ZYDIS_MNEMONIC_SHLD || i.mnemonic == ZYDIS_MNEMONIC_SHRD) return i.raw.imm[0].size != 0 && (i.raw.imm[0].value.u & 31) <= 16;
    return i.mnemonic != ZYDIS_MNEMONIC_BSWAP;
}

u64 Generator::target(unsigned bytes) {
    u64 offset;
    if (random_.percent(85)) offset = random_.below(writable_bytes - 512);
    else if (random_.percent(40)) offset = writable_bytes + random_.below(page);
    else offset = random_.one_of({u64{0}, page, writable_bytes, data_bytes}) + random_.below(48) - 24;
    const u64 alignment = random_.percent(75) && bytes != 0 ? u64{1} << (63 - __builtin_clzll(bytes)) : 1;
    return (data_start + offset) & ~(alignment - 1);
}

u64 Generator::claim(unsigned number, u64 value) {
    if ((claimed_ >> number & 1) == 0) {
        gpr_[number] = value;
        claimed_ |= 1U << number;
    }
    return gpr_[number];
}

std::optional<u64> Generator::base_of(const ZydisDecodedOperand& operand) const {
    if (operand.mem.segment == ZYDIS_REGISTER_FS) return bases_[0];
    if (operand.mem.segment == ZYDIS_REGISTER_GS) return bases_[1];
    return 0;
}

// Canonical whatever the levels of paging: bits 63:46 are the same.
u64 Generator::random_base() {
    if (random_.percent(30)) return random_.below(0x1'0000);
    if (random_.percent(30)) return data_start + random_.below(data_bytes);
    if (random_.percent(30)) return u64{0} - random_.below(0x1'0000);
    constexpr unsigned sign = 17;
    return static_cast<u64>(static_cast<i64>(random_.bits() << sign) >> sign);
}

// Makes the operand's address lie in the data area: by a register that nobody has fixed yet, or by the displacement. False when neither is free.
bool Generator::place_memory(Draft& d, const ZydisDecodedOperand& operand, Data& data) {
    const auto& memory = operand.mem;
    const u64 goal = target(operand.size / 8);
    const auto segment = base_of(operand);
    if (!segment) return false;
    const u64 wanted = goal - *segment;              // the effective address
    const auto& disp = d.instruction.raw.disp;
    const auto set_displacement = [&](u64 value) {
        std::memcpy(d.bytes + disp.offset, &value, disp.size / 8);
        d.decode();
    };
    const int base = gpr_number(memory.base), index = gpr_number(memory.index);
    const bool visible = operand.visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT;
    if (base < 0 && index < 0) {
        if (disp.size == 32 && static_cast<u64>(static_cast<i32>(wanted)) != wanted) return false;
        set_displacement(wanted);
    } else {
        const auto displacement = static_cast<u64>(memory.disp.has_displacement ? memory.disp.value : 0);
        const auto fixed = [&](int number) { return number < 0 || (claimed_ >> number & 1) != 0; };
        for (const int number : {base, index})
            if (number >= 0 && (written_ >> number & 1) != 0) return false;
        const u64 high = d.instruction.address_width == 32 ? random_.bits() << 32 : 0;
        if (base == index) {
            claim(static_cast<unsigned>(base), ((wanted - displacement) / (1 + memory.scale)) | high);
        } else if (base < 0) {
            claim(static_cast<unsigned>(index), ((wanted - displacement) / memory.scale) | high);
        } else {
            if (index >= 0 && !fixed(base)) claim(static_cast<unsigned>(index), random_.integer());
            const u64 scaled = index >= 0 ? claim(static_cast<unsigned>(index), random_.below(64)) * memory.scale : 0;
            claim(static_cast<unsigned>(base), (wanted - displacement - scaled) | high);
        }
        u64 address = displacement + (base >= 0 ? gpr_[static_cast<unsigned>(base)] : 0) + (index >= 0 ? gpr_[static_cast<unsigned>(index)] * memory.scale : 0);
        if (d.instruction.address_width == 32) address = static_cast<u32>(address);
        if (address + *segment - data_start >= data_bytes) {
            const u64 needed = displacement + wanted - address;
            if (!visible || disp.size != 32 || static_cast<u64>(static_cast<i32>(needed)) != needed) return false;
            set_displacement(needed);
        }
    }
    const u64 offset = goal - data_start;
    if (offset < writable_bytes - 32) random_.data(data.data() + offset, 32);
    return true;
}

// Registers whose value decides whether something interesting happens.
void Generator::claim_special(const Draft& d) {
    const auto& i = d.instruction;
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_DIV: case ZYDIS_MNEMONIC_IDIV:
            if (random_.percent(60)) claim(arch::rdx, random_.percent(70) ? random_.below(3) : ~u64{0});
            break;
        case ZYDIS_MNEMONIC_ENTER: claim(arch::rbp, target(8)); break;
        case ZYDIS_MNEMONIC_BT: case ZYDIS_MNEMONIC_BTC: case ZYDIS_MNEMONIC_BTR: case ZYDIS_MNEMONIC_BTS:
            if (is_memory(d.operands[0]) && d.operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER && random_.percent(70))
                if (const int number = gpr_number(d.operands[1].reg.value); number >= 0) claim(static_cast<unsigned>(number), random_.below(512) - 256);
            break;
        default:
            if ((i.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)) != 0) claim(arch::rcx, random_.below(random_.percent(80) ? 40 : 3000));
    }
}

// The displacement from RIP is set when the instruction's address is known.
bool Generator::in_reach(const ZydisDecodedOperand& operand) const {
    const auto segment = base_of(operand);
    constexpr u64 half = u64{1} << 30;
    return segment && data_start - code_page - *segment + half < 2 * half;
}

// The indices are start values of a vector register, so that nothing may come before the instruction.
bool Generator::place_gather(Draft& d, const ZydisDecodedOperand& operand) {
    if (choice_.longest > 1) return false;
    const auto& memory = operand.mem;
    const auto& disp = d.instruction.raw.disp;
    const int base = gpr_number(memory.base);
    const u64 start = data_start - *base_of(operand), displacement = base < 0 ? start : random_.below(100);
    if (base >= 0) claim(static_cast<unsigned>(base), start);
    else if (static_cast<u64>(static_cast<i32>(start)) != start) return false;
    if (disp.size != 0) std::memcpy(d.bytes + disp.offset, &displacement, disp.size / 8);
    const std::string name = ZydisMnemonicGetString(d.mnemonic());
    gather_ = Gather{static_cast<unsigned>(ZydisRegisterGetId(memory.index)), name[name.find("gather") + 6] == 'q', (writable_bytes - 256) / memory.scale};
    return d.decode();
}

// Addresses that are canonical with five levels of paging only are left out: the host may have either.
bool Generator::place_base(const Draft& d) {
    if (d.operands[0].size == 32) return true;
    const auto number = static_cast<unsigned>(gpr_number(d.operands[0].reg.value));
    if ((written_ >> number & 1) != 0) return false;
    const u64 value = claim(number, random_.percent(80) ? random_base() : u64{1} << 62 | random_.bits() >> 2);
    const auto top = static_cast<u64>(static_cast<i64>(value) >> 47);
    return top == 0 || top == ~u64{0} || (value >> 62 & 1) != value >> 63;
}

void Generator::account_base(const Draft& d) {
    if (!is_base_write(d.instruction)) return;
    const auto number = static_cast<unsigned>(gpr_number(d.operands[0].reg.value));
    auto& base = bases_[d.mnemonic() == ZYDIS_MNEMONIC_WRGSBASE ? 1 : 0];
    base.reset();
    if (branch_ || (written_ >> number & 1) != 0) return;            // may be skipped; value not known
    const u64 value = claim(number, random_.integer());
    base = d.operands[0].size == 32 ? static_cast<u32>(value) : value;
}

bool Generator::place_operands(Draft& d, Data& data) {
    bool placed = !is_base_write(d.instruction) || place_base(d);
    gather_.reset();
    for (unsigned i = 0; i < d.instruction.operand_count; ++i) {
        const auto operand = d.operands[i];
        if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.type == ZYDIS_MEMOP_TYPE_VSIB) placed &= place_gather(d, operand);
        else if (is_memory(operand) && is_instruction_pointer(operand.mem.base)) placed &= in_reach(operand);
        else if (is_memory(operand)) placed &= place_memory(d, operand, data);
    }
    return placed;
}

// ---- a case -----------------------------------------------------------------------------------------------------------------------

// Flags that are undefined flow nowhere: whoever reads them finds a comparison before itself.
void Generator::account_flags(Case& c, const Draft& d) {
    const auto* flags = d.instruction.cpu_flags;
    const u64 tested = d.mnemonic() == ZYDIS_MNEMONIC_PUSHFQ ? ~u64{0} : flags != nullptr ? flags->tested : 0;
    const u64 before = undefined_;
    if ((tested & undefined_) != 0) {
        const u8 compare[] = {0x48, 0x39, static_cast<u8>(0xc0 | random_.below(64))};
        c.code.insert(c.code.end(), std::begin(compare), std::end(compare));
        undefined_ = 0;
    }
    const u8 cl = (written_ >> arch::rcx & 1) == 0 ? static_cast<u8>(claim(arch::rcx, random_.integer())) : u8{0};
    u64 undefined = undefined_flags(d.instruction, d.operands, (written_ >> arch::rcx & 1) == 0 ? &cl : nullptr);
    if (gather_) c.gather_mask = Case::Mask{static_cast<unsigned>(ZydisRegisterGetId(d.operands[2].reg.value)), d.operands[0].element_size / 8U};
    c.transcendental = c.transcendental || is_transcendental(d.mnemonic());
    if (compares_to_flags(d.mnemonic())) {
        c.compares_to_flags = true;
        if (choice_.longest > 1) undefined = arch::rflags::status;          // depends on the control word (compare.cpp)
    }
    c.instructions.push_back({c.code.size(), d.mnemonic(), undefined_});
    const bool sets_always = !branch_ && d.instruction.operand_count_visible > 0 && (d.mnemonic() == ZYDIS_MNEMONIC_ADD || d.mnemonic() == ZYDIS_MNEMONIC_SUB || d.mnemonic() == ZYDIS_MNEMONIC_CMP ||
                                                                                       d.mnemonic() == ZYDIS_MNEMONIC_NEG);
    undefined_ = (sets_always ? 0 : undefined_) | undefined | (branch_ ? before : 0);       // what is skipped defines nothing
}

void Generator::append(Case& c, Data& data) {
    Draft d;
    bool found = false;
    for (int i = 0; i < attempts; ++i) {
        found = draft(d);
        if (!found) continue;
        claim_special(d);
        if (place_operands(d, data)) break;
    }
    if (!found) return;
    account_flags(c, d);
    account_base(d);
    const auto& disp = d.instruction.raw.disp;
    for (unsigned i = 0; i < d.instruction.operand_count; ++i) {
        if (!is_memory(d.operands[i]) || !is_instruction_pointer(d.operands[i].mem.base)) continue;
        const u64 value = target(d.operands[i].size / 8) - *base_of(d.operands[i]) - (code_page + c.code.size() + d.length);
        std::memcpy(d.bytes + disp.offset, &value, disp.size / 8);
    }
    const u64 start = c.code.size();
    if (d.relative()) std::memset(d.bytes + d.instruction.raw.imm[0].offset, 0, d.instruction.raw.imm[0].size / 8);
    c.code.insert(c.code.end(), d.bytes, d.bytes + d.length);
    if (branch_) c.code[*branch_] = static_cast<u8>(c.code.size() - *branch_ - branch_bytes_);
    branch_.reset();
    if (d.relative()) {
        branch_ = start + d.instruction.raw.imm[0].offset;
        branch_bytes_ = d.instruction.raw.imm[0].size / 8;
    }
    for (unsigned i = 0; i < d.instruction.operand_count; ++i) {
        const auto& operand = d.operands[i];
        if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER && (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0)
            if (const int number = gpr_number(operand.reg.value); number >= 0) written_ |= 1U << number;
    }
    if (d.mnemonic() == ZYDIS_MNEMONIC_BSF || d.mnemonic() == ZYDIS_MNEMONIC_BSR) c.zero_source_undefined = true;
}

void Generator::start_state(Case& c) {
    using namespace arch::rflags;
    for (unsigned i = 0; i < 16; ++i) claim(i, random_.integer());
    auto& r = c.start;
    r.gpr = gpr_;
    r.rip = code_page;
    r.fs_base = start_bases_[0], r.gs_base = start_bases_[1];
    r.rflags = one | (random_.bits() & status) | (random_.percent(20) ? df : 0);
    auto& fx = r.fx;
    fx.control = static_cast<u16>(0x37f ^ (random_.percent(15) ? random_.below(64) : 0));
    fx.control = static_cast<u16>((fx.control & ~0xf00) | random_.below(4) << 10 | random_.one_of<u64>({0, 2, 3, 3, 3}) << 8);
    fx.status = static_cast<u16>(random_.bits() & 0x7f00);
    if (random_.percent(10)) fx.status = static_cast<u16>(fx.status | random_.below(0x80));
    if ((fx.status & ~fx.control & 0x3f) != 0) fx.status |= 0x8080;
    fx.tags = static_cast<u8>(random_.percent(70) ? 0xff : random_.bits());
    for (auto& st : fx.st) random_.long_double(st);
    fx.mxcsr = static_cast<u32>(0x1f80 | random_.below(4) << 13 | (random_.percent(20) ? 0x8000 : 0) | (random_.percent(20) ? 0x40 : 0) | (random_.percent(30) ? random_.below(64) : 0));
    if (random_.percent(15)) fx.mxcsr ^= static_cast<u32>(random_.below(64) << 7);
    for (auto& xmm : fx.xmm) random_.data(xmm, 16);
    for (auto& high : r.high) random_.data(high.data(), 16);
    if (!gather_) return;
    const bool faults = random_.percent(20);
    for (unsigned i = 0; i < (gather_->wide ? 4U : 8U); ++i) {
        const u64 index = faults && random_.percent(20) ? random_.integer() : random_.below(gather_->limit);
        const unsigned bytes = gather_->wide ? 8 : 4, at = i * bytes;
        u8* const half = at < 16 ? fx.xmm[gather_->index] : r.high[gather_->index].data();
        std::memcpy(half + at % 16, &index, bytes);
    }
}

Case Generator::make(Data& data) {
    Case c;
    claimed_ = written_ = 0;
    undefined_ = 0;
    branch_.reset();
    if (choice_.bases)
        for (auto& base : start_bases_) base = random_base();
    bases_ = {start_bases_[0], start_bases_[1]};
    claim(arch::rsp, target(8));
    const u64 count = 1 + random_.below(choice_.longest);
    for (u64 i = 0; i < count && c.code.size() < longest_code - 32; ++i) append(c, data);
    c.undefined_after = undefined_;
    start_state(c);
    return c;
}

}  // namespace vtsim::differential
