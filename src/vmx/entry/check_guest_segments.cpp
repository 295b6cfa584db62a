// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "vmx/entry/entry_check.h"

// SDM vol. 3, "Checks on Guest Segment Registers".
namespace vtsim::vmx {

namespace {

using In = const CheckInputs&;
using namespace arch;
// RFLAGS.VM decides which rules apply.
constexpr group::Mask segments = group::segments | group::rflags;
constexpr group::Mask segments_and_controls = segments | group::controls;
constexpr group::Mask segments_and_cr0 = segments_and_controls | group::guest;

constexpr bool implies(bool condition, bool consequence) { return !condition || consequence; }
u64 type(In in, unsigned i) { return in.rights(i) & 15; }
u64 dpl(In in, unsigned i) { return Segment::Dpl::get(in.rights(i)); }
u64 rpl(In in, unsigned i) { return in.selector(i) & 3; }

// Holds for CS to GS (and CS always counts as usable), outside virtual-8086 mode.
template <class Rule>
bool code_and_data(In in, Rule rule) {
    if (in.v86()) return true;
    for (unsigned i = es; i <= gs; ++i)
        if ((i == cs || in.usable(i)) && !rule(i)) return false;
    return true;
}

// Holds for the usable of DS, ES, FS and GS, outside virtual-8086 mode.
template <class Rule>
bool data(In in, Rule rule) {
    return code_and_data(in, [&](unsigned i) { return i == cs || i == ss || rule(i); });
}

template <class Rule>
bool all_six(Rule rule) {
    for (unsigned i = es; i <= gs; ++i)
        if (!rule(i)) return false;
    return true;
}

bool granularity(In in, unsigned i) {
    const bool pages = Segment::Granularity::test(in.rights(i));
    return implies(Field<11, 0>::get(in.limit(i)) != 0xfff, !pages) && implies(Field<31, 20>::test(in.limit(i)), pages);
}
bool reserved_clear(In in, unsigned i) { return !Field<11, 8>::test(in.rights(i)) && !Field<31, 17>::test(in.rights(i)); }

constexpr EntryCheck rows[] = {
    {"guest.tr.sel-ti", "the TR selector has TI 0", segments, [](In in) { return (in.selector(tr) & 4) == 0; }},
    {"guest.ldtr.sel-ti", "the selector of a usable LDTR has TI 0", segments, [](In in) { return implies(in.usable(ldtr), (in.selector(ldtr) & 4) == 0); }},
    {"guest.ss.rpl-cs", "the RPLs of SS and CS are equal", segments_and_controls, [](In in) { return in.v86() || in.unrestricted || rpl(in, ss) == rpl(in, cs); }},
    {"guest.v86.base", "virtual-8086 mode: bases are selector * 16", segments, [](In in) { return !in.v86() || all_six([&](unsigned i) { return in.base(i) == in.selector(i) << 4; }); }},
    {"guest.base.canonical", "bases of TR, FS, GS and a usable LDTR are canonical", segments,
     [](In in) { return in.c.canonical(in.base(tr)) && in.c.canonical(in.base(fs)) && in.c.canonical(in.base(gs)) && implies(in.usable(ldtr), in.c.canonical(in.base(ldtr))); }},
    {"guest.base.cs-high", "the base of CS fits 32 bits", segments, [](In in) { return (in.base(cs) >> 32) == 0; }},
    {"guest.base.ds-high", "the bases of usable SS, DS and ES fit 32 bits", segments,
     [](In in) {
         constexpr std::array registers{ss, ds, es};
         for (const unsigned i : registers)
             if (in.usable(i) && (in.base(i) >> 32) != 0) return false;
         return true;
     }},
    {"guest.v86.limit", "virtual-8086 mode: limits are FFFFH", segments, [](In in) { return !in.v86() || all_six([&](unsigned i) { return in.limit(i) == 0xffff; }); }},
    {"guest.v86.ar", "virtual-8086 mode: access rights are F3H", segments, [](In in) { return !in.v86() || all_six([&](unsigned i) { return in.rights(i) == 0xf3; }); }},
    {"guest.cs.type", "CS is an accessed code segment", segments_and_controls, [](In in) { return in.v86() || in.unrestricted || (type(in, cs) & 9) == 9; }},
    {"guest.cs.type-unrestricted", "unrestricted guest: CS is an accessed code segment or writable data", segments_and_controls,
     [](In in) { return in.v86() || !in.unrestricted || type(in, cs) == 3 || (type(in, cs) & 9) == 9; }},
    {"guest.ss.type", "a usable SS is an accessed writable data segment", segments, [](In in) { return in.v86() || !in.usable(ss) || type(in, ss) == 3 || type(in, ss) == 7; }},
    {"guest.data.type-accessed", "usable DS, ES, FS and GS are accessed", segments, [](In in) { return data(in, [&](unsigned i) { return (type(in, i) & 1) != 0; }); }},
    {"guest.data.type-readable", "code segments in DS, ES, FS and GS are readable", segments,
     [](In in) { return data(in, [&](unsigned i) { return implies((type(in, i) & 8) != 0, (type(in, i) & 2) != 0); }); }},
    {"guest.seg.s", "S is 1", segments, [](In in) { return code_and_data(in, [&](unsigned i) { return Segment::CodeOrData::test(in.rights(i)); }); }},
    {"guest.cs.dpl-type3", "CS of type 3 has DPL 0", segments_and_controls, [](In in) { return in.v86() || type(in, cs) != 3 || dpl(in, cs) == 0; }},
    {"guest.cs.dpl-nonconforming", "a non-conforming CS has the DPL of SS", segments, [](In in) { return in.v86() || (type(in, cs) & 13) != 9 || dpl(in, cs) == dpl(in, ss); }},
    {"guest.cs.dpl-conforming", "a conforming CS has at most the DPL of SS", segments, [](In in) { return in.v86() || (type(in, cs) & 13) != 13 || dpl(in, cs) <= dpl(in, ss); }},
    {"guest.ss.dpl-rpl", "the DPL of SS is its RPL", segments_and_controls, [](In in) { return in.v86() || in.unrestricted || dpl(in, ss) == rpl(in, ss); }},
    {"guest.ss.dpl-real", "with CS of type 3 or CR0.PE = 0 the DPL of SS is 0", segments_and_cr0,
     [](In in) { return in.v86() || (type(in, cs) != 3 && (in.v.guest_cr0 & cr0::pe) != 0) || dpl(in, ss) == 0; }},
    {"guest.data.dpl-rpl", "DS, ES, FS and GS, unless conforming code, have a DPL not below their RPL", segments_and_controls,
     [](In in) { return in.unrestricted || data(in, [&](unsigned i) { return type(in, i) > 11 || dpl(in, i) >= rpl(in, i); }); }},
    {"guest.seg.p", "P is 1", segments, [](In in) { return code_and_data(in, [&](unsigned i) { return Segment::Present::test(in.rights(i)); }); }},
    {"guest.seg.ar-reserved-low", "bits 11:8 of the access rights are 0", segments, [](In in) { return code_and_data(in, [&](unsigned i) { return !Field<11, 8>::test(in.rights(i)); }); }},
    {"guest.cs.d-l", "in 64-bit mode CS.D is 0", segments_and_controls,
     [](In in) { return in.v86() || !in.ia32e_guest || !Segment::Long::test(in.rights(cs)) || !Segment::DefaultBig::test(in.rights(cs)); }},
    {"guest.seg.g", "the granularity fits the limit", segments, [](In in) { return code_and_data(in, [&](unsigned i) { return granularity(in, i); }); }},
    {"guest.seg.ar-reserved-high", "bits 31:17 of the access rights are 0", segments, [](In in) { return code_and_data(in, [&](unsigned i) { return !Field<31, 17>::test(in.rights(i)); }); }},
    {"guest.tr.type", "TR is a busy TSS, in IA-32e mode a 64-bit one", segments_and_controls, [](In in) { return type(in, tr) == 11 || (!in.ia32e_guest && type(in, tr) == 3); }},
    {"guest.tr.s-p", "TR has S 0 and P 1", segments, [](In in) { return !Segment::CodeOrData::test(in.rights(tr)) && Segment::Present::test(in.rights(tr)); }},
    {"guest.tr.reserved", "reserved bits of TR's access rights are 0", segments, [](In in) { return reserved_clear(in, tr); }},
    {"guest.tr.g", "the granularity of TR fits its limit", segments, [](In in) { return granularity(in, tr); }},
    {"guest.tr.usable", "TR is usable", segments, [](In in) { return in.usable(tr); }},
    {"guest.ldtr.type", "a usable LDTR has type 2, S 0 and P 1", segments, [](In in) { return implies(in.usable(ldtr), (in.rights(ldtr) & 0x9f) == 0x82); }},
    {"guest.ldtr.reserved", "reserved bits of a usable LDTR's access rights are 0", segments, [](In in) { return implies(in.usable(ldtr), reserved_clear(in, ldtr)); }},
    {"guest.ldtr.g", "the granularity of a usable LDTR fits its limit", segments, [](In in) { return implies(in.usable(ldtr), granularity(in, ldtr)); }},
};

}  // namespace

constinit const CheckTable guest_segment_checks{rows};

}  // namespace vtsim::vmx
