#pragma once
// The seam to who is who: devices, patients, and who wore what when. Any thread. Throws StoreError.

#include <optional>
#include <string>
#include <vector>

#include "storage/port/device_clock.hpp"
#include "storage/port/record_store.hpp"

namespace wardlink::storage {

struct DeviceRow {
  std::string urn;
  Instant created_at;
  std::string patient, patient_name;  // who wears it now; empty = nobody
  std::optional<Instant> last_received_at;
  Instant read_at;  // by the store's calendar: ages count from here
};

struct Identifier {
  std::string system, value;
};

struct PatientRow {
  std::string id;  // uuid, drawn by the database
  std::string display_name;
  std::vector<Identifier> identifiers;
  Instant created_at;
  std::vector<std::string> devices;  // worn now
  std::string ward;                  // empty = none
};

struct AssignmentRow {
  std::string device, patient;
  Instant held_from;
  std::optional<Instant> held_until;  // nothing = still worn
  Instant recorded_at;
  std::string recorded_by;
};

struct DischargeRow {
  std::string patient;
  Instant at, recorded_at;
  std::string by;
  std::vector<AssignmentRow> assignments{};  // those that ended with it, by device
};

class RegistryStore {
 public:
  virtual ~RegistryStore() = default;

  virtual DeviceRow create_device(const std::string& urn) = 0;
  /// A scoped subject sees the devices of its wards' patients and those that nobody wears. By URN, behind `after`.
  virtual Page<DeviceRow, std::string> devices(const Scope& scope, const std::string& after, std::size_t limit) = 0;
  virtual DeviceRow device(const Scope& scope, const std::string& urn) = 0;
  /// Of a device that device() finds.
  virtual DeviceClock device_clock(const Scope& scope, const std::string& urn) = 0;

  /// What is meant by now.
  virtual Instant calendar() = 0;

  /// Until the device's next assignment begins, or open. Nothing = now. The same patient already wearing it then, and
  /// until then: that assignment. precondition: another patient wears it then; the same one does, but it was released.
  /// What the device asserts and no open alarm of the patient says is raised anew for the patient.
  virtual AssignmentRow assign(const Scope& scope, const std::string& device, const std::string& patient,
                               std::optional<Instant> from, const std::string& by) = 0;
  /// Ends the assignment that holds at `until`; at its very start: it never was. Ends the wearer's open alarms of the
  /// device (`released`).
  virtual AssignmentRow release(const Scope& scope, const std::string& device, std::optional<Instant> until,
                                const std::string& by) = 0;

  /// A ward that is not known yet is made.
  virtual PatientRow create_patient(const std::string& display_name, const std::vector<Identifier>& identifiers,
                                    const std::string& ward) = 0;
  /// By id, behind `after`.
  virtual Page<PatientRow, std::string> patients(const Scope& scope, const std::string& after, std::size_t limit) = 0;
  virtual PatientRow patient(const Scope& scope, const std::string& id) = 0;

  /// Releases what the patient wears at `at` (nothing = now) and ends the patient's open alarms (`discharged`).
  /// precondition: a device was put on the patient after that, or the patient was discharged before and wore nothing
  /// since, unless it is the same discharge: that stands.
  virtual DischargeRow discharge(const Scope& scope, const std::string& patient, std::optional<Instant> at,
                                 const std::string& by) = 0;
};

}  // namespace wardlink::storage
