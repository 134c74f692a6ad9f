#include "storage/postgres/write/streams.hpp"

#include <algorithm>

#include "storage/postgres/link/columns.hpp"
#include "storage/postgres/link/durability.hpp"
#include "storage/rules/order.hpp"

namespace wardlink::storage::postgres {
namespace {

using Row = Streams::Row;

std::vector<Column<Row>> columns_of_keys() {
  return {column<Row>("device_id", [](const Row& row) { return std::get<0>(row.first); }),
          column<Row>("boot_id", [](const Row& row) { return std::get<1>(row.first); }),
          column<Row>("stream", [](const Row& row) { return std::get<2>(row.first); })};
}

std::vector<Column<Row>> columns_of_states() {
  auto all = columns_of_keys();
  all.push_back(column<Row>("high_sequence", [](const Row& row) { return row.second.new_high; }));
  all.push_back(column<Row>("last_received_at", [](const Row& row) { return row.second.received_at; }));
  return all;
}

const Columns<Row> keys(columns_of_keys()), states(columns_of_states());

namespace sql {
// In key order, so that two batches never wait for each other in a circle.
const Statement lock_streams{
    "lock_streams",
    "SELECT s.device_id, s.boot_id, s.stream, s.high_sequence, s.xid, pg_current_xact_id() FROM stream_state s JOIN " +
        keys.rows() +
        " ON (s.device_id, s.boot_id, s.stream) = (k.device_id, k.boot_id, k.stream)"
        " ORDER BY s.device_id, s.boot_id, s.stream FOR UPDATE OF s"};
const Statement begin_streams{
    "begin_streams", "INSERT INTO stream_state (device_id, boot_id, stream, high_sequence) SELECT k.*, 0 FROM " +
                         keys.rows() + " ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING"};
const Statement advance_streams{
    "advance_streams",
    "UPDATE stream_state s SET high_sequence = greatest(s.high_sequence, k.high_sequence),"
    " last_received_at = greatest(s.last_received_at, instant(k.last_received_at)), xid = pg_current_xact_id() FROM " +
        states.rows() +
        " WHERE (s.device_id, s.boot_id, s.stream) = (k.device_id, k.boot_id, k.stream)"
        " RETURNING current_setting('synchronous_commit')"};
}  // namespace sql

Streams::Key key_of(const Record& record) { return {record.session->device_id, record.session->boot, record.stream}; }

}  // namespace

void Streams::add(const Record& record) {
  auto& state = states_[key_of(record)];
  state.new_high = std::max(state.new_high, record.sequence);
  state.received_at = std::max(state.received_at, record.received_at);
}

bool Streams::lock(pqxx::work& tx) {
  if (states_.empty()) return true;
  const auto parameters = keys.arrays(states_);
  auto locked = run(tx, sql::lock_streams, parameters);
  if (static_cast<std::size_t>(locked.size()) < states_.size()) {
    run(tx, sql::begin_streams, parameters);
    locked = run(tx, sql::lock_streams, parameters);
  }
  for (const auto row : locked) {
    const Key key{row[0].as<std::int64_t>(), row[1].as<std::uint64_t>(), read_enum<Stream>(row[2])};
    states_.at(key).high = row[3].as<std::uint64_t>();
    if (row[4].as<std::uint64_t>() > row[5].as<std::uint64_t>()) return false;
  }
  return true;
}

bool Streams::is_late(const Record& record) const {
  return storage::is_late(record.sequence, states_.at(key_of(record)).high);
}

void Streams::advance(pqxx::work& tx) const {
  if (states_.empty()) return;
  for (const auto row : run(tx, sql::advance_streams, states.arrays(states_)))
    Durability::require_wait(row[0].as<std::string>());
}

}  // namespace wardlink::storage::postgres
