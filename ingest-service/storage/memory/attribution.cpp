#include "storage/memory/attribution.hpp"

#include <algorithm>

#include "storage/port/store_error.hpp"

namespace wardlink::storage::memory {

const AssignmentRow* worn_at(const Tables& tables, std::int64_t device_id, Instant at) {
  const auto of_device = tables.assignments.find(device_id);
  if (of_device == tables.assignments.end()) return nullptr;
  const auto next = of_device->second.upper_bound(at);
  if (next == of_device->second.begin()) return nullptr;
  const auto& row = std::prev(next)->second;
  return !row.held_until || at < *row.held_until ? &row : nullptr;
}

bool sees_patient(const Tables& tables, const Scope& scope, const std::string& patient) {
  const auto known = tables.patients.find(patient);
  if (known == tables.patients.end()) return false;
  return !scope || std::ranges::find(*scope, known->second.ward) != scope->end();
}

namespace {

/// The assignment of that patient, of those of the device, that lies next to the instant.
const AssignmentRow* nearest_of(const Tables& tables, std::int64_t device_id, const std::string& patient, Instant at) {
  const auto distance = [&](const AssignmentRow& row) {
    if (row.held_until && *row.held_until <= at) return at - *row.held_until;
    return std::max(row.held_from - at, std::chrono::microseconds{0});
  };
  const AssignmentRow* nearest = nullptr;
  for (const auto& [from, row] : tables.assignments.at(device_id))
    if (row.patient == patient && (!nearest || distance(row) < distance(*nearest))) nearest = &row;
  return nearest;
}

const Settlement* settled_as(const Tables& tables, const DatedRecord& record, const std::set<std::string>& candidates) {
  const auto key = key_of(record.record);
  return settlement_of(tables.starts.at({key.device_id, key.boot}).settlements, record.record.tick_ms,
                       record.measured_at, candidates);
}

}  // namespace

std::set<std::string> candidates_of(const Tables& tables, const DatedRecord& record) {
  auto candidates = doubted_of(tables, record);
  if (!candidates.empty() && settled_as(tables, record, candidates)) candidates.clear();
  return candidates;
}

std::set<std::string> doubted_of(const Tables& tables, const DatedRecord& record) {
  std::set<std::string> candidates;
  const auto key = key_of(record.record);
  const auto start = tables.starts.find({key.device_id, key.boot});
  if (key.stream == Stream::storage || start == tables.starts.end()) return candidates;
  for (const auto& doubt : start->second.doubts)
    if (doubt.holds(record.record.tick_ms, record.measured_at))
      candidates.insert(doubt.candidates.begin(), doubt.candidates.end());
  return candidates;
}

std::optional<std::chrono::microseconds> uncertainty_in(const Tables& tables, const DatedRecord& record) {
  const auto key = key_of(record.record);
  return uncertainty_of(tables.starts.at({key.device_id, key.boot}).line, key.stream, record.record.tick_ms,
                        record.measured_at);
}

const AssignmentRow* wearer_of(const Tables& tables, const DatedRecord& record) {
  const auto device = record.record.session->device_id;
  const auto candidates = doubted_of(tables, record);
  if (candidates.empty()) return worn_at(tables, device, record.measured_at);
  const auto* settled = settled_as(tables, record, candidates);
  if (!settled || settled->patient.empty()) return nullptr;
  return nearest_of(tables, device, settled->patient, record.measured_at);
}

std::optional<std::vector<std::string>> wards_of_doubt(const Tables& tables, std::int64_t device_id,
                                                       const std::set<std::string>& candidates) {
  const auto* worn = worn_at(tables, device_id, tables.now());
  if (!worn) return std::nullopt;
  auto patients = candidates;
  patients.insert(worn->patient);
  std::set<std::string> wards;
  for (const auto& patient : patients)
    if (const auto& ward = tables.patients.at(patient).ward; !ward.empty()) wards.insert(ward);
  return std::vector(wards.begin(), wards.end());
}

bool concerns(const Tables& tables, const Scope& scope, const Subject& subject, const AlarmCondition& alarm) {
  const auto& row = tables.alarms.at({alarm.device_id, alarm.boot, alarm.stream, alarm.sequence});
  if (!alarm.unattributed || !scope || subject.kind == Subject::Kind::patient)
    return concerns(tables, scope, subject, alarm.device_id, wearer_of(tables, row));
  if (subject.kind == Subject::Kind::device && alarm.device != subject.id) return false;
  const auto wards = wards_of_doubt(tables, alarm.device_id, candidates_of(tables, row));
  return !wards || std::ranges::find_first_of(*wards, *scope) != wards->end();
}

bool concerns(const Tables& tables, const Scope& scope, const Subject& subject, std::int64_t device_id,
              const AssignmentRow* worn) {
  if (subject.kind == Subject::Kind::device && tables.urns.at(device_id) != subject.id) return false;
  if (!scope && subject.kind != Subject::Kind::patient) return true;
  if (!worn || (subject.kind == Subject::Kind::patient && worn->patient != subject.id)) return false;
  return sees_patient(tables, scope, worn->patient);
}

std::vector<std::int64_t> devices_of(const Tables& tables, const Subject& subject) {
  std::vector<std::int64_t> ids;
  for (const auto& [urn, device] : tables.devices)
    if (subject.kind != Subject::Kind::device || urn == subject.id) ids.push_back(device.id);
  std::ranges::sort(ids);
  return ids;
}

void require_known(const Tables& tables, const Subject& subject) {
  if (subject.kind == Subject::Kind::patient && !tables.patients.contains(subject.id))
    throw StoreError(StoreError::Kind::not_found, "patients/" + subject.id + " does not exist");
  if (subject.kind == Subject::Kind::device && !tables.devices.contains(subject.id))
    throw StoreError(StoreError::Kind::not_found, "devices/" + subject.id + " does not exist");
}

std::optional<Instant> last_received_at(const Tables& tables, std::int64_t device_id) {
  std::optional<Instant> last;
  for (auto state = tables.streams.lower_bound({device_id, 0, Stream{}});
       state != tables.streams.end() && state->first.device_id == device_id; ++state)
    last = std::max(last, state->second.last_received_at);
  return last;
}

}  // namespace wardlink::storage::memory
