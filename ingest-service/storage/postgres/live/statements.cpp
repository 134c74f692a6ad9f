#include "storage/postgres/live/statements.hpp"

#include <stdexcept>

#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/read/alarm_rows.hpp"
#include "storage/postgres/read/record_rows.hpp"

namespace wardlink::storage::postgres {
namespace {

// `x` is the row, `d` its device, `p` who wore it.
std::string live_statement(const std::string& key, const std::string& late, const std::string& columns,
                           const std::string& from) {
  const auto whole_key = "x.xid, x.device_id, " + key;
  return "SELECT " + whole_key + ", d.urn, p.patient_id, p.display_name, p.ward_id, q.stands, q.wards, " + late + ", " +
         columns + " FROM " + from + " WHERE x.xid >= $4::xid8 AND x.xid < $9::xid8 AND (" + whole_key +
         ") > ($4::xid8, $5::bigint, $6::bigint, $7::smallint, $8::bigint)"
         " AND " +
         seen_by("$1") +
         " AND ($2 = '' OR p.patient_id = NULLIF($2, '')::uuid) AND ($3 = '' OR d.urn = $3)"
         " ORDER BY " +
         whole_key + " LIMIT $10";
}

constexpr const char* record_key = "x.boot_id, x.stream, x.sequence";

/// The rows of a window of days by their transactions; the planner may choose no other way to them.
std::string partitioned(const std::string& table) {
  return "(SELECT * FROM " + table +
         " t WHERE t.xid >= $4::xid8 AND t.xid < $9::xid8"
         " AND t.measured_at >= $11::timestamptz AND t.measured_at < $12::timestamptz"
         " ORDER BY t.xid, t.device_id, t.boot_id, t.stream, t.sequence OFFSET 0) x"
         " JOIN device d ON d.device_id = x.device_id" +
         doubt_of("x", "x.measured_at", "x.tick_ms") + wearer_of("x", "x.measured_at");
}

/// `event` is an alarm's, `c` the condition that it is part of: its onset's, where that is there.
std::string its_condition(const std::string& event) {
  return " JOIN LATERAL (SELECT CASE WHEN " + event +
         ".event = 2 AND EXISTS (SELECT FROM alarm_event r WHERE r.device_id = " + event +
         ".device_id AND r.boot_id = " + event + ".boot_id AND r.stream = " + event +
         ".stream AND r.event = 1 AND r.sequence = " + event + ".onset_sequence) THEN " + event +
         ".onset_sequence ELSE " + event + ".sequence END AS sequence) k ON true" +
         condition_of(event + ".device_id", event + ".boot_id", event + ".stream", "k.sequence") +
         wearer_of_condition();
}

const Statement& live_sets() {
  static const Statement statement("live_sets",
                                   live_statement(record_key, "x.late", set_columns(), partitioned("measurement_set")));
  return statement;
}

const Statement& live_waveforms() {
  static const Statement statement("live_waveforms",
                                   live_statement(record_key, "x.late", run_columns(), partitioned("waveform_run")));
  return statement;
}

const Statement& live_alarms() {
  static const Statement statement(
      "live_alarms", live_statement(record_key, "x.late", "x.event, micros(x.measured_at), " + alarm_fields().list(),
                                    "alarm_event x JOIN device d ON d.device_id = x.device_id" + its_condition("x")));
  return statement;
}

const Statement& live_acknowledgements() {
  static const Statement statement(
      "live_acknowledgements",
      live_statement(record_key, "false", "3, micros(x.acknowledged_at), " + alarm_fields().list(),
                     "alarm_acknowledgement x JOIN device d ON d.device_id = x.device_id"
                     " JOIN LATERAL (SELECT v.* FROM alarm_event v WHERE v.device_id = x.device_id"
                     "   AND v.boot_id = x.boot_id AND v.stream = x.stream AND v.sequence = x.sequence OFFSET 0) e"
                     "   ON true" +
                         its_condition("e")));
  return statement;
}

const Statement& live_ends() {
  static const Statement statement(
      "live_ends",
      live_statement(record_key, "false", "2, micros(x.ended_at), " + alarm_fields().list(),
                     "alarm_end x JOIN device d ON d.device_id = x.device_id" +
                         condition_of("x.device_id", "x.boot_id", "x.stream", "x.sequence") + wearer_of_condition()));
  return statement;
}

const Statement& live_reattributions() {
  static const Statement statement(
      "live_reattributions",
      live_statement(record_key, "false", "4, micros(x.recorded_at), " + alarm_fields().list(),
                     "alarm_reattribution x JOIN device d ON d.device_id = x.device_id" +
                         condition_of("x.device_id", "x.boot_id", "x.stream", "x.sequence") + wearer_of_condition()));
  return statement;
}

const Statement& live_attributions() {
  static const Statement statement(
      "live_attributions",
      live_statement("0::bigint, 0::smallint, x.change_id", "false",
                     "micros(lower(x.held)), micros(upper(x.held)), micros(x.recorded_at), x.recorded_by, x.believed",
                     "assignment_change x JOIN device d ON d.device_id = x.device_id"
                     " JOIN patient p ON p.patient_id = x.patient_id"
                     " CROSS JOIN (SELECT false AS stands, '{}'::text[] AS wards) q"));
  return statement;
}

}  // namespace

const Statement& live_rows(LiveKind kind) {
  switch (kind) {
    case LiveKind::set:
      return live_sets();
    case LiveKind::alarm:
      return live_alarms();
    case LiveKind::acknowledgement:
      return live_acknowledgements();
    case LiveKind::attribution:
      return live_attributions();
    case LiveKind::waveform:
      return live_waveforms();
    case LiveKind::end:
      return live_ends();
    case LiveKind::reattribution:
      return live_reattributions();
    case LiveKind::none:
      break;
  }
  throw std::logic_error("no rows are of that kind");
}

const Statement& live_days() {
  static const Statement statement(
      "live_days",
      "SELECT DISTINCT l.day - date '1970-01-01' FROM live_day l WHERE l.waveforms = $1 AND l.high >= $2::bigint"
      " AND l.low < $3::bigint ORDER BY 1");
  return statement;
}

}  // namespace wardlink::storage::postgres
