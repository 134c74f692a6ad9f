#pragma once
// SIGINT and SIGTERM as an event.

#include <atomic>
#include <functional>
#include <thread>

namespace wardlink::command_line {

/// While it lives, the first SIGINT or SIGTERM calls `act`, from another thread, instead of ending the program. One
/// object at a time.
class Interrupt {
 public:
  explicit Interrupt(std::function<void()> act);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

 private:
  void run() const;

  const std::function<void()> act_;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

}  // namespace wardlink::command_line
