#pragma once
// How long the database may keep somebody waiting. Its own timeouts (statements, locks) cannot help when it hangs as a
// whole: frozen, its host gone, its disk stuck.

#include <chrono>
#include <list>
#include <thread>

#include "locks/mutex.hpp"

namespace wardlink::storage::postgres {

/// Any thread; has one of its own, which breaks the connection of a turn that takes too long.
class Patience {
  struct Wait {
    int socket;
    std::chrono::steady_clock::time_point until;
    bool ended = false;
  };
  using Waits = std::list<Wait>;  // all are as long: the oldest ends first

 public:
  explicit Patience(std::chrono::seconds limit);
  ~Patience();
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

  /// One piece of work on a connection's socket, at most as long as the limit. Then the socket is shut down, and
  /// whoever reads from it finds the connection lost.
  class Turn {
   public:
    Turn(Patience& patience, int socket);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    bool ended_early() const;

   private:
    Patience& patience_;
    const Waits::iterator wait_;  // what it points at is guarded as the lists are
  };

 private:
  void run();
  Waits::iterator begin(const Wait& wait) EXCLUDES(mutex_);
  void end(Waits::iterator wait) EXCLUDES(mutex_);

  const std::chrono::seconds limit_;
  locks::Mutex mutex_;
  locks::Condition changed_;
  Waits waits_ GUARDED_BY(mutex_);
  Waits over_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace wardlink::storage::postgres
