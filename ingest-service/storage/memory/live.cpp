// What is committed as time goes on: a transaction has ended when anybody can ask for it.

#include <algorithm>
#include <array>

#include "storage/memory/answers.hpp"
#include "storage/memory/attribution.hpp"
#include "storage/memory/conditions.hpp"
#include "storage/memory/memory_store.hpp"
#include "storage/port/store_error.hpp"

namespace wardlink::storage {
namespace memory {

void Bell::ring() {
  {
    const std::lock_guard lock(mutex_);
    ++rings_;
  }
  rung_.notify_all();
}

std::uint64_t Bell::wait(std::uint64_t heard, std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  rung_.wait_for(lock, limit, [&] { return rings_ != heard; });
  return rings_;
}

namespace {

void require_wards(const Tables& tables, const Scope& scope) {
  if (!scope) return;
  for (const auto& ward : *scope)
    if (!tables.wards.contains(ward))
      throw StoreError(StoreError::Kind::not_found, "wards/" + ward + " does not exist");
}

bool is_sought(const Tables& tables, const LiveFilter& filter, const LiveEvent& event) {
  if (filter.scope && event.unattributed && filter.subject.kind != Subject::Kind::patient) {
    if (filter.subject.kind == Subject::Kind::device && filter.subject.id != event.device) return false;
    return !event.wards || std::ranges::find_first_of(*event.wards, *filter.scope) != event.wards->end();
  }
  const bool named = filter.subject.kind == Subject::Kind::all ||
                     filter.subject.id == (filter.subject.kind == Subject::Kind::device ? event.device : event.patient);
  return named && (!filter.scope || (!event.patient.empty() && sees_patient(tables, filter.scope, event.patient)));
}

void attribute(const Tables& tables, LiveEvent& event, const std::string& patient) {
  if (patient.empty()) return;
  const auto& known = tables.patients.at(patient);
  event.patient = patient;
  event.patient_name = known.display_name;
  event.ward = known.ward;
}

/// Whose the record is, or which wards see it.
void attribute(const Tables& tables, LiveEvent& event, const DatedRecord& record) {
  if (const auto* worn = wearer_of(tables, record)) attribute(tables, event, worn->patient);
  const auto candidates = candidates_of(tables, record);
  event.unattributed = !candidates.empty();
  if (event.unattributed) event.wards = wards_of_doubt(tables, event.at.device_id, candidates);
}

void add_alarm(const Tables& tables, const Row& row, std::optional<Instant> at, LiveEvent& event) {
  AlarmChange change{AlarmChange::Kind::acknowledged, condition_with(tables, row), row.measured_at};
  if (event.at.kind == LiveKind::acknowledgement) {
    change.at = tables.acknowledgements.at(key_of(row.record)).at;
  } else if (at) {
    change.kind = event.at.kind == LiveKind::reattribution ? AlarmChange::Kind::reattributed : AlarmChange::Kind::ended;
    change.at = *at;
  } else {
    event.late = row.late;
    const bool raised = std::get<AlarmFact>(row.record.body).event == AlarmEvent::raised;
    change.kind = raised ? AlarmChange::Kind::raised : AlarmChange::Kind::ended;
  }
  const auto& alarm = change.alarm;
  attribute(tables, event, tables.alarms.at({alarm.device_id, alarm.boot, alarm.stream, alarm.sequence}));
  event.body = std::move(change);
}

void add_record(const Tables& tables, const Row& row, LiveEvent& event) {
  event.late = row.late;
  attribute(tables, event, row);
  if (event.at.kind == LiveKind::set)
    event.body = reading_of(tables, row);
  else
    event.body = run_of(tables, row);
}

LiveEvent event_of(const Tables& tables, const LivePosition& at, const LiveRow& row) {
  LiveEvent event;
  event.at = at;
  event.device = tables.urns.at(at.device_id);
  if (row.attribution) {
    attribute(tables, event, row.attribution->assignment.patient);
    event.body = *row.attribution;
  } else if (at.kind == LiveKind::set || at.kind == LiveKind::waveform) {
    add_record(tables, *row.record, event);
  } else {
    add_alarm(tables, *row.record, row.at, event);
  }
  return event;
}

}  // namespace
}  // namespace memory

using namespace memory;

std::string MemoryStore::epoch() { return epoch_; }

Horizon MemoryStore::horizon() {
  const std::lock_guard lock(tables_->mutex);
  const auto next = tables_->transactions + 1;
  return {next, next, tables_->now(), next};
}

/// In the order of all kinds, until there are enough of one.
LivePage MemoryStore::live(const LiveFilter& filter, const LivePosition& after, std::uint64_t until,
                           std::size_t limit) {
  const std::lock_guard lock(tables_->mutex);
  LivePage page;
  std::map<LiveKind, std::size_t> found;
  for (auto row = tables_->log.upper_bound(after); row != tables_->log.end() && row->first.transaction < until; ++row) {
    if (!filter.wants(row->first.kind)) continue;
    auto event = event_of(*tables_, row->first, row->second);
    if (!is_sought(*tables_, filter, event)) continue;
    page.events.push_back(std::move(event));
    if (++found[row->first.kind] < limit) continue;
    page.complete = false;
    break;
  }
  return page;
}

PresentState MemoryStore::present(const LiveFilter& filter) {
  const std::lock_guard lock(tables_->mutex);
  require_known(*tables_, filter.subject);
  require_wards(*tables_, filter.scope);
  PresentState present;
  const auto next = tables_->transactions + 1;
  present.sight = {next, next, {}, next};
  if (filter.sets) {
    const auto all = std::max<std::size_t>(1, tables_->devices.size());
    auto rows = latest_rows(*tables_, filter.scope, filter.subject, 0, all);
    present.latest.assign(std::move_iterator(rows.begin()), std::move_iterator(rows.end()));
    return present;
  }
  for (const auto& key : tables_->open_alarms) {
    auto condition = condition_with(*tables_, tables_->alarms.at(key));
    if (concerns(*tables_, filter.scope, filter.subject, condition)) present.alarms.push_back(std::move(condition));
  }
  std::ranges::sort(present.alarms, {}, [](const AlarmCondition& each) {
    return std::tuple(each.at(), each.device_id, each.boot, each.stream, each.sequence);
  });
  return present;
}

std::unique_ptr<CommitListener> MemoryStore::listen() { return std::make_unique<Listener>(bell_); }

void MemoryStore::wake() { bell_.ring(); }

}  // namespace wardlink::storage
