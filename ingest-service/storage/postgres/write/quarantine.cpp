#include "storage/postgres/write/quarantine.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <set>
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
Start start_of(const Record& record) { return {record.session->device_id, capped(record.session->boot)}; }

const Columns<SetAside> reception_columns(
    {column<SetAside>("device_id", [](const SetAside& aside) { return aside.record->session->device_id; }),
     column<SetAside>("received_at", [](const SetAside& aside) { return aside.record->received_at; })});

/// A device on somebody, whose id is empty where it is nobody.
using Worn = std::pair<std::int64_t, std::string>;

const Columns<Worn> worn_columns({column<Worn>("device_id", [](const Worn& worn) { return worn.first; }),
                                  column<Worn>("patient_id", [](const Worn& worn) { return worn.second; })});

/// An alarm that somebody needs, because of that record.
struct Wanted {
  const Record* record;
  AlarmPriority priority;
};

const Columns<Wanted> start_columns(
    {column<Wanted>("device_id", [](const Wanted& wanted) { return start_of(*wanted.record).first; }),
     column<Wanted>("boot_id", [](const Wanted& wanted) { return start_of(*wanted.record).second; })});

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
const Statement who_wore{"who_wore", "SELECT k.place - 1, a.patient_id FROM " + reception_columns.rows_with_place() +
                                         " JOIN assignment a ON a.device_id = k.device_id AND upper_inf(a.recorded)"
                                         " AND a.held @> instant(k.received_at)"};
// The highest that stands unacknowledged: what is no higher says nothing new to whom it tells of.
const Statement standing_quarantine{
    "standing_quarantine",
    "SELECT k.place - 1, max(a.priority) FROM " + worn_columns.rows_with_place() +
        " JOIN alarm_event a ON a.device_id = k.device_id AND a.stream = 4 AND a.code = 'quarantine'"
        " JOIN open_alarm o ON (o.device_id, o.boot_id, o.stream, o.sequence)"
        "  = (a.device_id, a.boot_id, a.stream, a.sequence)"
        " LEFT JOIN assignment w ON w.device_id = a.device_id AND upper_inf(w.recorded) AND w.held @> a.measured_at"
        " WHERE w.patient_id IS NOT DISTINCT FROM NULLIF(k.patient_id, '')::uuid"
        " AND NOT EXISTS (SELECT FROM alarm_acknowledgement s WHERE s.device_id = a.device_id AND s.boot_id = a.boot_id"
        " AND s.stream = a.stream AND s.sequence = a.sequence) GROUP BY 1"};
const Statement lock_storage_streams{
    "lock_storage_streams",
    "INSERT INTO stream_state AS s (device_id, boot_id, stream, high_sequence)"
    " SELECT DISTINCT k.device_id, k.boot_id, 4, 0 FROM " +
        start_columns.rows() +
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

/// Of each, when it was received.
std::vector<Worn> worn_of(pqxx::work& tx, std::span<const SetAside> aside) {
  std::vector<Worn> worn;
  for (const auto& each : aside) worn.emplace_back(each.record->session->device_id, "");
  for (const auto row : run(tx, sql::who_wore, reception_columns.arrays(aside)))
    worn.at(row[0].as<std::size_t>()).second = row[1].as<std::string>();
  return worn;
}

/// As number of AlarmPriority; nothing where none stands.
std::map<Worn, int> standing_for(pqxx::work& tx, const std::vector<Worn>& worn) {
  const std::set<Worn> once(worn.begin(), worn.end());
  const std::vector<Worn> each(once.begin(), once.end());
  std::map<Worn, int> standing;
  for (const auto row : run(tx, sql::standing_quarantine, worn_columns.arrays(each)))
    standing.emplace(each.at(row[0].as<std::size_t>()), row[1].as<int>());
  return standing;
}

/// What is higher than all that stands and all before it, in their order: as if each had come alone.
std::vector<Wanted> wanted_for(pqxx::work& tx, std::span<const SetAside> aside, const std::vector<Worn>& worn) {
  auto highest = standing_for(tx, worn);
  std::vector<Wanted> wanted;
  for (std::size_t i = 0; i < aside.size(); ++i) {
    const auto priority = quarantine_priority(*aside[i].record, *aside[i].why);
    int& before = highest[worn[i]];
    if (static_cast<int>(priority) <= before) continue;
    before = static_cast<int>(priority);
    wanted.push_back({aside[i].record, priority});
  }
  return wanted;
}

void insert_alarms(pqxx::work& tx, const std::vector<Wanted>& wanted, std::map<Start, std::uint64_t> last) {
  std::vector<DatedRecord> alarms;
  for (const auto& [record, priority] : wanted)
    alarms.push_back(quarantine_alarm(*record, priority, ++last.at(start_of(*record))));
  const auto parameters = alarm_columns.arrays(alarms);
  run(tx, sql::raise_quarantine_alarms, parameters);
  run(tx, sql::advance_storage_streams, parameters);
}

void raise_alarms(pqxx::work& tx, std::span<const SetAside> aside) {
  const auto worn = worn_of(tx, aside);
  auto wanted = wanted_for(tx, aside, worn);
  if (wanted.empty()) return;
  std::map<Start, std::uint64_t> last;
  for (const auto row : run(tx, sql::lock_storage_streams, start_columns.arrays(wanted)))
    last.emplace(Start{row[0].as<std::int64_t>(), row[1].as<std::int64_t>()}, row[2].as<std::uint64_t>());
  // Another stream of the same start may have raised one while we waited for the lock. What somebody acknowledged
  // meanwhile stood when this came.
  wanted = wanted_for(tx, aside, worn);
  std::erase_if(wanted, [&](const Wanted& each) { return !last.contains(start_of(*each.record)); });
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
