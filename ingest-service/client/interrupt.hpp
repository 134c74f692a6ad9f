#pragma once
// SIGINT and SIGTERM as an event, and a watch over a stream that has fallen silent.

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <thread>

namespace wardlink::command_line {

/// While it lives, the first SIGINT or SIGTERM calls `cancel` instead of ending the program; so does a silence. One at
/// a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool came() const { return came_; }
  /// `cancel` is called from another thread, once or more, until the next call; nothing = no one to call.
  void watch(std::function<void()> cancel);
  /// Something was heard: the silence begins anew.
  void heard();
  /// True when a signal came within that time.
  bool came_within(std::chrono::milliseconds time);

 private:
  void run();
  void look();

  std::atomic<bool> came_ = false, over_ = false;
  std::mutex mutex_;
  std::function<void()> cancel_;
  std::chrono::steady_clock::time_point heard_at_;
  std::thread thread_;
};

}  // namespace wardlink::command_line
