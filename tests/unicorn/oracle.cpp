// SPDX-License-Identifier: Apache-2.0
#include "unicorn/oracle.h"

#include <csetjmp>
#include <csignal>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace vtsim::unicorn {
namespace {

// What starts the delivery of an event, and what empties the TLB.
constexpr u64 pad_start = UnicornProcessor::own_memory, pad_bytes = UnicornProcessor::own_memory_end - pad_start;
constexpr u64 flush_code = pad_start + 0x800, control_block = pad_start + 0x1000, host_save = pad_start + 0x2000, nowhere = pad_start + 0x3000, pad_tables = pad_start + 0x4000;
constexpr u64 longest_repeat = 70'000;
constexpr int invalid_opcode = 6, general_protection = 13, page_fault = 14;
constexpr std::size_t header = 16;                                               // of uc_context, in front of the structure

void expect(uc_err error, const char* what) {
    if (error != UC_ERR_OK) throw std::runtime_error(std::string("Unicorn: ") + what + ": " + uc_strerror(error));
}

struct SegmentImage {
    u32 selector = 0, unused = 0;
    u64 base = 0;
    u32 limit = 0, flags = 0;              // bits 23:8 of a descriptor's upper half, where it has them
};

u32 flags_of(const arch::Segment& segment) { return segment.unusable() ? segment.rights & 0x60 ? (segment.rights & 0x60) << 8 : 0 : (segment.rights & 0xff) << 8 | (segment.rights & 0xf000) << 8; }
u32 rights_of(u32 flags) {
    const u32 rights = (flags >> 8 & 0xff) | (flags >> 8 & 0xf000);
    return (rights & 0x80) == 0 ? arch::Segment::unusable_bit | (rights & 0x60) : rights;
}

SegmentImage image_of(const arch::Segment& segment) { return {segment.selector, 0, segment.base, segment.limit, flags_of(segment)}; }
arch::Segment segment_of(const SegmentImage& image) { return {image.base, image.limit, rights_of(image.flags), static_cast<u16>(image.selector)}; }

// The state that translation depends on, beside what is read from RFLAGS: CPL in bits 1:0, then one bit each.
u32 hidden_flags(const arch::State& s) {
    const auto& cs = s.segment[arch::cs];
    const auto& ss = s.segment[arch::ss];
    u32 flags = s.cpl;
    const bool big = cs.default_big(), wide = s.code64();
    if (wide) flags |= 1U << 4 | 1U << 5 | 1U << 15;
    else flags |= u32{big} << 4 | u32{ss.default_big()} << 5;
    const bool bases = (s.segment[arch::ds].base | s.segment[arch::es].base | ss.base) != 0;
    if (!wide && (!s.protected_mode() || s.virtual8086() || !big || bases)) flags |= 1U << 6;
    if (s.protected_mode()) flags |= 1U << 7;
    flags |= static_cast<u32>(s.cr0 >> 1 & 7) << 9;
    if (s.long_mode_active()) flags |= 1U << 14;
    if ((s.cr4 & arch::cr4::osfxsr) != 0) flags |= 1U << 22;
    if ((s.cr4 & arch::cr4::smap) != 0) flags |= 1U << 23;
    return flags;
}
constexpr u32 svm_enabled = 1U << 20;
// Unicorn has TR without the busy bit in its type, and aborts when it changes stacks and finds it there.
constexpr u32 task_busy = 2U << 8;

}  // namespace

// How the structure begins.
struct UnicornProcessor::Image {
    u64 gpr[16], rip, rflags;
    u64 flags_result, flags_source, flags_source2;
    u32 flags_kind;
    i32 direction;
    u32 hidden, hidden2;
    SegmentImage segments[6], ldtr, tr, gdtr, idtr;
    u64 cr[5];
    i32 a20_mask;
};

namespace {

struct SystemCalls {
    u32 sysenter_cs, unused;
    u64 sysenter_esp, sysenter_eip, star, host_save, lstar, cstar, sfmask, kernel_gs_base;
};

}  // namespace

struct UnicornProcessor::Late {
    i32 error_code, is_software;
    u64 next_rip;
    u64 dr[8];
};

void UnicornProcessor::FreeMemory::operator()(u8* bytes) const { std::free(bytes); }

UnicornProcessor::Memory UnicornProcessor::allocate(u64 bytes) {
    auto* at = static_cast<u8*>(std::aligned_alloc(0x1000, bytes));
    if (at == nullptr) throw std::bad_alloc();
    std::memset(at, 0, bytes);
    return Memory{at};
}

// Unicorn calls abort() when it translates some byte sequences that are no instructions (FF /3 and /5 with a register), which branches into the middle of others come upon.
sigjmp_buf after_abort;
volatile sig_atomic_t may_abort = 0;
void on_abort(int) {
    if (may_abort != 0) siglongjmp(after_abort, 1);
}

UnicornProcessor::UnicornProcessor() : low_{allocate(room_end)}, top_{allocate(top_end - top_start)}, pad_{allocate(pad_bytes)} {
    std::signal(SIGABRT, &on_abort);
    open();
    find_members();
}

void UnicornProcessor::open() {
    expect(uc_open(UC_ARCH_X86, UC_MODE_64, &engine_), "uc_open");
    expect(uc_ctl_set_cpu_model(engine_, UC_CPU_X86_BROADWELL), "processor model");
    // Only what cases execute can be executed: what a branch leads to need not be translated.
    constexpr u32 data_only = UC_PROT_READ | UC_PROT_WRITE;
    expect(uc_mem_map_ptr(engine_, 0, code, data_only, low_.get()), "memory");
    expect(uc_mem_map_ptr(engine_, code, data - code, UC_PROT_ALL, low_.get() + code), "memory");
    expect(uc_mem_map_ptr(engine_, data, room_end - data, data_only, low_.get() + data), "memory");
    expect(uc_mem_map_ptr(engine_, top_start, top_end - top_start, data_only, top_.get()), "memory");
    expect(uc_mem_map_ptr(engine_, pad_start, pad_bytes, UC_PROT_ALL, pad_.get()), "memory");
    uc_hook hook;
    expect(uc_hook_add(engine_, &hook, UC_HOOK_INTR, reinterpret_cast<void*>(&on_interrupt), this, 1, 0), "hook");
    expect(uc_hook_add(engine_, &hook, UC_HOOK_CODE, reinterpret_cast<void*>(&on_code), this, 1, 0), "hook");
    expect(uc_hook_add(engine_, &hook, UC_HOOK_INSN, reinterpret_cast<void*>(&on_in), this, 1, 0, UC_X86_INS_IN), "hook");
    expect(uc_hook_add(engine_, &hook, UC_HOOK_INSN, reinterpret_cast<void*>(&on_out), this, 1, 0, UC_X86_INS_OUT), "hook");
    expect(uc_hook_add(engine_, &hook, UC_HOOK_MEM_READ_UNMAPPED | UC_HOOK_MEM_WRITE_UNMAPPED, reinterpret_cast<void*>(&on_unmapped), this, 1, 0), "hook");
    expect(uc_context_alloc(engine_, &context_), "uc_context_alloc");
    expect(uc_context_save(engine_, context_), "uc_context_save");
    const auto* bytes = reinterpret_cast<const u8*>(context_);
    initial_.assign(bytes, bytes + uc_context_size(engine_));
}

UnicornProcessor::~UnicornProcessor() {
    if (context_ != nullptr) uc_context_free(context_);
    if (engine_ != nullptr) uc_close(engine_);
}

UnicornProcessor::Image& UnicornProcessor::image() { return *reinterpret_cast<Image*>(reinterpret_cast<u8*>(context_) + header); }

void UnicornProcessor::find_members() {
    const std::runtime_error other{"this libunicorn does not keep its processor as version 2.0 does"};
    auto* bytes = reinterpret_cast<u8*>(context_);
    const auto find = [&](u64 pattern) {
        expect(uc_context_save(engine_, context_), "uc_context_save");
        const u8* end = bytes + initial_.size();
        const u8* at = std::search(static_cast<const u8*>(bytes) + header, end, reinterpret_cast<const u8*>(&pattern), reinterpret_cast<const u8*>(&pattern) + sizeof pattern);
        if (at == end) throw other;
        return static_cast<std::size_t>(at - bytes);
    };
    u64 value = 0x1122'3344'5566'7788;
    expect(uc_reg_write(engine_, UC_X86_REG_RAX, &value), "register");
    if (find(value) != header) throw other;
    uc_x86_msr star{0xc000'0081, 0x7766'5544'3322'1101}, last{0xc000'0102, 0x0000'6655'4433'2202};
    expect(uc_reg_write(engine_, UC_X86_REG_MSR, &star), "MSR");
    expect(uc_reg_write(engine_, UC_X86_REG_MSR, &last), "MSR");
    system_calls_ = find(star.value) - offsetof(SystemCalls, star);
    if (find(last.value) != system_calls_ + offsetof(SystemCalls, kernel_gs_base)) throw other;
    value = 0x55aa'0011'2200;
    expect(uc_reg_write(engine_, UC_X86_REG_DR0, &value), "register");
    late_ = find(value) - offsetof(Late, dr);
    // EFER follows the control registers and the state of MPX; a 32-bit task register tells that the rest is where it should be.
    efer_ = header + offsetof(Image, a20_mask) + 8 + 64 + 16 + 8;
    uc_x86_mmr tr{0x40, 0x1234'5678, 0x4321, 0x8b00};
    expect(uc_reg_write(engine_, UC_X86_REG_TR, &tr), "register");
    expect(uc_context_save(engine_, context_), "uc_context_save");
    if (image().tr.base != tr.base || image().tr.limit != tr.limit || image().tr.selector != tr.selector) throw other;
    uc_x86_msr efer{0xc000'0080, 0};
    expect(uc_reg_read(engine_, UC_X86_REG_MSR, &efer), "MSR");
    if (efer.value == 0 || std::memcmp(bytes + efer_, &efer.value, 8) != 0) throw other;
}

u8* UnicornProcessor::at(u64 address) { return address < room_end ? low_.get() + address : top_.get() + (address - top_start); }

void UnicornProcessor::write_code(u64 address, std::span<const u8> bytes) {
    std::copy(bytes.begin(), bytes.end(), at(address));
    // Translations are found by linear address: without paging, as the last case's page tables may not lead there.
    std::memcpy(context_, initial_.data(), initial_.size());
    expect(uc_context_restore(engine_, context_), "uc_context_restore");
    uc_ctl_remove_cache(engine_, address, address + bytes.size());
}

void UnicornProcessor::load(const arch::State& s) {
    std::memcpy(context_, initial_.data(), initial_.size());
    auto& i = image();
    std::copy_n(s.gpr.begin(), 16, i.gpr);
    i.rip = s.rip;
    i.rflags = s.read_rflags();                              // taken apart when execution begins, put together when it ends
    i.hidden = hidden_flags(s);
    for (unsigned n = 0; n < 6; ++n) i.segments[n] = image_of(s.segment[n]);
    i.ldtr = image_of(s.segment[arch::ldtr]);
    i.tr = image_of(s.segment[arch::tr]);
    i.tr.flags &= ~task_busy;
    i.gdtr = {0, 0, s.gdtr.base, s.gdtr.limit, 0};
    i.idtr = {0, 0, s.idtr.base, s.idtr.limit, 0};
    i.cr[0] = s.cr0, i.cr[2] = s.cr2, i.cr[3] = s.cr3, i.cr[4] = s.cr4;
    i.a20_mask = -1;
    auto* bytes = reinterpret_cast<u8*>(context_);
    std::memcpy(bytes + efer_, &s.efer, 8);
    auto& calls = *reinterpret_cast<SystemCalls*>(bytes + system_calls_);
    calls = {static_cast<u32>(s.sysenter_cs), 0, s.sysenter_esp, s.sysenter_eip, s.star, host_save, s.lstar, s.cstar, s.sfmask, s.kernel_gs_base};
    auto& late = *reinterpret_cast<Late*>(bytes + late_);
    std::copy(s.dr.begin(), s.dr.end(), late.dr);
}

void UnicornProcessor::read(Outcome& outcome) {
    auto& s = outcome.state;
    expect(uc_context_save(engine_, context_), "uc_context_save");
    const auto* bytes = reinterpret_cast<const u8*>(context_);
    const auto& i = image();
    std::memcpy(&s.efer, bytes + efer_, 8);
    std::copy_n(i.gpr, 16, s.gpr.begin());
    s.rip = i.rip;
    s.write_rflags(i.rflags);
    s.cpl = i.hidden & 3;
    for (unsigned n = 0; n < 6; ++n) s.segment[n] = segment_of(i.segments[n]);
    // A hook finds the linear address there.
    if (stopped_ && !s.code64()) s.rip -= s.segment[arch::cs].base;
    if (!s.code64()) s.rip = static_cast<u32>(s.rip);
    s.segment[arch::ldtr] = segment_of(i.ldtr);
    s.segment[arch::tr] = segment_of(i.tr);
    s.segment[arch::tr].rights |= task_busy >> 8;
    s.gdtr = {i.gdtr.base, static_cast<u16>(i.gdtr.limit)};
    s.idtr = {i.idtr.base, static_cast<u16>(i.idtr.limit)};
    s.cr0 = i.cr[0], s.cr2 = i.cr[2], s.cr3 = i.cr[3], s.cr4 = i.cr[4];
    const auto& calls = *reinterpret_cast<const SystemCalls*>(bytes + system_calls_);
    s.sysenter_cs = calls.sysenter_cs, s.sysenter_esp = calls.sysenter_esp, s.sysenter_eip = calls.sysenter_eip;
    s.star = calls.star, s.lstar = calls.lstar, s.cstar = calls.cstar, s.sfmask = calls.sfmask, s.kernel_gs_base = calls.kernel_gs_base;
    const auto& late = *reinterpret_cast<const Late*>(bytes + late_);
    std::copy(std::begin(late.dr), std::end(late.dr), s.dr.begin());
    if (outcome.end == End::exception) {
        outcome.error_code = static_cast<u32>(late.error_code);
        outcome.software = late.is_software != 0;
        if (outcome.software && outcome.vector == invalid_opcode) s.rip = late.next_rip;         // INT 6, which Unicorn takes for an invalid opcode
    }
}

void UnicornProcessor::run(u64 rip, Outcome& outcome) {
    steps_ = 0;
    vector_ = no_vector;
    stuck_ = stopped_ = unmapped_ = false;
    io_.clear();
    expect(uc_context_restore(engine_, context_), "uc_context_restore");
    if (sigsetjmp(after_abort, 1) != 0) {
        may_abort = 0;
        open();                                                      // what has aborted stays where it is
        outcome.end = End::outside;
        return;
    }
    may_abort = 1;
    const uc_err error = uc_emu_start(engine_, rip, nowhere, 0, 0);
    may_abort = 0;
    outcome.vector = error == UC_ERR_INSN_INVALID ? invalid_opcode : vector_;
    if (unmapped_ || error == UC_ERR_READ_PROT || error == UC_ERR_WRITE_PROT) outcome.end = End::outside;
    else if (outcome.vector != no_vector) outcome.end = End::exception;
    // What cannot be fetched afterwards does not matter.
    else if (stuck_ || (error != UC_ERR_OK && error != UC_ERR_FETCH_UNMAPPED && error != UC_ERR_FETCH_PROT)) outcome.end = End::outside;
    const u64 rip_before = outcome.state.rip, cr2_before = outcome.state.cr2;
    read(outcome);
    outcome.io = io_;
    // A fault of the fetch that comes next.
    const bool of_fetch = outcome.vector == page_fault || outcome.vector == general_protection;
    if (of_fetch && outcome.end == End::exception && !outcome.software && outcome.state.rip != rip_before && (outcome.state.cr0 & arch::cr0::pg) != 0) {
        outcome.end = End::done;
        outcome.vector = no_vector;
        outcome.state.cr2 = cr2_before;
    }
}

// Page tables are written behind its back, and nothing of the API empties the TLB: MOV CR3 does. It runs with page tables of its own, which mark nothing as accessed.
void UnicornProcessor::forget_translations() {
    constexpr u8 mov_cr3[] = {0x0f, 0x22, 0xd8, 0xf4};
    constexpr u64 present_writable = 3, large = 0x80, touched = 0x60;
    const auto entry = [&](u64 at, u64 value) { std::memcpy(pad_.get() + (at - pad_start), &value, sizeof value); };
    std::memcpy(pad_.get() + (flush_code - pad_start), mov_cr3, sizeof mov_cr3);
    entry(pad_tables, (pad_tables + 0x1000) | present_writable | touched);
    entry(pad_tables + 0x1000, (pad_tables + 0x2000) | present_writable | touched);
    entry(pad_tables + 0x2008, pad_start | present_writable | touched | large);
    arch::State s;
    s.cr0 = arch::cr0::pe | arch::cr0::pg | 0x10;
    s.cr3 = s.gpr[arch::rax] = pad_tables;
    s.cr4 = arch::cr4::pae;
    s.efer = arch::efer::lme | arch::efer::lma;
    s.segment[arch::cs] = {0, ~u32{0}, 0xa09b, 0x8};
    s.segment[arch::ss] = {0, ~u32{0}, 0xc093, 0x10};
    s.rip = start_ = flush_code;
    repeats_ = false;
    load(s);
    Outcome ignored;
    run(flush_code, ignored);
}

Outcome UnicornProcessor::step(const arch::State& start, bool branch, const Port& port) {
    Outcome outcome;
    outcome.state = start;
    if ((start.cr0 & arch::cr0::pg) != 0) forget_translations();
    load(start);
    port_ = port;
    repeats_ = !branch;
    start_ = start.code64() ? start.rip : static_cast<u32>(start.segment[arch::cs].base + start.rip);
    run(start.rip, outcome);
    return outcome;
}

// ---- delivery of an event -----------------------------------------------------------------------------------------------------------

namespace {

// Offsets of the virtual machine control block. AMD64 Architecture Programmer's Manual vol. 2, "VMCB Layout".
constexpr u64 vmcb_event = 0xa8, vmcb_event_error = 0xac, vmcb_es = 0x400, vmcb_gdtr = 0x460, vmcb_idtr = 0x480, vmcb_efer = 0x4d0, vmcb_cr4 = 0x548, vmcb_cr3 = 0x550, vmcb_cr0 = 0x558, vmcb_dr7 = 0x560,
              vmcb_dr6 = 0x568, vmcb_rflags = 0x570, vmcb_rip = 0x578, vmcb_rsp = 0x5d8, vmcb_rax = 0x5f8, vmcb_cr2 = 0x640;
constexpr u32 external_interrupt = 1U << 31;
constexpr u32 delivered = 0x5a5a'5a5a;                     // the error code that the event has; it is not pushed, and a fault would put its own in the place

struct VmcbSegment {
    u16 selector, attributes;
    u32 limit;
    u64 base;
};
VmcbSegment vmcb_segment(const arch::Segment& s) {
    const u32 rights = s.unusable() ? s.rights & 0x60 : s.rights;
    return {s.selector, static_cast<u16>((rights & 0xff) | (rights >> 4 & 0xf00)), s.limit, s.base};
}

}  // namespace

void UnicornProcessor::write_launch_pad(const arch::State& target, u8 vector) {
    constexpr u8 vmrun[] = {0x0f, 0x01, 0xd8, 0xf4};
    std::memcpy(pad_.get(), vmrun, sizeof vmrun);
    u8* block = pad_.get() + (control_block - pad_start);
    const auto put = [&](u64 offset, const auto& value) { std::memcpy(block + offset, &value, sizeof value); };
    put(vmcb_event, external_interrupt | vector);
    put(vmcb_event_error, delivered);
    for (unsigned i = 0; i < 4; ++i) put(vmcb_es + i * sizeof(VmcbSegment), vmcb_segment(target.segment[i]));
    put(vmcb_gdtr, VmcbSegment{0, 0, target.gdtr.limit, target.gdtr.base});
    put(vmcb_idtr, VmcbSegment{0, 0, target.idtr.limit, target.idtr.base});
    put(vmcb_efer, target.efer), put(vmcb_cr4, target.cr4), put(vmcb_cr3, target.cr3), put(vmcb_cr0, target.cr0), put(vmcb_cr2, target.cr2);
    put(vmcb_dr7, target.dr[7]), put(vmcb_dr6, target.dr[6]);
    put(vmcb_rflags, target.read_rflags()), put(vmcb_rip, target.rip), put(vmcb_rsp, target.gpr[arch::rsp]), put(vmcb_rax, target.gpr[arch::rax]);
}

Outcome UnicornProcessor::deliver(const arch::State& start, u8 vector) {
    Outcome outcome;
    outcome.state = start;
    if ((start.cr0 & arch::cr0::pg) != 0) forget_translations();
    write_launch_pad(start, vector);
    // Everything that VMRUN does not load is the target's already.
    arch::State launch = start;
    launch.gpr[arch::rax] = control_block;
    launch.write_rflags(arch::rflags::one);
    launch.cpl = 0;
    launch.cr0 |= arch::cr0::pe;
    launch.segment[arch::cs] = {0, ~u32{0}, 0xc09bU | (start.long_mode_active() ? 0x2000U : 0U), 0x8};
    if (start.long_mode_active()) launch.segment[arch::cs].rights &= ~0x4000U;
    launch.segment[arch::ss] = {0, ~u32{0}, 0xc093U, 0x10};
    launch.rip = pad_start;
    load(launch);
    image().hidden |= svm_enabled;
    start_ = pad_start;
    repeats_ = false;
    run(pad_start, outcome);
    // The vector is left behind as if it were still to be handled.
    if (outcome.end == End::exception && outcome.error_code == delivered) {
        outcome.end = End::done;
        outcome.vector = no_vector;
        outcome.error_code = 0;
        outcome.software = false;
    }
    return outcome;
}

// ---- hooks ------------------------------------------------------------------------------------------------------------------------------

void UnicornProcessor::on_interrupt(uc_engine* engine, u32 number, void* self) {
    static_cast<UnicornProcessor*>(self)->vector_ = static_cast<int>(number);
    uc_emu_stop(engine);
}

// Comes before every instruction, and before every repetition of one.
void UnicornProcessor::on_code(uc_engine* engine, u64 address, u32, void* self) {
    auto& processor = *static_cast<UnicornProcessor*>(self);
    if (++processor.steps_ == 1) return;
    if (processor.repeats_ && address == processor.start_) {
        if (processor.steps_ < longest_repeat) return;
        processor.stuck_ = true;
    }
    processor.stopped_ = true;
    uc_emu_stop(engine);
}

u32 UnicornProcessor::on_in(uc_engine*, u32 port, int size, void* self) {
    auto& processor = *static_cast<UnicornProcessor*>(self);
    const auto bytes = static_cast<unsigned>(size);
    const u64 value = (port == processor.port_.number ? processor.port_.value : ~u64{0}) & ((u64{1} << 8 * bytes) - 1);
    processor.io_.push_back({static_cast<u16>(port), bytes, false, value});
    return static_cast<u32>(value);
}

// Unicorn goes on as if the access had been made, and its error is forgotten when the event that it delivers has the vector of an invalid opcode.
bool UnicornProcessor::on_unmapped(uc_engine*, uc_mem_type, u64, int, i64, void* self) {
    static_cast<UnicornProcessor*>(self)->unmapped_ = true;
    return false;
}

void UnicornProcessor::on_out(uc_engine*, u32 port, int size, u32 value, void* self) {
    const auto bytes = static_cast<unsigned>(size);
    static_cast<UnicornProcessor*>(self)->io_.push_back({static_cast<u16>(port), bytes, true, value & ((u64{1} << 8 * bytes) - 1)});
}

}  // namespace vtsim::unicorn
