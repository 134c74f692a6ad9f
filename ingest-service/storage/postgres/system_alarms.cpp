#include "storage/postgres/system_alarms.hpp"

#include <unistd.h>

#include <array>

#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace postgres {
namespace {

std::string this_program() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) return "wardlink-storage";
  return std::string("wardlink-storage at ") + host.data();
}

SystemAlarm read_system_alarm(const pqxx::row& row) {
  return {row[0].as<std::int64_t>(),    row[1].as<std::string>(),
          row[2].as<std::string>(),     static_cast<AlarmPriority>(row[3].as<int>()),
          row[4].as<std::string>(),     row[5].as<std::string>(),
          read_instant(row[6].c_str()), optional_instant(row[7])};
}

}  // namespace

void raise_system_alarm(pqxx::transaction_base& tx, const SystemAlarmFact& fact) {
  tx.exec_params0(
      "INSERT INTO system_alarm (code, subject, priority, detail, source) VALUES ($1, $2, $3, $4, $5)"
      " ON CONFLICT (code, subject) WHERE ended_at IS NULL DO NOTHING",
      fact.code, fact.subject, static_cast<int>(fact.priority), fact.detail, this_program());
}

void end_system_alarm(pqxx::transaction_base& tx, const std::string& code, const std::string& subject) {
  tx.exec_params0(
      "UPDATE system_alarm SET ended_at = clock_timestamp() WHERE code = $1 AND subject = $2 AND ended_at IS NULL",
      code, subject);
}

bool system_alarm_stands(pqxx::transaction_base& tx, const std::string& code, const std::string& subject) {
  return tx
      .exec_params1("SELECT EXISTS (SELECT FROM system_alarm WHERE code = $1 AND subject = $2 AND ended_at IS NULL)",
                    code, subject)[0]
      .as<bool>();
}

}  // namespace postgres

using namespace postgres;

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
