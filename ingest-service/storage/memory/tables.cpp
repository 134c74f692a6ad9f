#include "storage/memory/tables.hpp"

#include <algorithm>
#include <stdexcept>

#include "storage/memory/attribution.hpp"
#include "storage/memory/conditions.hpp"
#include "storage/rules/text.hpp"

namespace wardlink::storage::memory {

namespace {

/// The start's alarms that are in doubt, and between whom.
std::map<RecordKey, std::set<std::string>> doubted_alarms(const Tables& tables, std::int64_t device_id,
                                                          const Start& start) {
  std::map<RecordKey, std::set<std::string>> doubted;
  if (start.doubts.empty()) return doubted;
  const auto boot = start.session->boot;
  for (auto row = tables.alarms.lower_bound({device_id, boot, Stream{}, 0});
       row != tables.alarms.end() && row->first.device_id == device_id && row->first.boot == boot; ++row) {
    if (!is_condition(tables, row->second)) continue;
    auto candidates = doubted_of(tables, row->second);
    if (!candidates.empty()) doubted.emplace(row->first, std::move(candidates));
  }
  return doubted;
}

}  // namespace

const Device& Tables::device(const std::string& urn) {
  const auto known = devices.find(urn);
  if (known != devices.end()) return known->second;
  const auto id = static_cast<std::int64_t>(devices.size()) + 1;
  urns.emplace(id, urn);
  return devices.emplace(urn, Device{id, urn, now()}).first->second;
}

Rows& Tables::rows_of(const Record& record) {
  struct Of {
    Tables& tables;
    Rows& operator()(const MeasurementSet&) const { return tables.sets; }
    Rows& operator()(const AlarmFact&) const { return tables.alarms; }
    Rows& operator()(const WaveformRun&) const { return tables.runs; }
    Rows& operator()(const Unusable&) const { throw std::logic_error("what is unusable is no record of a table"); }
  };
  return std::visit(Of{*this}, record.body);
}

void Tables::add(Row row) {
  const auto key = key_of(row.record);
  const auto* fact = std::get_if<AlarmFact>(&row.record.body);
  if (fact && fact->event == AlarmEvent::ended) {
    auto onset = key;
    onset.sequence = fact->onset_sequence;
    ends[onset].insert(key.sequence);
    open_alarms.erase(onset);
  } else if (fact && !ends.contains(key)) {
    open_alarms.insert(key);
  }
  if (row.origin) raised_anew[{key.device_id, key.boot, row.origin->stream, row.origin->sequence}].insert(key);
  const auto kind = fact ? LiveKind::alarm : waveform_of(key.stream) ? LiveKind::waveform : LiveKind::set;
  const LivePosition at{row.transaction, kind, key.device_id, key.boot, static_cast<std::uint8_t>(key.stream),
                        key.sequence};
  auto& rows = rows_of(row.record);
  log.emplace(at, LiveRow{&rows.emplace(key, std::move(row)).first->second});
}

void Tables::renew_doubts(std::int64_t device_id, Start& start) {
  std::vector<Wear> wears;
  if (const auto worn = assignments.find(device_id); worn != assignments.end())
    for (const auto& [from, row] : worn->second) wears.push_back({row.patient, row.held_from, row.held_until});
  const auto before = doubted_alarms(*this, device_id, start);
  start.doubts = doubts_of(start.line, wears, start.jumped);
  const auto after = doubted_alarms(*this, device_id, start);
  for (const auto& [key, candidates] : after)
    if (const auto was = before.find(key); was == before.end() || was->second != candidates) reattribute(key);
  for (const auto& [key, candidates] : before)
    if (!after.contains(key)) reattribute(key);
}

void Tables::reattribute(const RecordKey& alarm) {
  const LivePosition at{
      transactions,  LiveKind::reattribution, alarm.device_id, alarm.boot, static_cast<std::uint8_t>(alarm.stream),
      alarm.sequence};
  log.emplace(at, LiveRow{&alarms.at(alarm), {}, now()});
}

void Tables::renew_doubts(std::int64_t device_id) {
  for (auto start = starts.lower_bound({device_id, 0}); start != starts.end() && start->first.first == device_id;
       ++start)
    renew_doubts(device_id, start->second);
}

void Tables::end(const RecordKey& onset, AlarmEnd end) {
  open_alarms.erase(onset);
  const LivePosition at{
      transactions,  LiveKind::end, onset.device_id, onset.boot, static_cast<std::uint8_t>(onset.stream),
      onset.sequence};
  log.emplace(at, LiveRow{&alarms.at(onset), {}, end.at});
  other_ends[onset].push_back(std::move(end));
}

void Tables::add_audit(AuditFact fact) {
  for (auto* text : {&fact.subject, &fact.method, &fact.reason, &fact.address}) *text = cleaned(std::move(*text));
  for (auto& resource : fact.resources) resource = cleaned(std::move(resource));
  fact.count = static_cast<std::uint64_t>(capped(fact.count));
  audit.push_back(std::move(fact));
}

Instant Tables::instant_of_change(std::int64_t device_id, Instant present) {
  const auto [last, first] = reassigned.try_emplace(device_id, present);
  if (!first) last->second = std::max(present, last->second + std::chrono::microseconds(1));
  return last->second;
}

}  // namespace wardlink::storage::memory
