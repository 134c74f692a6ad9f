#pragma once
// What waits for one watcher. Bounded: who does not keep up is dropped, and nobody waits for it.

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "locks/mutex.hpp"
#include "storage/port/live_store.hpp"

namespace wardlink::storage {

struct LiveMessage;

class LiveQueue {
 public:
  using Clock = std::chrono::steady_clock;
  using Message = std::shared_ptr<const LiveMessage>;
  enum class End { none, overflow, away, stopping };

  /// `cancel` breaks off a write that blocks; any thread may call it while the queue is not closed.
  LiveQueue(LiveFilter filter, std::size_t limit, std::function<void()> cancel);

  // For the tail's thread.
  void offer(const Message& message);
  /// Everything below `settled` has been offered, and with it all that was committed before `complete_until`.
  /// `durable`: see Horizon.
  void settle(LivePosition settled, std::uint64_t durable, Instant complete_until);
  void end(End how);
  /// Breaks off a write that has lasted so long: of a watcher that reads nothing.
  void cancel_if_stuck(Clock::time_point now, std::chrono::milliseconds limit);
  bool closed() const;
  const LiveFilter& filter() const { return filter_; }

  // For the watcher's thread.
  /// The next message; nothing when there is none by then, or when it has ended.
  std::optional<Message> next(Clock::time_point by);
  End ended() const;
  struct Settled {
    LivePosition position;
    std::uint64_t durable;
    Instant complete_until;
  };
  /// Nothing while messages wait.
  std::optional<Settled> settled() const;
  void write_begins();
  void write_ends();
  void close();

 private:
  mutable locks::Mutex mutex_;
  locks::Condition changed_;
  const LiveFilter filter_;
  const std::size_t limit_;
  std::function<void()> cancel_;
  std::deque<Message> waiting_ GUARDED_BY(mutex_);
  std::optional<Settled> settled_ GUARDED_BY(mutex_);
  std::optional<Clock::time_point> writing_since_ GUARDED_BY(mutex_);
  End end_ GUARDED_BY(mutex_) = End::none;
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace wardlink::storage
