// What clinicians ask about measurements. A reading is a patient's when the patient wore the device as it was measured.

#include <algorithm>

#include "storage/postgres/link/types.hpp"
#include "storage/postgres/read/record_rows.hpp"
#include "storage/postgres/read/spans.hpp"
#include "storage/postgres/read/subject.hpp"
#include "storage/postgres/read/uncertainty.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

constexpr std::size_t most_looked_at = 6'000;  // sets a call, where it wants certain signs only

// The spans, $6 and $7 the window, $8 to $12 the position before, $13 how many are looked at.
const std::string looked_at =
    "SELECT y.*" + std::string(from_spans) +
    " CROSS JOIN LATERAL (SELECT x.* FROM measurement_set x WHERE x.device_id = k.device_id"
    "  AND x.measured_at >= k.since AND x.measured_at < k.until"
    "  AND x.measured_at >= $6::timestamptz AND x.measured_at < $7::timestamptz AND x.measured_at >= $8::timestamptz"
    "  AND (x.measured_at, x.device_id, x.boot_id, x.stream, x.sequence)"
    "   > ($8::timestamptz, $9::bigint, $10::bigint, $11::smallint, $12::bigint)"
    "  AND " +
    of_span() +
    "  ORDER BY x.measured_at, x.boot_id, x.stream, x.sequence LIMIT $13) y"
    " ORDER BY y.measured_at, y.device_id, y.boot_id, y.stream, y.sequence LIMIT $13";

// $14 signs, $15 limit.
const std::string sets =
    "SELECT " + set_columns() + " FROM (" + looked_at +
    ") x JOIN device d ON d.device_id = x.device_id WHERE $14 = '' OR x.sign_ids && NULLIF($14, '')::smallint[]"
    " ORDER BY x.measured_at, x.device_id, x.boot_id, x.stream, x.sequence LIMIT $15";

// The last one that was looked at, where there may be more.
const std::string last_looked_at =
    "SELECT micros(x.measured_at), x.device_id, x.boot_id, x.stream, x.sequence FROM (" + looked_at +
    ") x ORDER BY x.measured_at, x.device_id, x.boot_id, x.stream, x.sequence OFFSET $13::bigint - 1";

Position place_of(const ReadingRow& row) {
  return {row.measured_at, row.device_id, row.boot, row.stream, row.sequence};
}

/// Before all that is measured from then on.
Position place_of(Instant at) { return {.at = at}; }

/// One window's rows. The page gets its `next` when it ends with them.
void read_window(pqxx::work& tx, const ReadingsQuery& query, const Spans& spans, const Window& window,
                 Page<ReadingRow>& page) {
  const auto after = query.after.value_or(place_of(earliest));
  const auto before = page.size();
  const auto wanted = query.limit + 1 - before;  // one more tells whether there is a rest
  const auto signs = query.signs.empty() ? std::string() : array_of(query.signs);
  const auto most = signs.empty() ? wanted : std::max(wanted, most_looked_at);
  const auto ask = [&](const std::string& statement, const auto&... more) {
    return tx.exec_params(statement, spans.devices(), spans.since(), spans.ends(), spans.patients(), spans.boots(),
                          stamp_text(window.from), stamp_text(window.until), stamp_text(after.at), after.device_id,
                          after.boot, static_cast<int>(after.stream), after.sequence, most, more...);
  };
  for (const auto row : ask(sets, signs, wanted)) {
    if (page.size() == query.limit) {
      page.next = place_of(page.back());
      break;
    }
    page.push_back(read_set(row));
  }
  state_uncertainty(tx, std::span(page).subspan(before));
  if (page.next) return;
  if (signs.empty()) return;
  for (const auto row : ask(last_looked_at)) {
    page.next = {read_instant(row[0].c_str()), row[1].as<std::int64_t>(), row[2].as<std::uint64_t>(),
                 read_enum<Stream>(row[3]), row[4].as<std::uint64_t>()};
  }
}

}  // namespace

Page<ReadingRow> PostgresStore::readings(const ReadingsQuery& query) {
  Page<ReadingRow> page;
  const Window asked{std::max(query.start.value_or(earliest), query.after ? query.after->at : earliest),
                     query.end.value_or(newest)};
  const auto spans = impl_->pool.transact([&](pqxx::work& tx) {
    begin_reading(tx);
    require_known(tx, query.subject);
    return Spans(tx, query.scope, query.subject, asked);
  });
  auto from = asked.from;
  // The first windows are short: a device that measures all the time fills its page in a day.
  std::chrono::days length{1};
  const int windows = query.signs.empty() ? windows_a_call : windows_a_call - 2;  // each is looked at twice
  for (int i = 0; i < windows && from < spans.until(); ++i) {
    const auto before = page.size();
    // A transaction each: it holds the locks of one window only.
    const auto window = impl_->pool.transact([&](pqxx::work& tx) {
      page.resize(before);
      begin_walking(tx);
      auto found = spans.next_window(tx, "{1,3}", {from, spans.until()}, length);
      if (found) read_window(tx, query, spans, *found, page);
      return found;
    });
    if (page.next) return page;
    from = window ? window->until : spans.until();
    length = std::min(4 * length, longest_window);
  }
  if (from < asked.until) page.next = place_of(from);
  return page;
}

}  // namespace wardlink::storage
