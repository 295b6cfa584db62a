// SPDX-License-Identifier: Apache-2.0
#include "process/process.h"

#include <algorithm>

#include "common/cpu.h"
#include "common/print.h"
#include "common/serial.h"
#include "process/system_calls.h"

extern "C" char user_text[], user_text_end[], user_start[];

namespace guest {
namespace {

struct UserStart {
    u64 rip, rsp, program, a, b, c, d;
};

constexpr u64 code = AddressSpace::user_begin + 4 * mib, stack_pages = 16;
constexpr u64 frame_mask = 0x000f'ffff'ffff'f000;
enum PageFaultError : u64 { pf_present = 1, pf_write = 2, pf_reserved = 8 };

template <class Address>
u64 in_user_memory(Address in_kernel) {
    return reinterpret_cast<u64>(in_kernel) - reinterpret_cast<u64>(user_text) + code;
}

// The programs' code, as a file; its frames belong to the kernel's image.
File code_file(Frames& frames) {
    constexpr u64 most_pages = 16;
    static u64 list[most_pages];
    const u64 pages = std::min(u64(user_text_end - user_text) / frame_bytes, most_pages);
    for (u64 page = 0; page < pages; ++page) {
        if (!list[page]) frames.adopt(list[page] = reinterpret_cast<u64>(user_text) + page * frame_bytes);
    }
    return {list, pages};
}

u64 no_execute() {
    static const u64 bit = KernelSpace::no_execute() ? u64{page_no_execute} : 0;
    return bit;
}

void on_page_fault(InterruptFrame& frame) {
    const u64 address = read_cr2();
    if (Process* const process = Process::current(); process && process->handle_fault(address, frame.error_code)) return;
    print("kernel: page fault at ", hex(address), " that no region explains, error=", hex(frame.error_code), " rip=", hex(frame.rip), "\n");
    exit_machine(1);
}

}  // namespace

extern "C" u64 enter_user_mode(const UserStart& start);

Process* Process::current_;
Process::Counts Process::counts;

void Process::initialize() {
    handle_interrupt(page_fault, on_page_fault);
    enable_system_calls();
}

Process::Process(Frames& frames, const KernelSpace& kernel, FileTable files) : frames_(frames), space_(frames, kernel), files_(files) {
    const File text = code_file(frames);
    add({code, code + text.pages * frame_bytes, text.frames, false, true});
    map(stack_end - stack_pages * frame_bytes, stack_pages);
}

Process::Process(Process& parent) : frames_(parent.frames_), space_(parent.space_), files_(parent.files_), regions_(parent.regions_) {}

void Process::switch_to() {
    if (current_ == this) return;
    space_.load();
    current_ = this;
}

void Process::leave(const KernelSpace& kernel) {
    kernel.load();
    current_ = nullptr;
}

u64 Process::run(Program program, u64 a, u64 b, u64 c, u64 d) {
    switch_to();
    return enter_user_mode({in_user_memory(user_start), stack_end, in_user_memory(program), a, b, c, d});
}

bool Process::add(const Region& region) {
    if (region.begin < AddressSpace::user_begin || region.end > AddressSpace::user_end || region.begin >= region.end || region.begin % frame_bytes) return false;
    Region* empty = nullptr;
    for (Region& other : regions_) {
        if (other.begin < region.end && region.begin < other.end) return false;
        if (!other.end) empty = &other;
    }
    if (!empty) return false;
    *empty = region;
    return true;
}

Process::Region* Process::region_at(u64 address) {
    for (Region& region : regions_)
        if (region.begin <= address && address < region.end) return &region;
    return nullptr;
}

bool Process::map(u64 linear, u64 pages) { return add({linear, linear + pages * frame_bytes, nullptr, true, false}); }

u64 Process::map_file(u64 linear, u64 file) {
    if (file >= files_.count) return 0;
    const File& mapped = files_.files[file];
    return add({linear, linear + mapped.pages * frame_bytes, mapped.frames, false, false}) ? mapped.pages : 0;
}

Process::Region* Process::whole_region(u64 linear, u64 pages) {
    Region* const region = region_at(linear);
    return region && region->begin == linear && region->end == linear + pages * frame_bytes ? region : nullptr;
}

bool Process::protect(u64 linear, u64 pages) {
    Region* const region = whole_region(linear, pages);
    if (!region) return false;
    region->writable = false;
    space_.forbid_writes(linear, pages);
    return true;
}

bool Process::unmap(u64 linear, u64 pages) {
    Region* const region = whole_region(linear, pages);
    if (!region) return false;
    *region = {};
    space_.unmap(linear, pages);
    return true;
}

bool Process::handle_fault(u64 address, u64 error_code) {
    const Region* const region = region_at(address);
    if (!region || error_code & pf_reserved) return false;
    const u64 page = address & ~(frame_bytes - 1);
    if (error_code & pf_write && !region->writable) return false;
    if (!(error_code & pf_present)) demand(*region, page);
    else if (error_code & pf_write) write_to_shared(page);
    else return false;
    return true;
}

// As in Linux, the flags are set beforehand for the access that is about to come.
void Process::demand(const Region& region, u64 page) {
    const u64 executable = region.executable ? 0 : no_execute();
    if (!region.frames) {
        ++counts.demand_zero;
        return space_.map(page, frames_.take_zeroed(), (region.writable ? page_write | page_dirty : 0) | page_accessed | executable);
    }
    const u64 frame = region.frames[(page - region.begin) / frame_bytes];
    frames_.share(frame);
    space_.map(page, frame, page_accessed | executable);
}

// A page that a fork made read-only: whoever writes first copies, the last one left keeps the frame.
void Process::write_to_shared(u64 page) {
    const u64 frame = space_.entry(page) & frame_mask;
    if (frames_.shared(frame)) {
        ++counts.copied;
        space_.replace(page, frames_.take_copy(frame), page_write | page_accessed | page_dirty | no_execute());
    } else {
        ++counts.reused;
        space_.allow_writes(page);
    }
}

}  // namespace guest
