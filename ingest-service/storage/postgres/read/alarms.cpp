// Lists of alarms. A page walks an index in its order and looks at so many events at most, whatever the filters leave.

#include <algorithm>

#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/read/alarm_rows.hpp"
#include "storage/postgres/read/spans.hpp"
#include "storage/postgres/read/subject.hpp"
#include "storage/postgres/read/uncertainty.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

constexpr std::size_t most_looked_at = 2000;  // events a call

const std::string newest_first =
    " ORDER BY v.measured_at DESC, v.device_id DESC, v.boot_id DESC, v.stream DESC, v.sequence DESC";

// $1 patient, $2 device, $3 start, $4 end, $5 to $9 the position before, $10 how many are looked at. Of `table`,
// alarm_event or open_alarm.
std::string looked_at(Subject::Kind kind, const std::string& table) {
  const std::string bounds =
      " v.measured_at >= $3::timestamptz AND v.measured_at < $4::timestamptz AND v.measured_at <= $5::timestamptz"
      " AND (v.measured_at, v.device_id, v.boot_id, v.stream, v.sequence)"
      "  < ($5::timestamptz, $6::bigint, $7::bigint, $8::smallint, $9::bigint)";
  const std::string key = "SELECT v.measured_at, v.device_id, v.boot_id, v.stream, v.sequence FROM ";
  const std::string limited = newest_first + " LIMIT $10";
  switch (kind) {
    case Subject::Kind::device:
      return key + table + " v WHERE v.device_id = (SELECT s.device_id FROM device s WHERE s.urn = $2) AND" + bounds +
             limited;
    case Subject::Kind::patient:
      return key + "((" + key + "assignment s CROSS JOIN LATERAL (" + key + table +
             " v WHERE v.device_id = s.device_id AND v.measured_at >= coalesce(lower(s.held), '-infinity')"
             " AND v.measured_at <= coalesce(upper(s.held), 'infinity') AND s.held @> v.measured_at AND" +
             bounds + limited + ") v WHERE s.patient_id = NULLIF($1, '')::uuid AND upper_inf(s.recorded)" + limited +
             ") UNION (" + key + "settlement s CROSS JOIN LATERAL (" + key + table +
             " v WHERE v.device_id = s.device_id AND v.boot_id = s.boot_id AND v.measured_at >= s.since"
             " AND v.measured_at < s.until AND" +
             bounds + limited + ") v WHERE s.patient_id = NULLIF($1, '')::uuid" + limited + ")) v" + limited;
    case Subject::Kind::all:
      break;
  }
  return key + table + " v WHERE" + bounds + limited;
}

// And $11 scope, $12 states, $13 limit. Who may have worn the device is known before the condition is looked up.
std::string alarms_statement(Subject::Kind kind, bool open_only) {
  return "SELECT " + alarm_fields().list() + " FROM (SELECT v.* FROM (" +
         looked_at(kind, open_only ? "open_alarm" : "alarm_event") +
         ") v JOIN device d ON d.device_id = v.device_id"
         " LEFT JOIN assignment a ON a.device_id = v.device_id AND upper_inf(a.recorded) AND a.held @> v.measured_at"
         " LEFT JOIN patient p ON p.patient_id = a.patient_id"
         " WHERE ($11 = '' OR p.ward_id = ANY (NULLIF($11, '')::text[]) OR " +
         in_doubt("v", "v.measured_at") + ") AND ($1 = '' OR p.patient_id = NULLIF($1, '')::uuid OR " +
         in_doubt("v", "v.measured_at") + ") AND ($2 = '' OR d.urn = $2)" + newest_first + " OFFSET 0) v" +
         condition_of("v.device_id", "v.boot_id", "v.stream", "v.sequence") + attribution() + " WHERE " +
         seen_by("$11") +
         " AND ($1 = '' OR p.patient_id = NULLIF($1, '')::uuid)"
         // AlarmState's numbers
         " AND ($12 = '' OR 1 + (c.end_at IS NOT NULL)::int + 2 * (c.acknowledged_at IS NOT NULL)::int"
         "   = ANY (NULLIF($12, '')::int[]))" +
         std::string(open_only ? " AND c.end_at IS NULL" : "") + newest_first + " LIMIT $13";
}

/// The last one that was looked at, where there may be more.
std::string last_looked_at(Subject::Kind kind, bool open_only) {
  return "SELECT micros(v.measured_at), v.device_id, v.boot_id, v.stream, v.sequence FROM (" +
         looked_at(kind, open_only ? "open_alarm" : "alarm_event") + ") v WHERE $1 = $1 AND $2 = $2" + newest_first +
         " OFFSET $10::bigint - 1";
}

bool is_open(std::uint16_t state) {
  return state == static_cast<std::uint16_t>(AlarmState::raised) ||
         state == static_cast<std::uint16_t>(AlarmState::acknowledged);
}

Position place_of(const AlarmCondition& alarm) {
  return {alarm.at(), alarm.device_id, alarm.boot, alarm.stream, alarm.sequence};
}

}  // namespace

Page<AlarmCondition> PostgresStore::alarms(const AlarmsQuery& query) {
  const bool open_only = query.open_only || (!query.states.empty() && std::ranges::all_of(query.states, is_open));
  constexpr Position first{newest, std::numeric_limits<std::int64_t>::max(), 0, Stream::vitals, 0};
  const auto after = query.after.value_or(first);
  return impl_->pool.transact([&](pqxx::work& tx) {
    begin_reading(tx);
    require_known(tx, query.subject);
    const auto ask = [&](const std::string& statement, const auto&... more) {
      return tx.exec_params(statement, text_of(query.subject, Subject::Kind::patient),
                            text_of(query.subject, Subject::Kind::device), stamp_text(query.start.value_or(earliest)),
                            stamp_text(query.end.value_or(newest)), stamp_text(after.at), after.device_id, after.boot,
                            static_cast<int>(after.stream), after.sequence, most_looked_at, more...);
    };
    Page<AlarmCondition> page;
    for (const auto row : ask(alarms_statement(query.subject.kind, open_only), scope_text(query.scope),
                              query.states.empty() ? std::string() : array_of(query.states), query.limit + 1)) {
      if (page.size() == query.limit) {
        page.next = place_of(page.back());
        break;
      }
      page.push_back(alarm_fields().read(row));
    }
    state_uncertainty(tx, page);
    if (page.next) return page;
    for (const auto row : ask(last_looked_at(query.subject.kind, open_only))) {
      page.next = {read_instant(row[0].c_str()), row[1].as<std::int64_t>(), row[2].as<std::uint64_t>(),
                   read_enum<Stream>(row[3]), row[4].as<std::uint64_t>()};
    }
    return page;
  });
}

}  // namespace wardlink::storage
