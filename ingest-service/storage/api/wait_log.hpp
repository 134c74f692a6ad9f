#pragma once
// Tells the operator that streams of ingest wait for the database, and why: each cause once, however many wait and
// however often they try.

#include <set>
#include <string>

#include "locks/mutex.hpp"

namespace wardlink::storage {

/// Any thread.
class WaitLog {
 public:
  /// One stream's part in it. When the last one that waits goes on, or has ended, the wait is over.
  class Stream {
   public:
    explicit Stream(WaitLog& log) : log_(log) {}
    ~Stream() { leave(false); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    void waits(const std::string& cause);
    void goes_on() { leave(true); }

   private:
    void leave(bool goes_on);
    WaitLog& log_;
    bool waits_ = false;
  };

 private:
  locks::Mutex mutex_;
  std::size_t waiting_ GUARDED_BY(mutex_) = 0;
  std::set<std::string> told_ GUARDED_BY(mutex_);
};

}  // namespace wardlink::storage
