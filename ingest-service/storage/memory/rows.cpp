// The rows of a MemoryStore, in the order of StoredRows.

#include <algorithm>

#include "storage/memory/memory_store.hpp"
#include "storage/memory/tables.hpp"

namespace wardlink::storage {
namespace {

using namespace memory;

/// What all records have.
template <typename Stored>
Stored stored(const Row& row) {
  Stored stored;
  const auto& record = row.record;
  stored.device = record.session->device;
  stored.boot = record.session->boot;
  stored.stream = record.stream;
  stored.sequence = record.sequence;
  stored.tick_ms = record.tick_ms;
  stored.measured_at = row.measured_at;
  stored.received_at = record.received_at;
  stored.late = row.late;
  stored.clock_jump = row.clock_jump;
  return stored;
}

void add_records(const Tables& tables, StoredRows& rows) {
  for (const auto& [key, row] : tables.sets) {
    const auto& set = std::get<MeasurementSet>(row.record.body);
    auto& added = rows.sets.emplace_back(stored<StoredSet>(row));
    added.signs = set.signs;
    added.values = set.values;
    added.qualities = set.qualities;
  }
  for (const auto& [key, row] : tables.alarms)
    rows.alarms.emplace_back(stored<StoredAlarm>(row)).fact = std::get<AlarmFact>(row.record.body);
  for (const auto& [key, row] : tables.runs)
    rows.runs.emplace_back(stored<StoredRun>(row)).run = std::get<WaveformRun>(row.record.body);
}

void add_starts(const Tables& tables, StoredRows& rows) {
  for (const auto& [key, start] : tables.starts)
    rows.starts.push_back({start.session->device, start.session->boot, start.session->anchor, start.line.exchanges()});
  for (const auto& [key, state] : tables.streams)
    rows.streams.push_back({tables.urns.at(key.device_id), key.boot, key.stream, state.high, state.last_received_at});
}

void add_quarantine(const Tables& tables, StoredRows& rows) {
  for (const auto& [key, row] : tables.quarantine) {
    const auto& [record, reason, payload] = key;
    rows.quarantine.push_back({tables.urns.at(record.device_id), record.boot, record.stream, record.sequence, reason,
                               payload, row.resource, row.received_at, row.seen});
  }
}

using Latest = decltype(Tables::latest);

StoredLatest stored(const Tables& tables, const Latest::value_type& latest) {
  const auto& [key, value] = latest;
  return {tables.urns.at(key.device_id),
          key.sign,
          key.manual,
          value.value,
          value.quality,
          value.measured_at,
          value.received_at,
          value.boot,
          value.sequence};
}

void add_latest(const Tables& tables, StoredRows& rows) {
  for (const auto& latest : tables.latest) rows.latest.push_back(stored(tables, latest));
}

}  // namespace

StoredRows MemoryStore::rows() const {
  StoredRows rows;
  const std::lock_guard lock(tables_->mutex);
  add_starts(*tables_, rows);
  add_records(*tables_, rows);
  add_quarantine(*tables_, rows);
  add_latest(*tables_, rows);
  // Tables are in the order of device ids.
  const auto by_device = [](auto&... lists) {
    (std::ranges::stable_sort(lists, {}, [](const auto& row) -> const std::string& { return row.device; }), ...);
  };
  by_device(rows.starts, rows.streams, rows.sets, rows.alarms, rows.runs, rows.quarantine, rows.latest);
  return rows;
}

std::optional<StoredLatest> MemoryStore::shown(std::int64_t device_id, std::uint16_t sign) const {
  const std::lock_guard lock(tables_->mutex);
  const auto at = tables_->latest.find({device_id, sign, false});
  return at == tables_->latest.end() ? std::nullopt : std::optional(stored(*tables_, *at));
}

}  // namespace wardlink::storage
