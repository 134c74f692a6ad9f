#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

SystemAlarm read_system_alarm(const pqxx::row& row) {
  return {row[0].as<std::int64_t>(),    row[1].as<std::string>(),
          row[2].as<std::string>(),     static_cast<AlarmPriority>(row[3].as<int>()),
          row[4].as<std::string>(),     row[5].as<std::string>(),
          read_instant(row[6].c_str()), optional_instant(row[7])};
}

}  // namespace

std::vector<SystemAlarm> PostgresStore::system_alarms(const SystemAlarmsQuery& query) {
  return impl_->pool.transact(
      [&](pqxx::work& tx) {
        const auto before = query.after ? std::optional(query.after->at) : std::nullopt;
        const auto found = tx.exec_params(
            "SELECT system_alarm_id, code, subject, priority, detail, source, micros(raised_at), micros(ended_at)"
            " FROM system_alarm WHERE (NOT $1::boolean OR ended_at IS NULL)"
            " AND ($2 = '' OR (raised_at, system_alarm_id) < (instant(NULLIF($2, '')::bigint), $3::bigint))"
            " ORDER BY raised_at DESC, system_alarm_id DESC LIMIT $4",
            query.open_only, instant_text(before), query.after ? query.after->device_id : 0, query.limit);
        std::vector<SystemAlarm> alarms;
        for (const auto row : found) alarms.push_back(read_system_alarm(row));
        return alarms;
      },
      Urgency::first);
}

}  // namespace wardlink::storage
