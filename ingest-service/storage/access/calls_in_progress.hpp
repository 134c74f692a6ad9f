#pragma once
// How many calls hold a thread. CallGate counts how often calls begin; where the database is slow, a few a second are
// enough to hold every thread there is, and streams hold one for as long as they stand. So of one subject there are
// only so many at once, and of all readers only so many that threads are left for ingest.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>

#include "locks/mutex.hpp"

namespace wardlink::storage {

/// Any thread. Outlives its calls.
class CallsInProgress {
 public:
  CallsInProgress(std::size_t of_one, std::size_t of_all) : of_one_(of_one), of_all_(of_all) {}

  /// One call, from when it begins until this is gone.
  class Call {
   public:
    Call(CallsInProgress& calls, const std::string& subject) : calls_(&calls), subject_(subject) {}
    ~Call() {
      if (calls_ != nullptr) calls_->end(subject_);
    }
    Call(Call&& other) noexcept : calls_(std::exchange(other.calls_, nullptr)), subject_(std::move(other.subject_)) {}
    Call& operator=(Call&&) = delete;

   private:
    CallsInProgress* calls_;
    std::string subject_;
  };

  /// Throws Exhausted.
  Call begin(const std::string& subject);
  /// Calls that found no place.
  std::uint64_t refused() const { return refused_; }

 private:
  void end(const std::string& subject);

  const std::size_t of_one_, of_all_;
  locks::Mutex mutex_;
  std::unordered_map<std::string, std::size_t> by_subject_ GUARDED_BY(mutex_);
  std::size_t all_ GUARDED_BY(mutex_) = 0;
  std::atomic<std::uint64_t> refused_ = 0;
};

}  // namespace wardlink::storage
