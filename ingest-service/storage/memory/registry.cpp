// Devices and patients, and who wears what. What is no longer believed is told on live streams, and forgotten.

#include <algorithm>

#include "storage/memory/attribution.hpp"
#include "storage/memory/ends.hpp"
#include "storage/memory/memory_store.hpp"
#include "storage/memory/page.hpp"
#include "storage/port/store_error.hpp"
#include "storage/rules/assignment.hpp"

namespace wardlink::storage {
namespace {

using namespace memory;
using Kind = StoreError::Kind;

void require_patient(const Tables& tables, const Scope& scope, const std::string& patient) {
  if (!sees_patient(tables, scope, patient))
    throw StoreError(Kind::not_found, "patients/" + patient + " does not exist");
}

const Device& known_device(const Tables& tables, const std::string& urn) {
  const auto known = tables.devices.find(urn);
  if (known == tables.devices.end()) throw StoreError(Kind::not_found, "devices/" + urn + " does not exist");
  return known->second;
}

DeviceRow row_of(const Tables& tables, const Device& device, const AssignmentRow* worn) {
  DeviceRow row{device.urn, device.created_at, "", "", last_received_at(tables, device.id), tables.now()};
  if (worn) {
    row.patient = worn->patient;
    row.patient_name = tables.patients.at(worn->patient).display_name;
  }
  return row;
}

/// What a scoped subject sees: its patients' devices and those that nobody wears.
std::optional<DeviceRow> seen(const Tables& tables, const Scope& scope, const Device& device) {
  const auto* worn = worn_at(tables, device.id, tables.now());
  if (worn && !sees_patient(tables, scope, worn->patient)) return std::nullopt;
  return row_of(tables, device, worn);
}

PatientRow row_of(const Tables& tables, const std::string& id, const Patient& patient) {
  PatientRow row{id, patient.display_name, patient.identifiers, patient.created_at, {}, patient.ward};
  const auto now = tables.now();
  for (const auto& [urn, device] : tables.devices)
    if (const auto* worn = worn_at(tables, device.id, now); worn && worn->patient == id) row.devices.push_back(urn);
  return row;
}

void tell(Tables& tables, std::int64_t device_id, const AssignmentRow& row, bool believed) {
  const LivePosition at{tables.transactions, LiveKind::attribution, device_id, 0, 0, ++tables.attributions};
  tables.log.emplace(at, LiveRow{nullptr, AttributionChange{row, believed}});
}

void believe(Tables& tables, std::int64_t device_id, const AssignmentRow& row) {
  tables.assignments[device_id].emplace(row.held_from, row);
  tell(tables, device_id, row, true);
}

void stop_believing(Tables& tables, std::int64_t device_id, AssignmentRow row, Instant at) {
  tables.assignments[device_id].erase(row.held_from);
  row.recorded_at = at;
  tell(tables, device_id, row, false);
}

std::optional<Instant> next_start(const Tables& tables, std::int64_t device_id, Instant after) {
  const auto of_device = tables.assignments.find(device_id);
  if (of_device == tables.assignments.end()) return std::nullopt;
  const auto next = of_device->second.upper_bound(after);
  return next == of_device->second.end() ? std::nullopt : std::optional(next->first);
}

/// Ends the assignment at `at`; at its very start: it never was.
AssignmentRow take_off(Tables& tables, std::int64_t device_id, const AssignmentRow& worn, Instant at, Instant now,
                       const std::string& by) {
  const auto recorded = tables.instant_of_change(device_id, now);
  const AssignmentRow corrected{worn.device, worn.patient, worn.held_from, at, recorded, by};
  stop_believing(tables, device_id, worn, recorded);
  if (at != corrected.held_from) believe(tables, device_id, corrected);
  return corrected;
}

/// By device, then from when on.
std::vector<AssignmentRow> assignments_of(const Tables& tables, const std::string& patient) {
  std::vector<AssignmentRow> rows;
  for (const auto& [device, of_device] : tables.assignments)
    for (const auto& [from, row] : of_device)
      if (row.patient == patient) rows.push_back(row);
  return rows;
}

std::string urn_of(const DeviceRow& row) { return row.urn; }
std::string id_of(const PatientRow& row) { return row.id; }

}  // namespace

DeviceRow MemoryStore::create_device(const std::string& urn) {
  const std::lock_guard lock(tables_->mutex);
  if (tables_->devices.contains(urn)) throw StoreError(Kind::exists, "devices/" + urn + " exists already");
  return row_of(*tables_, tables_->device(urn), nullptr);
}

Page<DeviceRow, std::string> MemoryStore::devices(const Scope& scope, const std::string& after, std::size_t limit) {
  const std::lock_guard lock(tables_->mutex);
  std::vector<DeviceRow> rows;
  for (auto device = tables_->devices.upper_bound(after); device != tables_->devices.end() && rows.size() <= limit;
       ++device)
    if (auto row = seen(*tables_, scope, device->second)) rows.push_back(std::move(*row));
  return first_page<DeviceRow, std::string>(std::move(rows), limit, urn_of);
}

DeviceRow MemoryStore::device(const Scope& scope, const std::string& urn) {
  const std::lock_guard lock(tables_->mutex);
  auto row = seen(*tables_, scope, known_device(*tables_, urn));
  if (!row) throw StoreError(Kind::not_found, "devices/" + urn + " does not exist");
  return std::move(*row);
}

Instant MemoryStore::calendar() {
  const std::lock_guard lock(tables_->mutex);
  return tables_->now();
}

AssignmentRow MemoryStore::assign(const Scope& scope, const std::string& device, const std::string& patient,
                                  std::optional<Instant> from, const std::string& by) {
  const std::lock_guard lock(tables_->mutex);
  const auto id = known_device(*tables_, device).id;
  require_patient(*tables_, scope, patient);
  const auto now = tables_->now(), at = from.value_or(now);
  if (const auto* worn = worn_at(*tables_, id, at)) {
    require_stands(*worn, patient, next_start(*tables_, id, at));
    return *worn;
  }
  ++tables_->transactions;
  const AssignmentRow row{device, patient, at, next_start(*tables_, id, at), tables_->instant_of_change(id, now), by};
  believe(*tables_, id, row);
  tables_->renew_doubts(id);
  settle_devices(*tables_, {id});
  bell_.ring();
  return row;
}

AssignmentRow MemoryStore::release(const Scope& scope, const std::string& device, std::optional<Instant> until,
                                   const std::string& by) {
  const std::lock_guard lock(tables_->mutex);
  const auto id = known_device(*tables_, device).id;
  const auto now = tables_->now(), at = until.value_or(now);
  const auto* worn = worn_at(*tables_, id, at);
  if (!worn) throw StoreError(Kind::precondition, "nobody wears devices/" + device + " then");
  require_patient(*tables_, scope, worn->patient);
  ++tables_->transactions;
  const auto corrected = take_off(*tables_, id, *worn, at, now, by);
  tables_->renew_doubts(id);
  settle_devices(*tables_, {id});
  bell_.ring();
  return corrected;
}

DischargeRow MemoryStore::discharge(const Scope& scope, const std::string& patient, std::optional<Instant> wanted,
                                    const std::string& by) {
  const std::lock_guard lock(tables_->mutex);
  require_patient(*tables_, scope, patient);
  const auto now = tables_->now(), at = wanted.value_or(now);
  auto& discharges = tables_->discharges[patient];
  std::optional<DischargeRow> standing;
  if (!discharges.empty()) {
    const auto& [last, said] = *discharges.rbegin();
    standing = DischargeRow{patient, last, said.recorded_at, said.by};
  }
  const auto worn = assignments_of(*tables_, patient);
  if (require_dischargeable(standing, worn, patient, wanted, at, by)) {
    std::ranges::copy_if(worn, std::back_inserter(standing->assignments),
                         [&](const AssignmentRow& each) { return each.held_until == standing->at; });
    return *standing;
  }
  ++tables_->transactions;
  DischargeRow row{patient, at, now, by};
  discharges.emplace(at, Discharge{now, by});
  std::set<std::int64_t> devices;
  for (const auto& each : worn) {
    if (each.held_until && *each.held_until <= at) continue;
    const auto id = tables_->devices.at(each.device).id;
    row.assignments.push_back(take_off(*tables_, id, each, at, now, by));
    devices.insert(id);
  }
  for (const auto device : devices) tables_->renew_doubts(device);
  settle_devices(*tables_, devices);
  bell_.ring();
  return row;
}

PatientRow MemoryStore::create_patient(const std::string& display_name, const std::vector<Identifier>& identifiers,
                                       const std::string& ward) {
  const std::lock_guard lock(tables_->mutex);
  std::set<std::pair<std::string, std::string>> borne;
  for (const auto& [system, value] : identifiers)
    if (tables_->identifiers.contains({system, value}) || !borne.emplace(system, value).second)
      throw StoreError(Kind::exists, "patient.identifiers: another patient bears one of them");
  const auto id = tables_->new_id();
  Patient patient{display_name, ward, {}, tables_->now()};
  for (const auto& [system, value] : borne) {
    patient.identifiers.push_back({system, value});
    tables_->identifiers.insert({system, value});
  }
  if (!ward.empty()) tables_->wards.insert(ward);
  auto row = row_of(*tables_, id, tables_->patients.emplace(id, std::move(patient)).first->second);
  row.identifiers = identifiers;
  return row;
}

Page<PatientRow, std::string> MemoryStore::patients(const Scope& scope, const std::string& after, std::size_t limit) {
  const std::lock_guard lock(tables_->mutex);
  std::vector<PatientRow> rows;
  for (auto patient = tables_->patients.upper_bound(after); patient != tables_->patients.end() && rows.size() <= limit;
       ++patient)
    if (sees_patient(*tables_, scope, patient->first))
      rows.push_back(row_of(*tables_, patient->first, patient->second));
  return first_page<PatientRow, std::string>(std::move(rows), limit, id_of);
}

PatientRow MemoryStore::patient(const Scope& scope, const std::string& id) {
  const std::lock_guard lock(tables_->mutex);
  require_patient(*tables_, scope, id);
  return row_of(*tables_, id, tables_->patients.at(id));
}

}  // namespace wardlink::storage
