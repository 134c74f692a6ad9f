// Readings by buckets of time.

#include <algorithm>
#include <limits>
#include <map>

#include "storage/postgres/read/spans.hpp"
#include "storage/postgres/read/subject.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;
using std::chrono::microseconds;

// A call stops at the first bucket's end behind so many values; one bucket of more than the most is refused.
constexpr std::uint64_t values_a_call = 60'000, most_values = 10'000'000;
// The first stretch that is read; the next is four times as long where there was little in it.
constexpr microseconds first_stretch = std::chrono::hours{1};
constexpr std::uint64_t few_values = 10'000;
constexpr int most_windows = 6;  // a call

// The spans, $6 and $7 the window, $8 start, $9 microseconds of a bucket, $10 signs.
const std::string buckets =
    "SELECT v.since / $9::bigint, v.sign, min(v.value) FILTER (WHERE v.plausible),"
    " sum(v.value) FILTER (WHERE v.plausible), max(v.value) FILTER (WHERE v.plausible),"
    " count(*) FILTER (WHERE v.plausible), count(*) FILTER (WHERE NOT v.plausible),"
    " count(DISTINCT (v.since % $9::bigint) / 1000000) FILTER (WHERE v.plausible),"
    " min(v.value), sum(v.value), max(v.value), count(DISTINCT (v.since % $9::bigint) / 1000000)"
    " FROM (SELECT micros(x.measured_at) - $8::bigint AS since, u.sign, u.value, u.quality & 1 = 0 AS plausible" +
    std::string(from_spans) +
    "   JOIN measurement_set x ON x.device_id = k.device_id AND x.measured_at >= k.since AND x.measured_at < k.until"
    "   CROSS JOIN LATERAL unnest(x.sign_ids, x.sign_values, x.qualities) u(sign, value, quality)"
    "   WHERE x.measured_at >= $6::timestamptz AND x.measured_at < $7::timestamptz"
    "   AND ($10 = '' OR u.sign = ANY (NULLIF($10, '')::smallint[])) AND " +
    of_span() +
    ") v"
    " GROUP BY 1, 2";

struct Sums {
  double min = std::numeric_limits<double>::infinity(), sum = 0, max = -std::numeric_limits<double>::infinity();
  std::uint64_t count = 0, seconds = 0;

  void add(const pqxx::field& least, const pqxx::field& total, const pqxx::field& greatest, std::uint64_t values,
           const pqxx::field& covered) {
    if (values == 0) return;
    min = std::min(min, read_double(least.c_str()));
    sum += read_double(total.c_str());
    max = std::max(max, read_double(greatest.c_str()));
    count += values;
    seconds += covered.as<std::uint64_t>();
  }
  double mean() const { return sum / static_cast<double>(count); }
};

/// What is known of a sign in a bucket so far. Stretches divide no second of a bucket, so that seconds add up.
struct SumsOfSign {
  Sums plausible, all;
};

class Aggregation {
 public:
  explicit Aggregation(const AggregatesQuery& query) : query_(query) {}

  std::uint64_t bucket_of(Instant at) const { return static_cast<std::uint64_t>((at - query_.start) / query_.bucket); }
  Instant start_of(std::uint64_t bucket) const {
    return query_.start + query_.bucket * static_cast<std::int64_t>(bucket);
  }
  /// The last instant up to `at` that divides no second of a bucket.
  Instant whole_second(Instant at) const {
    const auto within = (at - query_.start) % query_.bucket;
    return at - within % microseconds(std::chrono::seconds{1});
  }

  /// How many values the stretch held.
  std::uint64_t add(const pqxx::result& found) {
    std::uint64_t values = 0;
    for (const auto row : found) {
      auto& sums = sums_[{row[0].as<std::uint64_t>(), row[1].as<std::uint16_t>()}];
      const auto count = row[5].as<std::uint64_t>(), implausible = row[6].as<std::uint64_t>();
      sums.plausible.add(row[2], row[3], row[4], count, row[7]);
      sums.all.add(row[8], row[9], row[10], count + implausible, row[11]);
      values += count + implausible;
    }
    return values;
  }

  /// The rows of the buckets before `end`, whole buckets only, about as many as the page takes.
  Page<AggregateRow, std::uint64_t> page(std::optional<std::uint64_t> end) const {
    Page<AggregateRow, std::uint64_t> rows;
    for (const auto& [key, sums] : sums_) {
      const auto [bucket, sign] = key;
      if (end && bucket >= *end) break;
      if (rows.size() >= query_.limit && rows.back().bucket != bucket) {
        rows.next = bucket;
        return rows;
      }
      const auto& [plausible, every] = sums;
      AggregateRow row;
      row.bucket = bucket, row.sign = sign;
      row.count = plausible.count, row.implausible = every.count - plausible.count;
      row.seconds = plausible.seconds, row.all_seconds = every.seconds;
      row.all_min = every.min, row.all_mean = every.mean(), row.all_max = every.max;
      if (plausible.count > 0) row.min = plausible.min, row.mean = plausible.mean(), row.max = plausible.max;
      rows.push_back(row);
    }
    rows.next = end;
    return rows;
  }
  std::size_t size() const { return sums_.size(); }

 private:
  const AggregatesQuery& query_;
  std::map<std::pair<std::uint64_t, std::uint16_t>, SumsOfSign> sums_;
};

}  // namespace

Page<AggregateRow, std::uint64_t> PostgresStore::aggregates(const AggregatesQuery& query) {
  Aggregation all(query);
  auto from = all.start_of(query.first_bucket);
  const auto spans = impl_->pool.transact([&](pqxx::work& tx) {
    begin_reading(tx);
    require_known(tx, query.subject);
    return Spans(tx, query.scope, query.subject, {from, query.end});
  });
  const auto signs = query.signs.empty() ? std::string() : array_of(query.signs);
  std::uint64_t values = 0;
  microseconds stretch = first_stretch;
  for (int windows = 1; from < spans.until(); ++windows) {
    std::optional<Window> window;
    // A transaction each: it holds the locks of one window only.
    const auto found = impl_->pool.transact([&](pqxx::work& tx) {
      begin_reading(tx);
      window = spans.next_window(tx, "{1,3}", {from, spans.until()}, std::min<microseconds>(stretch, longest_window));
      if (!window) return pqxx::result();
      const auto whole = all.whole_second(window->until);
      if (whole > window->from && window->until < spans.until()) window->until = whole;
      return tx.exec_params(buckets, spans.devices(), spans.since(), spans.ends(), spans.patients(), spans.boots(),
                            stamp_text(window->from), stamp_text(window->until), to_text(query.start),
                            static_cast<std::int64_t>(query.bucket.count()), signs);
    });
    const auto added = all.add(found);
    from = window ? window->until : spans.until();
    values += added;
    if (added < few_values) stretch = std::min<microseconds>(4 * stretch, longest_window);
    const auto bucket = all.bucket_of(from);
    const bool enough = windows >= most_windows || values >= values_a_call || all.size() > query.limit;
    if (enough && bucket > query.first_bucket && from < query.end) return all.page(bucket);
    if (values > most_values) {
      throw StoreError(StoreError::Kind::precondition, "one bucket holds more than ten million values: shorten it");
    }
  }
  if (from >= query.end) return all.page(std::nullopt);
  if (all.bucket_of(from) > query.first_bucket) return all.page(all.bucket_of(from));
  throw StoreError(StoreError::Kind::precondition, "one bucket spans more than 200 assignments: shorten it");
}

}  // namespace wardlink::storage
