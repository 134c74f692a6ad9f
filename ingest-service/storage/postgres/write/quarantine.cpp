#include "storage/postgres/write/quarantine.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <map>
#include <tuple>

#include "storage/postgres/link/audit.hpp"
#include "storage/postgres/link/columns.hpp"
#include "storage/postgres/link/connection.hpp"
#include "storage/rules/alarm.hpp"

namespace wardlink::storage::postgres {
namespace {

/// What is the same row: the statement's digest is that of the payload with the reason behind it.
using Key = std::tuple<std::int64_t, std::int64_t, Stream, std::int64_t, std::string>;
struct Kept {
  SetAside first;
  std::int64_t times = 0;
};
using Row = std::pair<const Key, Kept>;

const Record& record_of(const Row& row) { return *row.second.first.record; }
const Unusable& why_of(const Row& row) { return *row.second.first.why; }

const Columns<Row> columns({column<Row>("device_id", [](const Row& row) { return record_of(row).session->device_id; }),
                            column<Row>("boot_id", [](const Row& row) { return capped(record_of(row).session->boot); }),
                            column<Row>("stream", [](const Row& row) { return record_of(row).stream; }),
                            column<Row>("sequence", [](const Row& row) { return capped(record_of(row).sequence); }),
                            column<Row>("reason", [](const Row& row) { return cleaned(why_of(row).reason); }),
                            column<Row>("resource", [](const Row& row) { return cleaned(why_of(row).resource); }),
                            {"payload", Bytes::sql,
                             [](ArrayText& array, const Row& row) { Bytes::put(array, why_of(row).payload); }},
                            column<Row>("received_at", [](const Row& row) { return record_of(row).received_at; }),
                            column<Row>("seen", [](const Row& row) { return row.second.times; })});

using Start = std::pair<std::int64_t, std::int64_t>;  // device, boot
/// An alarm that a start needs, with the first record that is so high.
using Wanted = std::map<std::pair<Start, AlarmPriority>, const Record*>;

const Columns<Wanted::value_type> wanted_columns(
    {column<Wanted::value_type>("device_id", [](const auto& row) { return row.first.first.first; }),
     column<Wanted::value_type>("boot_id", [](const auto& row) { return row.first.first.second; }),
     column<Wanted::value_type>("priority", [](const auto& row) { return row.first.second; })});

const AlarmFact& fact_of(const DatedRecord& row) { return std::get<AlarmFact>(row.record.body); }

const Columns<DatedRecord> alarm_columns(
    {column<DatedRecord>("device_id", [](const DatedRecord& row) { return row.record.session->device_id; }),
     column<DatedRecord>("boot_id", [](const DatedRecord& row) { return capped(row.record.session->boot); }),
     column<DatedRecord>("stream", [](const DatedRecord& row) { return row.record.stream; }),
     column<DatedRecord>("sequence", [](const DatedRecord& row) { return row.record.sequence; }),
     column<DatedRecord>("event", [](const DatedRecord& row) { return fact_of(row).event; }),
     column<DatedRecord>("kind", [](const DatedRecord& row) { return fact_of(row).kind; }),
     column<DatedRecord>("priority", [](const DatedRecord& row) { return fact_of(row).priority; }),
     column<DatedRecord>("code", [](const DatedRecord& row) { return fact_of(row).code; }),
     column<DatedRecord>("tick_ms", [](const DatedRecord& row) { return row.record.tick_ms; }),
     column<DatedRecord>("measured_at", [](const DatedRecord& row) { return row.measured_at; }),
     column<DatedRecord>("received_at", [](const DatedRecord& row) { return row.record.received_at; })});

namespace sql {
const Statement insert_quarantine{
    "insert_quarantine",
    "INSERT INTO quarantine AS q (digest, " + columns.names() +
        ") SELECT sha256(k.payload || convert_to(k.reason, 'UTF8')), " + columns.values() + " FROM " + columns.rows() +
        " ORDER BY k.device_id, k.boot_id, k.stream, k.sequence, 1"
        " ON CONFLICT (device_id, boot_id, stream, sequence, digest) DO UPDATE SET seen = q.seen + excluded.seen"};
// One that stands unacknowledged, and is as high, says it all for a boot; more would only tire who has to look.
const Statement without_quarantine_alarm{
    "without_quarantine_alarm",
    "SELECT k.device_id, k.boot_id, k.priority FROM " + wanted_columns.rows() +
        " WHERE NOT EXISTS (SELECT FROM alarm_event a WHERE a.device_id = k.device_id AND a.boot_id = k.boot_id"
        " AND a.stream = 4 AND a.code = 'quarantine' AND a.priority >= k.priority"
        " AND NOT EXISTS (SELECT FROM alarm_acknowledgement s WHERE s.device_id = a.device_id AND s.boot_id = a.boot_id"
        " AND s.stream = a.stream AND s.sequence = a.sequence))"};
const Statement lock_storage_streams{
    "lock_storage_streams",
    "INSERT INTO stream_state AS s (device_id, boot_id, stream, high_sequence)"
    " SELECT DISTINCT k.device_id, k.boot_id, 4, 0 FROM " +
        wanted_columns.rows() +
        " ORDER BY 1, 2"
        " ON CONFLICT (device_id, boot_id, stream) DO UPDATE SET high_sequence = s.high_sequence"
        " RETURNING device_id, boot_id, high_sequence"};
const Statement raise_quarantine_alarms{
    "raise_quarantine_alarms", "INSERT INTO alarm_event (source, " + alarm_columns.names() + ") SELECT 'storage', " +
                                   alarm_columns.values() + " FROM " + alarm_columns.rows()};
const Statement advance_storage_streams{
    "advance_storage_streams",
    "UPDATE stream_state s SET high_sequence = k.sequence FROM (SELECT k.device_id, k.boot_id,"
    " k.stream, max(k.sequence) AS sequence FROM " +
        alarm_columns.rows() +
        " GROUP BY 1, 2, 3) k WHERE (s.device_id, s.boot_id, s.stream) = (k.device_id, k.boot_id, k.stream)"};
}  // namespace sql

void insert_rows(pqxx::work& tx, std::span<const SetAside> aside) {
  std::map<Key, Kept> rows;
  for (const auto& each : aside) {
    const auto& record = *each.record;
    Key key{record.session->device_id, capped(record.session->boot), record.stream, capped(record.sequence),
            each.why->payload + cleaned(each.why->reason)};
    ++rows.try_emplace(std::move(key), Kept{each}).first->second.times;
  }
  run(tx, sql::insert_quarantine, columns.arrays(rows));
}

Start start_of(const pqxx::row& row) { return {row[0].as<std::int64_t>(), row[1].as<std::int64_t>()}; }

/// Those of them for which no alarm stands.
Wanted without_alarm(pqxx::work& tx, const Wanted& wanted) {
  Wanted left;
  for (const auto row : run(tx, sql::without_quarantine_alarm, wanted_columns.arrays(wanted)))
    left.insert(*wanted.find({start_of(row), read_enum<AlarmPriority>(row[2])}));
  return left;
}

void insert_alarms(pqxx::work& tx, const Wanted& wanted, std::map<Start, std::uint64_t> last) {
  std::vector<DatedRecord> alarms;
  for (const auto& [key, record] : wanted)
    alarms.push_back(quarantine_alarm(*record, key.second, ++last.at(key.first)));
  const auto parameters = alarm_columns.arrays(alarms);
  run(tx, sql::raise_quarantine_alarms, parameters);
  run(tx, sql::advance_storage_streams, parameters);
}

/// Of each start the first record, and each that is higher than all before it: as if each had come alone.
Wanted wanted_for(std::span<const SetAside> aside) {
  Wanted wanted;
  std::map<Start, AlarmPriority> highest;
  for (const auto& each : aside) {
    const Start start{each.record->session->device_id, capped(each.record->session->boot)};
    const auto priority = quarantine_priority(*each.record, *each.why);
    const auto [before, is_first] = highest.try_emplace(start, priority);
    if (!is_first && priority <= before->second) continue;
    before->second = priority;
    wanted.emplace(std::pair(start, priority), each.record);
  }
  return wanted;
}

void raise_alarms(pqxx::work& tx, std::span<const SetAside> aside) {
  auto wanted = without_alarm(tx, wanted_for(aside));
  if (wanted.empty()) return;
  std::map<Start, std::uint64_t> last;
  for (const auto row : run(tx, sql::lock_storage_streams, wanted_columns.arrays(wanted)))
    last.emplace(start_of(row), row[2].as<std::uint64_t>());
  // Another stream of the same device may have raised one while we waited for the lock.
  wanted = without_alarm(tx, wanted);
  if (!wanted.empty()) insert_alarms(tx, wanted, std::move(last));
}

/// Inside a savepoint, in halves where the audit refuses a row: what it refuses is logged and takes no other along.
/// Where it is slow, all are given up. Records go on.
void try_audit(pqxx::work& tx, std::span<const AuditFact> facts) {
  try {
    pqxx::subtransaction savepoint(tx, "audit");
    savepoint.exec0("SET LOCAL lock_timeout = '500ms'");
    insert_audit(savepoint, facts);
    savepoint.exec0("SET LOCAL lock_timeout = '10s'");
    savepoint.commit();
  } catch (const pqxx::sql_error& error) {
    const auto& state = error.sqlstate();
    if (state.starts_with("57P") || state.starts_with("08")) throw;  // the connection itself is gone
    if (facts.size() == 1 || !refuses_data(error)) {
      spdlog::error(fmt::format("the audit refused {} rows of quarantine: {}", facts.size(), cause(error)));
      return;
    }
    const auto half = facts.size() / 2;
    try_audit(tx, facts.first(half));
    try_audit(tx, facts.subspan(half));
  }
}

}  // namespace

void quarantine(pqxx::work& tx, std::span<const SetAside> aside) {
  if (aside.empty()) return;
  insert_rows(tx, aside);
  raise_alarms(tx, aside);
  std::vector<AuditFact> facts;
  facts.reserve(aside.size());
  for (const auto& each : aside)
    facts.push_back({.subject = each.record->session->device,
                     .method = "quarantine",
                     .granted = false,
                     .resources = {"devices/" + each.record->session->device},
                     .reason = each.why->reason});
  try_audit(tx, facts);
}

}  // namespace wardlink::storage::postgres
