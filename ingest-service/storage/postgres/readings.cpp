// What clinicians ask about measurements. A reading is a patient's when the patient wore the device as it was measured.

#include <algorithm>

#include "storage/postgres/alarm_rows.hpp"
#include "storage/postgres/reading_rows.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

// $1 scope, $2 patient, $3 device. Who wears each device now; a patient's rows first, then the devices that nobody
// wears.
constexpr const char* wearers =
    "SELECT d.device_id, d.urn, p.patient_id, p.display_name, micros(lower(a.held)), "
    " micros((SELECT max(s.last_received_at) FROM stream_state s WHERE s.device_id = d.device_id))"
    " FROM device d"
    " LEFT JOIN assignment a ON a.device_id = d.device_id AND upper_inf(a.recorded) AND a.held @> clock_timestamp()"
    " LEFT JOIN patient p ON p.patient_id = a.patient_id"
    " WHERE ($1 = '' OR p.ward_id = ANY (NULLIF($1, '')::text[]))"
    " AND ($2 = '' OR p.patient_id = NULLIF($2, '')::uuid) AND ($3 = '' OR d.urn = $3)"
    " ORDER BY p.patient_id IS NULL, p.display_name, p.patient_id, d.urn";

// Of what was measured on the present wearer only; on nobody, where nobody wears it.
constexpr const char* values =
    "SELECT l.device_id, l.sign_id, l.value, l.quality, micros(l.measured_at) FROM latest l"
    " LEFT JOIN assignment worn ON worn.device_id = l.device_id AND upper_inf(worn.recorded)"
    "   AND worn.held @> l.measured_at"
    " LEFT JOIN assignment wears ON wears.device_id = l.device_id AND upper_inf(wears.recorded)"
    "   AND wears.held @> clock_timestamp()"
    " WHERE l.device_id = ANY ($1::bigint[]) AND worn.patient_id IS NOT DISTINCT FROM wears.patient_id"
    " ORDER BY l.device_id, l.sign_id";

// $1 scope, $2 patient, $3 device, $4 signs, $5 start, $6 end, $7 to $11 the position before, $12 limit.
const std::string sets =
    "SELECT " + std::string(set_columns) +
    " FROM measurement_set x JOIN device d ON d.device_id = x.device_id"
    " WHERE x.device_id = ANY ($3::bigint[])"
    " AND ($4 = '' OR x.sign_ids && NULLIF($4, '')::smallint[])"
    " AND ($5 = '' OR x.measured_at >= instant(NULLIF($5, '')::bigint))"
    " AND ($6 = '' OR x.measured_at < instant(NULLIF($6, '')::bigint))"
    " AND ($7 = '' OR (x.measured_at >= instant(NULLIF($7, '')::bigint)"
    "   AND (x.measured_at, x.device_id, x.boot_id, x.stream, x.sequence)"
    "   > (instant(NULLIF($7, '')::bigint), $8::bigint, $9::bigint, $10::smallint, $11::bigint)))"
    " AND (($1 = '' AND $2 = '') OR EXISTS (SELECT FROM assignment a JOIN patient p ON p.patient_id = a.patient_id"
    "   WHERE a.device_id = x.device_id AND upper_inf(a.recorded) AND a.held @> x.measured_at"
    "   AND ($1 = '' OR p.ward_id = ANY (NULLIF($1, '')::text[]))"
    "   AND ($2 = '' OR p.patient_id = NULLIF($2, '')::uuid)))"
    " ORDER BY x.measured_at, x.device_id, x.boot_id, x.stream, x.sequence LIMIT $12";

bool is_open(std::uint16_t state) {
  return state == static_cast<std::uint16_t>(AlarmState::raised) ||
         state == static_cast<std::uint16_t>(AlarmState::acknowledged);
}

/// The open alarms that belong to the rows: of the same device, and of the one who wears it now.
void add_open_alarms(pqxx::work& tx, const Scope& scope, const std::string& devices,
                     std::map<std::int64_t, LatestRow*>& row_of) {
  const auto found = tx.exec_params(open_alarms_statement(), scope_text(scope), devices);
  for (const auto& alarm : read_alarms(found)) {
    auto& row = *row_of.at(alarm.device_id);
    if (alarm.patient == row.patient) row.alarms.push_back(alarm);
  }
}

}  // namespace

std::vector<LatestRow> postgres::latest_rows(pqxx::work& tx, const Scope& scope, const Subject& subject) {
  const auto found = tx.exec_params(wearers, scope_text(scope), text_of(subject, Subject::Kind::patient),
                                    text_of(subject, Subject::Kind::device));
  std::vector<LatestRow> rows(static_cast<std::size_t>(found.size()));
  std::map<std::int64_t, LatestRow*> row_of;
  ArrayText devices;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto row = found[static_cast<pqxx::result::size_type>(i)];
    rows[i].device = row[1].as<std::string>();
    rows[i].patient = row[2].as<std::string>("");
    rows[i].patient_name = row[3].as<std::string>("");
    rows[i].last_received_at = optional_instant(row[5]);
    row_of.emplace(row[0].as<std::int64_t>(), &rows[i]);
    devices.add(row[0].as<std::int64_t>());
  }
  for (const auto row : tx.exec_params(values, devices.text())) {
    row_of.at(row[0].as<std::int64_t>())
        ->values.push_back({row[1].as<std::uint16_t>(), read_double(row[2].c_str()), row[3].as<std::uint16_t>(),
                            read_instant(row[4].c_str())});
  }
  add_open_alarms(tx, scope, devices.text(), row_of);
  return rows;
}

std::vector<LatestRow> PostgresStore::latest(const Scope& scope, const Subject& subject) {
  return impl_->pool.transact([&](pqxx::work& tx) {
    // One snapshot for its statements: a reassignment between two of them must not mix wearers.
    tx.exec0("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
    require_known(tx, subject);
    return latest_rows(tx, scope, subject);
  });
}

std::vector<ReadingRow> PostgresStore::readings(const ReadingsQuery& query) {
  return impl_->pool.transact([&](pqxx::work& tx) {
    require_known(tx, query.subject);
    const auto after = query.after.value_or(Position{});
    const auto found = tx.exec_params(
        sets, scope_text(query.scope), text_of(query.subject, Subject::Kind::patient),
        devices_concerned(tx, query.subject), query.signs.empty() ? std::string() : array_of(query.signs),
        instant_text(query.start), instant_text(query.end), query.after ? to_text(after.at) : std::string(),
        after.device_id, after.boot, static_cast<int>(after.stream), after.sequence, query.limit);
    std::vector<ReadingRow> rows;
    rows.reserve(static_cast<std::size_t>(found.size()));
    for (const auto row : found) rows.push_back(read_set(row));
    return rows;
  });
}

std::vector<AlarmCondition> PostgresStore::alarms(const AlarmsQuery& query) {
  const bool open_only = query.open_only || (!query.states.empty() && std::ranges::all_of(query.states, is_open));
  return impl_->pool.transact([&](pqxx::work& tx) {
    require_known(tx, query.subject);
    const auto after = query.after.value_or(Position{});
    return read_alarms(tx.exec_params(
        alarms_statement(open_only), scope_text(query.scope), text_of(query.subject, Subject::Kind::patient),
        text_of(query.subject, Subject::Kind::device), instant_text(query.start), instant_text(query.end),
        query.after ? to_text(after.at) : std::string(), after.device_id, after.boot, static_cast<int>(after.stream),
        after.sequence, query.limit, query.states.empty() ? std::string() : array_of(query.states)));
  });
}

}  // namespace wardlink::storage
