// Readings by buckets of time.

#include "storage/postgres/reading_rows.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

// $1 scope, $2 patient, $3 devices, $4 signs, $5 start, $6 end, $7 microseconds of a bucket.
constexpr const char* buckets =
    "SELECT v.since / $7::bigint, v.sign, min(v.value) FILTER (WHERE v.plausible),"
    " avg(v.value) FILTER (WHERE v.plausible), max(v.value) FILTER (WHERE v.plausible),"
    " count(*) FILTER (WHERE v.plausible), count(*) FILTER (WHERE NOT v.plausible),"
    " count(DISTINCT (v.since % $7::bigint) / 1000000) FILTER (WHERE v.plausible)"
    " FROM (SELECT micros(x.measured_at) - $5::bigint AS since, u.sign, u.value, u.quality & 1 = 0 AS plausible"
    "   FROM measurement_set x"
    "   CROSS JOIN LATERAL unnest(x.sign_ids, x.sign_values, x.qualities) u(sign, value, quality)"
    "   WHERE x.device_id = ANY ($3::bigint[])"
    "   AND x.measured_at >= instant($5::bigint) AND x.measured_at < instant($6::bigint)"
    "   AND ($4 = '' OR u.sign = ANY (NULLIF($4, '')::smallint[]))"
    "   AND (($1 = '' AND $2 = '') OR EXISTS (SELECT FROM assignment a JOIN patient p ON p.patient_id = a.patient_id"
    "     WHERE a.device_id = x.device_id AND upper_inf(a.recorded) AND a.held @> x.measured_at"
    "     AND ($1 = '' OR p.ward_id = ANY (NULLIF($1, '')::text[]))"
    "     AND ($2 = '' OR p.patient_id = NULLIF($2, '')::uuid)))) v"
    " GROUP BY 1, 2 ORDER BY 1, 2";

}  // namespace

std::vector<AggregateRow> PostgresStore::aggregates(const AggregatesQuery& query) {
  return impl_->pool.transact([&](pqxx::work& tx) {
    require_known(tx, query.subject);
    const auto found = tx.exec_params(buckets, scope_text(query.scope), text_of(query.subject, Subject::Kind::patient),
                                      devices_concerned(tx, query.subject),
                                      query.signs.empty() ? std::string() : array_of(query.signs), to_text(query.start),
                                      to_text(query.end), static_cast<std::int64_t>(query.bucket.count()));
    std::vector<AggregateRow> rows;
    rows.reserve(static_cast<std::size_t>(found.size()));
    for (const auto row : found) {
      rows.push_back({row[0].as<std::uint64_t>(), row[1].as<std::uint16_t>(), optional_double(row[2]),
                      optional_double(row[3]), optional_double(row[4]), row[5].as<std::uint64_t>(),
                      row[6].as<std::uint64_t>(), row[7].as<std::uint64_t>()});
    }
    return rows;
  });
}

}  // namespace wardlink::storage
