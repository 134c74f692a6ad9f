#include "storage/postgres/read/uncertainty.hpp"

#include <algorithm>
#include <vector>

#include "storage/postgres/clocks/clocks.hpp"

namespace wardlink::storage::postgres {
namespace {

Instant instant_of(const ReadingRow& row) { return row.measured_at; }
Instant instant_of(const RunRow& row) { return row.measured_at; }
Instant instant_of(const AlarmCondition& row) { return row.at(); }
Instant instant_of(const ShownValue& row) { return row.value().measured_at; }
std::uint64_t tick_of(const ReadingRow& row) { return row.tick_ms; }
std::uint64_t tick_of(const RunRow& row) { return row.tick_ms; }
std::uint64_t tick_of(const ShownValue& row) { return row.tick_ms; }
std::uint64_t tick_of(const AlarmCondition& row) { return row.start ? *row.start_tick_ms : *row.end_tick_ms; }

template <typename Row>
std::optional<std::chrono::microseconds>& uncertainty_in(Row& row) {
  return row.uncertainty;
}
std::optional<std::chrono::microseconds>& uncertainty_in(ShownValue& row) { return row.value().uncertainty; }

template <typename Row>
StartKey start_of(const Row& row) {
  return {row.device_id, row.boot};
}

/// The starts of these rows, each with the first and the last tick.
template <typename Row>
std::vector<StartTicks> ticks_of(std::span<const Row> rows) {
  std::map<StartKey, StartTicks> starts;
  for (const auto& row : rows) {
    const auto tick = tick_of(row);
    auto& ticks = starts.try_emplace(start_of(row), StartTicks{start_of(row), tick, tick}).first->second;
    ticks.low = std::min(ticks.low, tick);
    ticks.high = std::max(ticks.high, tick);
  }
  std::vector<StartTicks> all;
  for (const auto& [key, ticks] : starts) all.push_back(ticks);
  return all;
}

template <typename Row>
void state(pqxx::work& tx, std::span<Row> rows) {
  if (rows.empty()) return;
  const auto lines = read_lines(tx, ticks_of(std::span<const Row>(rows)));
  for (auto& row : rows)
    if (const auto line = lines.find(start_of(row)); line != lines.end())
      uncertainty_in(row) = uncertainty_of(line->second, row.stream, tick_of(row), instant_of(row));
}

}  // namespace

void state_uncertainty(pqxx::work& tx, std::span<ReadingRow> rows) { state(tx, rows); }
void state_uncertainty(pqxx::work& tx, std::span<RunRow> rows) { state(tx, rows); }
void state_uncertainty(pqxx::work& tx, std::span<AlarmCondition> rows) { state(tx, rows); }
void state_uncertainty(pqxx::work& tx, std::span<ShownValue> values) { state(tx, values); }

}  // namespace wardlink::storage::postgres
