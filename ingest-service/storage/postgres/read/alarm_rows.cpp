#include "storage/postgres/read/alarm_rows.hpp"

#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage::postgres {
namespace {

const std::string columns = "SELECT " + alarm_fields().list();

void read_origin(const pqxx::field& field, AlarmCondition& alarm) {
  if (field.is_null()) return;
  const std::string text = field.as<std::string>();
  const auto comma = text.find(',');
  const auto stream = numbered<Stream>(std::stoll(text.substr(0, comma)));
  if (stream) alarm.origin = AlarmOrigin{*stream, std::stoull(text.substr(comma + 1))};
}

}  // namespace

const Fields<AlarmCondition>& alarm_fields() {
  using Alarm = AlarmCondition;
  static const Fields<Alarm> fields(
      {field<&Alarm::device_id>("c.device_id"),
       field<&Alarm::device>("d.urn"),
       field<&Alarm::patient, EmptyIsNull>("p.patient_id"),
       field<&Alarm::patient_name, EmptyIsNull>("p.display_name"),
       field<&Alarm::boot>("c.boot_id"),
       field<&Alarm::stream>("c.stream"),
       field<&Alarm::sequence>("c.sequence"),
       field<&Alarm::kind>("c.kind"),
       field<&Alarm::priority>("c.priority"),
       field<&Alarm::code>("c.code"),
       field<&Alarm::sign, ZeroIsNull<std::uint16_t>>("c.sign_id"),
       field<&Alarm::limit>("c.limit_value"),
       field<&Alarm::value>("c.value"),
       field<&Alarm::start>("c.start_at"),
       field<&Alarm::end>("c.end_at"),
       field<&Alarm::start_tick_ms>("c.start_tick_ms"),
       field<&Alarm::end_tick_ms>("c.end_tick_ms"),
       field<&Alarm::received_at>("c.received_at"),
       field<&Alarm::acknowledged_at>("c.acknowledged_at"),
       field<&Alarm::acknowledged_by, EmptyIsNull>("c.acknowledged_by"),
       field<&Alarm::end_cause>("c.end_cause"),
       field<&Alarm::ended_by, EmptyIsNull>("c.ended_by"),
       field<&Alarm::end_reason, EmptyIsNull>("c.end_reason"),
       {"coalesce(q.stands, false)",
        [](const pqxx::field& field, Alarm& alarm) { alarm.unattributed = field.as<bool>(); }},
       field<&Alarm::clock_jump>("(SELECT j.clock_jump_micros FROM alarm_event j WHERE j.device_id = c.device_id"
                                 " AND j.boot_id = c.boot_id AND j.stream = c.stream AND j.sequence = c.sequence)"),
       {"c.origin_stream || ',' || c.origin_sequence", read_origin}});
  return fields;
}

std::string condition_of(const std::string& device, const std::string& boot, const std::string& stream,
                         const std::string& sequence) {
  return " JOIN LATERAL (SELECT q.* FROM alarm_condition q WHERE q.device_id = " + device + " AND q.boot_id = " + boot +
         " AND q.stream = " + stream + " AND q.sequence = " + sequence + " OFFSET 0) c ON true";
}

std::string wearer_of_condition() {
  return doubt_of("c", "c.at", "coalesce(c.start_tick_ms, c.end_tick_ms)") + wearer_of("c", "c.at");
}

const std::string& attribution() {
  static const std::string text = " JOIN device d ON d.device_id = c.device_id" + wearer_of_condition();
  return text;
}

const std::string& open_conditions() {
  static const std::string text =
      " FROM open_alarm o" + condition_of("o.device_id", "o.boot_id", "o.stream", "o.sequence") + attribution();
  return text;
}

const std::string& open_alarms_statement() {
  // Of a device's open alarms the first 1,000, of these those of the one who wears it now, and nobody's.
  static const std::string text =
      columns +
      ", v.open_alarms FROM unnest($1::bigint[], $2::uuid[]) k(device_id, patient_id) CROSS JOIN LATERAL ("
      " SELECT o.*, count(*) OVER () AS open_alarms FROM ("
      "  SELECT * FROM open_alarm o WHERE o.device_id = k.device_id ORDER BY o.priority DESC, o.measured_at DESC,"
      "  o.boot_id DESC, o.stream DESC, o.sequence DESC LIMIT 1000) o"
      " JOIN alarm_event e ON e.device_id = o.device_id AND e.boot_id = o.boot_id AND e.stream = o.stream"
      "  AND e.sequence = o.sequence" +
      doubt_of("o", "o.measured_at", "e.tick_ms") + wearer_of("o", "o.measured_at") +
      " WHERE q.stands OR p.patient_id IS NOT DISTINCT FROM k.patient_id"
      " ORDER BY o.priority DESC, o.measured_at DESC,"
      " o.boot_id DESC, o.stream DESC, o.sequence DESC LIMIT 100) v" +
      condition_of("v.device_id", "v.boot_id", "v.stream", "v.sequence") + attribution() +
      " WHERE c.end_at IS NULL"
      " ORDER BY c.device_id, c.priority DESC, c.at DESC, c.boot_id DESC, c.stream DESC, c.sequence DESC";
  return text;
}

std::vector<AlarmCondition> read_alarms(const pqxx::result& rows) {
  std::vector<AlarmCondition> alarms;
  alarms.reserve(static_cast<std::size_t>(rows.size()));
  for (const auto row : rows) alarms.push_back(alarm_fields().read(row));
  return alarms;
}

}  // namespace wardlink::storage::postgres
