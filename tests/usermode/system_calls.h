// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "arch/state.h"
#include "usermode/address_space.h"
#include "usermode/loader.h"

namespace vtsim::usermode {

// Linux for one program with one thread: memory, reading of the host's files, and constant answers where Linux' own would differ from run to run. It writes
// nothing but standard output and standard error, which are collected in their order. What is missing answers ENOSYS and is named in `missing`.
class SystemCalls {
public:
    // `input`: path of the file that is standard input. Throws InputError when it cannot be read.
    SystemCalls(AddressSpace& space, arch::State& state, const Program& program, const std::string& input);

    // The call of which the state has number and arguments; its result goes to RAX.
    void handle();

    [[nodiscard]] const std::optional<int>& status() const { return status_; }       // once the program has ended: exit status, or 128 + signal
    [[nodiscard]] const std::string& output() const { return output_; }
    [[nodiscard]] const std::set<u64>& missing() const { return missing_; }

private:
    using Arguments = std::array<u64, 6>;
    using Handler = i64 (SystemCalls::*)(const Arguments&);
    [[nodiscard]] static const std::map<u64, Handler>& handlers();

    // An open file of the host, or (host < 0) the collected output.
    struct File {
        explicit File(int descriptor) : host{descriptor} {}
        ~File();
        File(const File&) = delete;
        File& operator=(const File&) = delete;
        int host;
    };
    [[nodiscard]] const File* file(u64 descriptor) const;
    i64 add_file(std::shared_ptr<File> file, int lowest = 0);
    i64 open_at(int directory, u64 path, u64 flags);
    i64 status_at(int directory, u64 path, u64 to, int flags);
    i64 write_piece(const File& to, u64 from, u64 bytes);
    // The host's descriptor for the directory argument of a call; nothing when there is none such.
    [[nodiscard]] std::optional<int> directory(u64 descriptor) const;

    // file_calls.cpp
    i64 read(const Arguments& a);
    i64 pread(const Arguments& a);
    i64 write(const Arguments& a);
    i64 writev(const Arguments& a);
    i64 sendfile(const Arguments& a);
    i64 open(const Arguments& a);
    i64 openat(const Arguments& a);
    i64 close(const Arguments& a);
    i64 stat(const Arguments& a);
    i64 lstat(const Arguments& a);
    i64 fstat(const Arguments& a);
    i64 newfstatat(const Arguments& a);
    i64 lseek(const Arguments& a);
    i64 ioctl(const Arguments& a);
    i64 fcntl(const Arguments& a);
    i64 dup(const Arguments& a);
    i64 dup2(const Arguments& a);
    i64 access(const Arguments& a);
    i64 readlink(const Arguments& a);
    i64 getcwd(const Arguments& a);
    i64 getdents64(const Arguments& a);

    // memory_calls.cpp
    i64 mmap(const Arguments& a);
    i64 munmap(const Arguments& a);
    i64 mprotect(const Arguments& a);
    i64 brk(const Arguments& a);
    i64 read_into(u64 linear, const File& from, u64 bytes, u64 offset);

    // process_calls.cpp
    i64 exit(const Arguments& a);
    i64 tgkill(const Arguments& a);
    i64 arch_prctl(const Arguments& a);
    i64 process_id(const Arguments& a);
    i64 user_id(const Arguments& a);
    i64 umask(const Arguments& a);
    i64 signal_action(const Arguments& a);
    i64 signal_mask(const Arguments& a);
    i64 robust_list(const Arguments& a);
    i64 restartable_sequences(const Arguments& a);
    i64 prctl(const Arguments& a);
    i64 sysinfo(const Arguments& a);
    i64 prlimit(const Arguments& a);
    i64 getrandom(const Arguments& a);
    i64 uname(const Arguments& a);
    i64 clock_gettime(const Arguments& a);
    i64 gettimeofday(const Arguments& a);
    i64 time(const Arguments& a);

    template <class T>
    [[nodiscard]] bool give(u64 linear, const T& value) { return space_.copy_out(linear, &value, sizeof value); }

    AddressSpace& space_;
    arch::State& state_;
    std::string program_path_;
    std::map<int, std::shared_ptr<File>> files_;
    std::string output_;
    std::set<u64> missing_;
    std::optional<int> status_;
    u64 first_break_, break_;
    u64 mappings_;                          // the lowest of those that the system has placed
};

}  // namespace vtsim::usermode
