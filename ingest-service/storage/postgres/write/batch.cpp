#include "storage/postgres/write/batch.hpp"

#include <algorithm>
#include <set>

#include "storage/port/store_error.hpp"
#include "storage/postgres/link/durability.hpp"
#include "storage/postgres/link/statement.hpp"
#include "storage/postgres/write/key_columns.hpp"
#include "storage/postgres/write/quarantine.hpp"
#include "storage/rules/content.hpp"

namespace wardlink::storage::postgres {
namespace {

namespace sql {
// In key order, so that two streams never wait for each other in a circle.
const Statement lock_streams{
    "lock_streams",
    "SELECT s.device_id, s.boot_id, s.stream, s.high_sequence, s.xid, pg_current_xact_id() FROM stream_state s"
    " JOIN unnest($1::bigint[], $2::bigint[], $3::smallint[]) k(device_id, boot_id, stream)"
    "   ON (s.device_id, s.boot_id, s.stream) = (k.device_id, k.boot_id, k.stream)"
    " ORDER BY s.device_id, s.boot_id, s.stream FOR UPDATE OF s"};
const Statement begin_streams{
    "begin_streams",
    "INSERT INTO stream_state (device_id, boot_id, stream, high_sequence)"
    " SELECT k.*, 0 FROM unnest($1::bigint[], $2::bigint[], $3::smallint[]) k(device_id, boot_id, stream)"
    " ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING"};
const Statement advance_streams{
    "advance_streams",
    "UPDATE stream_state s SET high_sequence = greatest(s.high_sequence, k.high),"
    " last_received_at = greatest(s.last_received_at, instant(k.received)), xid = pg_current_xact_id()"
    " FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[])"
    "   k(device_id, boot_id, stream, high, received)"
    " WHERE (s.device_id, s.boot_id, s.stream) = (k.device_id, k.boot_id, k.stream)"
    " RETURNING current_setting('synchronous_commit')"};
const Statement insert_alarms{
    "insert_alarms",
    "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, sign_id, value,"
    " limit_value, onset_sequence, tick_ms, measured_at, received_at, source, late)"
    " SELECT k.device_id, k.boot_id, k.stream, k.sequence, k.event, k.kind, k.priority, k.code, k.sign, k.amount,"
    " k.bound, k.onset, k.tick, instant(k.measured), instant(k.received), 'device', k.late"
    " FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::smallint[], $6::smallint[],"
    "   $7::smallint[], $8::text[], $9::smallint[], $10::float8[], $11::float8[], $12::bigint[], $13::bigint[],"
    "   $14::bigint[], $15::bigint[], $16::boolean[])"
    "   k(device_id, boot_id, stream, sequence, event, kind, priority, code, sign, amount, bound, onset, tick,"
    "     measured, received, late)"
    " ON CONFLICT DO NOTHING RETURNING device_id, boot_id, stream, sequence"};
const Statement find_alarms{
    "find_alarms",
    "SELECT a.device_id, a.boot_id, a.stream, a.sequence, a.tick_ms, a.event, a.kind, a.priority, a.code,"
    " coalesce(a.sign_id, 0), a.value, a.limit_value, coalesce(a.onset_sequence, 0)"
    " FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[]) k(device_id, boot_id, stream, sequence)"
    " JOIN alarm_event a ON (a.device_id, a.boot_id, a.stream, a.sequence)"
    "   = (k.device_id, k.boot_id, k.stream, k.sequence)"};
const Statement insert_sets{
    "insert_sets",
    "INSERT INTO measurement_set (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at, sign_ids,"
    " sign_values, qualities, late)"
    " SELECT k.device_id, k.boot_id, k.stream, k.sequence, k.tick, instant(k.measured), instant(k.received),"
    " k.signs::smallint[], k.amounts::float8[], k.qualities::smallint[], k.late"
    " FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[], "
    "$7::bigint[],"
    "   $8::text[], $9::text[], $10::text[], $11::boolean[])"
    "   k(device_id, boot_id, stream, sequence, tick, measured, received, signs, amounts, qualities, late)"
    " ON CONFLICT DO NOTHING RETURNING device_id, boot_id, stream, sequence"};
// Without measured_at, so that the same sequence with another tick is found too: on whichever day of its
// stream's.
const Statement find_sets{"find_sets",
                          "SELECT m.device_id, m.boot_id, m.stream, m.sequence, m.tick_ms, m.sign_ids, m.sign_values"
                          " FROM stored_sets($1, $2, $3, $4) m"};
// Rows that are there and older. Without the lock that ON CONFLICT takes first it costs half as much.
const Statement move_latest{
    "move_latest",
    "UPDATE latest l SET value = k.amount, quality = k.quality, measured_at = instant(k.measured),"
    "   received_at = instant(k.received), boot_id = k.boot_id, sequence = k.sequence"
    " FROM unnest($1::bigint[], $2::smallint[], $3::float8[], $4::smallint[], $5::bigint[], $6::bigint[], "
    "$7::bigint[],"
    "   $8::bigint[]) k(device_id, sign, amount, quality, measured, received, boot_id, sequence)"
    " WHERE l.device_id = k.device_id AND l.sign_id = k.sign AND (instant(k.measured) > l.measured_at"
    "   OR (instant(k.measured) = l.measured_at AND k.boot_id = l.boot_id AND k.sequence > l.sequence))"};
const Statement advance_latest{
    "advance_latest",
    "INSERT INTO latest AS l (device_id, sign_id, value, quality, measured_at, received_at, boot_id, sequence)"
    " SELECT k.device_id, k.sign, k.amount, k.quality, instant(k.measured), instant(k.received), k.boot_id, "
    "k.sequence"
    " FROM unnest($1::bigint[], $2::smallint[], $3::float8[], $4::smallint[], $5::bigint[], $6::bigint[], "
    "$7::bigint[],"
    "   $8::bigint[]) k(device_id, sign, amount, quality, measured, received, boot_id, sequence)"
    " ORDER BY 1, 2"
    " ON CONFLICT (device_id, sign_id) DO UPDATE SET value = excluded.value, quality = excluded.quality,"
    "   measured_at = excluded.measured_at, received_at = excluded.received_at, boot_id = excluded.boot_id,"
    "   sequence = excluded.sequence"
    " WHERE excluded.measured_at > l.measured_at OR (excluded.measured_at = l.measured_at"
    "   AND excluded.boot_id = l.boot_id AND excluded.sequence > l.sequence)"};
}  // namespace sql

std::optional<double> optional_double(const pqxx::field& field) {
  if (field.is_null()) return std::nullopt;
  return read_double(field.c_str());
}

void add_optional(ArrayText& array, std::optional<double> value) {
  if (value) {
    array.add(to_text(*value));
  } else {
    array.add_null();
  }
}

void add_unless_zero(ArrayText& array, std::uint64_t value) {
  if (value != 0) {
    array.add(number(value));
  } else {
    array.add_null();
  }
}

}  // namespace

Batch::Batch(pqxx::work& tx, std::span<const Record* const> records)
    : tx_(tx), records_(records), results_(records.size(), RecordResult::committed) {}

Batch::RecordKey Batch::key_of(const Record& record) {
  return {record.session->device_id, record.session->boot, record.stream, record.sequence};
}

Batch::RecordKey Batch::key_of(const pqxx::row& row) {
  return {row[0].as<std::int64_t>(), row[1].as<std::uint64_t>(), static_cast<Stream>(row[2].as<int>()),
          row[3].as<std::uint64_t>()};
}

std::optional<std::vector<RecordResult>> Batch::write() {
  set_unusable_aside();
  if (!lock_streams()) return std::nullopt;
  sort_out();
  compare_sets(doubtful_sets_);
  compare_alarms(doubtful_alarms_);
  compare_runs(doubtful_runs_);
  insert_alarms();
  insert_sets();
  insert_runs();
  advance_latest();
  advance_streams();
  for (const auto index : repeated_) {
    const auto first = first_of_key_.at(key_of(*records_[index]));
    settle(index, results_[first] != RecordResult::quarantined && same_content(*records_[first], *records_[index]));
  }
  // Last: it takes locks that no other step takes.
  std::vector<SetAside> aside;
  for (const auto& [index, why] : unusable_) aside.push_back({records_[index], &why});
  quarantine(tx_, aside);
  if (!aside.empty()) Durability::require_wait(tx_);
  return results_;
}

void Batch::set_unusable_aside() {
  for (std::size_t i = 0; i < records_.size(); ++i) {
    auto why = unusable(*records_[i]);
    if (!why) continue;
    results_[i] = RecordResult::quarantined;
    unusable_.emplace(i, std::move(*why));
  }
}

/// Holds other transactions off these streams until COMMIT, so that the watermarks say the truth meanwhile. False where
/// a transaction with a higher id than ours wrote to one of them before us: live streams go by these ids.
bool Batch::lock_streams() {
  for (std::size_t i = 0; i < records_.size(); ++i) {
    if (unusable_.contains(i)) continue;
    const auto& record = *records_[i];
    auto& state = streams_[{record.session->device_id, record.session->boot, record.stream}];
    state.new_high = std::max(state.new_high, record.sequence);
    state.received_at = std::max(state.received_at, record.received_at);
  }
  if (streams_.empty()) return true;
  ArrayText devices, boots, streams;
  for (const auto& [key, state] : streams_) {
    devices.add(std::get<0>(key));
    boots.add(number(std::get<1>(key)));
    streams.add(number(std::get<2>(key)));
  }
  return read_locks(devices.text(), boots.text(), streams.text());
}

bool Batch::read_locks(const std::string& devices, const std::string& boots, const std::string& streams) {
  auto locked = run(tx_, sql::lock_streams, devices, boots, streams);
  if (static_cast<std::size_t>(locked.size()) < streams_.size()) {
    run(tx_, sql::begin_streams, devices, boots, streams);
    locked = run(tx_, sql::lock_streams, devices, boots, streams);
  }
  for (const auto row : locked) {
    const StreamKey key{row[0].as<std::int64_t>(), row[1].as<std::uint64_t>(), static_cast<Stream>(row[2].as<int>())};
    streams_.at(key).high = row[3].as<std::uint64_t>();
    if (row[4].as<std::uint64_t>() > row[5].as<std::uint64_t>()) return false;
  }
  return true;
}

/// Above the watermark: new for certain. At or below it: perhaps there already, perhaps only late.
void Batch::sort_out() {
  for (std::size_t i = 0; i < records_.size(); ++i) {
    if (unusable_.contains(i)) continue;
    const auto& record = *records_[i];
    if (!first_of_key_.try_emplace(key_of(record), i).second) {
      repeated_.push_back(i);
      continue;
    }
    const bool is_new = !is_late(record);
    if (std::holds_alternative<AlarmFact>(record.body)) {
      (is_new ? fresh_alarms_ : doubtful_alarms_).push_back(i);
    } else if (std::holds_alternative<WaveformRun>(record.body)) {
      (is_new ? fresh_runs_ : doubtful_runs_).push_back(i);
    } else {
      (is_new ? fresh_sets_ : doubtful_sets_).push_back(i);
    }
  }
}

/// A higher sequence of its stream is stored already.
bool Batch::is_late(const Record& record) const {
  const auto& state = streams_.at({record.session->device_id, record.session->boot, record.stream});
  return storage::is_late(record.sequence, state.high);
}

void Batch::settle(std::size_t index, bool same) {
  results_[index] = same ? RecordResult::duplicate : RecordResult::quarantined;
  if (!same) unusable_.emplace(index, Unusable{"conflict", "", described(*records_[index])});
}

void Batch::compare_sets(const Indices& doubtful) {
  Stored stored;
  for (const auto row : find_stored(sql::find_sets, doubtful)) {
    Record record;
    record.tick_ms = row[4].as<std::uint64_t>();
    record.body = MeasurementSet{read_array<std::uint16_t>(row[5].c_str()), read_array<double>(row[6].c_str()), {}};
    stored.emplace(key_of(row), std::move(record));
  }
  compare(stored, doubtful, fresh_sets_);
}

void Batch::compare_alarms(const Indices& doubtful) {
  Stored stored;
  for (const auto row : find_stored(sql::find_alarms, doubtful)) {
    Record record;
    record.tick_ms = row[4].as<std::uint64_t>();
    record.body = AlarmFact{static_cast<AlarmEvent>(row[5].as<int>()),
                            static_cast<AlarmKind>(row[6].as<int>()),
                            static_cast<AlarmPriority>(row[7].as<int>()),
                            row[8].as<std::string>(),
                            row[9].as<std::uint16_t>(),
                            optional_double(row[10]),
                            optional_double(row[11]),
                            row[12].as<std::uint64_t>()};
    stored.emplace(key_of(row), std::move(record));
  }
  compare(stored, doubtful, fresh_alarms_);
}

/// The rows under the keys of those records; each begins with its key.
pqxx::result Batch::find_stored(const Statement& statement, const Indices& doubtful) {
  if (doubtful.empty()) return {};
  KeyColumns keys;
  for (const auto index : doubtful) keys.add(*records_[index]);
  return run(tx_, statement, keys.devices.text(), keys.boots.text(), keys.streams.text(), keys.sequences.text());
}

/// What is not there is fresh; what is there is the same record, or another under a used key.
void Batch::compare(const Stored& stored, const Indices& doubtful, Indices& fresh) {
  for (const auto index : doubtful) {
    const auto match = stored.find(key_of(*records_[index]));
    if (match == stored.end()) {
      fresh.push_back(index);
    } else {
      settle(index, same_content(match->second, *records_[index]));
    }
  }
}

/// Those that ON CONFLICT left out. The watermark makes it impossible, unless someone restored the one table without
/// the other: then they are compared like any other.
Batch::Indices Batch::without_result(const Indices& fresh, const pqxx::result& inserted) {
  if (static_cast<std::size_t>(inserted.size()) == fresh.size()) return {};
  std::set<RecordKey> done;
  for (const auto row : inserted) {
    done.emplace(row[0].as<std::int64_t>(), row[1].as<std::uint64_t>(), static_cast<Stream>(row[2].as<int>()),
                 row[3].as<std::uint64_t>());
  }
  Indices left;
  std::ranges::copy_if(fresh, std::back_inserter(left),
                       [&](std::size_t index) { return !done.contains(key_of(*records_[index])); });
  return left;
}

/// Neither inserted nor there: a trigger or rule that is not ours keeps rows out. Then nothing is committed.
void Batch::require_rows(const Indices& fresh, const Indices& left) {
  const auto is_fresh = [&](std::size_t index) { return std::ranges::find(fresh, index) != fresh.end(); };
  if (!std::ranges::any_of(left, is_fresh)) return;
  throw StoreError(StoreError::Kind::away, "the database refuses to write: it takes rows and keeps none");
}

void Batch::insert_sets() {
  if (fresh_sets_.empty()) return;
  KeyColumns keys;
  ArrayText signs, values, qualities, late;
  for (const auto index : fresh_sets_) {
    const auto& record = *records_[index];
    const auto& set = std::get<MeasurementSet>(record.body);
    keys.add(record);
    signs.add(array_of(set.signs));
    values.add(array_of(set.values));
    qualities.add(array_of(set.qualities));
    late.add(is_late(record) ? "t" : "f");
  }
  const auto inserted = run(tx_, sql::insert_sets, keys.devices.text(), keys.boots.text(), keys.streams.text(),
                            keys.sequences.text(), keys.ticks.text(), keys.measured.text(), keys.received.text(),
                            signs.text(), values.text(), qualities.text(), late.text());
  const auto left = without_result(fresh_sets_, inserted);
  if (left.empty()) return;
  std::erase_if(fresh_sets_, [&](std::size_t index) { return std::ranges::find(left, index) != left.end(); });
  compare_sets(left);
  require_rows(fresh_sets_, left);
}

void Batch::insert_alarms() {
  if (fresh_alarms_.empty()) return;
  KeyColumns keys;
  ArrayText events, kinds, priorities, codes, signs, values, limits, onsets, late;
  for (const auto index : fresh_alarms_) {
    const auto& record = *records_[index];
    const auto& alarm = std::get<AlarmFact>(record.body);
    keys.add(record);
    events.add(static_cast<std::int64_t>(alarm.event));
    kinds.add(static_cast<std::int64_t>(alarm.kind));
    priorities.add(static_cast<std::int64_t>(alarm.priority));
    codes.add_quoted(alarm.code);
    add_unless_zero(signs, alarm.sign);
    add_optional(values, alarm.value);
    add_optional(limits, alarm.limit);
    add_unless_zero(onsets, alarm.onset_sequence);
    late.add(is_late(record) ? "t" : "f");
  }
  const auto inserted =
      run(tx_, sql::insert_alarms, keys.devices.text(), keys.boots.text(), keys.streams.text(), keys.sequences.text(),
          events.text(), kinds.text(), priorities.text(), codes.text(), signs.text(), values.text(), limits.text(),
          onsets.text(), keys.ticks.text(), keys.measured.text(), keys.received.text(), late.text());
  const auto left = without_result(fresh_alarms_, inserted);
  if (left.empty()) return;
  std::erase_if(fresh_alarms_, [&](std::size_t index) { return std::ranges::find(left, index) != left.end(); });
  compare_alarms(left);
  require_rows(fresh_alarms_, left);
}

/// Once a batch: the newest value of each (device, sign) in it. The statement lets it move forwards only.
void Batch::advance_latest() {
  std::vector<const Record*> sets;
  for (const auto index : fresh_sets_) sets.push_back(records_[index]);
  const auto newest = newest_values(sets);
  if (newest.empty()) return;
  ArrayText devices, signs, values, qualities, measured, received, boots, sequences;
  for (const auto& [key, value] : newest) {
    const auto& set = std::get<MeasurementSet>(value.record->body);
    devices.add(key.first);
    signs.add(std::int64_t{key.second});
    values.add(to_text(set.values[value.index]));
    qualities.add(std::int64_t{set.qualities[value.index]});
    measured.add(to_text(measured_at(*value.record)));
    received.add(to_text(value.record->received_at));
    boots.add(number(value.record->session->boot));
    sequences.add(number(value.record->sequence));
  }
  const auto write = [&](const Statement& statement) {
    return run(tx_, statement, devices.text(), signs.text(), values.text(), qualities.text(), measured.text(),
               received.text(), boots.text(), sequences.text());
  };
  // What is left is new, or has a newer value already.
  if (static_cast<std::size_t>(write(sql::move_latest).affected_rows()) < newest.size()) write(sql::advance_latest);
}

void Batch::advance_streams() {
  if (streams_.empty()) return;
  ArrayText devices, boots, streams, highs, received;
  for (const auto& [key, state] : streams_) {
    devices.add(std::get<0>(key));
    boots.add(number(std::get<1>(key)));
    streams.add(number(std::get<2>(key)));
    highs.add(number(state.new_high));
    received.add(to_text(state.received_at));
  }
  const auto advanced =
      run(tx_, sql::advance_streams, devices.text(), boots.text(), streams.text(), highs.text(), received.text());
  for (const auto row : advanced) Durability::require_wait(row[0].as<std::string>());
}

}  // namespace wardlink::storage::postgres
