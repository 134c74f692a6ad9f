#include "storage/postgres/write/batch.hpp"

#include <algorithm>
#include <set>

#include "storage/port/store_error.hpp"
#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/ends/ends.hpp"
#include "storage/postgres/link/durability.hpp"
#include "storage/postgres/write/latest.hpp"
#include "storage/postgres/write/quarantine.hpp"
#include "storage/rules/content.hpp"
#include "storage/rules/order.hpp"

namespace wardlink::storage::postgres {

Batch::Batch(pqxx::work& tx, std::span<const Record* const> records)
    : tx_(tx), records_(records.begin(), records.end()), results_(records.size(), RecordResult::committed) {
  for (const auto* kind : record_kinds()) parts_.push_back({kind, {}, {}});
}

Batch::RecordKey Batch::key_of(const Record& record) {
  return {record.session->device_id, record.session->boot, record.stream, record.sequence};
}

Batch::RecordKey Batch::key_of(const pqxx::row& row) {
  return {row[0].as<std::int64_t>(), row[1].as<std::uint64_t>(), read_enum<Stream>(row[2]), row[3].as<std::uint64_t>()};
}

std::optional<std::vector<RecordResult>> Batch::write() {
  set_unusable_aside();
  if (!streams_.lock(tx_)) return std::nullopt;
  date();
  sort_out();
  lock_jumped();
  for (auto& part : parts_) compare(part, part.doubtful);
  for (auto& part : parts_) insert(part);
  note_jumped();
  advance_latest();
  streams_.advance(tx_);
  settle_repeated();
  settle_alarms();
  raise_clock_alarms(tx_, jumped_);
  quarantine();
  return results_;
}

void Batch::set_unusable_aside() {
  for (std::size_t i = 0; i < records_.size(); ++i) {
    if (auto why = unusable(*records_[i])) {
      results_[i] = RecordResult::quarantined;
      unusable_.emplace(i, std::move(*why));
    } else {
      streams_.add(*records_[i]);
    }
  }
}

/// What has moved a start is read in this transaction and kept nowhere: another stream may have told of it.
void Batch::date() {
  std::set<StartKey> starts;
  for (std::size_t i = 0; i < records_.size(); ++i)
    if (!unusable_.contains(i)) starts.insert({records_[i]->session->device_id, records_[i]->session->boot});
  if (starts.empty()) return;
  const auto moves = read_moves(tx_, std::vector(starts.begin(), starts.end()));
  for (std::size_t i = 0; i < records_.size() && !moves.empty(); ++i) {
    if (unusable_.contains(i)) continue;
    const auto& session = *records_[i]->session;
    const auto of = moves.find({session.device_id, session.boot});
    if (of == moves.end()) continue;
    auto moved = std::make_shared<Session>(session);
    moved->dated = true;
    for (const auto& [from_tick, anchor] : of->second)
      if (from_tick <= records_[i]->tick_ms) moved->anchor = anchor;
    if (const auto newest = of->second.back().second; newest != moved->anchor) moved->newest_anchor = newest;
    records_[i] = &moved_.emplace_back(*records_[i]);
    moved_.back().session = std::move(moved);
  }
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
    auto& part = part_of(kind_of(record));
    (streams_.is_late(record) ? part.doubtful : part.fresh).push_back(i);
  }
}

Batch::Part& Batch::part_of(const RecordKind& kind) { return *std::ranges::find(parts_, &kind, &Part::kind); }

std::vector<RecordRow> Batch::rows_of(const Indices& indices) const {
  std::vector<RecordRow> rows;
  rows.reserve(indices.size());
  for (const auto index : indices) rows.push_back({records_[index], streams_.is_late(*records_[index])});
  return rows;
}

/// What is not there is fresh; what is there is the same record, or another under a used key.
void Batch::compare(Part& part, const Indices& doubtful) {
  if (doubtful.empty()) return;
  std::map<RecordKey, Record> stored;
  for (const auto row : run(tx_, part.kind->find(), key_columns().arrays(rows_of(doubtful))))
    stored.emplace(key_of(row), part.kind->read_stored(row));
  for (const auto index : doubtful) {
    const auto match = stored.find(key_of(*records_[index]));
    if (match == stored.end()) {
      part.fresh.push_back(index);
    } else {
      settle(index, same_content(match->second, *records_[index]));
    }
  }
}

void Batch::insert(Part& part) {
  if (part.fresh.empty()) return;
  const auto inserted = run(tx_, part.kind->insert(), part.kind->columns().arrays(rows_of(part.fresh)));
  const auto left = without_result(part.fresh, inserted);
  if (left.empty()) return;
  std::erase_if(part.fresh, [&](std::size_t index) { return std::ranges::find(left, index) != left.end(); });
  const auto stored = part.fresh.size();
  compare(part, left);
  if (part.fresh.size() == stored) return;
  // Neither inserted nor there: a trigger or rule that is not ours keeps rows out. Then nothing is committed.
  throw StoreError(StoreError::Kind::away, "the database refuses to write: it takes rows and keeps none");
}

/// Those that ON CONFLICT left out. The watermark makes it impossible, unless someone restored the one table without
/// the other: then they are compared like any other.
Batch::Indices Batch::without_result(const Indices& fresh, const pqxx::result& inserted) const {
  if (static_cast<std::size_t>(inserted.size()) == fresh.size()) return {};
  std::set<RecordKey> done;
  for (const auto row : inserted) done.insert(key_of(row));
  Indices left;
  std::ranges::copy_if(fresh, std::back_inserter(left),
                       [&](std::size_t index) { return !done.contains(key_of(*records_[index])); });
  return left;
}

void Batch::settle(std::size_t index, bool same) {
  results_[index] = same ? RecordResult::duplicate : RecordResult::quarantined;
  if (!same) unusable_.emplace(index, Unusable{"conflict", "", described(*records_[index])});
}

void Batch::settle_repeated() {
  for (const auto index : repeated_) {
    const auto first = first_of_key_.at(key_of(*records_[index]));
    settle(index, results_[first] != RecordResult::quarantined && same_content(*records_[first], *records_[index]));
  }
}

void Batch::advance_latest() {
  std::vector<const Record*> fresh;
  for (const auto index : part_of(sets()).fresh)
    if (!streams_.is_late(*records_[index])) fresh.push_back(records_[index]);
  postgres::advance_latest(tx_, fresh);
}

/// Onsets that are ended on arrival, or are somebody else's now; and what was raised anew from what ends.
void Batch::settle_alarms() {
  std::vector<const Record*> fresh;
  for (const auto index : part_of(alarms()).fresh) fresh.push_back(records_[index]);
  postgres::settle_alarms(tx_, fresh);
}

/// Whose they are hangs on who wears their devices. Before anything of theirs is inserted.
void Batch::lock_jumped() {
  std::set<std::int64_t> devices;
  for (std::size_t i = 0; i < records_.size(); ++i)
    if (!unusable_.contains(i) && clock_jump(*records_[i])) devices.insert(records_[i]->session->device_id);
  lock_devices(tx_, std::vector(devices.begin(), devices.end()));
}

void Batch::note_jumped() {
  Indices fresh;
  for (const auto& part : parts_) fresh.insert(fresh.end(), part.fresh.begin(), part.fresh.end());
  std::ranges::sort(fresh);
  for (const auto index : fresh)
    if (clock_jump(*records_[index])) jumped_.push_back(records_[index]);
  keep_jumped(tx_, jumped_);
}

/// Last: it takes locks that no other step takes.
void Batch::quarantine() {
  std::vector<SetAside> aside;
  for (const auto& [index, why] : unusable_) aside.push_back({records_[index], &why});
  postgres::quarantine(tx_, aside);
  if (!aside.empty()) Durability::require_wait(tx_);
}

}  // namespace wardlink::storage::postgres
