#include "storage/postgres/write/quarantine.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <map>
#include <tuple>

#include "storage/postgres/link/audit.hpp"
#include "storage/postgres/link/connection.hpp"
#include "storage/postgres/link/statement.hpp"
#include "storage/postgres/link/text.hpp"
#include "storage/rules/alarm.hpp"

namespace wardlink::storage::postgres {
namespace {

namespace sql {
const Statement quarantine{
    "quarantine",
    "INSERT INTO quarantine AS q (device_id, boot_id, stream, sequence, digest, reason, resource, payload, "
    "received_at,"
    " seen)"
    " SELECT k.device_id, k.boot_id, k.stream, k.sequence, sha256(k.payload || convert_to(k.reason, 'UTF8')),"
    " k.reason, k.resource, k.payload, instant(k.received), k.times"
    " FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::text[], $6::text[], $7::bytea[],"
    "   $8::bigint[], $9::bigint[])"
    "   k(device_id, boot_id, stream, sequence, reason, resource, payload, received, times)"
    " ORDER BY 1, 2, 3, 4, 5"
    " ON CONFLICT (device_id, boot_id, stream, sequence, digest) DO UPDATE SET seen = q.seen + excluded.seen"};
// One open condition a boot says it all; more would only tire who has to look.
const Statement without_quarantine_alarm{
    "without_quarantine_alarm",
    "SELECT k.device_id, k.boot_id FROM unnest($1::bigint[], $2::bigint[]) k(device_id, boot_id)"
    " WHERE NOT EXISTS (SELECT FROM alarm_event a WHERE a.device_id = k.device_id AND a.boot_id = k.boot_id"
    "   AND a.stream = 4 AND a.code = 'quarantine')"};
const Statement lock_storage_streams{
    "lock_storage_streams",
    "INSERT INTO stream_state AS s (device_id, boot_id, stream, high_sequence)"
    " SELECT k.device_id, k.boot_id, 4, 0 FROM unnest($1::bigint[], $2::bigint[]) k(device_id, boot_id)"
    " ORDER BY 1, 2"
    " ON CONFLICT (device_id, boot_id, stream) DO UPDATE SET high_sequence = s.high_sequence"
    " RETURNING device_id, boot_id, high_sequence"};
const Statement raise_quarantine_alarms{
    "raise_quarantine_alarms",
    "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, tick_ms, "
    "measured_at,"
    " received_at, source)"
    " SELECT k.device_id, k.boot_id, 4, k.sequence, 1, 2, 1, 'quarantine', k.tick, instant(k.received),"
    " instant(k.received), 'storage'"
    " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])"
    "   k(device_id, boot_id, sequence, tick, received)"};
const Statement advance_storage_streams{
    "advance_storage_streams",
    "UPDATE stream_state s SET high_sequence = k.sequence"
    " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) k(device_id, boot_id, sequence)"
    " WHERE (s.device_id, s.boot_id, s.stream) = (k.device_id, k.boot_id, 4)"};
}  // namespace sql

/// What is the same row: the statement's digest is that of the payload with the reason behind it.
void insert_rows(pqxx::work& tx, std::span<const SetAside> aside) {
  using Key = std::tuple<std::int64_t, std::uint64_t, Stream, std::uint64_t, std::string>;
  struct Row {
    SetAside first;
    std::int64_t times = 0;
  };
  std::map<Key, Row> rows;
  for (const auto& each : aside) {
    const auto& record = *each.record;
    Key key{record.session->device_id, record.session->boot, record.stream, record.sequence,
            each.why->payload + cleaned(each.why->reason)};
    ++rows.try_emplace(std::move(key), Row{each}).first->second.times;
  }
  ArrayText devices, boots, streams, sequences, reasons, resources, payloads, received, times;
  for (const auto& [key, row] : rows) {
    const auto& record = *row.first.record;
    const auto& why = *row.first.why;
    devices.add(record.session->device_id);
    boots.add(capped(record.session->boot));
    streams.add(static_cast<std::int64_t>(record.stream));
    sequences.add(capped(record.sequence));
    reasons.add_quoted(cleaned(why.reason));
    resources.add_quoted(cleaned(why.resource));
    payloads.add_quoted(to_text_of_bytes(why.payload));
    received.add(to_text(record.received_at));
    times.add(row.times);
  }
  run(tx, sql::quarantine, devices.text(), boots.text(), streams.text(), sequences.text(), reasons.text(),
      resources.text(), payloads.text(), received.text(), times.text());
}

using Start = std::pair<std::int64_t, std::int64_t>;  // device, boot
using Starts = std::map<Start, const Record*>;        // with the record that tells of it

struct StartColumns {
  explicit StartColumns(const Starts& starts) {
    for (const auto& [start, record] : starts) {
      devices.add(start.first);
      boots.add(start.second);
    }
  }
  ArrayText devices, boots;
};

Start start_of(const pqxx::row& row) { return {row[0].as<std::int64_t>(), row[1].as<std::int64_t>()}; }

/// Those of them for which no alarm stands.
Starts without_alarm(pqxx::work& tx, const Starts& starts) {
  const StartColumns keys(starts);
  Starts left;
  for (const auto row : run(tx, sql::without_quarantine_alarm, keys.devices.text(), keys.boots.text()))
    left.insert(*starts.find(start_of(row)));
  return left;
}

void insert_alarms(pqxx::work& tx, const Starts& starts, const std::map<Start, std::int64_t>& last) {
  const StartColumns keys(starts);
  ArrayText sequences, ticks, received;
  for (const auto& [start, record] : starts) {
    const auto alarm = quarantine_alarm(*record, static_cast<std::uint64_t>(last.at(start) + 1));
    sequences.add(static_cast<std::int64_t>(alarm.record.sequence));
    ticks.add(static_cast<std::int64_t>(alarm.record.tick_ms));
    received.add(to_text(record->received_at));
  }
  run(tx, sql::raise_quarantine_alarms, keys.devices.text(), keys.boots.text(), sequences.text(), ticks.text(),
      received.text());
  run(tx, sql::advance_storage_streams, keys.devices.text(), keys.boots.text(), sequences.text());
}

void raise_alarms(pqxx::work& tx, std::span<const SetAside> aside) {
  Starts starts;
  for (const auto& each : aside)
    starts.try_emplace({each.record->session->device_id, capped(each.record->session->boot)}, each.record);
  starts = without_alarm(tx, starts);
  if (starts.empty()) return;
  std::map<Start, std::int64_t> last;
  const StartColumns keys(starts);
  for (const auto row : run(tx, sql::lock_storage_streams, keys.devices.text(), keys.boots.text()))
    last.emplace(start_of(row), row[2].as<std::int64_t>());
  // Another stream of the same device may have raised one while we waited for the lock.
  starts = without_alarm(tx, starts);
  if (!starts.empty()) insert_alarms(tx, starts, last);
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
