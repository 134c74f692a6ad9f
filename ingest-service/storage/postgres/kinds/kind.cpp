#include "storage/postgres/kinds/kind.hpp"

#include <array>
#include <stdexcept>

#include "storage/rules/order.hpp"

namespace wardlink::storage::postgres {
namespace {

std::vector<Column<RecordRow>> columns_of_keys() {
  return {column<RecordRow>("device_id", [](const RecordRow& row) { return row.record->session->device_id; }),
          column<RecordRow>("boot_id", [](const RecordRow& row) { return row.record->session->boot; }),
          column<RecordRow>("stream", [](const RecordRow& row) { return row.record->stream; }),
          column<RecordRow>("sequence", [](const RecordRow& row) { return row.record->sequence; })};
}

Columns<RecordRow> columns_with(const std::vector<BodyColumn>& body) {
  auto all = columns_of_keys();
  all.push_back(column<RecordRow>("tick_ms", [](const RecordRow& row) { return row.record->tick_ms; }));
  all.push_back(column<RecordRow>("measured_at", [](const RecordRow& row) { return measured_at(*row.record); }));
  all.push_back(column<RecordRow>("received_at", [](const RecordRow& row) { return row.record->received_at; }));
  for (const auto& each : body) all.push_back({each.name, each.type, each.put});
  all.push_back(column<RecordRow>("late", [](const RecordRow& row) { return row.late; }));
  all.push_back(column<RecordRow>("clock_jump_micros", [](const RecordRow& row) { return clock_jump(*row.record); }));
  return all;
}

std::vector<BodyColumn> read_back(std::vector<BodyColumn> columns) {
  std::erase_if(columns, [](const BodyColumn& each) { return each.get == nullptr; });
  return columns;
}

std::string fields_of(const std::vector<BodyColumn>& columns) {
  ColumnNames names;
  for (const auto& each : columns) names.add(each.name, each.type);
  return names.fields();
}

std::string insert_text(const std::string& table, const ColumnNames& columns) {
  return "INSERT INTO " + table + " (" + columns.names() + ") SELECT " + columns.values() + " FROM " + columns.rows() +
         " ON CONFLICT DO NOTHING RETURNING " + key_columns().names();
}

/// Without measured_at, so that the same sequence with another tick is found too: on whichever day of its stream's.
std::string find_text(const std::string& table, const char* finder, const std::string& fields) {
  const auto found = finder != nullptr
                         ? std::string(finder) + "($1, $2, $3, $4) x"
                         : key_columns().rows() + " JOIN " + table + " x USING (" + key_columns().names() + ")";
  return "SELECT " + key_columns().fields() + ", x.tick_ms, " + fields + " FROM " + found;
}

constexpr pqxx::row::size_type key_size = 4;

const RecordKind& kind_of(const MeasurementSet&) { return sets(); }
const RecordKind& kind_of(const AlarmFact&) { return alarms(); }
const RecordKind& kind_of(const WaveformRun&) { return runs(); }
const RecordKind& kind_of(const Unusable&) { throw std::logic_error("what is unusable is no record of a table"); }

}  // namespace

const Columns<RecordRow>& key_columns() {
  static const Columns<RecordRow> columns(columns_of_keys());
  return columns;
}

RecordKind::RecordKind(const std::string& table, const char* finder, Body empty, std::vector<BodyColumn> columns)
    : empty_(std::move(empty)),
      body_(read_back(columns)),
      body_fields_(fields_of(body_)),
      columns_(columns_with(columns)),
      insert_("insert_" + table, insert_text(table, columns_)),
      find_("find_" + table, find_text(table, finder, body_fields_)) {}

Record RecordKind::read_stored(const pqxx::row& row) const {
  Record record;
  record.tick_ms = row[key_size].as<std::uint64_t>();
  record.body = read_body(row, key_size + 1);
  return record;
}

Body RecordKind::read_body(const pqxx::row& row, pqxx::row::size_type first) const {
  Body body = empty_;
  for (const auto& column : body_) column.get(row[first++], body);
  return body;
}

std::span<const RecordKind* const> record_kinds() {
  static const std::array all{&alarms(), &sets(), &runs()};
  return all;
}

const RecordKind& kind_of(const Record& record) {
  return std::visit([](const auto& body) -> const RecordKind& { return kind_of(body); }, record.body);
}

}  // namespace wardlink::storage::postgres
