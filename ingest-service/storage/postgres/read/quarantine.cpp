// Lists of what could not be taken as a record. A page walks an index in its order and looks at so many rows at most,
// whatever the filters leave.

#include "storage/postgres/link/fields.hpp"
#include "storage/postgres/read/spans.hpp"
#include "storage/postgres/read/subject.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

constexpr std::size_t most_looked_at = 2000;  // rows a call

const std::string newest_first = " ORDER BY v.received_at DESC, v.quarantine_id DESC";

// $1 patient, $2 device, $3 start, $4 end, $5 and $6 the position before, $7 how many are looked at.
std::string looked_at(Subject::Kind kind) {
  const std::string rows = "SELECT v.* FROM quarantine v";
  const std::string bounds =
      " v.received_at >= $3::timestamptz AND v.received_at < $4::timestamptz AND v.received_at <= $5::timestamptz"
      " AND (v.received_at, v.quarantine_id) < ($5::timestamptz, $6::bigint)";
  const std::string limited = newest_first + " LIMIT $7";
  switch (kind) {
    case Subject::Kind::device:
      return rows + " WHERE v.device_id = (SELECT s.device_id FROM device s WHERE s.urn = $2) AND" + bounds + limited;
    case Subject::Kind::patient:
      return "SELECT v.* FROM assignment s CROSS JOIN LATERAL (" + rows +
             " WHERE v.device_id = s.device_id AND v.received_at >= coalesce(lower(s.held), '-infinity')"
             " AND v.received_at <= coalesce(upper(s.held), 'infinity') AND s.held @> v.received_at AND" +
             bounds + limited + ") v WHERE s.patient_id = NULLIF($1, '')::uuid AND upper_inf(s.recorded)" + limited;
    case Subject::Kind::all:
      break;
  }
  return rows + " WHERE" + bounds + limited;
}

using Row = QuarantineRow;
const Fields<Row> fields({field<&Row::id>("v.quarantine_id"), field<&Row::patient, EmptyIsNull>("v.patient_id"),
                          field<&Row::patient_name, EmptyIsNull>("v.display_name"), field<&Row::device>("v.urn"),
                          field<&Row::boot>("v.boot_id"), field<&Row::stream>("v.stream"),
                          field<&Row::sequence>("v.sequence"), field<&Row::reason>("v.reason"),
                          field<&Row::resource>("v.resource"), field<&Row::received_at>("v.received_at"),
                          field<&Row::seen>("v.seen"), field<&Row::size>("octet_length(v.payload)")});

// And $8 scope, $9 limit, $10 whether with payloads, $11 how many bytes of them. Behind the fields: whether the rows
// before have as many already; else the payload, where it was asked for.
std::string rows_statement(Subject::Kind kind) {
  return "SELECT " + fields.list() + ", v.bytes_before >= $11::bigint, CASE WHEN $10::boolean THEN v.payload END" +
         " FROM (SELECT v.*, CASE WHEN $10::boolean THEN sum(octet_length(v.payload)) OVER (" + newest_first +
         ") - octet_length(v.payload) ELSE 0 END AS bytes_before FROM (SELECT v.*, d.urn, p.patient_id, "
         "p.display_name" +
         " FROM (" + looked_at(kind) +
         ") v JOIN device d ON d.device_id = v.device_id"
         " LEFT JOIN assignment a"
         "  ON a.device_id = v.device_id AND upper_inf(a.recorded) AND a.held @> v.received_at"
         " LEFT JOIN patient p ON p.patient_id = a.patient_id"
         " WHERE ($8 = '' OR p.patient_id IS NULL OR p.ward_id = ANY (NULLIF($8, '')::text[]))"
         " AND ($1 = '' OR p.patient_id = NULLIF($1, '')::uuid) AND ($2 = '' OR d.urn = $2)" +
         newest_first + " LIMIT $9) v) v" + newest_first;
}

/// The last one that was looked at, where there may be more.
std::string last_looked_at(Subject::Kind kind) {
  return "SELECT micros(v.received_at), v.quarantine_id FROM (" + looked_at(kind) + ") v WHERE $1 = $1 AND $2 = $2" +
         newest_first + " OFFSET $7::bigint - 1";
}

Position place_of(const QuarantineRow& row) { return {.at = row.received_at, .device_id = row.id}; }

}  // namespace

Page<QuarantineRow> PostgresStore::quarantine(const QuarantineQuery& query) {
  return impl_->pool.transact([&](pqxx::work& tx) {
    begin_reading(tx);
    require_known(tx, query.subject);
    const auto end = query.end ? stamp_text(*query.end) : "infinity";
    const auto ask = [&](const std::string& statement, const auto&... more) {
      return tx.exec_params(statement, text_of(query.subject, Subject::Kind::patient),
                            text_of(query.subject, Subject::Kind::device), stamp_text(query.start.value_or(earliest)),
                            end, query.after ? stamp_text(query.after->at) : "infinity",
                            query.after ? query.after->device_id : 0, most_looked_at, more...);
    };
    Page<QuarantineRow> page;
    for (const auto row : ask(rows_statement(query.subject.kind), scope_text(query.scope), query.limit + 1,
                              query.payload, QuarantineQuery::most_payload_bytes)) {
      if (page.size() == query.limit || row[fields.size()].as<bool>()) {
        page.next = place_of(page.back());
        return page;
      }
      page.push_back(fields.read(row));
      if (query.payload) page.back().payload = Bytes::get(row[fields.size() + 1]);
    }
    for (const auto row : ask(last_looked_at(query.subject.kind)))
      page.next = {.at = read_instant(row[0].c_str()), .device_id = row[1].as<std::int64_t>()};
    return page;
  });
}

}  // namespace wardlink::storage
