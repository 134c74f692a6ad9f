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

bool concerns(const Tables& tables, const Scope& scope, const Subject& subject, std::int64_t device_id, Instant at) {
  if (subject.kind == Subject::Kind::device && tables.urns.at(device_id) != subject.id) return false;
  if (!scope && subject.kind != Subject::Kind::patient) return true;
  const auto* worn = worn_at(tables, device_id, at);
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
