#pragma once
// Rung after each commit.

#include <condition_variable>
#include <mutex>

#include "storage/port/live_store.hpp"

namespace wardlink::storage::memory {

/// Any thread.
class Bell {
 public:
  void ring();
  /// Returns when it rang since `heard` rings, or after that time. How often it rang until now.
  std::uint64_t wait(std::uint64_t heard, std::chrono::milliseconds limit);

 private:
  std::mutex mutex_;
  std::condition_variable rung_;
  std::uint64_t rings_ = 0;
};

class Listener final : public CommitListener {
 public:
  explicit Listener(Bell& bell) : bell_(bell) {}
  void wait(std::chrono::milliseconds limit) override { heard_ = bell_.wait(heard_, limit); }

 private:
  Bell& bell_;
  std::uint64_t heard_ = 0;
};

}  // namespace wardlink::storage::memory
