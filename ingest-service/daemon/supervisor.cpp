#include "daemon/supervisor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace wardlink::daemon {
namespace {

constexpr std::chrono::milliseconds forever{-1};

/// In the child, after fork(). What it inherits is what a shell would have given it.
[[noreturn]] void become(const std::vector<std::string>& words, bool gives_way, int ready, pid_t supervisor) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != supervisor) _exit(0);  // it died before that was asked
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (gives_way) setpriority(PRIO_PROCESS, 0, way_given);
  setenv(supervisor_variable, std::to_string(ready).c_str(), 1);
  std::vector<char*> arguments;
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execv("/proc/self/exe", arguments.data());
  constexpr std::string_view said = "the program's own file cannot be run: is /proc mounted?\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, said.data(), said.size());
  _exit(127);
}

std::string end_of(int status) {
  if (WIFEXITED(status)) return fmt::format("ended with exit code {}", WEXITSTATUS(status));
  return fmt::format("was ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
}

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

Supervisor::Supervisor(std::vector<Child> children, AllReady all_ready, Pauses pauses)
    : all_ready_(std::move(all_ready)), pauses_(pauses) {
  for (auto& child : children) {
    all_.emplace_back();
    all_.back().child = std::move(child);
    all_.back().pause = pauses.first;
  }
  sigemptyset(&signals_);
  for (const int one : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&signals_, one);
  if (sigprocmask(SIG_BLOCK, &signals_, nullptr) != 0 ||
      (descriptor_ = signalfd(-1, &signals_, SFD_CLOEXEC | SFD_NONBLOCK)) < 0) {
    throw std::runtime_error(std::string("Signals cannot be taken: ") + std::strerror(errno) + ".");
  }
}

Supervisor::~Supervisor() { close(descriptor_); }

int Supervisor::run() {
  while (!stopping_ || any_running()) {
    if (!stopping_) start_those_due();
    wait();
    kill_those_left();
    take_signals();
    for (auto& one : all_) take_ready(one);
    reap();
  }
  return code_;
}

void Supervisor::start_those_due() {
  for (auto& one : all_) {
    if (one.pid < 0 && one.again_at <= Clock::now()) start(one);
  }
}

void Supervisor::start(Running& one) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
    throw std::runtime_error(std::string("No pipe can be made: ") + std::strerror(errno) + ".");
  const auto words = one.child.arguments(one.ports);
  const pid_t self = getpid();
  one.pid = fork();
  if (one.pid == 0) {
    fcntl(ends[1], F_SETFD, 0);
    become(words, !one.child.essential, ends[1], self);
  }
  close(ends[1]);
  one.ready = ends[0];
  one.started = Clock::now();
  if (one.pid > 0) return;
  spdlog::error(fmt::format("{} cannot be started: {}", one.child.name, std::strerror(errno)));
  close(std::exchange(one.ready, -1));
  one.again_at = one.started + pauses_.longest;
}

/// Until a signal comes, a child says something, or one is to be started anew or killed.
void Supervisor::wait() {
  std::vector<pollfd> watched{{descriptor_, POLLIN, 0}};
  auto limit = forever;
  const auto until = [&limit](Clock::time_point at) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(at - Clock::now());
    const auto own = std::max(left, std::chrono::milliseconds{0});
    limit = limit == forever ? own : std::min(limit, own);
  };
  if (kill_at_) until(*kill_at_);
  for (const auto& one : all_) {
    if (one.ready >= 0) watched.push_back({one.ready, POLLIN, 0});
    if (one.pid < 0 && !stopping_) until(one.again_at);
  }
  poll(watched.data(), watched.size(), static_cast<int>(limit.count()));
}

void Supervisor::take_signals() {
  signalfd_siginfo came{};
  while (read(descriptor_, &came, sizeof came) == static_cast<ssize_t>(sizeof came)) {
    if (came.ssi_signo == SIGHUP) tell_all(SIGHUP);
    if (came.ssi_signo == SIGTERM || came.ssi_signo == SIGINT) stop(0);
  }
}

void Supervisor::take_ready(Running& one) {
  if (one.ready < 0) return;
  std::array<char, 64> text{};
  const auto got = read(one.ready, text.data(), text.size() - 1);
  if (got < 0) return;
  close(std::exchange(one.ready, -1));
  if (got == 0) return;  // it ended, or is not of our kind
  Ports ports;
  char* after = nullptr;
  ports.port = static_cast<std::uint16_t>(std::strtoul(text.data(), &after, 10));
  ports.metrics_port = static_cast<std::uint16_t>(std::strtoul(after, nullptr, 10));
  one.ports = ports;
  if (std::exchange(one.has_served, true)) return;
  std::vector<Ports> told;
  for (const auto& each : all_) {
    if (!each.has_served) return;
    told.push_back(*each.ports);
  }
  all_ready_(told);
}

void Supervisor::reap() {
  for (auto& one : all_) {
    int status = 0;
    if (one.pid > 0 && waitpid(one.pid, &status, WNOHANG) == one.pid) ended(one, status);
  }
}

void Supervisor::ended(Running& one, int status) {
  one.pid = -1;
  if (one.ready >= 0) close(std::exchange(one.ready, -1));
  if (stopping_) {
    const bool as_told = WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;  // it had not begun to listen
    if (code_ == 0 && !as_told) code_ = code_of(status);
    return;
  }
  // It has said itself what is wrong, and another try would end the same. Those that go on without it do so.
  const bool failed = !one.has_served && WIFEXITED(status) && WEXITSTATUS(status) != 0;
  if (failed && one.child.essential) return stop(WEXITSTATUS(status));
  if (Clock::now() - one.started >= pauses_.settled) one.pause = pauses_.first;
  one.again_at = Clock::now() + one.pause;
  spdlog::error(fmt::format("{} {}; it is started again in {} ms", one.child.name, end_of(status), one.pause.count()));
  one.pause = std::min(one.pause * 2, one.has_served ? pauses_.longest : pauses_.longest_unserved);
}

void Supervisor::stop(int code) {
  stopping_ = true;
  if (code_ == 0) code_ = code;
  if (!kill_at_) kill_at_ = Clock::now() + pauses_.farewell;
  tell_all(SIGTERM);
}

/// Who hangs, or is stopped itself, hears no SIGTERM.
void Supervisor::kill_those_left() {
  if (!kill_at_ || Clock::now() < *kill_at_) return;
  for (const auto& one : all_) {
    if (one.pid > 0) spdlog::error(fmt::format("{} does not end by itself and is killed", one.child.name));
  }
  tell_all(SIGKILL);
  kill_at_.reset();
}

void Supervisor::tell_all(int signal) const {
  for (const auto& one : all_) {
    if (one.pid > 0) kill(one.pid, signal);
  }
}

bool Supervisor::any_running() const {
  return std::ranges::any_of(all_, [](const Running& one) { return one.pid > 0; });
}

}  // namespace wardlink::daemon
