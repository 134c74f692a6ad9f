#include "storage/postgres/read/alarm_rows.hpp"

#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage::postgres {
namespace {

const std::string columns = "SELECT " + std::string(alarm_columns);

// Of condition c.
const std::string attributed =
    " JOIN device d ON d.device_id = c.device_id"
    " LEFT JOIN assignment a ON a.device_id = c.device_id AND upper_inf(a.recorded) AND a.held @> c.at"
    " LEFT JOIN patient p ON p.patient_id = a.patient_id";

const std::string in_scope = " WHERE ($1 = '' OR p.ward_id = ANY (NULLIF($1, '')::text[]))";

}  // namespace

AlarmCondition read_alarm(const pqxx::row& row, pqxx::row::size_type first) {
  const auto at = [&](pqxx::row::size_type column) { return row[first + column]; };
  AlarmCondition alarm;
  alarm.device_id = at(0).as<std::int64_t>();
  alarm.device = at(1).as<std::string>();
  alarm.patient = at(2).as<std::string>("");
  alarm.patient_name = at(3).as<std::string>("");
  alarm.boot = at(4).as<std::uint64_t>();
  alarm.stream = static_cast<Stream>(at(5).as<int>());
  alarm.sequence = at(6).as<std::uint64_t>();
  alarm.kind = static_cast<AlarmKind>(at(7).as<int>());
  alarm.priority = static_cast<AlarmPriority>(at(8).as<int>());
  alarm.code = at(9).as<std::string>();
  alarm.sign = at(10).as<std::uint16_t>(0);
  alarm.limit = optional_double(at(11));
  alarm.value = optional_double(at(12));
  alarm.start = optional_instant(at(13));
  alarm.end = optional_instant(at(14));
  alarm.start_tick_ms = optional_count(at(15));
  alarm.end_tick_ms = optional_count(at(16));
  alarm.received_at = read_instant(at(17).c_str());
  alarm.acknowledged_at = optional_instant(at(18));
  alarm.acknowledged_by = at(19).as<std::string>("");
  return alarm;
}

std::string condition_of(const std::string& device, const std::string& boot, const std::string& stream,
                         const std::string& sequence) {
  return " JOIN LATERAL (SELECT q.* FROM alarm_condition q WHERE q.device_id = " + device + " AND q.boot_id = " + boot +
         " AND q.stream = " + stream + " AND q.sequence = " + sequence + " OFFSET 0) c ON true";
}

const std::string& open_conditions() {
  static const std::string text =
      " FROM open_alarm o" + condition_of("o.device_id", "o.boot_id", "o.stream", "o.sequence") + attributed;
  return text;
}

const std::string& open_alarms_statement() {
  // Of a device's open alarms the first 1,000, of these those of the one who wears it now.
  static const std::string text =
      columns +
      ", v.open_alarms FROM unnest($1::bigint[], $2::uuid[]) k(device_id, patient_id) CROSS JOIN LATERAL ("
      " SELECT o.*, count(*) OVER () AS open_alarms FROM ("
      "  SELECT * FROM open_alarm o WHERE o.device_id = k.device_id ORDER BY o.priority DESC, o.measured_at DESC,"
      "  o.boot_id DESC, o.stream DESC, o.sequence DESC LIMIT 1000) o"
      " LEFT JOIN assignment w ON w.device_id = o.device_id AND upper_inf(w.recorded) AND w.held @> o.measured_at"
      " WHERE w.patient_id IS NOT DISTINCT FROM k.patient_id ORDER BY o.priority DESC, o.measured_at DESC,"
      " o.boot_id DESC, o.stream DESC, o.sequence DESC LIMIT 100) v" +
      condition_of("v.device_id", "v.boot_id", "v.stream", "v.sequence") + attributed +
      " WHERE c.end_at IS NULL"
      " ORDER BY c.device_id, c.priority DESC, c.at DESC, c.boot_id DESC, c.stream DESC, c.sequence DESC";
  return text;
}

const std::string& alarms_by_key_statement() {
  static const std::string text =
      columns +
      ", k.place FROM unnest($2::text[], $3::bigint[], $4::smallint[], $5::bigint[])"
      " WITH ORDINALITY k(urn, boot_id, stream, sequence, place) JOIN device v ON v.urn = k.urn" +
      condition_of("v.device_id", "k.boot_id", "k.stream", "k.sequence") + attributed + in_scope + " ORDER BY k.place";
  return text;
}

std::vector<AlarmCondition> read_alarms(const pqxx::result& rows) {
  std::vector<AlarmCondition> alarms;
  alarms.reserve(static_cast<std::size_t>(rows.size()));
  for (const auto row : rows) alarms.push_back(read_alarm(row));
  return alarms;
}

}  // namespace wardlink::storage::postgres
