#include "storage/memory/batch.hpp"

#include <algorithm>

#include "storage/memory/attribution.hpp"
#include "storage/memory/ends.hpp"
#include "storage/rules/content.hpp"
#include "storage/rules/order.hpp"
#include "storage/rules/text.hpp"

namespace wardlink::storage::memory {
namespace {

/// The only thing that PostgreSQL refuses to keep of a record that is not unusable.
bool refused(const Record& record) {
  const auto* alarm = std::get_if<AlarmFact>(&record.body);
  return alarm && !is_text(alarm->code);
}

}  // namespace

Batch::Batch(Tables& tables, std::span<const Record* const> records)
    : tables_(tables), records_(records.begin(), records.end()), results_(records.size(), RecordResult::committed) {
  for (auto& record : records_) {
    const auto& session = *record->session;
    const auto& line = tables_.starts.at({session.device_id, session.boot}).line;
    const auto anchor = line.anchor_at(record->tick_ms), newest = line.anchor_at(~std::uint64_t{0});
    if (anchor == session.anchor && newest == anchor) continue;
    auto moved = std::make_shared<Session>(session);
    moved->anchor = anchor;
    if (newest != anchor) moved->newest_anchor = newest;
    moved->dated = true;
    record = &moved_.emplace_back(*record);
    moved_.back().session = std::move(moved);
  }
}

std::vector<RecordResult> Batch::write() {
  ++tables_.transactions;
  for (std::size_t i = 0; i < records_.size(); ++i) {
    if (auto why = unusable(*records_[i]))
      set_aside(i, std::move(*why));
    else
      sort_out(i);
  }
  for (const auto* record : fresh_)
    tables_.add({{*record, measured_at(*record), {}, clock_jump(*record)},
                 is_late(record->sequence, watermark(*record)),
                 tables_.transactions});
  note_jumped();
  advance_latest();
  advance_streams();
  for (const auto index : repeated_) {
    const auto first = first_of_key_.at(key_of(*records_[index]));
    if (results_[first] == RecordResult::quarantined)
      set_aside(index, {"conflict", "", described(*records_[index])});
    else
      settle(index, *records_[first]);
  }
  settle_alarms();
  for (const auto* record : fresh_)
    if (clock_jump(*record)) raise_clock_alarm(tables_, *record);
  for (const auto& [index, why] : aside_) quarantine(*records_[index], why);
  return std::move(results_);
}

/// Whose they are hangs on how far wrong they may be.
void Batch::note_jumped() {
  for (const auto* record : fresh_) {
    const auto jump = clock_jump(*record);
    if (!jump) continue;
    auto& start = tables_.starts.at({record->session->device_id, record->session->boot});
    start.jumped.push_back({record->tick_ms, measured_at(*record), *jump});
    tables_.renew_doubts(record->session->device_id, start);
  }
}

void Batch::set_aside(std::size_t index, Unusable why) {
  results_[index] = RecordResult::quarantined;
  aside_.emplace(index, std::move(why));
}

/// The same record, or another under a used key.
void Batch::settle(std::size_t index, const Record& stored) {
  if (same_content(stored, *records_[index]))
    results_[index] = RecordResult::duplicate;
  else
    set_aside(index, {"conflict", "", described(*records_[index])});
}

/// The watermark of the record's stream before this batch.
std::uint64_t Batch::watermark(const Record& record) const {
  const auto state = tables_.streams.find(key_of(record).of_stream());
  return state == tables_.streams.end() ? 0 : state->second.high;
}

void Batch::sort_out(std::size_t index) {
  const auto& record = *records_[index];
  const auto key = key_of(record);
  const auto& rows = tables_.rows_of(record);
  const auto stored = rows.find(key);
  const bool is_new = stored == rows.end() && !first_of_key_.contains(key);
  if (is_new && refused(record)) return set_aside(index, {"refused_by_database", "", described(record)});
  usable_.push_back(&record);
  if (!first_of_key_.try_emplace(key, index).second) return repeated_.push_back(index);
  if (!is_new) return settle(index, stored->second.record);
  fresh_.push_back(&record);
  if (std::holds_alternative<MeasurementSet>(record.body)) fresh_sets_.push_back(&record);
}

/// Onsets that are ended on arrival, or are somebody else's now; and what was raised anew from what ends.
void Batch::settle_alarms() {
  std::set<RecordKey> onsets;
  for (const auto* record : fresh_) {
    const auto* fact = std::get_if<AlarmFact>(&record->body);
    if (!fact) continue;
    if (fact->event == AlarmEvent::raised)
      onsets.insert(key_of(*record));
    else
      memory::end_with_origin(tables_, *record);
  }
  memory::settle(tables_, onsets);
}

void Batch::advance_latest() {
  std::vector<const Record*> current;
  std::ranges::copy_if(fresh_sets_, std::back_inserter(current),
                       [&](const Record* record) { return !is_late(record->sequence, watermark(*record)); });
  for (const auto& [key, newest] : newest_values(current)) {
    const auto& record = *newest.record;
    const auto& set = std::get<MeasurementSet>(record.body);
    const LatestSign value{set.values[newest.index], set.qualities[newest.index],
                           measured_at(record),      record.received_at,
                           record.session->boot,     record.sequence,
                           record.session->ordinal,  record.tick_ms,
                           clock_jump(record)};
    const auto [stored, is_first] = tables_.latest.try_emplace(key, value);
    const auto& old = stored->second;
    if (!is_first && supersedes(word_of(record), {old.ordinal, old.boot, old.sequence, old.received_at}))
      stored->second = value;
  }
}

void Batch::advance_streams() {
  for (const auto* record : usable_) {
    auto& state = tables_.streams[key_of(*record).of_stream()];
    state.high = std::max(state.high, record->sequence);
    state.last_received_at = std::max(state.last_received_at.value_or(record->received_at), record->received_at);
  }
}

/// Kept raw, audited, and a technical alarm raised, so that somebody looks. The same once more is the same row.
void Batch::quarantine(const Record& record, const Unusable& why) {
  auto key = key_of(record);
  key.sequence = static_cast<std::uint64_t>(capped(key.sequence));
  const auto next = static_cast<std::int64_t>(tables_.quarantine.size()) + 1;
  const auto [row, is_new] = tables_.quarantine.try_emplace(
      {key, cleaned(why.reason), why.payload}, Quarantined{next, cleaned(why.resource), record.received_at});
  ++row->second.seen;
  raise_quarantine_alarm(record, quarantine_priority(record, why));
  const auto& device = record.session->device;
  tables_.add_audit(
      {.subject = device, .method = "quarantine", .resources = {"devices/" + device}, .reason = why.reason});
}

/// One that stands unacknowledged, and is as high, says it all to whom it tells of; more would only tire who has to
/// look.
void Batch::raise_quarantine_alarm(const Record& record, AlarmPriority priority) {
  const auto device = record.session->device_id;
  const auto* worn = worn_at(tables_, device, record.received_at);
  for (auto open = tables_.open_alarms.lower_bound({device, 0, Stream{}, 0});
       open != tables_.open_alarms.end() && open->device_id == device; ++open) {
    if (open->stream != Stream::storage || tables_.acknowledgements.contains(*open)) continue;
    const auto& row = tables_.alarms.at(*open);
    const auto& raised = std::get<AlarmFact>(row.record.body);
    if (raised.code != "quarantine" || raised.priority < priority) continue;
    const auto* before = worn_at(tables_, device, row.measured_at);
    if ((worn ? worn->patient : "") == (before ? before->patient : "")) return;
  }
  auto& high = tables_.streams[{device, record.session->boot, Stream::storage}].high;
  tables_.add({quarantine_alarm(record, priority, ++high), false, tables_.transactions});
}

}  // namespace wardlink::storage::memory
