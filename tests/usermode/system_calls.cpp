// SPDX-License-Identifier: Apache-2.0
#include "usermode/system_calls.h"

#include <sys/syscall.h>

#include <cerrno>

namespace vtsim::usermode {

const std::map<u64, SystemCalls::Handler>& SystemCalls::handlers() {
    using S = SystemCalls;
    static const std::map<u64, Handler> table{
        {SYS_read, &S::read}, {SYS_pread64, &S::pread}, {SYS_write, &S::write}, {SYS_writev, &S::writev}, {SYS_sendfile, &S::sendfile},
        {SYS_open, &S::open}, {SYS_openat, &S::openat},
        {SYS_close, &S::close}, {SYS_stat, &S::stat}, {SYS_lstat, &S::lstat}, {SYS_fstat, &S::fstat}, {SYS_newfstatat, &S::newfstatat}, {SYS_lseek, &S::lseek},
        {SYS_ioctl, &S::ioctl}, {SYS_fcntl, &S::fcntl}, {SYS_dup, &S::dup}, {SYS_dup2, &S::dup2}, {SYS_access, &S::access}, {SYS_readlink, &S::readlink},
        {SYS_getcwd, &S::getcwd}, {SYS_getdents64, &S::getdents64},
        {SYS_mmap, &S::mmap}, {SYS_munmap, &S::munmap}, {SYS_mprotect, &S::mprotect}, {SYS_brk, &S::brk},
        {SYS_exit, &S::exit}, {SYS_exit_group, &S::exit}, {SYS_tgkill, &S::tgkill}, {SYS_arch_prctl, &S::arch_prctl}, {SYS_set_tid_address, &S::process_id},
        {SYS_getpid, &S::process_id}, {SYS_gettid, &S::process_id}, {SYS_getppid, &S::process_id}, {SYS_getuid, &S::user_id}, {SYS_geteuid, &S::user_id},
        {SYS_getgid, &S::user_id}, {SYS_getegid, &S::user_id}, {SYS_umask, &S::umask}, {SYS_rt_sigaction, &S::signal_action},
        {SYS_rt_sigprocmask, &S::signal_mask}, {SYS_set_robust_list, &S::robust_list}, {SYS_rseq, &S::restartable_sequences}, {SYS_prctl, &S::prctl},
        {SYS_sysinfo, &S::sysinfo}, {SYS_prlimit64, &S::prlimit}, {SYS_getrandom, &S::getrandom},
        {SYS_uname, &S::uname}, {SYS_clock_gettime, &S::clock_gettime}, {SYS_gettimeofday, &S::gettimeofday}, {SYS_time, &S::time},
    };
    return table;
}

// Linux returns the result, or the negated number of the error, in RAX.
void SystemCalls::handle() {
    auto& r = state_.gpr;
    const u64 number = r[arch::rax];
    const Arguments arguments{r[arch::rdi], r[arch::rsi], r[arch::rdx], r[arch::r10], r[arch::r8], r[arch::r9]};
    const auto found = handlers().find(number);
    if (found == handlers().end()) missing_.insert(number);
    r[arch::rax] = static_cast<u64>(found == handlers().end() ? -ENOSYS : (this->*found->second)(arguments));
}

}  // namespace vtsim::usermode
