#include "storage/memory/conditions.hpp"

#include "storage/memory/attribution.hpp"

namespace wardlink::storage::memory {
namespace {

const Row* alarm_under(const Tables& tables, const RecordKey& key) {
  const auto row = tables.alarms.find(key);
  return row == tables.alarms.end() ? nullptr : &row->second;
}

const Acknowledgement* acknowledgement_of(const Tables& tables, const Row* alarm) {
  if (!alarm) return nullptr;
  const auto row = tables.acknowledgements.find(key_of(alarm->record));
  return row == tables.acknowledgements.end() ? nullptr : &row->second;
}

/// The onset that the end names, where that is there.
const Row* onset_of(const Tables& tables, const Row& end) {
  auto key = key_of(end.record);
  key.sequence = std::get<AlarmFact>(end.record.body).onset_sequence;
  const auto* onset = alarm_under(tables, key);
  return onset && ends(end.record, onset->record) ? onset : nullptr;
}

const Row* end_of(const Tables& tables, const RecordKey& onset) {
  const auto sequences = tables.ends.find(onset);
  if (sequences == tables.ends.end()) return nullptr;
  auto key = onset;
  key.sequence = *sequences->second.begin();
  return alarm_under(tables, key);
}

AlarmCondition attributed(const Tables& tables, const ConditionParts& parts) {
  auto condition = condition_of(parts);
  const DatedRecord& named = parts.onset ? *parts.onset : *parts.end;
  condition.uncertainty = uncertainty_in(tables, named);
  condition.unattributed = !candidates_of(tables, named).empty();
  if (const auto* worn = wearer_of(tables, named)) {
    condition.patient = worn->patient;
    condition.patient_name = tables.patients.at(worn->patient).display_name;
  }
  return condition;
}

}  // namespace

bool is_condition(const Tables& tables, const Row& alarm) {
  return std::get<AlarmFact>(alarm.record.body).event == AlarmEvent::raised || !onset_of(tables, alarm);
}

const AlarmEnd* other_end_of(const Tables& tables, const RecordKey& onset) {
  const auto ends = tables.other_ends.find(onset);
  return ends == tables.other_ends.end() ? nullptr : &counting_end(ends->second);
}

AlarmCondition condition_with(const Tables& tables, const Row& alarm) {
  ConditionParts parts;
  const bool is_end = std::get<AlarmFact>(alarm.record.body).event == AlarmEvent::ended;
  const Row* onset = is_end ? onset_of(tables, alarm) : &alarm;
  const Row* end = onset ? end_of(tables, key_of(onset->record)) : &alarm;
  parts.onset = onset;
  parts.end = end;
  if (onset) parts.other_end = other_end_of(tables, key_of(onset->record));
  parts.of_onset = acknowledgement_of(tables, onset);
  parts.of_end = acknowledgement_of(tables, end);
  return attributed(tables, parts);
}

std::optional<AlarmCondition> condition_under(const Tables& tables, const RecordKey& key) {
  const auto* alarm = alarm_under(tables, key);
  if (!alarm) return std::nullopt;
  auto condition = condition_with(tables, *alarm);
  if (condition.sequence != key.sequence) return std::nullopt;
  return condition;
}

}  // namespace wardlink::storage::memory
