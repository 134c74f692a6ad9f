#include "storage/memory/ends.hpp"

#include <algorithm>

#include "storage/memory/attribution.hpp"
#include "storage/memory/conditions.hpp"

namespace wardlink::storage::memory {
namespace {

bool was_discharged(const Tables& tables, const AssignmentRow& assignment) {
  const auto of_patient = tables.discharges.find(assignment.patient);
  return of_patient != tables.discharges.end() && of_patient->second.contains(assignment.held_until.value());
}

/// The assignment that has no end.
const AssignmentRow* worn_now(const Tables& tables, std::int64_t device_id) {
  const auto of_device = tables.assignments.find(device_id);
  if (of_device == tables.assignments.end() || of_device->second.empty()) return nullptr;
  const auto& last = of_device->second.rbegin()->second;
  return last.held_until ? nullptr : &last;
}

/// What `onset` was raised anew from stands, and is its wearer's, too.
bool is_theirs(const Tables& tables, const RecordKey& onset, const AlarmOrigin& origin) {
  const RecordKey raised{onset.device_id, onset.boot, origin.stream, origin.sequence};
  if (!tables.open_alarms.contains(raised)) return false;
  const auto* from = wearer_of(tables, tables.alarms.at(raised));
  const auto* worn = wearer_of(tables, tables.alarms.at(onset));
  return from && worn && from->patient == worn->patient;
}

bool stands_anew(const Tables& tables, const RecordKey& origin, Instant since) {
  const auto anew = tables.raised_anew.find(origin);
  return anew != tables.raised_anew.end() && std::ranges::any_of(anew->second, [&](const RecordKey& key) {
           return tables.open_alarms.contains(key) && tables.alarms.at(key).measured_at >= since;
         });
}

/// Adds an onset of storage's own, under the next sequence of its start.
void raise(Tables& tables, DatedRecord onset) {
  onset.record.sequence = ++tables.streams[key_of(onset.record).of_stream()].high;
  tables.add({std::move(onset), false, tables.transactions});
}

}  // namespace

OnsetFacts facts_of(const Tables& tables, const RecordKey& alarm) {
  const auto& row = tables.alarms.at(alarm);
  OnsetFacts facts;
  facts.record = row.record;
  facts.record.session =
      tables.starts.at({alarm.device_id, alarm.boot}).session;  // its first anchor, as in the database
  facts.start = row.measured_at;
  facts.origin = row.origin;
  facts.origin_is_theirs = row.origin && is_theirs(tables, alarm, *row.origin);
  const auto condition = condition_with(tables, row);
  if (condition.end)
    facts.end = AlarmEnd{*condition.end, *condition.end_cause, condition.ended_by, condition.end_reason};
  if (const auto starts = tables.registered.find(alarm.device_id);
      starts != tables.registered.end() && starts->second.back().boot != alarm.boot)
    facts.restarted_at = starts->second.back().at;
  if (const auto* worn = wearer_of(tables, row))
    facts.wearer = {worn->held_until, worn->recorded_by, worn->held_until && was_discharged(tables, *worn)};
  if (const auto* worn = worn_now(tables, alarm.device_id)) {
    facts.worn_since = worn->held_from;
    facts.stands_anew = stands_anew(tables, alarm, worn->held_from);
  }
  return facts;
}

void settle(Tables& tables, const std::set<RecordKey>& onsets) {
  std::vector<OnsetFacts> all;
  for (const auto& key : onsets) all.push_back(facts_of(tables, key));
  for (const auto& each : all)
    if (auto end = due_end(each)) tables.end(key_of(each.record), std::move(*end));
  for (const auto& each : all)
    if (const auto at = due_anew(each)) raise(tables, raised_anew(each, *at));
}

void settle_devices(Tables& tables, const std::set<std::int64_t>& devices) {
  std::set<RecordKey> onsets;
  for (const auto device : devices) {
    const RecordKey first{device, 0, Stream{}, 0};
    for (auto key = tables.open_alarms.lower_bound(first); key != tables.open_alarms.end() && key->device_id == device;
         ++key)
      onsets.insert(*key);
    for (auto end = tables.other_ends.lower_bound(first);
         end != tables.other_ends.end() && end->first.device_id == device; ++end)
      onsets.insert(end->first);
  }
  settle(tables, onsets);
}

void end_with_origin(Tables& tables, const Record& end) {
  auto origin = key_of(end);
  origin.sequence = std::get<AlarmFact>(end.body).onset_sequence;
  const auto anew = tables.raised_anew.find(origin);
  if (anew == tables.raised_anew.end()) return;
  for (const auto& key : anew->second) {
    const auto ends = tables.other_ends.find(key);
    if (ends != tables.other_ends.end() && counting_end(ends->second).cause == AlarmEndCause::device) continue;
    tables.end(key, storage::end_with_origin(measured_at(end), tables.alarms.at(key).measured_at));
  }
}

void raise_clock_alarm(Tables& tables, const Record& jumped) {
  const StreamKey own{jumped.session->device_id, jumped.session->boot, Stream::storage};
  for (auto row = tables.alarms.lower_bound({own.device_id, own.boot, own.stream, 0});
       row != tables.alarms.end() && row->first.of_stream() == own; ++row)
    if (std::get<AlarmFact>(row->second.record.body).code == clock_code) return;
  raise(tables, clock_alarm(jumped));
}

void raise_restarting(Tables& tables, std::int64_t device_id) {
  const auto& starts = tables.registered.at(device_id);
  std::optional<Instant> before;
  if (starts.size() > starts_before)
    if (const auto& start = starts[starts.size() - 1 - starts_before]; !start.late) before = start.at;
  if (!is_restarting(before, starts.back().at)) return;
  for (const auto& key : tables.open_alarms) {
    const auto& row = tables.alarms.at(key);
    if (key.device_id == device_id && key.stream == Stream::storage && !tables.acknowledgements.contains(key) &&
        std::get<AlarmFact>(row.record.body).code == "restarting")
      return;
  }
  const auto& newest = tables.starts.at({device_id, starts.back().boot}).session;
  raise(tables, restarting_alarm(newest, starts.back().at));
}

}  // namespace wardlink::storage::memory
