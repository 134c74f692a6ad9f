#include "storage/postgres/read/record_rows.hpp"

#include "storage/postgres/kinds/kind.hpp"
#include "storage/postgres/link/fields.hpp"

namespace wardlink::storage::postgres {
namespace {

/// What the rows of all kinds have: a ReadingRow, a RunRow.
template <typename Row>
const Fields<Row>& head() {
  static const Fields<Row> fields({field<&Row::device_id>("x.device_id"), field<&Row::device>("d.urn"),
                                   field<&Row::boot>("x.boot_id"), field<&Row::stream>("x.stream"),
                                   field<&Row::sequence>("x.sequence"), field<&Row::tick_ms>("x.tick_ms"),
                                   field<&Row::measured_at>("x.measured_at"), field<&Row::received_at>("x.received_at"),
                                   field<&Row::clock_jump>("x.clock_jump_micros")});
  return fields;
}

template <typename Row>
std::string columns_of(const RecordKind& kind) {
  return head<Row>().list() + ", " + kind.body_fields();
}

template <auto body, typename Row>
Row read_row(const RecordKind& kind, const pqxx::row& columns, pqxx::row::size_type first) {
  auto row = head<Row>().read(columns, first);
  using BodyType = typename MemberPointer<decltype(body)>::Value;
  row.*body = std::get<BodyType>(kind.read_body(columns, first + head<Row>().size()));
  return row;
}

}  // namespace

const std::string& set_columns() {
  static const auto columns = columns_of<ReadingRow>(sets());
  return columns;
}

const std::string& run_columns() {
  static const auto columns = columns_of<RunRow>(runs());
  return columns;
}

ReadingRow read_set(const pqxx::row& row, pqxx::row::size_type first) {
  return read_row<&ReadingRow::set, ReadingRow>(sets(), row, first);
}

RunRow read_run(const pqxx::row& row, pqxx::row::size_type first) {
  return read_row<&RunRow::run, RunRow>(runs(), row, first);
}

}  // namespace wardlink::storage::postgres
