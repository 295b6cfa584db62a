// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "unicorn/judge.h"
#include "unicorn/limits.h"

namespace vtsim::unicorn {
namespace {

using Verdict = Deviation::Verdict;
using arch::Vector;

// What the manual wants is a fault: nothing has happened.
void want_fault(Judged& j, Vector vector, u32 error_code = 0) {
    j.expected.state = j.c.start;
    j.expected.end = End::exception;
    j.expected.vector = static_cast<int>(vector);
    j.expected.error_code = error_code;
    j.expected.software = false;
    j.expected.io.clear();
}

// Unicorn went on where vtsim faults: what its memory has more is forgotten. vtsim's own must not have changed, but nothing remembers what it was; the general registers tell.
Verdict accept_fault(Judged& j, Vector vector, u32 error_code = 0) {
    want_fault(j, vector, error_code);
    j.ignore_memory = true;
    return Verdict::mended;
}

// Complete, whether a single-step trap follows or not.
bool done(const Judged& j) { return j.expected.end == End::done || (j.expected.vector == static_cast<int>(Vector::db) && !j.expected.software); }
// The instruction itself could not be fetched.
bool not_fetched(const Judged& j) { return j.expected.vector == static_cast<int>(Vector::pf) && j.expected.state.cr2 >> 12 == j.c.linear >> 12; }
bool is(const Judged& j, ZydisMnemonic mnemonic) { return !j.c.interrupt && j.c.mnemonic() == mnemonic && !not_fetched(j); }
bool paged(const Judged& j) { return (j.c.start.cr0 & arch::cr0::pg) != 0; }

// Accessed and dirty flags in the page-table entry of `linear`: as vtsim has left them.
constexpr u64 page_table = page_tables + 0x3000;
constexpr unsigned accessed_mark = 0x20, dirty_mark = 0x40;
void take_marks(const Judged& j, u64 linear, unsigned marks) {
    u8& entry = *j.memories.reference_.at(page_table + (linear >> 12 & 511) * 8);
    entry = static_cast<u8>((entry & ~marks) | (*j.memories.subject_.at(page_table + (linear >> 12 & 511) * 8) & marks));
}

bool real_or_v86(const arch::State& s) { return !s.protected_mode() || s.virtual8086(); }

Verdict want_undefined(Judged& j) {
    want_fault(j, Vector::ud);
    return Verdict::mended;
}

// The descriptor that a register was loaded from.
u64 descriptor_of(const arch::State& s, u16 selector) { return ((selector & 4) != 0 ? s.segment[arch::ldtr].base : s.gdtr.base) + (selector & 0xfff8U); }

// What an event or a call has pushed lies there: the order of pushing and marking shows.
bool under_frame(const Judged& j, u64 linear) {
    constexpr u64 longest_frame = (4 + 31) * 4;                       // of a call through a gate with parameters
    const auto& s = j.expected.state;
    const u64 frame = linear_of(s, {arch::ss, s.gpr[arch::rsp] & stack_mask(s)});
    return (j.c.interrupt || is(j, ZYDIS_MNEMONIC_CALL)) && linear - frame < longest_frame;
}

bool mend_accessed(Judged& j, arch::SegmentRegister number) {
    auto& e = j.expected.state.segment[number];
    const auto& a = j.actual.state.segment[number];
    if (e.unusable() || e.selector != a.selector || !done(j) || real_or_v86(j.expected.state)) return false;
    const u64 byte = descriptor_of(j.expected.state, e.selector) + 5;
    if (!Memories::inside(byte, 1) || j.c.start.segment[number].selector == e.selector) return false;
    if ((*j.memories.reference_.at(byte) & 1) != 0) {
        if ((e.rights & 1) != 0) return false;
        e.rights |= 1;                                                // the frame lies over the descriptor, and vtsim marks it after the pushes
        *j.memories.reference_.at(byte) = *j.memories.subject_.at(byte);
        return true;
    }
    e.rights |= 1;
    if (under_frame(j, byte)) *j.memories.reference_.at(byte) = static_cast<u8>((*j.memories.reference_.at(byte) & ~1) | (*j.memories.subject_.at(byte) & 1));
    else *j.memories.reference_.at(byte) |= 1;
    constexpr u8 accessed_dirty = 0x60;
    if (paged(j)) *j.memories.reference_.at(page_table + (byte >> 12) * 8) |= accessed_dirty;
    return true;
}

struct FarPointer {
    u16 selector;
    u64 offset;
};

// The operand of a far JMP or CALL.
FarPointer pointer_of(const Judged& j) {
    const auto& operand = j.c.operands[0];
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY) return {operand.ptr.segment, operand.ptr.offset};
    auto place = place_of(j.c, operand);
    const unsigned bytes = operand.size / 8U - 2;
    FarPointer pointer{0, 0};
    for (unsigned i = 0; i < bytes + 2; ++i, ++place.offset) {
        const u64 byte = j.memories.read(linear_of(j.c.start, place));
        if (i < bytes) pointer.offset |= byte << 8 * i;
        else pointer.selector = static_cast<u16>(pointer.selector | byte << 8 * (i - bytes));
    }
    return pointer;
}

u64 descriptor_at(const Judged& j, u64 at) {
    u64 descriptor = 0;
    for (unsigned i = 0; i < 8; ++i) descriptor |= u64{j.memories.read(at + i)} << 8 * i;
    return descriptor;
}

// Whether the walk from CR3 comes to a paging structure where there is no memory: an instruction has written over the entry that leads to it.
bool walk_leaves_memory(const Judged& j, u64 linear) {
    if (!paged(j) || !j.c.start.long_mode_active()) return false;
    u64 table = page_tables;
    for (unsigned shift = 39; shift >= 12; shift -= 9) {
        const u64 entry = descriptor_at(j, table + (linear >> shift & 511) * 8), next = entry & 0xf'ffff'ffff'f000;
        const bool leaf = shift == 12 || ((entry & 0x80) != 0 && shift < 39);
        if ((entry & 1) == 0 || leaf) return false;
        if (!Memories::inside(next, 0x1000)) return true;
        table = next;
    }
    return false;
}

// The gate that the case goes through, or 0.
u64 gate_of(const Judged& j) {
    u64 at = 0;
    if (j.c.interrupt) at = j.c.start.idtr.base + *j.c.interrupt * 8U;
    else if (j.c.far() && !j.c.interrupt_return() && j.c.mnemonic() != ZYDIS_MNEMONIC_RET) {
        at = descriptor_of(j.c.start, pointer_of(j).selector);
    } else return 0;
    const u64 gate = descriptor_at(j, at);
    return (gate >> 44 & 1) != 0 ? 0 : gate;
}
unsigned type_of(u64 gate) { return static_cast<unsigned>(gate >> 40 & 15); }

// Slots of the frame that an event pushes.
unsigned frame_slots(const Judged& j) {
    if (j.c.start.virtual8086()) return 9;
    return j.expected.state.cpl == j.c.start.cpl ? 3 : 5;
}

constexpr Deviation rows[] = {
    {"EXT in error codes", "never sets it", "SDM vol. 3, \"Error Code\": set for events that no INT instruction causes", "set",
     [](Judged& j) {
         if (!j.c.interrupt || done(j) || !j.c.start.protected_mode() || j.expected.vector < static_cast<int>(Vector::ts) || j.expected.vector > static_cast<int>(Vector::gp)) return Verdict::none;
         j.expected.error_code |= 1;
         return Verdict::mended;
     }},
    {"the next instruction", "is fetched, to see that this one has ended: its translation is marked as accessed", "SDM vol. 3, \"Accessed and Dirty Flags\"", "entries for the next instruction's address may differ in their accessed flag",
     [](Judged& j) {
         if (!paged(j) || j.expected.end != End::done) return Verdict::none;
         const u64 linear = j.expected.state.code64() ? j.expected.state.rip : static_cast<u32>(j.expected.state.segment[arch::cs].base + j.expected.state.rip);
         bool mended = false;
         for (u64 level = 0, table = page_tables; level < 4; ++level, table += 0x1000) {
             const u64 at = table + (linear >> (39 - 9 * level) & 511) * 8;
             if (((*j.memories.reference_.at(at) ^ *j.memories.subject_.at(at)) & 0x20) == 0) continue;
             *j.memories.reference_.at(at) ^= 0x20;
             mended = true;
         }
         return mended ? Verdict::mended : Verdict::none;
     }},
    {"the end of a run", "looks for a translation at an address behind the code", "of Unicorn's own", "the accessed flags of the first entries of the upper tables may differ",
     [](Judged& j) {
         if (!paged(j)) return Verdict::none;
         bool mended = false;
         for (u64 table = page_tables; table < page_table; table += 0x1000) {
             if (((*j.memories.reference_.at(table) ^ *j.memories.subject_.at(table)) & 0x20) == 0) continue;
             *j.memories.reference_.at(table) ^= 0x20;
             mended = true;
         }
         return mended ? Verdict::mended : Verdict::none;
     }},
    {"walks that fault", "mark the upper entries as accessed", "SDM vol. 3, \"Accessed and Dirty Flags\": for entries that are used for a translation", "the accessed flags of paging-structure entries may differ after a page fault",
     [](Judged& j) {
         if (!paged(j) || j.expected.vector != static_cast<int>(Vector::pf) || j.actual.vector != j.expected.vector) return Verdict::none;
         for (u64 at = page_tables; at < page_tables + 0x4000; at += 8) *j.memories.reference_.at(at) = static_cast<u8>((*j.memories.reference_.at(at) & ~0x20) | (*j.memories.subject_.at(at) & 0x20));
         return Verdict::mended;
     }},
    {"CMPS with two page faults", "reads the second operand first", "SDM vol. 2, \"CMPS/CMPSB/CMPSW/CMPSD/CMPSQ\" leaves the order open", "any of the two addresses",
     [](Judged& j) {
         const auto category = j.c.interrupt ? ZYDIS_CATEGORY_INVALID : j.c.instruction.meta.category;
         if (category != ZYDIS_CATEGORY_STRINGOP || j.expected.vector != static_cast<int>(Vector::pf) || j.actual.vector != j.expected.vector || not_fetched(j)) return Verdict::none;
         j.expected.state.cr2 = j.actual.state.cr2;
         j.expected.error_code = j.actual.error_code;
         return Verdict::mended;
     }},
    {"page faults of far transfers and events", "accesses the stack as the supervisor, whatever CPL and RFLAGS.AC are", "SDM vol. 3, \"Access Rights\"", "not compared when one of the two has a page fault at CPL 3 or with SMAP",
     [](Judged& j) {
         const auto& s = j.c.start;
         const bool fault = j.expected.vector == static_cast<int>(Vector::pf) || j.actual.vector == static_cast<int>(Vector::pf);
         const bool differs = fault && (j.expected.vector != j.actual.vector || j.expected.error_code != j.actual.error_code || j.expected.state.cr2 != j.actual.state.cr2);
         const bool by_supervisor = s.cpl == 3 || (s.cr4 & arch::cr4::smap) != 0;
         return differs && by_supervisor && (j.c.interrupt || j.c.far()) && !not_fetched(j) ? Verdict::accepted : Verdict::none;
     }},
    {"page faults of modified operands", "reads first, and tells of a read", "SDM vol. 3, \"Page-Fault Exceptions\" leaves open which access of an instruction faults; processors tell of the write", "W/R of the error code may differ when the operand is written as well, and the dirty flag of the first page of an operand whose second page faults",
     [](Judged& j) {
         if (j.c.interrupt || j.expected.vector != static_cast<int>(Vector::pf) || j.actual.vector != j.expected.vector || (j.expected.error_code ^ j.actual.error_code) != arch::pf_error::write) return Verdict::none;
         const auto* end = j.c.operands + j.c.instruction.operand_count;
         const auto* modified = std::find_if(j.c.operands, end, [](const auto& operand) { return is_memory(operand) && (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0; });
         if (modified == end) return Verdict::none;
         j.expected.error_code = j.actual.error_code;
         if (const u64 linear = linear_of(j.c.start, place_of(j.c, *modified)); paged(j) && linear >> 12 != j.actual.state.cr2 >> 12) take_marks(j, linear, dirty_mark);
         return Verdict::mended;
     }},
    {"paging structures outside of memory", "read as zeros", "of the platform; vtsim's bus answers with ones", "the error code as vtsim has it where the walk leads there",
     [](Judged& j) {
         const bool fault = j.expected.vector == static_cast<int>(Vector::pf) && j.actual.vector == j.expected.vector && j.expected.state.cr2 == j.actual.state.cr2;
         if (!fault || !walk_leaves_memory(j, j.actual.state.cr2)) return Verdict::none;
         j.expected.error_code = j.actual.error_code;
         return Verdict::mended;
     }},
    {"stores across pages", "looks at the second page first", "SDM vol. 3, \"Page-Fault Exceptions\" leaves the order open; the host's processor tells of the first", "CR2 in the first page when both have the same fault",
     [](Judged& j) {
         if (j.c.interrupt || j.expected.vector != static_cast<int>(Vector::pf) || j.actual.vector != j.expected.vector || j.expected.error_code != j.actual.error_code || not_fetched(j)) return Verdict::none;
         const auto* end = j.c.operands + j.c.instruction.operand_count;
         const bool across = std::any_of(j.c.operands, end, [&](const auto& operand) {
             if (!is_memory(operand) || (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) == 0) return false;
             const u64 linear = linear_of(j.c.start, place_of(j.c, operand)), second = (linear | 0xfff) + 1;
             return j.actual.state.cr2 == linear && j.expected.state.cr2 == second && second - linear < operand.size / 8U;
         });
         if (!across) return Verdict::none;
         j.expected.state.cr2 = j.actual.state.cr2;
         return Verdict::mended;
     }},
    {"several stack slots", "pushes and pops them in another order", "SDM vol. 2, \"PUSHA/PUSHAD\", \"POPA/POPAD\", \"ENTER\"", "CR2 may differ",
     [](Judged& j) {
         const bool slots = is(j, ZYDIS_MNEMONIC_PUSHA) || is(j, ZYDIS_MNEMONIC_PUSHAD) || is(j, ZYDIS_MNEMONIC_POPA) || is(j, ZYDIS_MNEMONIC_POPAD) || is(j, ZYDIS_MNEMONIC_ENTER);
         if (!slots || j.expected.vector != static_cast<int>(Vector::pf) || j.actual.vector != j.expected.vector) return Verdict::none;
         j.expected.state.gpr = j.c.start.gpr;                         // POPA has loaded some
         j.expected.state.cr2 = j.actual.state.cr2;
         j.expected.error_code = j.actual.error_code;
         j.ignore_memory = true;
         return Verdict::mended;
     }},
    {"IST without a change of privilege", "loads a null SS", "SDM vol. 3, \"Stack Switching in IA-32e Mode\": SS is null after a change of privilege", "SS as before",
     [](Judged& j) {
         auto& e = j.expected.state;
         if (!j.c.interrupt || !done(j) || !e.long_mode_active() || e.cpl != j.c.start.cpl) return Verdict::none;
         e.segment[arch::ss] = j.c.start.segment[arch::ss];
         return Verdict::mended;
     }},
    {"handlers at addresses that are not canonical", "enters them", "SDM vol. 2, \"INT n/INTO/INT3/INT1\": #GP(EXT)", "#GP(EXT) where the gate's offset is so",
     [](Judged& j) {
         if (!j.c.interrupt || !j.c.start.long_mode_active() || j.actual.vector != static_cast<int>(Vector::gp) || j.actual.error_code != 1) return Verdict::none;
         const u64 at = j.c.start.idtr.base + *j.c.interrupt * 16U;
         const u64 low = descriptor_at(j, at);
         if (canonical((low & 0xffff) | (low >> 48) << 16 | descriptor_at(j, at + 8) << 32) || !(done(j) || j.expected.vector == static_cast<int>(Vector::pf))) return Verdict::none;
         return accept_fault(j, Vector::gp, 1);
     }},
    {"LGDT and LIDT", "load any base", "SDM vol. 2, \"LGDT/LIDT\": #GP(0) when it is not canonical", "#GP(0)",
     [](Judged& j) {
         const bool loads = (is(j, ZYDIS_MNEMONIC_LGDT) && !canonical(j.expected.state.gdtr.base)) || (is(j, ZYDIS_MNEMONIC_LIDT) && !canonical(j.expected.state.idtr.base));
         if (!loads || !done(j)) return Verdict::none;
         want_fault(j, Vector::gp);
         return Verdict::mended;
     }},
    {"LAHF and SAHF with REX", "use SPL instead of AH", "SDM vol. 2, \"LAHF\", \"SAHF\"", "not compared",
     [](Judged& j) { return (is(j, ZYDIS_MNEMONIC_LAHF) || is(j, ZYDIS_MNEMONIC_SAHF)) && (j.c.instruction.attributes & ZYDIS_ATTRIB_HAS_REX) != 0 ? Verdict::accepted : Verdict::none; }},
    {"SYSEXIT to 64-bit mode", "loads CS with both L and D", "SDM vol. 2, \"SYSEXIT\": CS.D = 0", "D = 0",
     [](Judged& j) {
         auto& cs = j.expected.state.segment[arch::cs];
         if (!is(j, ZYDIS_MNEMONIC_SYSEXIT) || !done(j) || !cs.long_mode()) return Verdict::none;
         cs.rights &= ~(1U << 14);
         return Verdict::mended;
     }},
    {"null SS in 64-bit mode", "is loaded whatever its RPL", "SDM vol. 2, \"MOV\", \"POP\", \"LDS/LES/LFS/LGS/LSS\": #GP(0) unless RPL = CPL", "#GP(0)",
     [](Judged& j) {
         const u16 selector = j.expected.state.segment[arch::ss].selector;
         if (j.c.interrupt || j.c.far() || !done(j) || !j.c.start.code64() || (selector & 0xfffc) != 0 || (selector & 3U) == j.c.start.cpl || selector == j.c.start.segment[arch::ss].selector) return Verdict::none;
         if (is(j, ZYDIS_MNEMONIC_SYSRET) || is(j, ZYDIS_MNEMONIC_SYSEXIT)) return Verdict::none;
         want_fault(j, Vector::gp);
         return Verdict::mended;
     }},
    {"flags of SYSRET", "loads VM and RF, and traps when it loads TF", "SDM vol. 2, \"SYSRET\": RFLAGS := (R11 AND 3C7FD7H) OR 2", "VM and RF are 0; with TF not compared",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_SYSRET) || !done(j)) return Verdict::none;
         if (((j.c.start.gpr[arch::r11] | j.c.start.rflags) & arch::rflags::tf) != 0) return Verdict::accepted;
         j.expected.state.write_rflags(j.expected.state.read_rflags() & ~(arch::rflags::vm | arch::rflags::rf));
         return Verdict::mended;
     }},
    {"SYSEXIT", "takes 64-bit registers without REX.W, and checks nothing but IA32_SYSENTER_CS = 0 and CPL", "SDM vol. 2, \"SYSEXIT\": ESP := ECX; #GP(0) when bits 15:2 of IA32_SYSENTER_CS are 0 or RCX or RDX are not canonical",
     "as the manual has it",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_SYSEXIT) || !done(j)) return Verdict::none;
         const auto& s = j.c.start;
         const bool wide = j.c.size == CodeSize::long64 && j.c.instruction.raw.rex.W != 0;
         const bool refused = (s.sysenter_cs & 0xfffc) == 0 || (wide && !(canonical(s.gpr[arch::rcx]) && canonical(s.gpr[arch::rdx])));
         if (refused) want_fault(j, Vector::gp);
         else if (!wide) j.expected.state.gpr[arch::rsp] = static_cast<u32>(s.gpr[arch::rcx]);
         return Verdict::mended;
     }},
    {"branches to addresses that are not canonical", "are taken", "SDM vol. 2, \"JMP\", \"CALL\", \"RET\", \"SYSRET\": #GP(0)", "#GP(0) when Unicorn's new RIP is so",
     [](Judged& j) {
         if (!j.c.branches() || !done(j) || !j.expected.state.code64() || canonical(j.expected.state.rip)) return Verdict::none;
         return accept_fault(j, Vector::gp);
     }},
    {"SYSCALL and single-stepping", "(is written down above)", "the manuals leave open whether the trap follows the old or the new TF", "not compared",
     [](Judged& j) { return is(j, ZYDIS_MNEMONIC_SYSCALL) && (j.c.start.rflags & arch::rflags::tf) != 0 ? Verdict::accepted : Verdict::none; }},
    {"LGDT and LIDT with 66H in 64-bit mode", "load 24 bits of the base", "SDM vol. 2, \"LGDT/LIDT\": the operand size is fixed", "not compared",
     [](Judged& j) {
         const bool loads = is(j, ZYDIS_MNEMONIC_LGDT) || is(j, ZYDIS_MNEMONIC_LIDT);
         return loads && j.c.size == CodeSize::long64 && (j.c.instruction.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) != 0 ? Verdict::accepted : Verdict::none;
     }},
    {"CMPXCHG with equal operands", "extends EAX with zeros", "SDM vol. 2, \"CMPXCHG\", operation: the accumulator is not written", "RAX as before",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_CMPXCHG) || j.c.instruction.operand_width != 32 || !is_memory(j.c.operands[0]) || !done(j) || (j.expected.state.read_rflags() & arch::rflags::zf) == 0) return Verdict::none;
         j.expected.state.gpr[arch::rax] = j.c.start.gpr[arch::rax];
         return Verdict::mended;
     }},
    {"32-bit destinations that are not written", "are extended with zeros", "SDM vol. 2, \"CMPXCHG\", \"BSF\", \"BSR\": not written when the operands differ, undefined for a zero", "the low 32 bits",
     [](Judged& j) {
         const bool unwritten = is(j, ZYDIS_MNEMONIC_CMPXCHG) || is(j, ZYDIS_MNEMONIC_BSF) || is(j, ZYDIS_MNEMONIC_BSR);
         if (!unwritten || j.c.instruction.operand_width != 32 || j.c.operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER || !done(j)) return Verdict::none;
         const auto number = static_cast<unsigned>(gpr_number(j.c.operands[0].reg.value));
         for (const auto changed : {number, unsigned{arch::rax}}) {
             if (changed != number && !is(j, ZYDIS_MNEMONIC_CMPXCHG)) continue;
             j.expected.state.gpr[changed] = (j.expected.state.gpr[changed] & low_bits(32)) | (j.actual.state.gpr[changed] & ~low_bits(32));
         }
         return Verdict::mended;
     }},
    {"ENTER and the new stack pointer", "does not try to write there", "SDM vol. 2, \"ENTER\": #PF when a write at the final stack pointer would fault", "#PF for a write at the final stack pointer",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_ENTER) || !done(j) || j.actual.vector != static_cast<int>(Vector::pf)) return Verdict::none;
         const u64 pointer = linear_of(j.c.start, {arch::ss, j.expected.state.gpr[arch::rsp] & stack_mask(j.c.start)});
         if (j.actual.state.cr2 - pointer >= 8 || (j.actual.error_code & arch::pf_error::write) == 0) return Verdict::none;
         want_fault(j, Vector::pf, j.actual.error_code);
         j.expected.state.cr2 = j.actual.state.cr2;
         j.ignore_memory = true;
         return Verdict::mended;
     }},
    {"handlers in segments that are not 64-bit code", "raises #NP first", "SDM vol. 2, \"INT n/INTO/INT3/INT1\": #GP(selector), then #NP", "#GP where the descriptor is so",
     [](Judged& j) {
         if (!j.c.start.long_mode_active() || j.expected.vector != static_cast<int>(Vector::np) || j.actual.vector != static_cast<int>(Vector::gp) || j.expected.error_code != j.actual.error_code) return Verdict::none;
         const u64 descriptor = descriptor_at(j, descriptor_of(j.c.start, static_cast<u16>(j.actual.error_code)));
         if ((descriptor >> 53 & 3) == 1) return Verdict::none;
         j.expected.vector = j.actual.vector;
         return Verdict::mended;
     }},
    {"the I/O permission map", "is not read", "SDM vol. 1, \"I/O Permission Bit Map\"", "the translation of the TSS may be marked as accessed",
     [](Judged& j) {
         const auto category = j.c.interrupt ? ZYDIS_CATEGORY_INVALID : j.c.instruction.meta.category;
         if (!paged(j) || (category != ZYDIS_CATEGORY_IO && category != ZYDIS_CATEGORY_IOSTRINGOP)) return Verdict::none;
         take_marks(j, tss, accessed_mark);
         return Verdict::mended;
     }},
    {"page faults of descriptors", "come for a doubleword where vtsim accesses the quadword or the access byte", "the manual leaves the size of the access open", "CR2 may lie anywhere in the descriptor",
     [](Judged& j) {
         if (j.expected.vector != static_cast<int>(Vector::pf) || j.actual.vector != j.expected.vector || j.expected.state.cr2 >> 3 != j.actual.state.cr2 >> 3 || j.actual.state.cr2 >= page_tables) return Verdict::none;
         j.expected.state.cr2 = j.actual.state.cr2;
         return Verdict::mended;
     }},
    {"null SS of far returns", "becomes a flat segment, and may be loaded for compatibility mode", "SDM vol. 2, \"IRET/IRETD/IRETQ\", \"RET\": unusable; #GP(0) unless the target is 64-bit code", "as the manual has it",
     [](Judged& j) {
         auto& e = j.expected.state;
         auto& ss = e.segment[arch::ss];
         if (j.c.interrupt || !j.c.far() || !done(j) || !e.long_mode_active() || (ss.selector & 0xfffc) != 0 || (!j.c.interrupt_return() && e.cpl == j.c.start.cpl)) return Verdict::none;
         if (e.code64() && (ss.selector & 3U) == e.cpl) ss.rights = arch::Segment::unusable_bit;
         else want_fault(j, Vector::gp);
         return Verdict::mended;
     }},
    {"stack pointers that are not canonical", "are used for events", "SDM vol. 3, \"Interrupt 12 - Stack Fault Exception (#SS)\": #SS(EXT)", "#SS(EXT) where Unicorn's new RSP is so",
     [](Judged& j) {
         if (!j.c.interrupt || !done(j) || !j.c.start.long_mode_active() || canonical(j.expected.state.gpr[arch::rsp])) return Verdict::none;
         return accept_fault(j, Vector::ss, 1);
     }},
    {"code segments with both L and D", "are entered", "SDM vol. 3, \"Segment Descriptors\"; vol. 2, \"JMP\", \"CALL\", \"RET\", \"IRET\": #GP(selector)", "#GP(selector) when Unicorn's new CS is so",
     [](Judged& j) {
         const auto& cs = j.expected.state.segment[arch::cs];
         if (j.c.interrupt || !j.c.far() || !j.c.start.long_mode_active()) return Verdict::none;
         if (done(j)) return cs.long_mode() && cs.default_big() ? accept_fault(j, Vector::gp, cs.selector & 0xfffcU) : Verdict::none;
         const u64 descriptor = descriptor_of_selector(j, static_cast<u16>(j.actual.error_code));
         const bool both = (descriptor >> 53 & 3) == 3 && (descriptor >> 43 & 3) == 3;
         return both && j.actual.vector == static_cast<int>(Vector::gp) && j.actual.error_code != 0 ? accept_fault(j, Vector::gp, j.actual.error_code) : Verdict::none;
     }},
    {"RCL and RCR that fault", "have changed flags before the store", "SDM vol. 3, \"Exception Classifications\": a fault leaves the state as it was", "all but the flags",
     [](Judged& j) {
         if (!(is(j, ZYDIS_MNEMONIC_RCL) || is(j, ZYDIS_MNEMONIC_RCR)) || j.expected.vector != static_cast<int>(Vector::pf)) return Verdict::none;
         j.expected.state.write_rflags(j.c.start.read_rflags());
         return Verdict::mended;
     }},
    {"RCL and RCR of the code behind them", "begins anew when the store changes what has been translated with it, and then with the new CF", "SDM vol. 3, \"Handling Self- and Cross-Modifying Code\"", "not compared within 64 bytes",
     [](Judged& j) {
         constexpr u64 translated = 64;
         const bool rotates = (is(j, ZYDIS_MNEMONIC_RCL) || is(j, ZYDIS_MNEMONIC_RCR)) && is_memory(j.c.operands[0]);
         return rotates && linear_of(j.c.start, place_of(j.c, j.c.operands[0])) + 8 - j.c.linear < translated ? Verdict::accepted : Verdict::none;
     }},
    {"ENTER and dirty pages", "does not touch the new top of the stack", "SDM vol. 2, \"ENTER\"", "the translation of the new stack pointer may be marked",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_ENTER) || !done(j) || !paged(j)) return Verdict::none;
         for (const u64 byte : {0U, 7U}) take_marks(j, j.expected.state.gpr[arch::rsp] + byte, accessed_mark | dirty_mark);
         return Verdict::mended;
     }},
    {"16-byte descriptors at the end of a table", "are not read when their second half lies beyond the limit", "SDM vol. 2, \"LLDT\", \"LTR\" leave the order open", "the translation of the table may be marked",
     [](Judged& j) {
         if (!(is(j, ZYDIS_MNEMONIC_LLDT) || is(j, ZYDIS_MNEMONIC_LTR)) || done(j) || !paged(j)) return Verdict::none;
         take_marks(j, gdt, accessed_mark);
         return Verdict::mended;
     }},
    {"frames and descriptors before a fault", "touches other pages before it faults", "SDM vol. 3, \"Accessed and Dirty Flags\"", "the flags of the translations may differ when a transfer faults",
     [](Judged& j) {
         if (!paged(j) || done(j) || !(j.c.interrupt || j.c.far())) return Verdict::none;
         for (u64 at = page_table; at < page_tables + 0x4000; at += 8) *j.memories.reference_.at(at) = static_cast<u8>((*j.memories.reference_.at(at) & ~0x60) | (*j.memories.subject_.at(at) & 0x60));
         return Verdict::mended;
     }},
    {"descriptors that cannot be marked as accessed", "(are not marked, see there)", "SDM vol. 3, \"Code- and Data-Segment Descriptor Types\"", "a page fault of a write to the tables is taken as it is",
     [](Judged& j) {
         const bool tables = j.actual.vector == static_cast<int>(Vector::pf) && (j.actual.error_code & arch::pf_error::write) != 0 && j.actual.state.cr2 >= gdt && j.actual.state.cr2 < idt;
         return (j.c.interrupt || j.c.far()) && done(j) && tables ? Verdict::accepted : Verdict::none;
     }},
    {"MOV of immediates with REX.R", "is an undefined opcode", "SDM vol. 2, \"REX Prefixes\": REX.R does not extend an opcode", "not here: the comparison with the host executes it",
     [](Judged& j) {
         const bool immediate = is(j, ZYDIS_MNEMONIC_MOV) && (j.c.instruction.opcode == 0xc6 || j.c.instruction.opcode == 0xc7);
         return immediate && j.c.size == CodeSize::long64 && j.c.instruction.raw.rex.R != 0 ? Verdict::accepted : Verdict::none;
     }},
    {"upper halves of system descriptors", "are loaded as they are", "SDM vol. 3, \"Segment Descriptor Tables in IA-32e Mode\": the type field of the upper half is 0, the base canonical", "#GP(selector) where it is not so",
     [](Judged& j) {
         if (!(is(j, ZYDIS_MNEMONIC_LLDT) || is(j, ZYDIS_MNEMONIC_LTR)) || !done(j) || !j.c.start.long_mode_active()) return Verdict::none;
         const auto& loaded = j.expected.state.segment[is(j, ZYDIS_MNEMONIC_LLDT) ? arch::ldtr : arch::tr];
         const u64 upper = descriptor_at(j, descriptor_of(j.c.start, loaded.selector) + 8);
         if ((loaded.selector & 0xfffc) == 0 || ((upper >> 40 & 31) == 0 && canonical(loaded.base))) return Verdict::none;
         return accept_fault(j, Vector::gp, loaded.selector & 0xfffcU);
     }},
    {"ARPL that changes nothing", "writes all the same", "SDM vol. 2, \"ARPL\": writes when the RPL is lower", "not compared when the write faults",
     [](Judged& j) { return is(j, ZYDIS_MNEMONIC_ARPL) && j.expected.vector == static_cast<int>(Vector::pf) && j.actual.vector != j.expected.vector ? Verdict::accepted : Verdict::none; }},
    {"SGDT and SIDT across pages", "store in another order", "SDM vol. 2, \"SGDT\", \"SIDT\" leave it open", "memory is not compared when the second page faults",
     [](Judged& j) {
         if (!(is(j, ZYDIS_MNEMONIC_SGDT) || is(j, ZYDIS_MNEMONIC_SIDT)) || j.expected.vector != static_cast<int>(Vector::pf) || j.actual.vector != j.expected.vector) return Verdict::none;
         j.ignore_memory = true;
         return Verdict::mended;
     }},
    {"ARPL and dirty pages", "writes what it does not change", "SDM vol. 2, \"ARPL\": writes when the RPL is lower", "the translation of the operand may be marked",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_ARPL) || !done(j) || !paged(j) || !is_memory(j.c.operands[0])) return Verdict::none;
         take_marks(j, linear_of(j.c.start, place_of(j.c, j.c.operands[0])), accessed_mark | dirty_mark);
         return Verdict::mended;
     }},
    {"page faults at the end of a run", "hide the one before when the page tables lead nowhere", "of Unicorn's own", "CR2 and error code as vtsim has them when Unicorn's page fault is in its own memory, and both or none have one of the instruction",
     [](Judged& j) {
         if (j.expected.vector != j.actual.vector || j.expected.state.cr2 < UnicornProcessor::own_memory || j.expected.state.cr2 >= UnicornProcessor::own_memory_end) return Verdict::none;
         j.expected.state.cr2 = j.actual.state.cr2;
         j.expected.error_code = j.actual.error_code;
         return Verdict::mended;
     }},
    {"far CALL of 32 bits to 64-bit code", "checks the limit", "SDM vol. 2, \"CALL\": the limit of 64-bit code is not checked", "not compared",
     [](Judged& j) {
         return is(j, ZYDIS_MNEMONIC_CALL) && j.c.far() && j.expected.vector == static_cast<int>(Vector::gp) && j.actual.end == End::done && j.actual.state.code64() ? Verdict::accepted : Verdict::none;
     }},
    {"CMPXCHG8B and CMPXCHG16B at addresses that are not canonical", "raise #GP through SS too", "SDM vol. 2, \"CMPXCHG8B/CMPXCHG16B\": #SS(0)", "#SS(0) where the operand is so",
     [](Judged& j) {
         const bool compares = is(j, ZYDIS_MNEMONIC_CMPXCHG8B) || is(j, ZYDIS_MNEMONIC_CMPXCHG16B);
         if (!compares || !j.c.start.code64() || j.expected.vector != static_cast<int>(Vector::gp)) return Verdict::none;
         const auto place = place_of(j.c, j.c.operands[0]);
         if (place.segment != arch::ss || canonical(place.offset)) return Verdict::none;
         want_fault(j, Vector::ss);
         return Verdict::mended;
     }},
    {"upper halves of DR4 to DR7", "are taken", "SDM vol. 2, \"MOV - Move to/from Debug Registers\": #GP(0)", "#GP(0)",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_MOV) || !done(j) || j.c.size != CodeSize::long64 || j.c.operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER) return Verdict::none;
         const auto reg = j.c.operands[0].reg.value;
         if (reg < ZYDIS_REGISTER_DR4 || reg > ZYDIS_REGISTER_DR7 || j.c.start.gpr[static_cast<unsigned>(gpr_number(j.c.operands[1].reg.value))] >> 32 == 0) return Verdict::none;
         want_fault(j, Vector::gp);
         return Verdict::mended;
     }},
    {"LAR and LSL in IA-32e mode", "accept the 16-bit system segments", "SDM vol. 2, \"LAR\", \"LSL\", tables of segment and gate types", "not compared for system descriptors",
     [](Judged& j) {
         if (!(is(j, ZYDIS_MNEMONIC_LAR) || is(j, ZYDIS_MNEMONIC_LSL)) || !j.c.start.long_mode_active() || !done(j)) return Verdict::none;
         return ((j.expected.state.read_rflags() ^ j.actual.state.read_rflags()) & arch::rflags::zf) != 0 ? Verdict::accepted : Verdict::none;
     }},
    {"CALL to an address that is not canonical", "pushes first", "SDM vol. 2, \"CALL\", operation: the target is checked before the push", "#GP(0) as well",
     [](Judged& j) {
         const bool order = is(j, ZYDIS_MNEMONIC_CALL) && j.c.start.code64() && j.expected.vector == static_cast<int>(Vector::pf) && j.actual.vector == static_cast<int>(Vector::gp) && j.actual.error_code == 0;
         return order ? Verdict::accepted : Verdict::none;
     }},
    {"IRETQ to compatibility mode", "cuts RIP to 32 bits", "SDM vol. 2, \"IRET/IRETD/IRETQ\": #GP(0) when RIP is not within the limit", "#GP(0) as well",
     [](Judged& j) {
         const bool wide = j.c.far() && !j.c.interrupt && j.c.instruction.operand_width == 64 && done(j) && j.c.start.long_mode_active() && !j.expected.state.code64();
         return wide && j.actual.vector == static_cast<int>(Vector::gp) && j.actual.error_code == 0 ? Verdict::accepted : Verdict::none;
     }},
    {"LSS, LFS and LGS with REX.W", "load a 32-bit offset", "SDM vol. 2, \"LDS/LES/LFS/LGS/LSS\": m16:64", "not compared",
     [](Judged& j) {
         const bool loads = is(j, ZYDIS_MNEMONIC_LSS) || is(j, ZYDIS_MNEMONIC_LFS) || is(j, ZYDIS_MNEMONIC_LGS);
         return loads && j.c.instruction.operand_width == 64 ? Verdict::accepted : Verdict::none;
     }},
    {"SYSRET and SYSEXIT in compatibility mode", "SYSRET runs", "SDM vol. 2, \"SYSRET\": #UD outside 64-bit mode", "#UD",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_SYSRET) || j.c.start.code64()) return Verdict::none;
         return want_undefined(j);
     }},
    {"TEST, second encoding", "F6 and F7 /1 are undefined opcodes", "SDM vol. 2, \"Opcode Extensions for One- and Two-byte Opcodes by Group Number\", gives only /0; processors execute /1 as /0",
     "not here: the comparison with the host executes it", [](Judged& j) { return is(j, ZYDIS_MNEMONIC_TEST) && j.c.instruction.raw.modrm.reg == 1 ? Verdict::accepted : Verdict::none; }},
    {"INT1", "is an undefined opcode", "SDM vol. 2, \"INT n/INTO/INT3/INT1\": #DB", "vector 1, RIP behind the instruction",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_INT1)) return Verdict::none;
         want_fault(j, Vector::db);
         j.expected.software = true;
         j.expected.state.rip += j.c.code.size();
         return Verdict::mended;
     }},
    {"BSWAP of 16 bits", "swaps 32 bits", "SDM vol. 2, \"BSWAP\": undefined", "not compared", [](Judged& j) { return is(j, ZYDIS_MNEMONIC_BSWAP) && j.c.instruction.operand_width == 16 ? Verdict::accepted : Verdict::none; }},
    {"CRC32 in 16-bit code", "takes 66H for 16 bits, whatever the size of the code", "SDM vol. 2, \"CRC32\"; vol. 1, \"Operand-Size and Address-Size Attributes\"",
     "not here: the comparison with the host executes it", [](Judged& j) { return is(j, ZYDIS_MNEMONIC_CRC32) && j.c.size != CodeSize::protected32 && j.c.size != CodeSize::long64 ? Verdict::accepted : Verdict::none; }},
    {"CRC32 and CR0", "obeys CR0.EM and CR0.TS", "SDM vol. 2, \"CRC32\": a general-purpose instruction", "not compared",
     [](Judged& j) { return is(j, ZYDIS_MNEMONIC_CRC32) && (j.c.start.cr0 & (arch::cr0::em | arch::cr0::ts)) != 0 ? Verdict::accepted : Verdict::none; }},
    {"CR0.NW without CR0.CD", "loads them", "SDM vol. 2, \"MOV - Move to/from Control Registers\": #GP(0) for an invalid combination", "#GP(0)",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_MOV) || !done(j) || (j.expected.state.cr0 & (arch::cr0::nw | arch::cr0::cd)) != arch::cr0::nw) return Verdict::none;
         want_fault(j, Vector::gp);
         return Verdict::mended;
     }},
    {"PUSHFD in virtual-8086 mode", "pushes VM and RF as they are", "SDM vol. 2, \"PUSHF/PUSHFD/PUSHFQ\": both are 0 in the image", "0",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_PUSHFD) || !done(j)) return Verdict::none;
         const u64 upper = linear_of(j.c.start, {arch::ss, (j.c.start.gpr[arch::rsp] - 4) & stack_mask(j.c.start)}) + 2;
         if (!Memories::inside(upper, 1) || (*j.memories.reference_.at(upper) & 3) == 0) return Verdict::none;
         *j.memories.reference_.at(upper) &= 0xfc;
         return Verdict::mended;
     }},
    {"events of virtual-8086 mode", "lead to any inner privilege level", "SDM vol. 2, \"INT n/INTO/INT3/INT1\": #GP(selector + EXT) unless the handler's DPL is 0", "#GP where the descriptor of the handler is so",
     [](Judged& j) {
         if (!j.c.interrupt || !j.c.start.virtual8086()) return Verdict::none;
         const u16 selector = static_cast<u16>(gate_of(j) >> 16);
         const u64 descriptor = descriptor_at(j, descriptor_of(j.c.start, selector));
         const bool present_code = (descriptor >> 40 & 0x98) == 0x98, level0 = (descriptor >> 45 & 3) == 0 && (descriptor >> 40 & 0x0c) != 0x0c;
         if (!present_code || level0 || !(done(j) || j.expected.vector == static_cast<int>(Vector::ts))) return Verdict::none;
         return accept_fault(j, Vector::gp, (selector & 0xfffcU) | 1);
     }},
    {"pushes of 16 bits around 4 GByte", "leave the 32-bit linear address space", "SDM vol. 3, \"Physical Address Space\": linear addresses have 32 bits", "not compared",
     [](Judged& j) {
         const u64 linear = j.c.start.segment[arch::ss].base + (j.c.start.gpr[arch::rsp] & stack_mask(j.c.start));
         return (j.c.interrupt || j.c.far()) && !j.c.start.long_mode_active() && linear >= (u64{1} << 32) - 64 ? Verdict::accepted : Verdict::none;
     }},
    {"LLDT of a null selector", "keeps the type of the last one", "SDM vol. 2, \"LLDT\": LDTR is invalid then", "unusable",
     [](Judged& j) {
         auto& table = j.expected.state.segment[arch::ldtr];
         if (!is(j, ZYDIS_MNEMONIC_LLDT) || !done(j) || (table.selector & 0xfffc) != 0) return Verdict::none;
         table.rights = arch::Segment::unusable_bit;
         return Verdict::mended;
     }},
    {"stack segments that are not present", "raises #TS on the way in and #NP on the way out", "SDM vol. 2, \"INT n/INTO/INT3/INT1\", \"CALL\", \"RET\", \"IRET\": #SS(selector)", "#SS where the descriptor is so",
     [](Judged& j) {
         if (j.actual.vector != static_cast<int>(Vector::ss) || (j.expected.vector != static_cast<int>(Vector::ts) && j.expected.vector != static_cast<int>(Vector::np))) return Verdict::none;
         if (j.expected.error_code != j.actual.error_code || (descriptor_at(j, descriptor_of(j.c.start, static_cast<u16>(j.actual.error_code))) >> 47 & 1) != 0) return Verdict::none;
         j.expected.vector = j.actual.vector;
         return Verdict::mended;
     }},
    {"far RET across the end of a 16-bit stack", "goes on above 64 KByte in real-address and virtual-8086 mode", "SDM vol. 1, \"Procedure Stack\": SP has 16 bits", "not compared",
     [](Judged& j) {
         const bool wraps = is(j, ZYDIS_MNEMONIC_RET) && j.c.far() && (j.c.start.gpr[arch::rsp] & 0xffff) + 2U * j.c.instruction.operand_width / 8U > 0x1'0000;
         return wraps && real_or_v86(j.c.start) && stack_mask(j.c.start) == 0xffff ? Verdict::accepted : Verdict::none;
     }},
    {"task switches", "makes checks in another order and leaves some out", "SDM vol. 3, \"Task Switching\"", "not here: not compared",
     [](Judged& j) {
         if (!j.c.start.protected_mode() || j.c.start.virtual8086() != (j.c.start.virtual8086() && j.c.interrupt)) return Verdict::none;
         if (j.c.interrupt_return()) return (j.c.start.rflags & arch::rflags::nt) != 0 ? Verdict::accepted : Verdict::none;
         const u64 gate = gate_of(j);
         const unsigned type = type_of(gate);
         const bool task = gate != 0 && (type == 5 || (!j.c.interrupt && (type == 1 || type == 3 || type == 9 || type == 11)));
         return task ? Verdict::accepted : Verdict::none;
     }},
    {"code segments behind call gates that are not present", "raises #GP for JMP", "SDM vol. 2, \"JMP\": #NP(selector)", "#NP where the descriptor is so",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_JMP) || !j.c.far() || j.expected.vector != static_cast<int>(Vector::gp) || j.actual.vector != static_cast<int>(Vector::np) || j.expected.error_code != j.actual.error_code) return Verdict::none;
         if ((descriptor_at(j, descriptor_of(j.c.start, static_cast<u16>(j.actual.error_code))) >> 47 & 1) != 0) return Verdict::none;
         j.expected.vector = j.actual.vector;
         return Verdict::mended;
     }},
    {"new 16-bit stacks", "keep the upper half of the old ESP", "SDM vol. 2, \"INT n/INTO/INT3/INT1\", \"CALL\": ESP is loaded from the TSS, and SP used", "the low 16 bits of ESP",
     [](Judged& j) {
         const auto& e = j.expected.state;
         if (!done(j) || !(j.c.interrupt || is(j, ZYDIS_MNEMONIC_CALL)) || !e.protected_mode() || e.cpl >= j.c.start.cpl || stack_mask(e) != 0xffff) return Verdict::none;
         j.expected.state.gpr[arch::rsp] = (e.gpr[arch::rsp] & 0xffff) | (j.actual.state.gpr[arch::rsp] & ~u64{0xffff});
         return Verdict::mended;
     }},
    {"stack pointers at the end of the TSS", "wants 8 bytes of SS:ESP within the limit", "SDM vol. 2, \"INT n/INTO/INT3/INT1\": #TS when TSSstackAddress + 5 is beyond it", "not compared",
     [](Judged& j) {
         const auto& tr = j.c.start.segment[arch::tr];
         if (!j.c.start.protected_mode() || j.expected.vector != static_cast<int>(Vector::ts) || (j.expected.error_code & 0xfffc) != (tr.selector & 0xfffcU) || (tr.type() & 8) == 0) return Verdict::none;
         for (u32 level = 0; level < 3; ++level)
             if (tr.limit == 4 + 8 * level + 5 || tr.limit == 4 + 8 * level + 6) return Verdict::accepted;
         return Verdict::none;
     }},
    {"LTR of a null selector", "loads it", "SDM vol. 2, \"LTR\": #GP(0)", "#GP(0)",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_LTR) || !done(j) || (j.expected.state.segment[arch::tr].selector & 0xfffc) != 0) return Verdict::none;
         want_fault(j, Vector::gp);
         return Verdict::mended;
     }},
    {"RET with an immediate", "takes it as signed", "SDM vol. 2, \"RET\": the number of bytes to release", "only below 8000H",
     [](Judged& j) {
         const bool wide = is(j, ZYDIS_MNEMONIC_RET) && j.c.operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && (j.c.operands[0].imm.value.u & 0x8000) != 0;
         return wide && (stack_mask(j.c.start) != 0xffff || j.c.far()) ? Verdict::accepted : Verdict::none;
     }},
    {"call gates to conforming code", "load CS with the segment's DPL as RPL", "SDM vol. 2, \"CALL\": CS(RPL) is the CPL", "RPL = CPL",
     [](Judged& j) {
         auto& e = j.expected.state;
         if (!is(j, ZYDIS_MNEMONIC_CALL) || !j.c.far() || !done(j) || gate_of(j) == 0 || !e.segment[arch::cs].conforming()) return Verdict::none;
         e.segment[arch::cs].selector = static_cast<u16>((e.segment[arch::cs].selector & 0xfffc) | e.cpl);
         return Verdict::mended;
     }},
    {"accessed bit of CS and SS", "does not set it in far transfers and events", "SDM vol. 3, \"Code- and Data-Segment Descriptor Types\"", "vtsim must have set it, in the table and in the register",
     [](Judged& j) {
         bool mended = false;
         if (!j.c.interrupt && !j.c.far()) return Verdict::none;
         for (const auto number : {arch::cs, arch::ss}) mended |= mend_accessed(j, number);
         return mended ? Verdict::mended : Verdict::none;
     }},
    {"IDT errors in IA-32e mode", "counts gates in 16 bytes: vector * 16 + 2", "SDM vol. 3, \"Error Code\": the selector index is the vector", "vector * 8 + 2",
     [](Judged& j) {
         if (!j.c.interrupt || !j.c.start.long_mode_active() || (j.expected.error_code & ~1U) != *j.c.interrupt * 16U + 2) return Verdict::none;
         j.expected.error_code = *j.c.interrupt * 8U + 2 + (j.expected.error_code & 1);
         return Verdict::mended;
     }},
    {"near branches with 66H in 64-bit mode", "have 16-bit displacements and targets", "SDM vol. 2, \"JMP\", \"Jcc\", \"CALL\": the operand size is 64 bits", "not here: the comparison with the host executes those that its processor has the same",
     [](Judged& j) {
         const bool prefixed = !j.c.interrupt && j.c.branches() && !j.c.far() && j.c.size == CodeSize::long64 && (j.c.instruction.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) != 0;
         return prefixed ? Verdict::accepted : Verdict::none;
     }},
    {"16-bit gates", "take the upper half of a 32-bit offset", "SDM vol. 3, \"IDT Descriptors\"; the offset of a 16-bit gate has 16 bits", "the low 16 bits",
     [](Judged& j) {
         if (!done(j) || real_or_v86(j.expected.state) || j.c.start.long_mode_active()) return Verdict::none;
         const unsigned type = type_of(gate_of(j));
         if (type != 4 && type != 6 && type != 7) return Verdict::none;
         j.expected.state.rip &= 0xffff;
         return Verdict::mended;
     }},
    {"far CALL beyond the limit", "gives the selector as error code", "SDM vol. 2, \"CALL\": #GP(0) when the target is not within the limit", "error code 0 when the offset lies beyond the limit",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_CALL) || !j.c.far() || j.expected.vector != static_cast<int>(Vector::gp) || real_or_v86(j.c.start)) return Verdict::none;
         const auto pointer = pointer_of(j);
         const u64 descriptor = descriptor_at(j, descriptor_of(j.c.start, pointer.selector));
         const u64 limit = ((descriptor & 0xffff) | (descriptor >> 32 & 0xf'0000)) << ((descriptor >> 55 & 1) != 0 ? 12 : 0) | ((descriptor >> 55 & 1) != 0 ? 0xfff : 0);
         if ((descriptor >> 44 & 1) == 0 || j.expected.error_code != (pointer.selector & 0xfffcU) || pointer.offset <= limit || j.actual.error_code != 0) return Verdict::none;
         j.expected.error_code = 0;
         j.ignore_memory = true;                                       // has pushed already
         return Verdict::mended;
     }},
    {"frames beyond the stack limit", "pushes them", "SDM vol. 2, \"INT n/INTO/INT3/INT1\": #SS(EXT), on a new stack #SS(selector + EXT)", "limits.cpp says which frame must fault; registers must be as before",
     [](Judged& j) {
         const bool inner = j.expected.state.cpl < j.c.start.cpl, call = is(j, ZYDIS_MNEMONIC_CALL) && j.c.far() && inner;
         if ((!j.c.interrupt && !call) || !done(j) || !j.c.start.protected_mode() || j.c.start.long_mode_active()) return Verdict::none;
         const u64 gate = gate_of(j);
         if (!frame_violates(j.expected.state, call ? 4 + static_cast<unsigned>(gate >> 32 & 31) : frame_slots(j), type_of(gate) >= 8 ? 4 : 2)) return Verdict::none;
         const u16 selector = inner ? j.expected.state.segment[arch::ss].selector : u16{0};
         return accept_fault(j, Vector::ss, (selector & 0xfffcU) | (call ? 0 : 1));
     }},
    {"handlers beyond the limit", "enters them", "SDM vol. 2, \"INT n/INTO/INT3/INT1\": #GP(EXT)", "#GP(EXT) when Unicorn's new EIP lies beyond the limit",
     [](Judged& j) {
         const auto& cs = j.expected.state.segment[arch::cs];
         if (!j.c.interrupt || !done(j) || !j.c.start.protected_mode() || cs.long_mode() || j.expected.state.rip <= cs.limit) return Verdict::none;
         if (j.actual.vector == static_cast<int>(Vector::ss)) return Verdict::none;                // the frame comes first
         return accept_fault(j, Vector::gp, 1);
     }},
    {"SYSENTER", "does nothing but leave it to a hook", "SDM vol. 2, \"SYSENTER\"", "the manual's operation, written down here",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_SYSENTER)) return Verdict::none;
         const auto& s = j.c.start;
         want_fault(j, Vector::gp);
         if (!s.protected_mode() || (s.sysenter_cs & 0xfffc) == 0) return Verdict::mended;
         auto& e = j.expected.state;
         const bool wide = s.long_mode_active();
         j.expected.end = End::done, j.expected.vector = no_vector;
         e.rip = wide ? s.sysenter_eip : static_cast<u32>(s.sysenter_eip);
         e.gpr[arch::rsp] = wide ? s.sysenter_esp : static_cast<u32>(s.sysenter_esp);
         e.write_rflags(s.read_rflags() & ~(arch::rflags::vm | arch::rflags::if_ | arch::rflags::rf));
         e.cpl = 0;
         e.segment[arch::cs] = {0, ~u32{0}, wide ? 0xa09bU : 0xc09bU, static_cast<u16>(s.sysenter_cs & 0xfffc)};
         e.segment[arch::ss] = {0, ~u32{0}, 0xc093, static_cast<u16>((s.sysenter_cs & 0xfffc) + 8)};
         if (j.actual.vector == static_cast<int>(Vector::db)) j.expected.end = End::exception, j.expected.vector = j.actual.vector;
         return Verdict::mended;
     }},
    {"LOCK NEG", "computes flags from another value than it stores", "SDM vol. 2, \"NEG\"", "all but the flags; the comparison with the host looks at them",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_NEG) || (j.c.instruction.attributes & ZYDIS_ATTRIB_HAS_LOCK) == 0) return Verdict::none;
         j.ignored_flags = arch::rflags::status;
         return Verdict::mended;
     }},
    {"I/O permission", "asks neither IOPL nor the bit map", "SDM vol. 1, \"I/O Privilege Level\", \"I/O Permission Bit Map\": #GP(0)", "limits.cpp says which access must fault; registers must be as before",
     [](Judged& j) {
         if (j.c.interrupt) return Verdict::none;
         const auto category = j.c.instruction.meta.category;
         if (not_fetched(j)) return Verdict::none;
         if (category != ZYDIS_CATEGORY_IO && category != ZYDIS_CATEGORY_IOSTRINGOP) return Verdict::none;
         const u64 count = j.c.start.gpr[arch::rcx] & low_bits(j.c.instruction.address_width);
         if ((j.c.repeated() && count == 0) || !port_denied(j.c, j.memories)) return Verdict::none;
         if (predict_segment_faults(j.c).any() && j.actual.vector == static_cast<int>(Vector::ss)) return Verdict::none;
         return accept_fault(j, Vector::gp);
     }},
    {"SMSW to a register", "writes 16 bits outside 64-bit mode", "SDM vol. 2, \"SMSW\": bits 31:16 of a 32-bit register are undefined", "the low 16 bits",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_SMSW) || j.c.operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER || j.c.instruction.operand_width != 32) return Verdict::none;
         auto& value = j.expected.state.gpr[static_cast<unsigned>(gpr_number(j.c.operands[0].reg.value))];
         value = (value & 0xffff) | (j.actual.state.gpr[static_cast<unsigned>(gpr_number(j.c.operands[0].reg.value))] & ~u64{0xffff});
         return Verdict::mended;
     }},
    {"IA32_SYSENTER_CS", "keeps 16 bits", "SDM vol. 4, \"IA-32 Architectural MSRs\": bits 15:0 are the selector, the others are not used", "the low 16 bits",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_WRMSR)) return Verdict::none;
         auto& value = j.expected.state.sysenter_cs;
         if (value == j.actual.state.sysenter_cs || ((value ^ j.actual.state.sysenter_cs) & 0xffff) != 0) return Verdict::none;
         value = j.actual.state.sysenter_cs;
         return Verdict::mended;
     }},
    {"ENTER of 32 bits on a 16-bit stack", "writes BP", "SDM vol. 2, \"ENTER\": EBP gets a frame pointer that was read from SP", "the low 16 bits of EBP",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_ENTER) || j.c.instruction.operand_width != 32 || stack_mask(j.c.start) != 0xffff || !done(j)) return Verdict::none;
         j.ignore_memory = (j.c.operands[1].imm.value.u & 31) != 0;           // the same pointer, pushed
         auto& value = j.expected.state.gpr[arch::rbp];
         value = (value & 0xffff) | (j.actual.state.gpr[arch::rbp] & ~u64{0xffff});
         return Verdict::mended;
     }},
    {"IA32_EFER", "has neither SCE nor NXE and lets LME change while paging is on", "SDM vol. 3, \"IA32_EFER\"", "not compared",
     [](Judged& j) { return is(j, ZYDIS_MNEMONIC_WRMSR) && j.c.start.gpr[arch::rcx] == 0xc000'0080 ? Verdict::accepted : Verdict::none; }},
    {"WRMSR", "takes any value", "SDM vol. 2, \"WRMSR\": #GP(0) for addresses that are not canonical and for reserved bits", "#GP(0) where the value is so",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_WRMSR) || !done(j)) return Verdict::none;
         const u64 value = (j.c.start.gpr[arch::rdx] << 32) | static_cast<u32>(j.c.start.gpr[arch::rax]);
         const u64 msr = j.c.start.gpr[arch::rcx];
         const bool mask = msr == 0xc000'0084, address = msr != 0x174 && msr != 0xc000'0080 && msr != 0xc000'0081 && !mask;
         if (!(mask && value >> 32 != 0) && !(address && !canonical(value))) return Verdict::none;
         want_fault(j, Vector::gp);
         return Verdict::mended;
     }},
    {"prefetches of registers", "0F 0D and 0F 18 with a register are undefined opcodes", "SDM vol. 2, \"PREFETCHh\", \"NOP\": reserved NOPs", "completes and changes nothing",
     [](Judged& j) {
         if (j.c.interrupt || !(is(j, ZYDIS_MNEMONIC_NOP) || j.c.instruction.meta.category == ZYDIS_CATEGORY_PREFETCH) || j.c.instruction.raw.modrm.mod != 3 || j.expected.vector != static_cast<int>(Vector::ud)) return Verdict::none;
         j.expected.state = j.c.start;
         j.expected.state.rip += j.c.code.size();
         j.expected.end = j.actual.end, j.expected.vector = j.actual.vector == static_cast<int>(Vector::db) ? j.actual.vector : no_vector;
         return Verdict::mended;
     }},
    {"ENTER of 16 bits on a 32-bit stack", "writes EBP", "SDM vol. 2, \"ENTER\": BP", "the upper half of EBP stays",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_ENTER) || j.c.instruction.operand_width != 16 || stack_mask(j.c.start) == 0xffff || !done(j)) return Verdict::none;
         auto& value = j.expected.state.gpr[arch::rbp];
         value = (j.c.start.gpr[arch::rbp] & ~u64{0xffff}) | (value & 0xffff);
         return Verdict::mended;
     }},
    {"PAUSE, HLT and single-stepping", "forgets the trap", "SDM vol. 3, \"Single-Step Exception Condition\"", "not compared",
     [](Judged& j) { return (is(j, ZYDIS_MNEMONIC_PAUSE) || is(j, ZYDIS_MNEMONIC_HLT)) && (j.c.start.rflags & arch::rflags::tf) != 0 ? Verdict::accepted : Verdict::none; }},
    {"SYSCALL", "does nothing but leave it to a hook", "SDM vol. 2, \"SYSCALL\"", "the manual's operation, written down here",
     [](Judged& j) {
         if (!is(j, ZYDIS_MNEMONIC_SYSCALL)) return Verdict::none;
         const auto& s = j.c.start;
         if (!s.code64() || (s.efer & arch::efer::sce) == 0) return want_undefined(j);
         auto& e = j.expected.state;
         e = s;
         j.expected.end = End::done, j.expected.vector = no_vector;
         e.gpr[arch::rcx] = s.rip + j.c.code.size();
         e.gpr[arch::r11] = s.read_rflags() & ~arch::rflags::rf;
         e.rip = s.lstar;
         e.write_rflags(s.read_rflags() & ~s.sfmask & ~arch::rflags::rf);
         e.cpl = 0;
         e.segment[arch::cs] = {0, ~u32{0}, 0xa09b, static_cast<u16>(s.star >> 32 & 0xfffc)};
         e.segment[arch::ss] = {0, ~u32{0}, 0xc093, static_cast<u16>((s.star >> 32 & 0xffff) + 8)};
         return Verdict::mended;
     }},
    {"targets beyond the limit", "jumps anywhere, near and in real-address mode far", "SDM vol. 2, \"JMP\", \"CALL\", \"RET\", \"Jcc\", \"LOOP\", \"IRET\": #GP(0) when the target is not within the code segment limit",
     "#GP(0) when Unicorn's new EIP lies beyond the limit; registers must be as before",
     [](Judged& j) {
         const auto& cs = j.expected.state.segment[arch::cs];
         if (!j.c.branches() || !done(j) || j.expected.state.code64() || j.expected.state.rip <= cs.limit || j.c.mnemonic() == ZYDIS_MNEMONIC_SYSRET || j.c.mnemonic() == ZYDIS_MNEMONIC_SYSEXIT) return Verdict::none;
         const bool falls = j.expected.state.rip == j.c.start.rip + j.c.code.size() && !j.c.far();
         if (falls && (j.actual.vector != static_cast<int>(Vector::gp) || j.c.operands[0].imm.value.u != 0)) return Verdict::none;       // not taken: what comes next faults
         const bool returns = j.c.interrupt_return() || j.c.mnemonic() == ZYDIS_MNEMONIC_RET;
         if (j.c.far() && !returns && !real_or_v86(j.c.start) && gate_of(j) == 0) return Verdict::none;
         return accept_fault(j, Vector::gp);
     }},
    {"segment limits and types", "checks neither limit nor type of a segment when an instruction accesses it", "SDM vol. 3, \"Limit Checking\", \"Type Checking\": #SS(0) or #GP(0)",
     "limits.cpp says which instruction must fault; registers must be as before",
     [](Judged& j) {
         const auto prediction = predict_segment_faults(j.c);
         // INT 13 and #GP have the same vector.
        const bool agrees = j.expected.end == End::exception && j.expected.vector == j.actual.vector && j.expected.error_code == j.actual.error_code && j.expected.software == j.actual.software;
        if (!prediction.any() || agrees) return Verdict::none;
         if (j.actual.error_code == 0 && prediction.allows(j.actual.vector)) {
             if (!j.c.interrupt && j.c.repeated()) return Verdict::accepted;
             return accept_fault(j, static_cast<Vector>(j.actual.vector));
         }
         if (!prediction.certain || j.expected.end == End::exception) return Verdict::none;
         want_fault(j, prediction.stack_fault ? Vector::ss : Vector::gp);
         return Verdict::mended;
     }},
};

}  // namespace

std::span<const Deviation> deviations() { return rows; }

u64 descriptor_of_selector(const Judged& j, u16 selector) { return descriptor_at(j, descriptor_of(j.c.start, selector)); }

}  // namespace vtsim::unicorn
