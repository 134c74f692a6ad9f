// Patients who go home.

#include <algorithm>

#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/ends/ends.hpp"
#include "storage/postgres/link/calendar.hpp"
#include "storage/postgres/registry/assignments.hpp"
#include "storage/postgres/store_impl.hpp"
#include "storage/rules/assignment.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

std::vector<std::int64_t> devices_of(pqxx::work& tx, const std::string& patient) {
  std::vector<std::int64_t> devices;
  for (const auto row : tx.exec_params("SELECT DISTINCT device_id FROM assignment WHERE patient_id = $1::uuid"
                                       " AND upper_inf(recorded) ORDER BY 1",
                                       patient))
    devices.push_back(row[0].as<std::int64_t>());
  return devices;
}

/// By device, then from when on.
std::vector<std::pair<std::int64_t, AssignmentRow>> assignments_of(pqxx::work& tx, const std::string& patient) {
  std::vector<std::pair<std::int64_t, AssignmentRow>> rows;
  for (const auto row : tx.exec_params("SELECT a.device_id, d.urn, micros(lower(a.held)), micros(upper(a.held)),"
                                       " micros(lower(a.recorded)), a.recorded_by"
                                       " FROM assignment a JOIN device d USING (device_id)"
                                       " WHERE a.patient_id = $1::uuid AND upper_inf(a.recorded)"
                                       " ORDER BY a.device_id, lower(a.held)",
                                       patient))
    rows.emplace_back(row[0].as<std::int64_t>(),
                      AssignmentRow{row[1].as<std::string>(), patient, read_instant(row[2].c_str()),
                                    optional_instant(row[3]), read_instant(row[4].c_str()), row[5].as<std::string>()});
  return rows;
}

std::optional<DischargeRow> last_discharge(pqxx::work& tx, const std::string& patient) {
  const auto found = tx.exec_params(
      "SELECT micros(discharged_at), micros(recorded_at), discharged_by FROM discharge"
      " WHERE patient_id = $1::uuid ORDER BY discharged_at DESC LIMIT 1",
      patient);
  if (found.empty()) return std::nullopt;
  return DischargeRow{patient, read_instant(found[0][0].c_str()), read_instant(found[0][1].c_str()),
                      found[0][2].as<std::string>()};
}

/// Devices before the patient, as whoever assigns one; then nobody gives or takes any until COMMIT.
void lock(pqxx::work& tx, const std::string& patient) {
  const auto devices = devices_of(tx, patient);
  tx.exec_params("SELECT FROM device WHERE device_id = ANY ($1::bigint[]) ORDER BY device_id FOR NO KEY UPDATE",
                 array_of(devices));
  tx.exec_params1("SELECT FROM patient WHERE patient_id = $1::uuid FOR UPDATE", patient);
  if (devices_of(tx, patient) != devices)
    throw StoreError(StoreError::Kind::away, "the patient is given a device at this moment: try again");
}

}  // namespace

DischargeRow PostgresStore::discharge(const Scope& scope, const std::string& patient, std::optional<Instant> wanted,
                                      const std::string& by) {
  const auto discharge = impl_->pool.change([&](pqxx::work& tx) {
    share_calendar(tx);
    require_patient(tx, scope, patient);
    lock(tx, patient);
    const Instant now = read_calendar(tx), at = wanted.value_or(now);
    const auto worn = assignments_of(tx, patient);
    std::vector<AssignmentRow> rows;
    for (const auto& [id, row] : worn) rows.push_back(row);
    auto standing = last_discharge(tx, patient);
    if (require_dischargeable(standing, rows, patient, wanted, at, by)) {
      std::ranges::copy_if(rows, std::back_inserter(standing->assignments),
                           [&](const AssignmentRow& each) { return each.held_until == standing->at; });
      return *standing;
    }
    DischargeRow made{patient, at, now, by};
    tx.exec_params0(
        "INSERT INTO discharge (patient_id, discharged_at, recorded_at, discharged_by)"
        " VALUES ($1::uuid, instant($2), instant($3), $4) ON CONFLICT DO NOTHING",
        patient, to_text(at), to_text(now), by);
    std::vector<std::int64_t> devices;
    for (const auto& [id, row] : worn) {
      if (row.held_until && *row.held_until <= at) continue;
      made.assignments.push_back(take_off(tx, id, row, at, now, by));
      devices.push_back(id);
    }
    lock_devices(tx, devices);  // last: appends of their alarms wait from here on
    renew_doubts(tx, devices, first_changed(tx, at));
    settle_devices(tx, devices);
    return made;
  });
  impl_->bell.ring();
  return discharge;
}

}  // namespace wardlink::storage
