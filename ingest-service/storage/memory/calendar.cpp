// The calendar, compared with the clocks of hosts; and the system alarms that come of it.

#include <algorithm>

#include "storage/memory/ends.hpp"
#include "storage/memory/memory_store.hpp"
#include "storage/memory/tables.hpp"
#include "storage/rules/calendar_step.hpp"

namespace wardlink::storage {
namespace {

using namespace memory;

CalendarReading read(const Tables& tables, const ReadBootClock& clock) {
  const auto before = clock();
  const auto calendar = tables.now();
  const auto half = (clock() - before) / 2;
  return {calendar, before + half, half};
}

void raise(Tables& tables, const CalendarStep& step) {
  const auto is_touched = [&](Instant at) { return step.first() <= at && at <= step.last(); };
  std::vector<AssignmentRow> touched;
  for (const auto& [device, assignments] : tables.assignments)
    for (const auto& [from, row] : assignments)
      if (is_touched(from) || (row.held_until && is_touched(*row.held_until))) touched.push_back(row);
  tables.calendar_steps.push_back(step);
  for (auto& [key, start] : tables.starts) tables.renew_line(start, start.line.exchanges());
  const auto since = std::min(step.first_of_after(), step.first() - step.uncertainty);
  std::set<std::int64_t> devices;
  for (const auto& [device, assignments] : tables.assignments)
    for (const auto& [from, row] : assignments)
      if (from >= since || (row.held_until && *row.held_until >= since)) devices.insert(device);
  if (!devices.empty()) ++tables.transactions;
  for (const auto device : devices) tables.renew_doubts(device);
  settle_devices(tables, devices);
  const auto all = touched.size();
  touched.resize(std::min(all, most_named));
  tables.system_alarms.push_back({.id = static_cast<std::int64_t>(tables.system_alarms.size()) + 1,
                                  .code = "calendar_stepped",
                                  .subject = std::to_string(tables.calendar_steps.size()),
                                  .detail = detail_of(step, touched, all),
                                  .source = "memory",
                                  .raised_at = step.shown,
                                  .ended_at = {}});
}

void end_after_a_day(Tables& tables, Instant present) {
  for (auto& alarm : tables.system_alarms)
    if (!alarm.ended_at && alarm.raised_at < present - std::chrono::days{1}) alarm.ended_at = present;
}

}  // namespace

CalendarSight MemoryStore::look_at_calendar(const std::string& host, const ReadBootClock& clock) {
  const std::lock_guard lock(tables_->mutex);
  const auto reading = read(*tables_, clock);
  auto [at, is_new] = tables_->calendars.try_emplace(host, HostCalendar{reading, tables_->calendar_steps.size()});
  auto& [kept, steps] = at->second;
  for (; steps < tables_->calendar_steps.size(); ++steps) kept.calendar += tables_->calendar_steps[steps].jump();
  const auto compared = compare(kept, reading);
  if (compared.step) raise(*tables_, *compared.step);
  end_after_a_day(*tables_, reading.calendar);
  if (compared.step) bell_.ring();
  kept = compared.kept;
  steps = tables_->calendar_steps.size();
  return {kept, steps, compared.step.has_value(), changes_of(kept, tables_->calendar_steps)};
}

std::vector<SystemAlarm> MemoryStore::system_alarms(const SystemAlarmsQuery& query) {
  const std::lock_guard lock(tables_->mutex);
  const auto place = [](const SystemAlarm& alarm) { return std::pair(alarm.raised_at, alarm.id); };
  std::vector<SystemAlarm> alarms;
  std::ranges::copy_if(tables_->system_alarms, std::back_inserter(alarms), [&](const SystemAlarm& alarm) {
    return (!query.open_only || !alarm.ended_at) &&
           (!query.after || place(alarm) < std::pair(query.after->at, query.after->device_id));
  });
  std::ranges::sort(alarms, std::ranges::greater{}, place);
  alarms.resize(std::min(alarms.size(), query.limit));
  return alarms;
}

}  // namespace wardlink::storage
