#include "storage/postgres/write/latest.hpp"

#include "storage/postgres/link/columns.hpp"
#include "storage/rules/order.hpp"

namespace wardlink::storage::postgres {
namespace {

using Row = std::pair<const LatestKey, SetValue>;

const MeasurementSet& set_of(const Row& row) { return std::get<MeasurementSet>(row.second.record->body); }

const Columns<Row> columns(
    {column<Row>("device_id", [](const Row& row) { return row.first.device_id; }),
     column<Row>("sign_id", [](const Row& row) { return row.first.sign; }),
     column<Row>("value", [](const Row& row) { return set_of(row).values[row.second.index]; }),
     column<Row>("quality", [](const Row& row) { return set_of(row).qualities[row.second.index]; }),
     column<Row>("measured_at", [](const Row& row) { return measured_at(*row.second.record); }),
     column<Row>("received_at", [](const Row& row) { return row.second.record->received_at; }),
     column<Row>("boot_id", [](const Row& row) { return row.second.record->session->boot; }),
     column<Row>("sequence", [](const Row& row) { return row.second.record->sequence; }),
     column<Row>("manual", [](const Row& row) { return row.first.manual; }),
     column<Row>("ordinal", [](const Row& row) { return row.second.record->session->ordinal; }),
     column<Row>("tick_ms", [](const Row& row) { return row.second.record->tick_ms; }),
     column<Row>("clock_jump_micros", [](const Row& row) { return clock_jump(*row.second.record); })});

namespace sql {
/// supersedes(), of the row k; `received_at` is its instant.
std::string supersedes(const std::string& k, const std::string& received_at) {
  return "(" + k + ".ordinal > l.ordinal OR (" + k + ".ordinal = l.ordinal AND CASE WHEN " + k +
         ".boot_id = l.boot_id THEN " + k + ".sequence > l.sequence ELSE " + received_at + " > l.received_at END))";
}

// Rows that are there and older. Without the lock that ON CONFLICT takes first it costs half as much.
const Statement move_latest{
    "move_latest",
    "UPDATE latest l SET value = k.value, quality = k.quality, measured_at = instant(k.measured_at),"
    " received_at = instant(k.received_at), boot_id = k.boot_id, sequence = k.sequence, ordinal = k.ordinal,"
    " tick_ms = k.tick_ms, clock_jump_micros = k.clock_jump_micros FROM " +
        columns.rows() + " WHERE l.device_id = k.device_id AND l.sign_id = k.sign_id AND l.manual = k.manual AND " +
        supersedes("k", "instant(k.received_at)")};
const Statement advance_latest{
    "advance_latest",
    "INSERT INTO latest AS l (" + columns.names() + ") SELECT " + columns.values() + " FROM " + columns.rows() +
        " ORDER BY k.device_id, k.sign_id, k.manual"
        " ON CONFLICT (device_id, sign_id, manual) DO UPDATE SET value = excluded.value, quality = excluded.quality,"
        " measured_at = excluded.measured_at, received_at = excluded.received_at, boot_id = excluded.boot_id,"
        " sequence = excluded.sequence, ordinal = excluded.ordinal, tick_ms = excluded.tick_ms,"
        " clock_jump_micros = excluded.clock_jump_micros WHERE " +
        supersedes("excluded", "excluded.received_at")};
}  // namespace sql

}  // namespace

void advance_latest(pqxx::work& tx, std::span<const Record* const> sets) {
  const auto newest = newest_values(sets);
  if (newest.empty()) return;
  const auto parameters = columns.arrays(newest);
  // What is left is new, or has a newer value already.
  if (static_cast<std::size_t>(run(tx, sql::move_latest, parameters).affected_rows()) < newest.size())
    run(tx, sql::advance_latest, parameters);
}

}  // namespace wardlink::storage::postgres
