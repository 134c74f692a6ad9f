// Who has seen which alarm.

#include <algorithm>

#include "storage/postgres/link/text.hpp"
#include "storage/postgres/read/alarm_rows.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

/// The conditions of these keys, in their order. Throws where one is not there.
std::vector<AlarmCondition> conditions_of(pqxx::work& tx, const Scope& scope, const std::vector<AlarmKey>& alarms) {
  ArrayText devices, boots, streams, sequences;
  for (const auto& key : alarms) {
    devices.add_quoted(key.device);
    boots.add(static_cast<std::int64_t>(key.boot));
    streams.add(static_cast<std::int64_t>(key.stream));
    sequences.add(static_cast<std::int64_t>(key.sequence));
  }
  const auto found = tx.exec_params(alarms_by_key_statement(), scope_text(scope), devices.text(), boots.text(),
                                    streams.text(), sequences.text());
  for (std::size_t i = 0; i < alarms.size(); ++i) {
    if (i < static_cast<std::size_t>(found.size()) &&
        found[static_cast<pqxx::result::size_type>(i)]["place"].as<std::size_t>() == i + 1) {
      continue;
    }
    throw StoreError(StoreError::Kind::not_found, "devices/" + alarms[i].device + " has no such alarm");
  }
  return read_alarms(found);
}

/// In one order for all, so that two callers never wait for each other in a circle.
void note(pqxx::work& tx, std::vector<AlarmCondition> conditions, const std::string& by) {
  std::erase_if(conditions, [](const AlarmCondition& each) { return each.acknowledged_at.has_value(); });
  if (conditions.empty()) return;
  ArrayText devices, boots, streams, sequences;
  for (const auto& each : conditions) {
    devices.add(each.device_id);
    boots.add(static_cast<std::int64_t>(each.boot));
    streams.add(static_cast<std::int64_t>(each.stream));
    sequences.add(static_cast<std::int64_t>(each.sequence));
  }
  tx.exec_params0(
      "INSERT INTO alarm_acknowledgement (device_id, boot_id, stream, sequence, acknowledged_by)"
      " SELECT k.*, $5 FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[])"
      " k(device_id, boot_id, stream, sequence) ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING",
      devices.text(), boots.text(), streams.text(), sequences.text(), by);
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

}  // namespace wardlink::storage
