// How everybody is now, device by device.

#include <algorithm>
#include <tuple>

#include "storage/memory/answers.hpp"
#include "storage/memory/attribution.hpp"
#include "storage/memory/conditions.hpp"
#include "storage/memory/memory_store.hpp"
#include "storage/memory/page.hpp"

namespace wardlink::storage {
namespace memory {
namespace {

constexpr std::size_t most_shown = 100, most_counted = 1000;

std::string patient_at(const Tables& tables, std::int64_t device_id, Instant at) {
  const auto* worn = worn_at(tables, device_id, at);
  return worn ? worn->patient : std::string();
}

/// Who wore the device as the value was measured, for certain. Empty: nobody.
std::string wearer_of(const Tables& tables, std::int64_t device_id, const LatestSign& value) {
  const auto& start = tables.starts.at({device_id, value.boot});
  std::set<std::string> candidates;
  for (const auto& doubt : start.doubts)
    if (doubt.since <= value.measured_at && value.measured_at < doubt.until)
      candidates.insert(doubt.candidates.begin(), doubt.candidates.end());
  if (candidates.empty()) return patient_at(tables, device_id, value.measured_at);
  const auto* settled = settlement_of(start.settlements, std::nullopt, value.measured_at, candidates);
  return settled ? settled->patient : "";
}

/// Of what was measured on that wearer only; on nobody, where nobody wears it. Of what the device sent and what was
/// posted by hand, which follows it, what was received last.
void add_values(const Tables& tables, LatestRow& row) {
  const LatestSign* shown = nullptr;
  for (auto value = tables.latest.lower_bound({row.device_id, 0, false});
       value != tables.latest.end() && value->first.device_id == row.device_id; ++value) {
    const auto& [key, latest] = *value;
    if (wearer_of(tables, row.device_id, latest) != row.patient) continue;
    const bool of_device_too = key.manual && !row.values.empty() && row.values.back().sign == key.sign;
    if (of_device_too && latest.received_at <= shown->received_at) continue;
    if (of_device_too) row.values.pop_back();
    const auto& line = tables.starts.at({row.device_id, latest.boot}).line;
    row.values.push_back({key.sign, latest.value, latest.quality, latest.measured_at,
                          line.uncertainty(latest.tick_ms, latest.measured_at), latest.clock_jump});
    shown = &latest;
  }
}

/// Of the device's first open alarms those of that wearer, and nobody's.
void add_alarms(const Tables& tables, LatestRow& row) {
  std::vector<AlarmCondition> open;
  for (auto key = tables.open_alarms.lower_bound({row.device_id, 0, Stream{}, 0});
       key != tables.open_alarms.end() && key->device_id == row.device_id; ++key)
    open.push_back(condition_with(tables, tables.alarms.at(*key)));
  std::ranges::sort(open, std::greater<>{}, [](const AlarmCondition& each) {
    return std::tuple(each.priority, each.at(), each.boot, each.stream, each.sequence);
  });
  if (open.size() > most_counted) open.resize(most_counted);
  std::erase_if(open, [&](const AlarmCondition& each) { return each.patient != row.patient && !each.unattributed; });
  row.open_alarms = open.size();
  if (open.size() > most_shown) open.resize(most_shown);
  row.alarms = std::move(open);
}

std::int64_t place_of(const LatestRow& row) { return row.device_id; }

}  // namespace

Page<LatestRow, std::int64_t> latest_rows(const Tables& tables, const Scope& scope, const Subject& subject,
                                          std::int64_t after, std::size_t limit) {
  const auto now = tables.now();
  std::vector<LatestRow> rows;
  for (const auto device : devices_of(tables, subject)) {
    if (rows.size() > limit) break;
    if (device <= after || !concerns(tables, scope, subject, device, worn_at(tables, device, now))) continue;
    LatestRow row;
    row.device_id = device;
    row.device = tables.urns.at(device);
    row.patient = patient_at(tables, device, now);
    if (!row.patient.empty()) row.patient_name = tables.patients.at(row.patient).display_name;
    row.last_received_at = last_received_at(tables, device);
    row.read_at = now;
    rows.push_back(std::move(row));
  }
  auto page = first_page<LatestRow, std::int64_t>(std::move(rows), limit, place_of);
  for (auto& row : page) {
    add_values(tables, row);
    add_alarms(tables, row);
  }
  return page;
}

}  // namespace memory

Page<LatestRow, std::int64_t> MemoryStore::latest(const Scope& scope, const Subject& subject, std::int64_t after,
                                                  std::size_t limit) {
  const std::lock_guard lock(tables_->mutex);
  memory::require_known(*tables_, subject);
  return memory::latest_rows(*tables_, scope, subject, after, limit);
}

}  // namespace wardlink::storage
