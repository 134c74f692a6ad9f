// What is nobody's, as periods, and what people say of it.

#include <algorithm>
#include <tuple>

#include "storage/memory/attribution.hpp"
#include "storage/memory/conditions.hpp"
#include "storage/memory/ends.hpp"
#include "storage/memory/memory_store.hpp"
#include "storage/memory/page.hpp"
#include "storage/port/store_error.hpp"

namespace wardlink::storage {
namespace {

using namespace memory;
using Candidates = std::set<std::string>;

bool is_visible(const Tables& tables, const Scope& scope, std::int64_t device_id, const Candidates& candidates) {
  if (!scope) return true;
  const auto wards = wards_of_doubt(tables, device_id, candidates);
  return !wards || std::ranges::find_first_of(*wards, *scope) != wards->end();
}

void add(UnattributedPeriod& period, const Row& row, std::uint64_t& count) {
  const auto tick = row.record.tick_ms;
  const bool is_first = period.sets + period.runs + period.alarms == 0;
  auto& key = period.key;
  key.first_tick_ms = is_first ? tick : std::min(key.first_tick_ms, tick);
  key.last_tick_ms = is_first ? tick : std::max(key.last_tick_ms, tick);
  period.from = is_first ? row.measured_at : std::min(period.from, row.measured_at);
  period.to = is_first ? row.measured_at : std::max(period.to, row.measured_at);
  ++count;
}

/// Calls `take(row, count)` with each record of the start, and what of a period it counts for.
template <typename Take>
void for_each_record(const Tables& tables, UnattributedPeriod& period, Take&& take) {
  const std::pair of{period.device_id, period.key.boot};
  const auto walk = [&](const Rows& rows, std::uint64_t& count) {
    for (auto row = rows.lower_bound({of.first, of.second, Stream{}, 0});
         row != rows.end() && std::pair(row->first.device_id, row->first.boot) == of; ++row)
      take(row->second, count);
  };
  walk(tables.sets, period.sets);
  walk(tables.runs, period.runs);
  walk(tables.alarms, period.alarms);
}

bool is_part_of_another(const Tables& tables, const Row& row) {
  return std::holds_alternative<AlarmFact>(row.record.body) && !is_condition(tables, row);
}

bool is_empty(const UnattributedPeriod& period) { return period.sets + period.runs + period.alarms == 0; }

/// What is nobody's of these ticks.
UnattributedPeriod nobodys_at(const Tables& tables, const Scope& scope, std::int64_t device_id, std::uint64_t boot,
                              const DoubtfulTicks& ticks) {
  UnattributedPeriod period{.key = {tables.urns.at(device_id), boot}, .device_id = device_id};
  for (const auto& patient : ticks.candidates)
    if (sees_patient(tables, scope, patient))
      period.candidates.emplace(patient, tables.patients.at(patient).display_name);
  for_each_record(tables, period, [&](const Row& row, std::uint64_t& count) {
    const auto tick = row.record.tick_ms;
    if (tick < ticks.first_ms || tick > ticks.last_ms || candidates_of(tables, row).empty()) return;
    if (!is_part_of_another(tables, row)) add(period, row, count);
  });
  return period;
}

/// What of these ticks may be that patient's, settled or not; with none, all that is in doubt.
UnattributedPeriod doubtful_at(const Tables& tables, const Scope& scope, const PeriodKey& key, std::int64_t device_id,
                               const std::string& patient) {
  UnattributedPeriod period{.key = key, .device_id = device_id};
  for_each_record(tables, period, [&](const Row& row, std::uint64_t& count) {
    const auto tick = row.record.tick_ms;
    if (tick < key.first_tick_ms || tick > key.last_tick_ms || is_part_of_another(tables, row)) return;
    const auto candidates = doubted_of(tables, row);
    if (candidates.empty() || !is_visible(tables, scope, device_id, candidates)) return;
    if (patient.empty() || candidates.contains(patient)) add(period, row, count);
  });
  return period;
}

UnattributedPeriod settled_at(const Tables& tables, const Scope& scope, const PeriodKey& key,
                              const std::string& patient) {
  const auto device = tables.devices.find(key.device);
  const auto id = device == tables.devices.end() ? 0 : device->second.id;
  auto period = doubtful_at(tables, scope, key, id, patient);
  if (!is_empty(period)) return period;
  if (patient.empty() || is_empty(doubtful_at(tables, scope, key, id, "")))
    throw StoreError(StoreError::Kind::not_found, "devices/" + key.device + " has nothing in doubt at the ticks " +
                                                      std::to_string(key.first_tick_ms) + " to " +
                                                      std::to_string(key.last_tick_ms) + " of its start " +
                                                      std::to_string(key.boot));
  throw StoreError(StoreError::Kind::precondition,
                   "patients/" + patient + " did not wear devices/" + key.device +
                       " about then: assign the device from when it was worn; nothing was settled");
}

/// The alarms in doubt that a settlement is about.
std::vector<RecordKey> alarms_of(const Tables& tables, const Settlement& settlement, std::int64_t device_id,
                                 std::uint64_t boot) {
  std::vector<RecordKey> alarms;
  for (auto row = tables.alarms.lower_bound({device_id, boot, Stream{}, 0});
       row != tables.alarms.end() && row->first.device_id == device_id && row->first.boot == boot; ++row) {
    const auto& record = row->second;
    if (settlement.holds(record.record.tick_ms, record.measured_at) && is_condition(tables, record) &&
        !doubted_of(tables, record).empty())
      alarms.push_back(row->first);
  }
  return alarms;
}

Position place_of(const UnattributedPeriod& period) {
  return {.at = {}, .device_id = period.device_id, .boot = period.key.boot, .sequence = period.key.first_tick_ms};
}

auto order_of(const Position& place) { return std::tuple(place.device_id, place.boot, place.sequence); }

}  // namespace

Page<UnattributedPeriod> MemoryStore::unattributed(const UnattributedQuery& query) {
  const std::lock_guard lock(tables_->mutex);
  require_known(*tables_, query.subject);
  std::vector<UnattributedPeriod> found;
  for (const auto& [key, start] : tables_->starts) {
    const auto [device, boot] = key;
    if (query.subject.kind == Subject::Kind::device && tables_->urns.at(device) != query.subject.id) continue;
    auto doubts = start.doubts;
    std::erase_if(doubts, [&](const Doubt& doubt) {
      const Candidates candidates(doubt.candidates.begin(), doubt.candidates.end());
      return (query.subject.kind == Subject::Kind::patient && !candidates.contains(query.subject.id)) ||
             !is_visible(*tables_, query.scope, device, candidates);
    });
    for (const auto& ticks : doubtful_ticks(doubts)) {
      auto period = nobodys_at(*tables_, query.scope, device, boot, ticks);
      if (is_empty(period)) continue;
      if (!query.after || order_of(place_of(period)) > order_of(*query.after)) found.push_back(std::move(period));
    }
  }
  return first_page<UnattributedPeriod, Position>(std::move(found), query.limit, place_of);
}

std::vector<UnattributedPeriod> MemoryStore::settle(const Scope& scope, const std::vector<PeriodKey>& periods,
                                                    const std::string& patient, const std::string& by) {
  const std::lock_guard lock(tables_->mutex);
  static_cast<void>(by);  // nobody asks for it
  if (!patient.empty() && !sees_patient(*tables_, scope, patient))
    throw StoreError(StoreError::Kind::not_found, "patients/" + patient + " does not exist");
  std::vector<UnattributedPeriod> settled;
  for (const auto& key : periods) settled.push_back(settled_at(*tables_, scope, key, patient));
  ++tables_->transactions;
  std::set<std::int64_t> devices;
  for (std::size_t i = 0; i < periods.size(); ++i) {
    const auto& each = settled[i];
    const Settlement settlement{periods[i].first_tick_ms, periods[i].last_tick_ms, each.from,
                                each.to + std::chrono::microseconds{1}, patient};
    tables_->starts.at({each.device_id, each.key.boot}).settlements.push_back(settlement);
    for (const auto& alarm : alarms_of(*tables_, settlement, each.device_id, each.key.boot))
      tables_->reattribute(alarm);
    devices.insert(each.device_id);
  }
  settle_devices(*tables_, devices);
  bell_.ring();
  return settled;
}

}  // namespace wardlink::storage
