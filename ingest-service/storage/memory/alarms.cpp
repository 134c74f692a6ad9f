// Lists of alarms, and who has seen which.

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

auto order_of(const Position& place) {
  return std::tuple(place.at, place.device_id, place.boot, place.stream, place.sequence);
}

Position place_of(const AlarmCondition& alarm) {
  return {alarm.at(), alarm.device_id, alarm.boot, alarm.stream, alarm.sequence};
}

bool wanted(const AlarmsQuery& query, const AlarmCondition& condition) {
  const auto at = condition.at();
  if ((query.start && at < *query.start) || (query.end && at >= *query.end)) return false;
  if (query.after && order_of(place_of(condition)) >= order_of(*query.after)) return false;
  if (query.open_only && condition.end) return false;
  const auto state = static_cast<std::uint16_t>(condition.state());
  return query.states.empty() || std::ranges::find(query.states, state) != query.states.end();
}

std::vector<AlarmCondition> conditions_of(const Tables& tables, const Scope& scope, const std::vector<AlarmKey>& keys) {
  std::vector<AlarmCondition> conditions;
  for (const auto& key : keys) {
    std::optional<AlarmCondition> condition;
    if (const auto device = tables.devices.find(key.device); device != tables.devices.end())
      condition = condition_under(tables, {device->second.id, key.boot, key.stream, key.sequence});
    if (!condition || !concerns(tables, scope, {}, *condition))
      throw StoreError(StoreError::Kind::not_found, "devices/" + key.device + " has no such alarm");
    conditions.push_back(std::move(*condition));
  }
  return conditions;
}

}  // namespace

Page<AlarmCondition> MemoryStore::alarms(const AlarmsQuery& query) {
  const std::lock_guard lock(tables_->mutex);
  require_known(*tables_, query.subject);
  std::vector<AlarmCondition> found;
  for (const auto& [key, row] : tables_->alarms) {
    auto condition = condition_under(*tables_, key);
    if (condition && wanted(query, *condition) && concerns(*tables_, query.scope, query.subject, *condition))
      found.push_back(std::move(*condition));
  }
  std::ranges::sort(found, std::greater<>{}, [](const AlarmCondition& each) { return order_of(place_of(each)); });
  return first_page<AlarmCondition, Position>(std::move(found), query.limit, place_of);
}

std::vector<AlarmCondition> MemoryStore::acknowledge(const Scope& scope, const std::vector<AlarmKey>& alarms,
                                                     const std::string& by) {
  const std::lock_guard lock(tables_->mutex);
  const auto now = tables_->now();
  std::set<RecordKey> noted;
  for (const auto& each : conditions_of(*tables_, scope, alarms))
    if (!each.acknowledged_at) noted.insert({each.device_id, each.boot, each.stream, each.sequence});
  if (!noted.empty()) ++tables_->transactions;
  for (const auto& key : noted) {
    tables_->acknowledgements.emplace(key, Acknowledgement{now, by});
    const LivePosition at{tables_->transactions,
                          LiveKind::acknowledgement,
                          key.device_id,
                          key.boot,
                          static_cast<std::uint8_t>(key.stream),
                          key.sequence};
    tables_->log.emplace(at, LiveRow{&tables_->alarms.at(key)});
  }
  bell_.ring();
  return conditions_of(*tables_, scope, alarms);
}

std::vector<AlarmCondition> MemoryStore::close(const Scope& scope, const std::vector<AlarmKey>& alarms,
                                               const std::string& by, const std::string& reason) {
  const std::lock_guard lock(tables_->mutex);
  const auto now = tables_->now();
  std::map<RecordKey, AlarmEnd> closed;
  for (const auto& each : conditions_of(*tables_, scope, alarms)) {
    const RecordKey key{each.device_id, each.boot, each.stream, each.sequence};
    if (auto end = closed_by_person(each, facts_of(*tables_, key), now, by, reason)) closed.emplace(key, *end);
  }
  if (!closed.empty()) ++tables_->transactions;
  for (auto& [key, end] : closed) tables_->end(key, std::move(end));
  bell_.ring();
  return conditions_of(*tables_, scope, alarms);
}

}  // namespace wardlink::storage
