// SPDX-License-Identifier: Apache-2.0
// System calls about the process and its surroundings. Nothing depends on when and where a test runs: time stands still, random bytes are always the same.
#include <asm/prctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <vector>

#include "usermode/system_calls.h"

namespace vtsim::usermode {
namespace {

constexpr i64 process = 1000;
constexpr std::time_t now = 1'700'000'000;       // 14 November 2023
constexpr u64 most_random_bytes = 256;

}  // namespace

i64 SystemCalls::exit(const Arguments& a) {
    status_ = static_cast<int>(a[0] & 0xff);
    return 0;
}

// What abort() does. No signal has a handler that would run.
i64 SystemCalls::tgkill(const Arguments& a) {
    status_ = 128 + static_cast<int>(a[2]);
    return 0;
}

i64 SystemCalls::arch_prctl(const Arguments& a) {
    switch (a[0]) {
        case ARCH_SET_FS: state_.segment[arch::fs].base = a[1]; return 0;
        case ARCH_SET_GS: state_.segment[arch::gs].base = a[1]; return 0;
        case ARCH_GET_FS: return give(a[1], state_.segment[arch::fs].base) ? 0 : -EFAULT;
        case ARCH_GET_GS: return give(a[1], state_.segment[arch::gs].base) ? 0 : -EFAULT;
        default: return -EINVAL;                 // no control-flow enforcement among others
    }
}

i64 SystemCalls::process_id(const Arguments&) { return process; }
i64 SystemCalls::user_id(const Arguments&) { return 0; }
i64 SystemCalls::umask(const Arguments&) { return 022; }
i64 SystemCalls::robust_list(const Arguments&) { return 0; }
i64 SystemCalls::restartable_sequences(const Arguments&) { return -ENOSYS; }         // as of Linux before 4.18: programs do without
i64 SystemCalls::prctl(const Arguments& a) { return a[0] == PR_SET_NAME ? 0 : -EINVAL; }

i64 SystemCalls::sysinfo(const Arguments& a) {
    struct sysinfo information {};
    information.totalram = 256 * MiB;
    information.freeram = 128 * MiB;
    information.procs = 1;
    information.mem_unit = 1;
    return give(a[0], information) ? 0 : -EFAULT;
}

// Signals never come; what was set before is said to be nothing.
i64 SystemCalls::signal_action(const Arguments& a) {
    struct {
        u64 handler, flags, restorer, mask;
    } const none{};
    return a[2] == 0 || give(a[2], none) ? 0 : -EFAULT;
}

i64 SystemCalls::signal_mask(const Arguments& a) {
    constexpr u64 none = 0;
    return a[2] == 0 || give(a[2], none) ? 0 : -EFAULT;
}

i64 SystemCalls::prlimit(const Arguments& a) {
    constexpr u64 stack_bytes = 1 * MiB;
    const struct rlimit limit{a[1] == RLIMIT_STACK ? stack_bytes : RLIM_INFINITY, RLIM_INFINITY};
    return a[3] == 0 || give(a[3], limit) ? 0 : -EFAULT;
}

i64 SystemCalls::getrandom(const Arguments& a) {
    std::vector<u8> bytes(std::min(a[1], most_random_bytes));
    u8 value = 7;
    for (auto& byte : bytes) byte = value = static_cast<u8>(value * 181 + 101);
    return space_.copy_out(a[0], bytes.data(), bytes.size()) ? static_cast<i64>(bytes.size()) : -EFAULT;
}

i64 SystemCalls::uname(const Arguments& a) {
    struct utsname names {};
    if (::uname(&names) < 0) return -errno;
    return give(a[0], names) ? 0 : -EFAULT;
}

i64 SystemCalls::clock_gettime(const Arguments& a) { return give(a[1], timespec{now, 0}) ? 0 : -EFAULT; }

i64 SystemCalls::gettimeofday(const Arguments& a) { return a[0] == 0 || give(a[0], timeval{now, 0}) ? 0 : -EFAULT; }

i64 SystemCalls::time(const Arguments& a) { return a[0] == 0 || give(a[0], now) ? now : -EFAULT; }

}  // namespace vtsim::usermode
