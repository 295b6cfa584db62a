// SPDX-License-Identifier: Apache-2.0
// fork: copy-on-write between a parent and its children. build: processes that come, ask for memory, read files, compute and go.
#include "common/print.h"
#include "process/process.h"
#include "user/programs.h"
#include "workload.h"

namespace guest {
namespace {

u64 report_faults(u64 checksum) {
    const auto& [demand_zero, copied, reused] = Process::counts;
    print("faults: demand_zero=", demand_zero, " copied=", copied, " reused=", reused, "\n");
    return mix(mix(mix(checksum, demand_zero), copied), reused);
}

class FileCache {
public:
    FileCache(Context& context, Frames& frames, u64 count) : frames_(frames), files_(static_cast<File*>(context.memory.take(count * sizeof(File), 8))), count_(count) {
        Xorshift random{0x853c49e6748fea9b};
        for (u64 file = 0; file < count; ++file) {
            u64* const list = static_cast<u64*>(context.memory.take(pages_of_file * 8, 8));
            for (u64 page = 0; page < pages_of_file; ++page) {
                list[page] = frames.take();
                for (u64 word = 0; word < frame_bytes / 8; ++word) reinterpret_cast<u64*>(list[page])[word] = random.next();
            }
            files_[file] = {list, pages_of_file};
        }
    }
    ~FileCache() {
        for (u64 file = 0; file < count_; ++file)
            for (u64 page = 0; page < pages_of_file; ++page) frames_.release(files_[file].frames[page]);
    }
    FileCache(const FileCache&) = delete;
    FileCache& operator=(const FileCache&) = delete;
    FileTable table() const { return {files_, count_}; }

private:
    static constexpr u64 pages_of_file = 8;
    Frames& frames_;
    File* files_;
    u64 count_;
};

}  // namespace

Outcome run_fork(Context& context) {
    const u64 pages = context.options.number("set", 256), children = context.options.number("children", 20), dirty = context.options.number("dirty", 64);
    if (!pages) refuse("set", "at least 1 page");
    if (dirty > pages) refuse("dirty", "at most as many pages as set");
    Frames frames{context.memory};
    Process::initialize();
    u64 checksum, cycles;
    {
        Process parent{frames, context.space};
        parent.map(Process::heap, pages);
        checksum = parent.run(user::fill, Process::heap, pages, 1);
        const Region region;
        for (u64 i = 0; i < children; ++i) {
            // The parent copies some pages while the child lives; for these the child then has the only reference, the others it copies.
            // What the parent writes after the child's end is its own again.
            {
                Process child{parent};
                checksum = mix(checksum, parent.run(user::change, Process::heap, pages, i + dirty / 2, dirty / 2));
                checksum = mix(checksum, child.run(user::change, Process::heap, pages, i, dirty));
                parent.switch_to();
            }
            checksum = mix(checksum, parent.run(user::change, Process::heap, pages, i, dirty));
        }
        cycles = region.end();
        Process::leave(context.space);
    }
    return {.checksum = report_faults(checksum), .cycles = cycles, .count = children, .unit = "fork", .passed = frames.in_use() == 0};
}

Outcome run_build(Context& context) {
    const u64 jobs = context.options.number("jobs", 20), heap = context.options.number("heap", 128), files = context.options.number("files", 16);
    if (!heap) refuse("heap", "at least 1 page");
    Frames frames{context.memory};
    Process::initialize();
    u64 checksum = 0, cycles;
    {
        const FileCache cache{context, frames, files};
        const Region region;
        for (u64 job = 0; job < jobs; ++job) {
            Process process{frames, context.space, cache.table()};
            checksum = mix(checksum, process.run(user::compile, job, heap, files));
            Process::leave(context.space);
        }
        cycles = region.end();
    }
    return {.checksum = report_faults(checksum), .cycles = cycles, .count = jobs, .unit = "job", .passed = frames.in_use() == 0};
}

}  // namespace guest
