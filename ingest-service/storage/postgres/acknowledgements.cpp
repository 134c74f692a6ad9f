// Who has seen which alarm.

#include <algorithm>

#include "storage/postgres/alarm_rows.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {

using namespace postgres;

std::vector<AlarmCondition> PostgresStore::acknowledge(const Scope& scope, const std::vector<AlarmKey>& alarms,
                                                       const std::string& by) {
  const auto find = [&](pqxx::work& tx, const AlarmKey& key) {
    const auto found = tx.exec_params(one_alarm_statement(), scope_text(scope), key.device, key.boot,
                                      static_cast<int>(key.stream), key.sequence);
    if (found.empty()) throw StoreError(StoreError::Kind::not_found, "devices/" + key.device + " has no such alarm");
    return read_alarm(found[0]);
  };
  // In one order for all, so that two callers never wait for each other in a circle.
  auto in_order = alarms;
  std::ranges::sort(in_order);
  auto conditions = impl_->pool.transact([&](pqxx::work& tx) {
    for (const auto& key : in_order) {
      tx.exec_params0(
          "INSERT INTO alarm_acknowledgement (device_id, boot_id, stream, sequence, acknowledged_by)"
          " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
          find(tx, key).device_id, key.boot, static_cast<int>(key.stream), key.sequence, by);
    }
    std::vector<AlarmCondition> seen;
    for (const auto& key : alarms) seen.push_back(find(tx, key));
    return seen;
  });
  impl_->bell.ring();
  return conditions;
}

}  // namespace wardlink::storage
