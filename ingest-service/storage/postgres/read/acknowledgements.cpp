// Who has seen which alarm, and who has closed it.

#include <algorithm>
#include <set>

#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/ends/ends.hpp"
#include "storage/postgres/link/calendar.hpp"
#include "storage/postgres/link/columns.hpp"
#include "storage/postgres/read/alarm_rows.hpp"
#include "storage/postgres/read/uncertainty.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

const Columns<AlarmKey> keys({column<AlarmKey>("urn", [](const AlarmKey& key) { return key.device; }),
                              column<AlarmKey>("boot_id", [](const AlarmKey& key) { return key.boot; }),
                              column<AlarmKey>("stream", [](const AlarmKey& key) { return key.stream; }),
                              column<AlarmKey>("sequence", [](const AlarmKey& key) { return key.sequence; })});

// $1 to $4 the keys, $5 scope. Those that there are, in their order; behind alarm_fields() the place, from 1.
const std::string alarms_by_key = "SELECT " + alarm_fields().list() + ", k.place FROM " + keys.rows_with_place() +
                                  " JOIN device v ON v.urn = k.urn" +
                                  condition_of("v.device_id", "k.boot_id", "k.stream", "k.sequence") + attribution() +
                                  " WHERE " + seen_by("$5") + " ORDER BY k.place";

const Columns<AlarmCondition> acknowledged(
    {column<AlarmCondition>("device_id", [](const AlarmCondition& alarm) { return alarm.device_id; }),
     column<AlarmCondition>("boot_id", [](const AlarmCondition& alarm) { return alarm.boot; }),
     column<AlarmCondition>("stream", [](const AlarmCondition& alarm) { return alarm.stream; }),
     column<AlarmCondition>("sequence", [](const AlarmCondition& alarm) { return alarm.sequence; })});

// $5 by whom.
const std::string insert_acknowledgements = "INSERT INTO alarm_acknowledgement (" + acknowledged.names() +
                                            ", acknowledged_by) SELECT " + acknowledged.values() + ", $5 FROM " +
                                            acknowledged.rows() + " ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING";

/// The conditions of these keys, in their order. Throws where one is not there.
std::vector<AlarmCondition> conditions_of(pqxx::work& tx, const Scope& scope, const std::vector<AlarmKey>& alarms) {
  const auto found =
      tx.exec_params(alarms_by_key, pqxx::prepare::make_dynamic_params(keys.arrays(alarms)), scope_text(scope));
  for (std::size_t i = 0; i < alarms.size(); ++i) {
    if (i < static_cast<std::size_t>(found.size()) &&
        found[static_cast<pqxx::result::size_type>(i)]["place"].as<std::size_t>() == i + 1) {
      continue;
    }
    throw StoreError(StoreError::Kind::not_found, "devices/" + alarms[i].device + " has no such alarm");
  }
  auto conditions = read_alarms(found);
  state_uncertainty(tx, conditions);
  return conditions;
}

/// In one order for all, so that two callers never wait for each other in a circle.
void note(pqxx::work& tx, std::vector<AlarmCondition> conditions, const std::string& by) {
  std::erase_if(conditions, [](const AlarmCondition& each) { return each.acknowledged_at.has_value(); });
  if (conditions.empty()) return;
  tx.exec_params0(insert_acknowledgements, pqxx::prepare::make_dynamic_params(acknowledged.arrays(conditions)), by);
}

std::vector<std::int64_t> devices_of(const std::vector<AlarmCondition>& alarms) {
  std::set<std::int64_t> ids;
  for (const auto& each : alarms) ids.insert(each.device_id);
  return {ids.begin(), ids.end()};
}

/// The ends of those that it closes; throws where it may not close one.
std::vector<std::pair<OnsetFacts, AlarmEnd>> closed_by_person(const std::vector<AlarmCondition>& alarms,
                                                              const std::vector<OnsetFacts>& onsets, Instant at,
                                                              const std::string& by, const std::string& reason) {
  const auto facts_of = [&](const AlarmCondition& alarm) {
    const auto found = std::ranges::find_if(onsets, [&](const OnsetFacts& each) {
      const auto& record = each.record;
      return record.session->device_id == alarm.device_id && record.session->boot == alarm.boot &&
             record.stream == alarm.stream && record.sequence == alarm.sequence;
    });
    return found == onsets.end() ? OnsetFacts{} : *found;
  };
  std::vector<std::pair<OnsetFacts, AlarmEnd>> closed;
  for (const auto& alarm : alarms) {
    const auto facts = facts_of(alarm);
    if (const auto end = closed_by_person(alarm, facts, at, by, reason)) closed.emplace_back(facts, *end);
  }
  return closed;
}

}  // namespace

std::vector<AlarmCondition> PostgresStore::acknowledge(const Scope& scope, const std::vector<AlarmKey>& alarms,
                                                       const std::string& by) {
  auto conditions = impl_->pool.change([&](pqxx::work& tx) {
    note(tx, conditions_of(tx, scope, alarms), by);
    return conditions_of(tx, scope, alarms);
  });
  impl_->bell.ring();
  return conditions;
}

std::vector<AlarmCondition> PostgresStore::close(const Scope& scope, const std::vector<AlarmKey>& alarms,
                                                 const std::string& by, const std::string& reason) {
  auto conditions = impl_->pool.change([&](pqxx::work& tx) {
    lock_devices(tx, devices_of(conditions_of(tx, scope, alarms)));
    const auto locked = conditions_of(tx, scope, alarms);
    end_alarms(tx, closed_by_person(locked, facts_of(tx, locked), read_calendar(tx), by, reason));
    return conditions_of(tx, scope, alarms);
  });
  impl_->bell.ring();
  return conditions;
}

}  // namespace wardlink::storage
