#include "storage/postgres/link/fields.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

const Fields<SystemAlarm> fields({field<&SystemAlarm::id>("system_alarm_id"), field<&SystemAlarm::code>("code"),
                                  field<&SystemAlarm::subject>("subject"), field<&SystemAlarm::priority>("priority"),
                                  field<&SystemAlarm::detail>("detail"), field<&SystemAlarm::source>("source"),
                                  field<&SystemAlarm::raised_at>("raised_at"),
                                  field<&SystemAlarm::ended_at>("ended_at")});

}  // namespace

std::vector<SystemAlarm> PostgresStore::system_alarms(const SystemAlarmsQuery& query) {
  return impl_->pool.transact(
      [&](pqxx::work& tx) {
        const auto before = query.after ? std::optional(query.after->at) : std::nullopt;
        const auto found = tx.exec_params(
            "SELECT " + fields.list() +
                " FROM system_alarm WHERE (NOT $1::boolean OR ended_at IS NULL)"
                " AND ($2 = '' OR (raised_at, system_alarm_id) < (instant(NULLIF($2, '')::bigint), $3::bigint))"
                " ORDER BY raised_at DESC, system_alarm_id DESC LIMIT $4",
            query.open_only, instant_text(before), query.after ? query.after->device_id : 0, query.limit);
        std::vector<SystemAlarm> alarms;
        for (const auto row : found) alarms.push_back(fields.read(row));
        return alarms;
      },
      Urgency::first);
}

}  // namespace wardlink::storage
