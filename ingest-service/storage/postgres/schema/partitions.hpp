#pragma once
// The daily partitions of measurement_set and waveform_run, made before rows come. What has none lies in the default
// partition.

#include <chrono>
#include <optional>
#include <pqxx/pqxx>
#include <set>
#include <span>

#include "locks/mutex.hpp"
#include "storage/port/record.hpp"

namespace wardlink::storage::postgres {

/// Any thread; one for all connections, so that what is there need not be asked again.
class Partitions {
 public:
  static constexpr int days_ahead = 7;
  explicit Partitions(int days_back) : days_back_(days_back) {}

  /// From the day of the earliest of `begun`, or yesterday where that is more than days_back ago, to a week ahead of
  /// today. Asks the database only for days that are not known, and for the calendar where nothing has begun: else
  /// today is what it was then. Throws what pqxx throws.
  void ensure(pqxx::connection& connection, std::span<const Instant> begun = {});

 private:
  std::chrono::sys_days first_day(std::span<const Instant> begun, std::chrono::sys_days today) const;

  const int days_back_;
  locks::Mutex mutex_;
  std::set<std::chrono::sys_days> known_ GUARDED_BY(mutex_);
  std::optional<std::chrono::sys_days> today_ GUARDED_BY(mutex_);
};

}  // namespace wardlink::storage::postgres
