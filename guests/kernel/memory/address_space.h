// SPDX-License-Identifier: Apache-2.0
// The linear addresses of a process: four levels of tables of its own for the user half, the kernel's first entry beside them.
// Tables are treated as Linux treats them, because what a VMM below has to do depends on it: a new table is cleared before it is
// linked, an entry is written by one MOV of eight bytes, taken away by XCHG (accessed and dirty flags that the processor sets at the
// same time are not lost) and write-protected by LOCK AND; what an unmapped range referred to is freed after the flush.
#pragma once
#include "memory/frames.h"
#include "memory/kernel_space.h"

namespace guest {

class AddressSpace {
public:
    // `pcid` is for this space alone as long as the kernel runs; 0 is shared by all spaces without one, and CR4.PCIDE may then be 0.
    AddressSpace(Frames& frames, const KernelSpace& kernel, u32 pcid = 0);
    AddressSpace(AddressSpace& parent);  // a fork: private pages become read-only in both and are shared. Flushes the parent, which is loaded
    ~AddressSpace();                     // frees everything; not while the space is loaded
    AddressSpace& operator=(const AddressSpace&) = delete;

    void load() const;                                 // one load of CR3; with a PCID the translations stay
    void map(u64 linear, u64 frame, u64 bits);         // takes over the caller's reference; nothing is mapped there yet
    u64 unmap(u64 linear, u64 pages);                  // of the loaded space; how many of the pages were dirty
    void forbid_writes(u64 linear, u64 pages);         // of the loaded space; what is not mapped is skipped
    u64 entry(u64 linear) const;                       // 0: not present
    void replace(u64 linear, u64 frame, u64 bits);     // of the loaded space: another frame; the old one loses its reference
    void allow_writes(u64 linear);                     // the frame stays. Needs no flush: a stale entry faults, and that removes it

    static bool supports_pcid();
    static constexpr u64 user_begin = u64{512} * gib, user_end = u64{128} * 1024 * gib;

private:
    u64* slot(u64 linear) const;  // of a 4-KiB page, nullptr when a table is missing
    u64* make_slot(u64 linear);
    void flush(u64 linear, u64 pages) const;
    u64 clear(u64 table, int level, u64 begin, u64 end);
    void copy(u64 from, u64 to, int level, unsigned first);

    Frames& frames_;
    u64 root_;
    u32 pcid_;
};

}  // namespace guest
