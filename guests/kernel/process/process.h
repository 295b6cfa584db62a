// SPDX-License-Identifier: Apache-2.0
// A process: an address space, the regions it may touch, and programs that run in it in ring 3, one after the other.
#pragma once
#include <array>

#include "common/interrupts.h"
#include "memory/address_space.h"

namespace guest {

using Program = u64 (*)(u64, u64, u64, u64);  // in section .user_text; what it returns is the exit status

// Frames of the kernel that processes map read-only: a file in the page cache, the code of programs.
struct File {
    const u64* frames;
    u64 pages;
};

struct FileTable {
    const File* files = nullptr;
    u64 count = 0;
};

class Process {
public:
    Process(Frames& frames, const KernelSpace& kernel, FileTable files = {});
    explicit Process(Process& parent);  // fork; the parent is loaded. The child has no register state: it runs what it is told to
    Process& operator=(const Process&) = delete;

    u64 run(Program program, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0);  // a context switch, if another process is loaded
    void switch_to();

    // What programs ask for; false: nothing like it is possible.
    bool map(u64 linear, u64 pages);
    u64 map_file(u64 linear, u64 file);
    bool protect(u64 linear, u64 pages);  // a whole region: from now on read-only
    bool unmap(u64 linear, u64 pages);    // a whole region
    bool handle_fault(u64 address, u64 error_code);

    static void initialize();                       // system calls and page faults
    static Process* current() { return current_; }  // whose address space is loaded
    static void leave(const KernelSpace& kernel);   // load the kernel's own space: then no process is current, and any may end

    // What page faults did, in all processes.
    struct Counts {
        u64 demand_zero, copied, reused;
    };
    static Counts counts;

    static constexpr u64 heap = u64{513} * gib, shared = 0x7f00'0000'0000, stack_end = AddressSpace::user_end - 4096;

private:
    struct Region {
        u64 begin, end;
        const u64* frames;  // one a page; nullptr: zeroed memory of the process's own
        bool writable, executable;
    };
    static constexpr unsigned most_regions = 16;

    bool add(const Region& region);
    Region* region_at(u64 address);
    Region* whole_region(u64 linear, u64 pages);
    void demand(const Region& region, u64 page);
    void write_to_shared(u64 page);

    Frames& frames_;
    AddressSpace space_;
    FileTable files_;
    std::array<Region, most_regions> regions_{};
    static Process* current_;
};

}  // namespace guest
