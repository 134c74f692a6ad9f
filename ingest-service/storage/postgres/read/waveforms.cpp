// What clinicians ask about waveforms. A run is a patient's when the patient wore the device as it began.

#include "storage/postgres/read/record_rows.hpp"
#include "storage/postgres/read/spans.hpp"
#include "storage/postgres/read/subject.hpp"
#include "storage/postgres/read/uncertainty.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

constexpr std::chrono::seconds longest_run{10};

// The spans, $6 stream, $7 and $8 the window: in each of the spans the newest run, one look each.
const std::string newest_run =
    "SELECT micros(run_end(n)) FROM (SELECT y.*" + std::string(from_spans) +
    " CROSS JOIN LATERAL (SELECT x.* FROM waveform_run x WHERE x.device_id = k.device_id AND x.stream = $6"
    "  AND x.measured_at >= k.since AND x.measured_at < k.until"
    "  AND x.measured_at >= $7::timestamptz AND x.measured_at < $8::timestamptz AND " +
    of_span() +
    "  ORDER BY x.measured_at DESC LIMIT 1) y) n"
    " ORDER BY n.measured_at DESC LIMIT 1";

// $7 start, $8 end, $9 to $12 the position before, $13 limit, $14 the earliest that a run with a sample in there
// begins.
const std::string runs_in_span =
    "SELECT " + run_columns() + " FROM (SELECT y.*" + std::string(from_spans) +
    " CROSS JOIN LATERAL (SELECT x.* FROM waveform_run x WHERE x.device_id = k.device_id AND x.stream = $6"
    "  AND x.measured_at >= k.since AND x.measured_at < k.until"
    "  AND x.measured_at > $14::timestamptz AND run_end(x) > $7::timestamptz AND x.measured_at < $8::timestamptz"
    "  AND x.measured_at >= $9::timestamptz"
    "  AND (x.measured_at, x.device_id, x.boot_id, x.sequence) > ($9::timestamptz, $10::bigint, $11::bigint, "
    "$12::bigint)"
    "  AND " +
    of_span() +
    "  ORDER BY x.measured_at, x.boot_id, x.sequence LIMIT $13) y"
    " ORDER BY y.measured_at, y.device_id, y.boot_id, y.sequence LIMIT $13) x"
    " JOIN device d ON d.device_id = x.device_id ORDER BY x.measured_at, x.device_id, x.boot_id, x.sequence";

std::string stream_array(Stream stream) { return "{" + std::to_string(static_cast<int>(stream)) + "}"; }

}  // namespace

std::optional<Instant> PostgresStore::end_of_runs(const RunsQuery& query) {
  Window within{earliest, query.end.value_or(newest)};
  const auto spans = impl_->pool.transact([&](pqxx::work& tx) {
    begin_reading(tx);
    require_known(tx, query.subject);
    return Spans(tx, query.scope, query.subject, within, Spans::Order::newest_first);
  });
  // Of a day that the device shared with another wearer this one's part may be empty: then it is a day before.
  for (;;) {
    std::optional<Window> day;
    const auto found = impl_->pool.transact([&](pqxx::work& tx) -> std::optional<Instant> {
      begin_walking(tx);
      day = spans.last_day(tx, stream_array(query.stream), within);
      if (!day) return std::nullopt;
      const auto rows =
          tx.exec_params(newest_run, spans.devices(), spans.since(), spans.ends(), spans.patients(), spans.boots(),
                         static_cast<int>(query.stream), stamp_text(day->from), stamp_text(day->until));
      if (rows.empty()) return std::nullopt;
      return read_instant(rows[0][0].c_str());
    });
    if (found || !day) return found;
    within.until = day->from;
  }
}

std::vector<RunRow> PostgresStore::runs(const RunsQuery& query) {
  return impl_->pool.transact([&](pqxx::work& tx) {
    begin_walking(tx);
    require_known(tx, query.subject);
    const auto start = query.start.value(), end = query.end.value();
    const auto first = start - longest_run;
    const Spans spans(tx, query.scope, query.subject, {std::max(first, earliest), end});
    const auto after = query.after.value_or(Position{.at = earliest});
    const auto found = tx.exec_params(runs_in_span, spans.devices(), spans.since(), spans.ends(), spans.patients(),
                                      spans.boots(), static_cast<int>(query.stream), stamp_text(start),
                                      stamp_text(std::min(end, spans.until())), stamp_text(after.at), after.device_id,
                                      after.boot, after.sequence, query.limit, stamp_text(std::max(first, earliest)));
    std::vector<RunRow> rows;
    rows.reserve(static_cast<std::size_t>(found.size()));
    for (const auto row : found) rows.push_back(read_run(row));
    state_uncertainty(tx, rows);
    return rows;
  });
}

}  // namespace wardlink::storage
