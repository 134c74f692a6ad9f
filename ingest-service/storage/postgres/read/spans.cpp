#include "storage/postgres/read/spans.hpp"

#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/link/types.hpp"
#include "storage/postgres/read/subject.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage::postgres {
namespace {

constexpr std::size_t most_spans = 200;

// $1 scope, $2 patient, $3 device, $4 from, $5 until, $6 limit.
const std::string assignments =
    "SELECT k.device_id, micros(lower(k.held)), micros(upper(k.held)), k.patient_id, k.boot_id FROM ("
    "SELECT a.device_id, a.held, a.patient_id, NULL::bigint AS boot_id FROM assignment a WHERE upper_inf(a.recorded)"
    " UNION ALL SELECT s.device_id, h.held, s.patient_id, s.boot_id FROM ("
    "   SELECT t.device_id, t.patient_id, t.boot_id, range_agg(tstzrange(t.since, t.until)) AS held FROM settlement t"
    "   WHERE t.patient_id IS NOT NULL AND t.until > $4::timestamptz AND t.since < $5::timestamptz GROUP BY "
    "t.device_id, t.patient_id, t.boot_id) s"
    "   CROSS JOIN LATERAL unnest(s.held - coalesce((SELECT range_agg(w.held) FROM assignment w"
    "     WHERE w.device_id = s.device_id AND w.patient_id = s.patient_id AND upper_inf(w.recorded)),"
    "     '{}'::tstzmultirange)) h(held)"
    ") k JOIN patient p ON p.patient_id = k.patient_id"
    " WHERE ($1 = '' OR p.ward_id = ANY (NULLIF($1, '')::text[]))"
    " AND ($2 = '' OR k.patient_id = NULLIF($2, '')::uuid)"
    " AND ($3 = '' OR k.device_id = (SELECT d.device_id FROM device d WHERE d.urn = $3))"
    " AND k.held && tstzrange($4::timestamptz, $5::timestamptz)"
    " ORDER BY coalesce(lower(k.held), '-infinity') ";
const std::string oldest_first = assignments + "LIMIT $6", newest_first = assignments + "DESC LIMIT $6";

// $4 streams, $5 the first day, $6 the last. Of each span and stream one look.
std::string day_statement(const char* which, const char* order) {
  return "SELECT " + std::string(which) +
         "(n.day) - date '1970-01-01' FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[])"
         " k(device_id, since, until) CROSS JOIN unnest($4::smallint[]) t(stream)"
         " CROSS JOIN LATERAL (SELECT s.day FROM stream_day s WHERE s.device_id = k.device_id AND s.stream = t.stream"
         "  AND s.day >= greatest($5::date, day_of(k.since)) AND s.day <= least($6::date, day_of(k.until))"
         "  ORDER BY s.day " +
         order + " LIMIT 1) n";
}

std::string date_text(Instant at) { return stamp_text(at).substr(0, 10); }

}  // namespace

std::string of_span() {
  return "(k.boot_id IS NULL OR x.boot_id = k.boot_id) AND (k.patient_id IS NULL OR CASE WHEN " +
         in_doubt("x", "x.measured_at", "x.tick_ms") +
         " THEN k.patient_id = " + settled_patient("x", "x.measured_at", "x.tick_ms") + " ELSE k.boot_id IS NULL END)";
}

Spans::Spans(std::span<const Span> spans) : until_(newest) {
  for (const auto& span : spans) add(span, {}, {});
}

Spans::Spans(pqxx::work& tx, const Scope& scope, const Subject& subject, Window window, Order order)
    : until_(window.until) {
  if (!scope && subject.kind == Subject::Kind::device) {
    for (const auto row : tx.exec_params("SELECT device_id FROM device WHERE urn = $1", subject.id))
      add({row[0].as<std::int64_t>(), earliest, newest}, {}, {});
    return;
  }
  const bool ascending = order == Order::oldest_first;
  const auto found = tx.exec_params(ascending ? oldest_first : newest_first, scope_text(scope),
                                    text_of(subject, Subject::Kind::patient), text_of(subject, Subject::Kind::device),
                                    stamp_text(window.from), stamp_text(window.until), most_spans + 1);
  for (const auto row : found) {
    const auto from = optional_instant(row[1]).value_or(earliest);
    if (size_ == most_spans) {
      if (!ascending) break;
      until_ = std::min(until_, from);
      if (until_ > window.from) break;
      throw StoreError(StoreError::Kind::precondition, "more than 200 devices are worn at once");
    }
    add({row[0].as<std::int64_t>(), from, optional_instant(row[2]).value_or(newest)}, row[3].as<std::string>(),
        Type<std::optional<std::uint64_t>>::get(row[4]));
  }
}

void Spans::add(const Span& span, const std::string& patient, const std::optional<std::uint64_t>& boot) {
  devices_.add(span.device_id);
  since_.add_quoted(stamp_text(span.from));
  ends_.add_quoted(stamp_text(span.until));
  EmptyIsNull::put(patients_, patient);
  Type<std::optional<std::uint64_t>>::put(boots_, boot);
  ++size_;
}

std::optional<Window> Spans::next_window(pqxx::work& tx, std::string_view streams, Window within,
                                         std::chrono::microseconds longest) const {
  static const std::string statement = day_statement("min", "");
  if (empty() || within.from >= within.until) return std::nullopt;
  const auto found = tx.exec_params1(statement, devices(), since(), ends(), std::string(streams),
                                     date_text(within.from), date_text(within.until))[0];
  if (found.is_null()) return std::nullopt;
  const auto from = std::max(within.from, Instant{std::chrono::days{found.as<int>()}});
  if (from >= within.until) return std::nullopt;
  return Window{from, std::min(within.until, from + longest)};
}

std::optional<Window> Spans::last_day(pqxx::work& tx, std::string_view streams, Window within) const {
  static const std::string statement = day_statement("max", "DESC");
  if (empty() || within.from >= within.until) return std::nullopt;
  const auto found = tx.exec_params1(statement, devices(), since(), ends(), std::string(streams),
                                     date_text(within.from), date_text(within.until - std::chrono::microseconds{1}))[0];
  if (found.is_null()) return std::nullopt;
  const Instant start{std::chrono::days{found.as<int>()}};
  return Window{std::max(within.from, start), std::min(within.until, start + std::chrono::days{1})};
}

void begin_reading(pqxx::work& tx) {
  tx.exec0(
      "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;"
      " SET LOCAL max_parallel_workers_per_gather = 0");
}

void begin_walking(pqxx::work& tx) {
  begin_reading(tx);
  tx.exec0("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off");
}

}  // namespace wardlink::storage::postgres
