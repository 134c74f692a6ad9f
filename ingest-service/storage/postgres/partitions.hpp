#pragma once
// The daily partitions of measurement_set and waveform_run, made before rows come. What has none lies in the default
// partition.

#include <chrono>
#include <mutex>
#include <pqxx/pqxx>
#include <set>

#include "storage/record.hpp"

namespace wardlink::storage::postgres {

/// Any thread; one for all connections, so that what is there need not be asked again.
class Partitions {
 public:
  static constexpr int days_ahead = 7;
  explicit Partitions(int days_back) : days_back_(days_back) {}

  /// From the day of `from`, or yesterday where that is more than days_back ago, to a week ahead. Throws what pqxx
  /// throws.
  void ensure(pqxx::connection& connection, Instant from, Instant now);

 private:
  const int days_back_;
  std::mutex mutex_;
  std::set<std::chrono::sys_days> known_;
};

}  // namespace wardlink::storage::postgres
