// SPDX-License-Identifier: Apache-2.0
// System calls on files: the host's for reading, and the collected output.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/bits.h"
#include "usermode/system_calls.h"
#include "vtsim/error.h"

namespace vtsim::usermode {
namespace {

constexpr u64 first_mapping = 0x7f00'0000'0000;          // mappings grow downwards from here
constexpr u64 longest_transfer = 1 * MiB;                // of one call; programs must cope with less than they asked for

i64 result(i64 value) { return value < 0 ? -errno : value; }

}  // namespace

SystemCalls::File::~File() {
    if (host >= 0) ::close(host);
}

SystemCalls::SystemCalls(AddressSpace& space, arch::State& state, const Program& program, const std::string& input)
    : space_{space}, state_{state}, program_path_{program.path}, first_break_{align_up(program.end, page_size)}, break_{first_break_}, mappings_{first_mapping} {
    const int host = ::open(input.c_str(), O_RDONLY | O_CLOEXEC);
    if (host < 0) throw InputError(fmt::format("{}: {}", input, std::strerror(errno)));
    files_[STDIN_FILENO] = std::make_shared<File>(host);
    files_[STDOUT_FILENO] = files_[STDERR_FILENO] = std::make_shared<File>(-1);
}

const SystemCalls::File* SystemCalls::file(u64 descriptor) const {
    const auto found = files_.find(static_cast<int>(descriptor));
    return found == files_.end() ? nullptr : found->second.get();
}

i64 SystemCalls::add_file(std::shared_ptr<File> file, int lowest) {
    while (files_.contains(lowest)) ++lowest;
    files_[lowest] = std::move(file);
    return lowest;
}

std::optional<int> SystemCalls::directory(u64 descriptor) const {
    if (static_cast<int>(descriptor) == AT_FDCWD) return AT_FDCWD;
    const auto* found = file(descriptor);
    if (found == nullptr) return std::nullopt;
    return found->host;
}

// ---- data -------------------------------------------------------------------------------------------------------------------

i64 SystemCalls::read(const Arguments& a) {
    const auto* from = file(a[0]);
    if (from == nullptr || from->host < 0) return -EBADF;
    std::vector<u8> bytes(std::min(a[2], longest_transfer));
    const auto got = ::read(from->host, bytes.data(), bytes.size());
    if (got < 0) return -errno;
    return space_.copy_out(a[1], bytes.data(), static_cast<u64>(got)) ? got : -EFAULT;
}

i64 SystemCalls::pread(const Arguments& a) {
    const auto* from = file(a[0]);
    if (from == nullptr || from->host < 0) return -EBADF;
    std::vector<u8> bytes(std::min(a[2], longest_transfer));
    const auto got = ::pread(from->host, bytes.data(), bytes.size(), static_cast<off_t>(a[3]));
    if (got < 0) return -errno;
    return space_.copy_out(a[1], bytes.data(), static_cast<u64>(got)) ? got : -EFAULT;
}

i64 SystemCalls::write_piece(const File& to, u64 from, u64 bytes) {
    if (to.host >= 0) return -EBADF;                     // opened for reading
    std::string text(std::min(bytes, longest_transfer), 0);
    if (!space_.copy_in(from, text.data(), text.size())) return -EFAULT;
    output_ += text;
    return static_cast<i64>(text.size());
}

i64 SystemCalls::write(const Arguments& a) {
    const auto* to = file(a[0]);
    return to == nullptr ? -EBADF : write_piece(*to, a[1], a[2]);
}

i64 SystemCalls::writev(const Arguments& a) {
    const auto* to = file(a[0]);
    if (to == nullptr) return -EBADF;
    if (a[2] > IOV_MAX) return -EINVAL;
    i64 total = 0;
    for (u64 i = 0; i < a[2]; ++i) {
        struct {
            u64 base, bytes;
        } part{};
        if (!space_.copy_in(a[1] + i * sizeof part, &part, sizeof part)) return -EFAULT;
        const i64 written = write_piece(*to, part.base, part.bytes);
        if (written < 0) return total > 0 ? total : written;
        total += written;
        if (static_cast<u64>(written) < part.bytes) break;
    }
    return total;
}

// From where the file stands, not from an offset of the caller.
i64 SystemCalls::sendfile(const Arguments& a) {
    const auto *to = file(a[0]), *from = file(a[1]);
    if (to == nullptr || to->host >= 0 || from == nullptr || from->host < 0) return -EBADF;
    if (a[2] != 0) return -EINVAL;
    std::string text(std::min(a[3], longest_transfer), 0);
    const auto got = ::read(from->host, text.data(), text.size());
    if (got > 0) output_.append(text, 0, static_cast<std::size_t>(got));
    return result(got);
}

i64 SystemCalls::lseek(const Arguments& a) {
    const auto* found = file(a[0]);
    if (found == nullptr) return -EBADF;
    if (found->host < 0) return -ESPIPE;
    return result(::lseek(found->host, static_cast<off_t>(a[1]), static_cast<int>(a[2])));
}

// ---- descriptors ------------------------------------------------------------------------------------------------------------

i64 SystemCalls::open_at(int directory, u64 path, u64 flags) {
    std::string name;
    if (!space_.copy_in(path, name)) return -EFAULT;
    if ((flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0) return -EROFS;
    const int host = ::openat(directory, name.c_str(), static_cast<int>(flags) | O_CLOEXEC);
    return host < 0 ? -errno : add_file(std::make_shared<File>(host));
}

i64 SystemCalls::open(const Arguments& a) { return open_at(AT_FDCWD, a[0], a[1]); }

i64 SystemCalls::openat(const Arguments& a) {
    const auto from = directory(a[0]);
    return from ? open_at(*from, a[1], a[2]) : -EBADF;
}

i64 SystemCalls::close(const Arguments& a) { return files_.erase(static_cast<int>(a[0])) == 0 ? -EBADF : 0; }

i64 SystemCalls::dup(const Arguments& a) {
    const auto found = files_.find(static_cast<int>(a[0]));
    return found == files_.end() ? -EBADF : add_file(found->second);
}

i64 SystemCalls::dup2(const Arguments& a) {
    const auto found = files_.find(static_cast<int>(a[0]));
    if (found == files_.end()) return -EBADF;
    auto same = found->second;
    files_[static_cast<int>(a[1])] = std::move(same);
    return static_cast<int>(a[1]);
}

i64 SystemCalls::fcntl(const Arguments& a) {
    const auto found = files_.find(static_cast<int>(a[0]));
    if (found == files_.end()) return -EBADF;
    switch (a[1]) {
        case F_DUPFD:
        case F_DUPFD_CLOEXEC: return add_file(found->second, static_cast<int>(a[2]));
        case F_GETFD:
        case F_SETFD:
        case F_SETFL: return 0;
        case F_GETFL: return found->second->host < 0 ? O_WRONLY : O_RDONLY;
        default: return -EINVAL;
    }
}

// Nothing is a terminal.
i64 SystemCalls::ioctl(const Arguments& a) { return file(a[0]) == nullptr ? -EBADF : -ENOTTY; }

// ---- what files are: on x86-64 the host's structures are those of the program --------------------------------------------------

i64 SystemCalls::status_at(int directory, u64 path, u64 to, int flags) {
    std::string name;
    if (!space_.copy_in(path, name)) return -EFAULT;
    struct stat status {};
    if (::fstatat(directory, name.c_str(), &status, flags) < 0) return -errno;
    return give(to, status) ? 0 : -EFAULT;
}

i64 SystemCalls::stat(const Arguments& a) { return status_at(AT_FDCWD, a[0], a[1], 0); }
i64 SystemCalls::lstat(const Arguments& a) { return status_at(AT_FDCWD, a[0], a[1], AT_SYMLINK_NOFOLLOW); }

i64 SystemCalls::fstat(const Arguments& a) {
    const auto* found = file(a[0]);
    if (found == nullptr) return -EBADF;
    struct stat status {};
    status.st_mode = S_IFIFO | S_IRUSR | S_IWUSR;        // the collected output looks like a pipe
    status.st_blksize = page_size;
    if (found->host >= 0 && ::fstat(found->host, &status) < 0) return -errno;
    return give(a[1], status) ? 0 : -EFAULT;
}

i64 SystemCalls::newfstatat(const Arguments& a) {
    char first = 0;
    if ((a[3] & AT_EMPTY_PATH) != 0 && space_.copy_in(a[1], &first, 1) && first == 0 && file(a[0]) != nullptr) return fstat({a[0], a[2]});
    const auto from = directory(a[0]);
    return from ? status_at(*from, a[1], a[2], static_cast<int>(a[3])) : -EBADF;
}

i64 SystemCalls::access(const Arguments& a) {
    std::string name;
    if (!space_.copy_in(a[0], name)) return -EFAULT;
    if ((a[1] & W_OK) != 0) return -EROFS;
    return result(::access(name.c_str(), static_cast<int>(a[1])));
}

i64 SystemCalls::readlink(const Arguments& a) {
    std::string name;
    if (!space_.copy_in(a[0], name)) return -EFAULT;
    std::array<char, 4096> target;
    i64 bytes = static_cast<i64>(program_path_.size());
    if (name == "/proc/self/exe") std::copy(program_path_.begin(), program_path_.end(), target.begin());
    else bytes = result(::readlink(name.c_str(), target.data(), target.size()));
    if (bytes < 0) return bytes;
    bytes = std::min(bytes, static_cast<i64>(a[2]));
    return space_.copy_out(a[1], target.data(), static_cast<u64>(bytes)) ? bytes : -EFAULT;
}

i64 SystemCalls::getcwd(const Arguments& a) {
    std::array<char, 4096> path;
    if (::getcwd(path.data(), path.size()) == nullptr) return -errno;
    const u64 bytes = std::strlen(path.data()) + 1;
    if (bytes > a[1]) return -ERANGE;
    return space_.copy_out(a[0], path.data(), bytes) ? static_cast<i64>(bytes) : -EFAULT;
}

i64 SystemCalls::getdents64(const Arguments& a) {
    const auto* found = file(a[0]);
    if (found == nullptr) return -EBADF;
    std::vector<u8> entries(std::min(a[2], longest_transfer));
    const auto bytes = ::syscall(SYS_getdents64, found->host, entries.data(), entries.size());
    if (bytes < 0) return -errno;
    return space_.copy_out(a[1], entries.data(), static_cast<u64>(bytes)) ? bytes : -EFAULT;
}

}  // namespace vtsim::usermode
