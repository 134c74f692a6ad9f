// The database's calendar, compared with the clocks of the hosts that use it.

#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/ends/ends.hpp"
#include "storage/postgres/link/calendar.hpp"
#include "storage/postgres/link/system_alarms.hpp"
#include "storage/postgres/store_impl.hpp"
#include "storage/rules/calendar_step.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

/// One look after the other, in all processes: a step that another has noted is known to who reads the calendar after.
void lock_calendar(pqxx::work& tx) { tx.exec1("SELECT pg_advisory_xact_lock(2002874982)"); }

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

/// Whose what is changes with it where a handover is written down at an instant that comes twice.
void renew_doubts_about(pqxx::work& tx, const CalendarStep& step) {
  std::vector<std::int64_t> devices;
  for (const auto row : tx.exec_params("SELECT DISTINCT a.device_id FROM assignment a WHERE upper_inf(a.recorded)"
                                       " AND (lower(a.held) BETWEEN instant($1) AND instant($2)"
                                       "   OR upper(a.held) BETWEEN instant($1) AND instant($2))",
                                       to_text(step.first()), to_text(step.last())))
    devices.push_back(row[0].as<std::int64_t>());
  if (devices.empty()) return;
  lock_devices(tx, devices);
  renew_doubts(tx, devices, step.first());
  settle_devices(tx, devices);
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

}  // namespace

CalendarSight PostgresStore::look_at_calendar(const std::string& host, const ReadBootClock& clock) {
  const auto look = [&](pqxx::work& tx) {
    lock_calendar(tx);
    const auto [kept, before] = read_kept(tx, host);
    const auto reading = read(tx, clock);
    const auto compared = compare(kept.value_or(reading), reading);
    const auto steps = before + (compared.step ? 1 : 0);
    if (compared.step) {
      note(tx, host, steps, *compared.step);
      renew_doubts_about(tx, *compared.step);
    }
    tx.exec_params1("SELECT keep_calendar_pair($1, $2, $3, $4, $5)", host, compared.kept.at.time_since_epoch().count(),
                    to_text(compared.kept.calendar), compared.kept.uncertainty.count(), steps);
    return CalendarSight{compared.kept, steps, compared.step.has_value(),
                         changes_of(compared.kept, read_calendar_steps(tx))};
  };
  try {
    return impl_->pool.transact(look, Urgency::first);
  } catch (const pqxx::sql_error& error) {
    // It takes no writes, or a right was taken away: what is to be dated waits.
    throw StoreError(StoreError::Kind::away, "the database refuses to keep its calendar: " + cause(error));
  }
}

}  // namespace wardlink::storage
