#pragma once
// Whether the calendar that everything is dated by was set: one for all that a process dates.

#include <optional>
#include <string>
#include <vector>

#include "locks/mutex.hpp"
#include "storage/port/record_store.hpp"

namespace wardlink::storage {

/// Any thread. Waits for the database, and throws StoreError, where it looks.
class CalendarWatch {
 public:
  /// `host`, `clock`: as RecordStore::look_at_calendar() wants them. The store outlives it.
  CalendarWatch(RecordStore& store, std::string host, ReadBootClock clock)
      : store_(store), host_(std::move(host)), clock_(std::move(clock)) {}

  /// What is kept of the calendar is no older than the last look: every few seconds will do.
  void look() EXCLUDES(mutex_);
  /// To be called with each reading before anything is dated by it. Looks where it does not fit what is kept. Returns
  /// how often the calendar was set: where that is new, the reading may be of before, and what was dated by one from
  /// before is dated wrong.
  std::uint64_t check(const CalendarReading& reading) EXCLUDES(mutex_);
  /// The same, of a reading taken now.
  void check(const std::function<Instant()>& calendar) EXCLUDES(mutex_);

  /// When the first `steps` of these were; as many as a check() returned.
  std::vector<CalendarChange> changes(std::uint64_t steps) const EXCLUDES(mutex_);

  /// How many of these this watch was the first to see.
  std::uint64_t first_seen() const EXCLUDES(mutex_);

 private:
  std::optional<std::uint64_t> steps_where_it_fits(const CalendarReading& reading) const EXCLUDES(mutex_);

  RecordStore& store_;
  const std::string host_;
  const ReadBootClock clock_;
  mutable locks::Mutex mutex_;
  std::optional<CalendarSight> last_ GUARDED_BY(mutex_);  // the newest
  std::uint64_t first_seen_ GUARDED_BY(mutex_) = 0;
};

}  // namespace wardlink::storage
