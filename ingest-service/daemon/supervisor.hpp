#pragma once
// Keeps processes running: starts them, starts anew what ended, hands signals on, ends with them. It does nothing else
// and has no thread, so that nothing which ends a child can end it.

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/ready_file.hpp"

namespace wardlink::daemon {

/// Where processor time is short, what people ask gives way to alarms.
inline constexpr int way_given = 10;

class Supervisor {
 public:
  struct Child {
    std::string name;
    /// The arguments of this program's own file, argv[0] first. `before`: where it served before it ended, if it did.
    std::function<std::vector<std::string>(const std::optional<Ports>& before)> arguments;
    /// Where it fails before it ever served, all end with it; else it is tried again, and the others go on. What is not
    /// essential runs at the nice value `way_given`, from before its program is loaded.
    bool essential = false;
  };
  /// Called once, when every child has said where it serves (tell_supervisor): in the children's order.
  using AllReady = std::function<void(const std::vector<Ports>&)>;

  /// What waits before a child is started anew: `first`, doubled each time up to `longest`, or up to `longest_unserved`
  /// where it has never served; `first` again once it ran for `settled`. At the end, children that take longer than
  /// `farewell` get SIGKILL.
  struct Pauses {
    std::chrono::milliseconds first{100}, longest{2'000}, longest_unserved{30'000}, settled{10'000}, farewell{15'000};
  };

  Supervisor(std::vector<Child> children, AllReady all_ready, Pauses pauses);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Until SIGTERM or SIGINT, which the children get too, or until an essential child fails before it ever served;
  /// SIGHUP goes to all of them. Children get SIGTERM when this process dies. Returns the exit code: 0, or the first
  /// child's that was not (128 + signal). Before any other thread has started. Throws std::runtime_error when nothing
  /// can be started.
  int run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Running {
    Child child;
    pid_t pid = -1;  // -1: not running
    int ready = -1;  // where it says that it serves; -1: said, or not running
    std::optional<Ports> ports;
    bool has_served = false;
    Clock::time_point started, again_at;
    std::chrono::milliseconds pause;
  };

  void start(Running& one);
  void start_those_due();
  void wait();
  void take_signals();
  void take_ready(Running& one);
  void reap();
  void ended(Running& one, int status);
  void stop(int code);
  void kill_those_left();
  void tell_all(int signal) const;
  bool any_running() const;

  std::vector<Running> all_;
  AllReady all_ready_;
  const Pauses pauses_;
  sigset_t signals_{};
  int descriptor_ = -1;  // signalfd
  bool stopping_ = false;
  std::optional<Clock::time_point> kill_at_;  // SIGTERM was sent, and SIGKILL was not
  int code_ = 0;
};

}  // namespace wardlink::daemon
