// The database's calendar, compared with the clocks of the hosts that use it.

#include <spdlog/spdlog.h>

#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/ends/ends.hpp"
#include "storage/postgres/link/calendar.hpp"
#include "storage/postgres/link/system_alarms.hpp"
#include "storage/postgres/link/types.hpp"
#include "storage/postgres/store_impl.hpp"
#include "storage/rules/calendar_step.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

struct Kept {
  std::optional<CalendarReading> reading;  // steps that others have noted since are taken in
  std::uint64_t steps = 0;
};

Kept read_kept(pqxx::work& tx, const std::string& host) {
  const auto row = tx.exec_params1(
      "SELECT micros(p.calendar) + coalesce((SELECT sum(s.jump_micros)::bigint FROM calendar_step s"
      "   WHERE s.step_id > p.step_id), 0),"
      " p.boottime_micros, p.uncertainty_micros, (SELECT coalesce(max(step_id), 0) FROM calendar_step)"
      " FROM (SELECT) one LEFT JOIN calendar_pair p ON p.host_boot_id = $1",
      host);
  Kept kept{{}, row[3].as<std::uint64_t>()};
  if (const auto calendar = optional_instant(row[0]))
    kept.reading = {*calendar, Moment{std::chrono::microseconds{row[1].as<std::int64_t>()}},
                    std::chrono::microseconds{row[2].as<std::int64_t>()}};
  return kept;
}

CalendarReading read(pqxx::work& tx, const ReadBootClock& clock) {
  const auto before = clock();
  const auto calendar = read_calendar(tx);
  const auto half = (clock() - before) / 2;
  return {calendar, before + half, half};
}

void note(pqxx::work& tx, const std::string& host, std::uint64_t number, const CalendarStep& step) {
  const auto found = tx.exec_params(
      "SELECT d.urn, a.patient_id, count(*) OVER () FROM assignment a JOIN device d USING (device_id)"
      " WHERE upper_inf(a.recorded) AND (lower(a.held) BETWEEN instant($1) AND instant($2)"
      "   OR upper(a.held) BETWEEN instant($1) AND instant($2)) ORDER BY a.device_id, lower(a.held) LIMIT $3",
      to_text(step.first()), to_text(step.last()), most_named);
  std::vector<AssignmentRow> touched;
  for (const auto row : found) touched.push_back({row[0].as<std::string>(), row[1].as<std::string>(), {}, {}, {}, {}});
  const auto all = found.empty() ? 0 : found[0][2].as<std::size_t>();
  tx.exec_params1("SELECT note_calendar_step($1, $2, $3, $4, $5, $6, $7, $8)", number, host, to_text(step.shown),
                  step.jump().count(), step.since.count(), step.uncertainty.count(), detail_of(step, touched, all),
                  this_program());
}

/// The first step after which nobody has said anew yet whose what is.
std::optional<std::uint64_t> unsettled_step(pqxx::work& tx) {
  return Type<std::optional<std::uint64_t>>::get(tx.exec1("SELECT unsettled_calendar_step()")[0]);
}

constexpr std::size_t devices_at_once = 100;

/// Says anew whose what is of the next devices, by id, that changed wearers at or behind an instant that the step
/// leaves in doubt: of the starts that ran when the calendar was set. Returns the last of them; nothing: there are no
/// more.
std::optional<std::int64_t> settle_next(pqxx::work& tx, const CalendarStep& step, std::int64_t after) {
  const auto since = std::min(step.first_of_after(), step.first() - step.uncertainty);
  std::vector<std::int64_t> devices;
  for (const auto row :
       tx.exec_params("SELECT DISTINCT a.device_id FROM assignment a WHERE a.device_id > $2 AND upper_inf(a.recorded)"
                      " AND (lower(a.held) >= instant($1) OR upper(a.held) >= instant($1)) ORDER BY 1 LIMIT $3",
                      to_text(since), after, devices_at_once))
    devices.push_back(row[0].as<std::int64_t>());
  if (devices.empty()) return std::nullopt;
  // Who wrote a handover before the step was noted knew of none.
  const bool is_written_since = tx.exec_params1(
                                      "SELECT EXISTS (SELECT FROM assignment a WHERE a.device_id = ANY ($1::bigint[])"
                                      " AND lower(a.recorded) BETWEEN instant($2) AND instant($3))",
                                      array_of(devices), to_text(since), to_text(step.last_of_before()))[0]
                                    .as<bool>();
  lock_devices(tx, devices);
  renew_doubts(tx, devices, is_written_since ? first_changed(tx, since) : step.expected);
  settle_devices(tx, devices);
  return devices.back();
}

}  // namespace

CalendarSight PostgresStore::look_at_calendar(const std::string& host, const ReadBootClock& clock) {
  std::optional<std::uint64_t> unsettled;
  const auto look = [&](pqxx::work& tx) {
    lock_calendar(tx);
    const auto [kept, before] = read_kept(tx, host);
    const auto reading = read(tx, clock);
    const auto compared = compare(kept.value_or(reading), reading);
    const auto steps = before + (compared.step ? 1 : 0);
    if (compared.step) note(tx, host, steps, *compared.step);
    tx.exec_params1("SELECT keep_calendar_pair($1, $2, $3, $4, $5)", host, compared.kept.at.time_since_epoch().count(),
                    to_text(compared.kept.calendar), compared.kept.uncertainty.count(), steps);
    unsettled = unsettled_step(tx);
    return CalendarSight{compared.kept, steps, compared.step.has_value(),
                         changes_of(compared.kept, read_calendar_steps(tx))};
  };
  try {
    const auto sight = impl_->pool.transact(look, Urgency::first);
    if (unsettled) settle_calendar_steps();
    return sight;
  } catch (const pqxx::sql_error& error) {
    // It takes no writes, or a right was taken away: what is to be dated waits.
    throw StoreError(StoreError::Kind::away, "the database refuses to keep its calendar: " + cause(error));
  }
}

/// Some devices a transaction, so that none is long. One at a time in a process; what fails is tried again with the
/// next look.
void PostgresStore::settle_calendar_steps() {
  if (impl_->settles_calendar_steps.test_and_set()) return;
  try {
    while (const auto number = impl_->pool.transact(unsettled_step)) {
      const auto step = impl_->pool.transact([&](pqxx::work& tx) { return read_calendar_steps(tx).at(*number - 1); });
      for (std::optional<std::int64_t> last = 0; last;)
        last = impl_->pool.transact([&](pqxx::work& tx) { return settle_next(tx, step, *last); });
      impl_->pool.transact([&](pqxx::work& tx) {
        tx.exec_params1("SELECT settle_calendar_step($1)", *number);
        return true;
      });
      impl_->bell.ring();
    }
  } catch (const std::exception& error) {
    spdlog::warn(fmt::format("whose is what about a step of the calendar is not said anew yet: {}", error.what()));
  }
  impl_->settles_calendar_steps.clear();
}

}  // namespace wardlink::storage
