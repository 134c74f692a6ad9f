#pragma once
// Reads what is committed, once for all the watchers of this process, and hands it to each of them. One thread; it
// never waits for a watcher. It connects for the first of them; while nobody watches it reads nothing.

#include <thread>

#include "locks/mutex.hpp"
#include "storage/live/queue.hpp"

namespace wardlink::storage {

class LiveTail {
 public:
  struct Limits {
    std::size_t watchers = 128;               // each of them holds a thread of the server's
    std::size_t queue = 8192;                 // messages that may wait for one
    std::chrono::milliseconds stuck{10'000};  // how long one may block in a write; then it is dropped
    std::chrono::milliseconds beat{2'000};    // between heartbeats; the contract allows 5 s
    std::chrono::milliseconds begin{5'000};   // how long the next look at the database may take to come
  };

  LiveTail(LiveStore& store, Limits limits);
  ~LiveTail();

  struct Opened {
    std::shared_ptr<LiveQueue> queue;
    LivePosition from;  // what lies before is not offered
  };
  /// From the next look at the database on. Any thread. StoreError away when that does not come in time; Exhausted
  /// when there are as many watchers as there may be.
  Opened open(const LiveFilter& filter, std::function<void()> cancel);

  std::chrono::milliseconds beat() const { return limits_.beat; }
  /// The database's calendar, carried on from the last look. Of whoever was opened. Any thread.
  Instant calendar() EXCLUDES(mutex_);
  /// Ends every watcher, and every one that is opened later. Any thread.
  void stop();

 private:
  struct Pending {
    std::shared_ptr<LiveQueue> queue;
    std::optional<LivePosition> from;
  };

  void run();
  void follow();
  void look();
  void admit(const Horizon& horizon);
  LiveFilter wanted();
  void read_until(std::uint64_t transaction);
  void note_complete(const Horizon& horizon);
  void end_all(LiveQueue::End how) EXCLUDES(mutex_);
  bool is_watched();
  bool await_watcher();
  bool idle_for(std::chrono::milliseconds time);

  LiveStore& store_;
  const Limits limits_;

  locks::Mutex mutex_;
  locks::Condition changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<std::shared_ptr<Pending>> pending_ GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<LiveQueue>> queues_ GUARDED_BY(mutex_);
  struct Look {
    Instant at;
    LiveQueue::Clock::time_point taken;
  };
  Look last_look_ GUARDED_BY(mutex_);

  // The thread's own.
  bool away_ = false;
  std::string epoch_;
  LivePosition position_;
  struct Mark {
    std::uint64_t next;
    Instant at;
  };
  std::optional<Mark> mark_;
  Instant complete_until_;
  std::thread thread_;
};

}  // namespace wardlink::storage
