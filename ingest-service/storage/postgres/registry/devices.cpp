// Devices, and who wears them. Corrections never overwrite: they close what was believed and add what is.

#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/ends/ends.hpp"
#include "storage/postgres/link/calendar.hpp"
#include "storage/postgres/read/spans.hpp"
#include "storage/postgres/read/subject.hpp"
#include "storage/postgres/registry/assignments.hpp"
#include "storage/postgres/store_impl.hpp"
#include "storage/rules/assignment.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;
using Kind = StoreError::Kind;

constexpr std::size_t most_looked_at = 2000;  // devices a call

// Of devices d, $1 scope. A scoped subject sees its patients' devices and those that nobody wears.
std::string device_rows(const std::string& devices) {
  return "SELECT d.urn, micros(d.created_at), p.patient_id, p.display_name, micros(" + std::string(last_received_at) +
         "), micros((SELECT calendar())) FROM (" + devices +
         ") d LEFT JOIN assignment a ON a.device_id = d.device_id AND upper_inf(a.recorded)"
         "  AND a.held @> (SELECT calendar())"
         " LEFT JOIN patient p ON p.patient_id = a.patient_id"
         " WHERE ($1 = '' OR p.patient_id IS NULL OR p.ward_id = ANY (NULLIF($1, '')::text[]))";
}

// $2 the URN before, $3 how many are looked at, $4 limit.
const std::string device_page =
    device_rows("SELECT * FROM device WHERE urn > $2 ORDER BY urn LIMIT $3") + " ORDER BY d.urn LIMIT $4";
const std::string one_device = device_rows("SELECT * FROM device WHERE urn = $2");

DeviceRow read_device(const pqxx::row& row) {
  return {row[0].as<std::string>(),   read_instant(row[1].c_str()), row[2].as<std::string>(""),
          row[3].as<std::string>(""), optional_instant(row[4]),     read_instant(row[5].c_str())};
}

/// Locks the device, so that its assignments change one after the other. Alarms are still appended meanwhile.
std::int64_t lock_device(pqxx::work& tx, const std::string& urn) {
  const auto found = tx.exec_params("SELECT device_id FROM device WHERE urn = $1 FOR NO KEY UPDATE", urn);
  if (found.empty()) throw StoreError(Kind::not_found, "devices/" + urn + " does not exist");
  return found[0][0].as<std::int64_t>();
}

struct Believed {
  std::string patient;
  Instant from;
  std::optional<Instant> until;
  Instant recorded_at;
  std::string by;
};

/// The assignment in force for an instant, if there is one.
std::optional<Believed> holding_at(pqxx::work& tx, std::int64_t device_id, Instant at) {
  const auto found = tx.exec_params(
      "SELECT patient_id, micros(lower(held)), micros(upper(held)), micros(lower(recorded)), recorded_by"
      " FROM assignment WHERE device_id = $1 AND upper_inf(recorded) AND held @> instant($2)",
      device_id, to_text(at));
  if (found.empty()) return std::nullopt;
  const auto row = found[0];
  return Believed{row[0].as<std::string>(), read_instant(row[1].c_str()), optional_instant(row[2]),
                  read_instant(row[3].c_str()), row[4].as<std::string>()};
}

std::optional<Instant> next_start(pqxx::work& tx, std::int64_t device_id, Instant after) {
  return optional_instant(
      tx.exec_params1("SELECT micros(min(lower(held))) FROM assignment"
                      " WHERE device_id = $1 AND upper_inf(recorded) AND lower(held) > instant($2)",
                      device_id, to_text(after))[0]);
}

/// The EXCLUDE constraint has the last word on overlaps.
AssignmentRow believe(pqxx::work& tx, std::int64_t device_id, const std::string& device, const Believed& what) {
  try {
    const auto row = tx.exec_params1(
        "INSERT INTO assignment (device_id, patient_id, held, recorded, recorded_by)"
        " VALUES ($1, $2::uuid, tstzrange(instant($3), instant(NULLIF($4, '')::bigint)), tstzrange(instant($5), NULL),"
        " $6) RETURNING micros(lower(recorded))",
        device_id, what.patient, to_text(what.from), instant_text(what.until), to_text(what.recorded_at), what.by);
    return {device, what.patient, what.from, what.until, read_instant(row[0].c_str()), what.by};
  } catch (const pqxx::sql_error& error) {
    if (error.sqlstate() != "23P01") throw;  // exclusion_violation
    throw StoreError(Kind::precondition, "devices/" + device + " is worn by another patient then");
  }
}

/// When a change of who wears the device is recorded: later than every one before it, also where the calendar was set
/// back.
Instant instant_of_change(pqxx::work& tx, std::int64_t device_id, Instant now) {
  const auto last = optional_instant(tx.exec_params1(
      "SELECT micros(max(greatest(lower(recorded), upper(recorded)))) FROM assignment WHERE device_id = $1",
      device_id)[0]);
  return last ? std::max(now, *last + std::chrono::microseconds(1)) : now;
}

void stop_believing(pqxx::work& tx, std::int64_t device_id, const Believed& what, Instant at) {
  tx.exec_params0(
      "UPDATE assignment SET recorded = tstzrange(lower(recorded), instant($3))"
      " WHERE device_id = $1 AND upper_inf(recorded) AND lower(held) = instant($2)",
      device_id, to_text(what.from), to_text(at));
}

/// Whose what is has changed from `since` on. Last: appends of the device's alarms wait from here on.
void settle_change(pqxx::work& tx, std::int64_t device_id, Instant since) {
  lock_devices(tx, {&device_id, 1});
  renew_doubts(tx, {&device_id, 1}, first_changed(tx, since));
  settle_devices(tx, {&device_id, 1});
}

}  // namespace

void postgres::require_patient(pqxx::work& tx, const Scope& scope, const std::string& patient) {
  const auto found = tx.exec_params(
      "SELECT FROM patient WHERE patient_id = $1::uuid AND ($2 = '' OR ward_id = ANY (NULLIF($2, '')::text[]))",
      patient, scope_text(scope));
  if (found.empty()) throw StoreError(Kind::not_found, "patients/" + patient + " does not exist");
}

AssignmentRow postgres::take_off(pqxx::work& tx, std::int64_t device_id, const AssignmentRow& worn, Instant at,
                                 Instant now, const std::string& by) {
  const Instant recorded = instant_of_change(tx, device_id, now);
  const Believed standing{worn.patient, worn.held_from, worn.held_until, worn.recorded_at, worn.recorded_by};
  stop_believing(tx, device_id, standing, recorded);
  if (at == worn.held_from) return {worn.device, worn.patient, at, at, recorded, by};
  return believe(tx, device_id, worn.device, {worn.patient, worn.held_from, at, recorded, by});
}

DeviceRow PostgresStore::create_device(const std::string& urn) {
  return impl_->pool.change([&](pqxx::work& tx) {
    const auto made =
        tx.exec_params("INSERT INTO device (urn) VALUES ($1) ON CONFLICT DO NOTHING RETURNING micros(created_at)", urn);
    if (made.empty()) throw StoreError(Kind::exists, "devices/" + urn + " exists already");
    const auto created = read_instant(made[0][0].c_str());
    return DeviceRow{urn, created, "", "", {}, created};
  });
}

Page<DeviceRow, std::string> PostgresStore::devices(const Scope& scope, const std::string& after, std::size_t limit) {
  const auto most = scope ? std::max(limit + 1, most_looked_at) : limit + 1;
  return impl_->pool.transact([&](pqxx::work& tx) {
    begin_reading(tx);
    Page<DeviceRow, std::string> page;
    for (const auto row : tx.exec_params(device_page, scope_text(scope), after, most, limit + 1)) {
      if (page.size() == limit) {
        page.next = page.back().urn;
        return page;
      }
      page.push_back(read_device(row));
    }
    const auto end =
        tx.exec_params("SELECT urn FROM device WHERE urn > $1 ORDER BY urn OFFSET $2 LIMIT 1", after, most - 1);
    if (!end.empty()) page.next = end[0][0].as<std::string>();
    return page;
  });
}

DeviceRow PostgresStore::device(const Scope& scope, const std::string& urn) {
  return impl_->pool.transact([&](pqxx::work& tx) {
    const auto found = tx.exec_params(one_device, scope_text(scope), urn);
    if (found.empty()) throw StoreError(Kind::not_found, "devices/" + urn + " does not exist");
    return read_device(found[0]);
  });
}

Instant PostgresStore::calendar() {
  return impl_->pool.transact([](pqxx::work& tx) { return read_calendar(tx); });
}

AssignmentRow PostgresStore::assign(const Scope& scope, const std::string& device, const std::string& patient,
                                    std::optional<Instant> from, const std::string& by) {
  const auto assignment = impl_->pool.change([&](pqxx::work& tx) {
    share_calendar(tx);
    const auto device_id = lock_device(tx, device);
    require_patient(tx, scope, patient);
    const Instant now = read_calendar(tx), at = from.value_or(now);
    if (const auto standing = holding_at(tx, device_id, at)) {
      const AssignmentRow row{device,          standing->patient,     standing->from,
                              standing->until, standing->recorded_at, standing->by};
      require_stands(row, patient, next_start(tx, device_id, at));
      return row;
    }
    const auto made = believe(tx, device_id, device,
                              {patient, at, next_start(tx, device_id, at), instant_of_change(tx, device_id, now), by});
    settle_change(tx, device_id, at);
    return made;
  });
  impl_->bell.ring();
  return assignment;
}

AssignmentRow PostgresStore::release(const Scope& scope, const std::string& device, std::optional<Instant> until,
                                     const std::string& by) {
  const auto assignment = impl_->pool.change([&](pqxx::work& tx) {
    share_calendar(tx);
    const auto device_id = lock_device(tx, device);
    const Instant now = read_calendar(tx), at = until.value_or(now);
    const auto standing = holding_at(tx, device_id, at);
    if (!standing) throw StoreError(Kind::precondition, "nobody wears devices/" + device + " then");
    require_patient(tx, scope, standing->patient);
    const AssignmentRow worn{device,          standing->patient,     standing->from,
                             standing->until, standing->recorded_at, standing->by};
    const auto corrected = take_off(tx, device_id, worn, at, now, by);
    settle_change(tx, device_id, at);
    return corrected;
  });
  impl_->bell.ring();
  return assignment;
}

}  // namespace wardlink::storage
