// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "usermode/run.h"
#include "vtsim/error.h"

namespace vtsim::usermode {
namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (auto& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

// Standard input from a file, standard output and standard error into a pipe.
pid_t start(Command command, int output) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, command.input.c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    pid_t child = 0;
    const auto path = command.arguments.at(0);
    const int error = posix_spawn(&child, path.c_str(), &actions, nullptr, pointers(command.arguments).data(), pointers(command.environment).data());
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw InputError(fmt::format("{}: {}", path, std::strerror(error)));
    return child;
}

}  // namespace

Result run_natively(const Command& command) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) < 0) throw InputError(fmt::format("pipe: {}", std::strerror(errno)));
    const auto begin = std::chrono::steady_clock::now();
    const pid_t child = start(command, ends[1]);
    close(ends[1]);

    Result result;
    std::array<char, 65536> piece;
    for (ssize_t got = 0; (got = read(ends[0], piece.data(), piece.size())) > 0;) result.output.append(piece.data(), static_cast<std::size_t>(got));
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return result;
}

}  // namespace vtsim::usermode
