#include "storage/postgres/alarm_rows.hpp"

#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage::postgres {
namespace {

AlarmCondition read_alarm(const pqxx::row& row) {
  AlarmCondition alarm;
  alarm.device_id = row[0].as<std::int64_t>();
  alarm.device = row[1].as<std::string>();
  alarm.patient = row[2].as<std::string>("");
  alarm.patient_name = row[3].as<std::string>("");
  alarm.boot = row[4].as<std::uint64_t>();
  alarm.stream = static_cast<Stream>(row[5].as<int>());
  alarm.sequence = row[6].as<std::uint64_t>();
  alarm.kind = static_cast<AlarmKind>(row[7].as<int>());
  alarm.priority = static_cast<AlarmPriority>(row[8].as<int>());
  alarm.code = row[9].as<std::string>();
  alarm.sign = row[10].as<std::uint16_t>(0);
  alarm.limit = optional_double(row[11]);
  alarm.value = optional_double(row[12]);
  alarm.start = optional_instant(row[13]);
  alarm.end = optional_instant(row[14]);
  alarm.start_tick_ms = optional_count(row[15]);
  alarm.end_tick_ms = optional_count(row[16]);
  alarm.received_at = read_instant(row[17].c_str());
  return alarm;
}

}  // namespace

#define WARDLINK_ALARM_COLUMNS                                                                                    \
  "SELECT c.device_id, d.urn, p.patient_id, p.display_name, c.boot_id, c.stream, c.sequence, c.kind, c.priority," \
  " c.code, c.sign_id, c.limit_value, c.value, micros(c.start_at), micros(c.end_at), c.start_tick_ms,"            \
  " c.end_tick_ms, micros(c.received_at)"                                                                         \
  " FROM alarm_condition c JOIN device d ON d.device_id = c.device_id"                                            \
  " LEFT JOIN assignment a ON a.device_id = c.device_id AND upper_inf(a.recorded) AND a.held @> c.at"             \
  " LEFT JOIN patient p ON p.patient_id = a.patient_id"                                                           \
  " WHERE ($1 = '' OR p.ward_id = ANY (NULLIF($1, '')::text[]))"

const char* alarms_statement() {
  return WARDLINK_ALARM_COLUMNS
      " AND ($2 = '' OR p.patient_id = NULLIF($2, '')::uuid) AND ($3 = '' OR d.urn = $3)"
      " AND (NOT $4::boolean OR c.end_at IS NULL)"
      " AND ($5 = '' OR c.at >= instant(NULLIF($5, '')::bigint))"
      " AND ($6 = '' OR c.at < instant(NULLIF($6, '')::bigint))"
      " AND ($7 = '' OR (c.at, c.device_id, c.boot_id, c.stream, c.sequence)"
      "   < (instant(NULLIF($7, '')::bigint), $8::bigint, $9::bigint, $10::smallint, $11::bigint))"
      " ORDER BY c.at DESC, c.device_id DESC, c.boot_id DESC, c.stream DESC, c.sequence DESC LIMIT $12";
}

const char* open_alarms_statement() {
  return WARDLINK_ALARM_COLUMNS
      " AND c.device_id = ANY ($2::bigint[]) AND c.end_at IS NULL"
      " ORDER BY c.device_id, c.priority DESC, c.at DESC, c.boot_id DESC, c.stream DESC, c.sequence DESC";
}

#undef WARDLINK_ALARM_COLUMNS

std::vector<AlarmCondition> read_alarms(const pqxx::result& rows) {
  std::vector<AlarmCondition> alarms;
  alarms.reserve(static_cast<std::size_t>(rows.size()));
  for (const auto row : rows) alarms.push_back(read_alarm(row));
  return alarms;
}

}  // namespace wardlink::storage::postgres
