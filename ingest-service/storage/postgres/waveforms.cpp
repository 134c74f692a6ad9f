// What clinicians ask about waveforms. A run is a patient's when the patient wore the device as it began.

#include "storage/postgres/reading_rows.hpp"
#include "storage/postgres/run_rows.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

// $1 scope, $2 patient, $3 device, $4 stream. A patient's devices are all that the patient ever wore.
constexpr const char* of_subject =
    " FROM waveform_run x JOIN device d ON d.device_id = x.device_id"
    " WHERE x.stream = $4 AND x.device_id IN (SELECT v.device_id FROM device v WHERE v.urn = $3"
    "   UNION SELECT a.device_id FROM assignment a WHERE a.patient_id = NULLIF($2, '')::uuid AND upper_inf(a.recorded))"
    " AND (($1 = '' AND $2 = '') OR EXISTS (SELECT FROM assignment a JOIN patient p ON p.patient_id = a.patient_id"
    "   WHERE a.device_id = x.device_id AND upper_inf(a.recorded) AND a.held @> x.measured_at"
    "   AND ($1 = '' OR p.ward_id = ANY (NULLIF($1, '')::text[]))"
    "   AND ($2 = '' OR p.patient_id = NULLIF($2, '')::uuid)))";

// $1 to $4 as above, $5 end. When each device counts, and in each of these spans the newest run: one look each.
constexpr const char* newest =
    "SELECT micros(run_end(n)) FROM ("
    "  SELECT v.device_id, '(,)'::tstzrange AS held FROM device v WHERE v.urn = $3 AND $1 = ''"
    "  UNION ALL SELECT a.device_id, a.held FROM assignment a JOIN patient p ON p.patient_id = a.patient_id"
    "  WHERE upper_inf(a.recorded) AND ($1 = '' OR p.ward_id = ANY (NULLIF($1, '')::text[]))"
    "    AND (a.patient_id = NULLIF($2, '')::uuid"
    "      OR ($1 <> '' AND a.device_id = (SELECT v.device_id FROM device v WHERE v.urn = $3)))) s"
    " CROSS JOIN LATERAL (SELECT x.* FROM waveform_run x WHERE x.device_id = s.device_id AND x.stream = $4"
    "  AND x.measured_at >= coalesce(lower(s.held), '-infinity')"
    "  AND x.measured_at <= coalesce(upper(s.held), 'infinity') AND s.held @> x.measured_at"
    "  AND x.measured_at < coalesce(instant(NULLIF($5, '')::bigint), 'infinity')"
    "  ORDER BY x.measured_at DESC LIMIT 1) n"
    " ORDER BY n.measured_at DESC LIMIT 1";

// $5 start, $6 end, $7 to $10 the position before, $11 limit. No run is longer than 10 s.
const std::string runs_in_span =
    "SELECT " + std::string(run_columns) + of_subject +
    " AND x.measured_at > instant($5::bigint) - interval '10 seconds' AND run_end(x) > instant($5::bigint)"
    " AND x.measured_at < instant($6::bigint)"
    " AND ($7 = '' OR (x.measured_at >= instant(NULLIF($7, '')::bigint)"
    "   AND (x.measured_at, x.device_id, x.boot_id, x.sequence)"
    "   > (instant(NULLIF($7, '')::bigint), $8::bigint, $9::bigint, $10::bigint)))"
    " ORDER BY x.measured_at, x.device_id, x.boot_id, x.sequence LIMIT $11";

}  // namespace

std::optional<Instant> PostgresStore::end_of_runs(const RunsQuery& query) {
  return impl_->pool.transact([&](pqxx::work& tx) -> std::optional<Instant> {
    require_known(tx, query.subject);
    const auto found = tx.exec_params(newest, scope_text(query.scope), text_of(query.subject, Subject::Kind::patient),
                                      text_of(query.subject, Subject::Kind::device), static_cast<int>(query.stream),
                                      instant_text(query.end));
    if (found.empty()) return std::nullopt;
    return read_instant(found[0][0].c_str());
  });
}

std::vector<RunRow> PostgresStore::runs(const RunsQuery& query) {
  return impl_->pool.transact([&](pqxx::work& tx) {
    require_known(tx, query.subject);
    const auto after = query.after.value_or(Position{});
    const auto found = tx.exec_params(
        runs_in_span, scope_text(query.scope), text_of(query.subject, Subject::Kind::patient),
        text_of(query.subject, Subject::Kind::device), static_cast<int>(query.stream), to_text(query.start.value()),
        to_text(query.end.value()), query.after ? to_text(after.at) : std::string(), after.device_id, after.boot,
        after.sequence, query.limit);
    std::vector<RunRow> rows;
    rows.reserve(static_cast<std::size_t>(found.size()));
    for (const auto row : found) rows.push_back(read_run(row));
    return rows;
  });
}

}  // namespace wardlink::storage
