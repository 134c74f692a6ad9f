// The supervisor of `--serve all`, with children that are this executable under other names. ISO-1

#include "daemon/supervisor.hpp"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace wardlink::daemon {
namespace {

constexpr unsigned longest_test = 60;  // s: nobody stays behind a test that fails

/// Before main(): what a child does, its name says. "fails": ends before it serves. "serves": until told to end.
/// "deaf": likewise, but is told in vain.
bool play() {
  if (std::getenv(supervisor_variable) == nullptr) return false;
  alarm(longest_test / 2);
  const std::string_view name = program_invocation_name;
  if (name == "fails") _exit(3);
  if (name == "deaf") signal(SIGTERM, SIG_IGN);
  tell_supervisor({1, 2});
  for (;;) pause();
}
[[maybe_unused]] const bool plays = play();

Supervisor::Child child(std::vector<std::string> each_time, bool essential) {
  return {"a child",
          [=, next = std::size_t{0}](const std::optional<Ports>&) mutable {
            return std::vector{each_time[std::min(next++, each_time.size() - 1)]};
          },
          essential};
}

/// Of a supervisor that is told to end once all children serve; 128 + signal where a signal ended it. It is a fork that
/// goes on: this executable has no threads (so no gRPC), one of which could hold the allocator's lock meanwhile.
int exit_code(const std::vector<Supervisor::Child>& children) {
  using namespace std::chrono_literals;
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(longest_test);
    const auto told = [](const std::vector<Ports>&) { kill(getpid(), SIGTERM); };
    const Supervisor::Pauses pauses{
        .first = 1ms, .longest = 2ms, .longest_unserved = 2ms, .settled = 1h, .farewell = 50ms};
    _exit(Supervisor(children, told, pauses).run());
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// ISO-1: what is wrong with the API, when a host has started again, stores no alarm less.
TEST(Supervisor, OnesFailureEndsTheOthersOnlyWhereItIsEssential) {
  EXPECT_EQ(exit_code({child({"serves"}, true), child({"fails", "fails", "serves"}, false)}), 0);
  EXPECT_EQ(exit_code({child({"serves"}, false), child({"fails"}, true)}), 3);
  EXPECT_EQ(exit_code({child({"fails", "serves"}, false), child({"fails", "fails", "fails", "serves"}, false)}), 0);
}

// ISO-1: a child that hangs does not keep the service from ending, nor from being started anew.
TEST(Supervisor, AChildThatDoesNotEndIsKilled) {
  EXPECT_EQ(exit_code({child({"serves"}, true), child({"deaf"}, false)}), 128 + SIGKILL);
  EXPECT_EQ(exit_code({child({"deaf"}, true), child({"deaf"}, false)}), 128 + SIGKILL);
}

}  // namespace
}  // namespace wardlink::daemon
