#include "storage/postgres/schema/partitions.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "storage/postgres/link/calendar.hpp"
#include "storage/postgres/link/text.hpp"

namespace wardlink::storage::postgres {

using std::chrono::days;

/// A beginning of long ago (a clock that was not set, a POST's session, which counts from 1970) says nothing of when
/// its rows are measured.
std::chrono::sys_days Partitions::first_day(std::span<const Instant> begun, std::chrono::sys_days today) const {
  auto first = today;
  for (const auto each : begun) {
    const auto day = std::chrono::floor<days>(each);
    first = std::min(first, day < today - days{days_back_} ? today - days{1} : day);
  }
  return first;
}

void Partitions::ensure(pqxx::connection& connection, std::span<const Instant> begun) {
  ArrayText wanted;
  std::set<std::chrono::sys_days> missing;
  const locks::Lock lock(mutex_);
  if (begun.empty() || !today_) {
    pqxx::nontransaction tx(connection);
    today_ = std::chrono::floor<days>(read_calendar(tx));
  }
  for (auto day = first_day(begun, *today_); day <= *today_ + days{days_ahead}; day += days{1}) {
    if (known_.contains(day)) continue;
    missing.insert(day);
    wanted.add(std::int64_t{day.time_since_epoch().count()});
  }
  if (missing.empty()) return;

  pqxx::work tx(connection);
  tx.exec0("SET LOCAL lock_timeout = '2s'");
  tx.exec1("SELECT pg_advisory_xact_lock(2002874981)");
  const auto made = tx.exec_params(
      "SELECT d.day, make_measurement_partition(d.day) AND make_waveform_partition(d.day)"
      " FROM (SELECT date '1970-01-01' + n AS day FROM unnest($1::int[]) n) d"
      " WHERE to_regclass('measurement_set_' || to_char(d.day, 'YYYYMMDD')) IS NULL"
      " OR to_regclass('waveform_run_' || to_char(d.day, 'YYYYMMDD')) IS NULL",
      wanted.text());
  tx.commit();
  for (const auto row : made) {
    if (row[1].as<bool>()) continue;
    spdlog::warn(
        fmt::format("no partition for {}: rows of that day lie in the default partition already", row[0].c_str()));
  }
  known_.merge(missing);
}

}  // namespace wardlink::storage::postgres
