#include "storage/rules/alarm.hpp"

#include <algorithm>

#include "storage/port/numbers.hpp"

namespace wardlink::storage {
namespace {

const AlarmFact& fact_of(const DatedRecord& row) { return std::get<AlarmFact>(row.record.body); }

}  // namespace

const AlarmEnd& counting_end(std::span<const AlarmEnd> ends) {
  const auto own = std::ranges::find(ends, AlarmEndCause::device, &AlarmEnd::cause);
  return own == ends.end() ? ends.front() : *own;
}

bool ends(const Record& end, const Record& onset) {
  const auto& ended = std::get<AlarmFact>(end.body);
  return ended.event == AlarmEvent::ended && std::get<AlarmFact>(onset.body).event == AlarmEvent::raised &&
         ended.onset_sequence == onset.sequence && end.stream == onset.stream &&
         end.session->boot == onset.session->boot && end.session->device_id == onset.session->device_id;
}

AlarmCondition condition_of(const ConditionParts& parts) {
  const DatedRecord& named = parts.onset ? *parts.onset : *parts.end;
  const auto& fact = fact_of(named);
  AlarmCondition condition;
  condition.device_id = named.record.session->device_id;
  condition.device = named.record.session->device;
  condition.boot = named.record.session->boot;
  condition.stream = named.record.stream;
  condition.sequence = named.record.sequence;
  condition.kind = fact.kind;
  condition.priority = fact.priority;
  condition.code = fact.code;
  condition.sign = fact.sign;
  condition.limit = fact.limit;
  condition.received_at = named.record.received_at;
  if (parts.onset) {
    condition.value = fact.value;
    condition.start = parts.onset->measured_at;
    condition.start_tick_ms = parts.onset->record.tick_ms;
  }
  condition.origin = named.origin;
  condition.clock_jump = named.clock_jump;
  if (parts.end) {
    condition.end = parts.end->measured_at;
    condition.end_tick_ms = parts.end->record.tick_ms;
    condition.end_cause = AlarmEndCause::device;
  } else if (parts.other_end) {
    condition.end = parts.other_end->at;
    condition.end_cause = parts.other_end->cause;
    condition.ended_by = parts.other_end->by;
    condition.end_reason = parts.other_end->reason;
  }
  if (const auto* first = parts.of_end ? parts.of_end : parts.of_onset) {
    condition.acknowledged_at = first->at;
    condition.acknowledged_by = first->by;
  }
  return condition;
}

AlarmPriority quarantine_priority(const Record& quarantined, const Unusable& why) {
  if (const auto* fact = std::get_if<AlarmFact>(&quarantined.body))
    return known(fact->priority) ? fact->priority : AlarmPriority::high;
  const bool of_alarms = quarantined.stream == Stream::alarms || why.resource.find("alarms") != std::string::npos;
  return of_alarms ? AlarmPriority::high : AlarmPriority::low;
}

DatedRecord storage_alarm(std::shared_ptr<const Session> session, AlarmFact fact, Instant at, Instant received_at) {
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(at - session->anchor);
  Record record;
  record.session = std::move(session);
  record.stream = Stream::storage;
  record.tick_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(0, since.count()));
  record.received_at = received_at;
  record.body = std::move(fact);
  return {std::move(record), at};
}

DatedRecord clock_alarm(const Record& jumped) {
  AlarmFact fact;
  fact.kind = AlarmKind::technical;
  fact.priority = AlarmPriority::medium;
  fact.code = clock_code;
  return storage_alarm(jumped.session, std::move(fact), jumped.received_at, jumped.received_at);
}

DatedRecord quarantine_alarm(const Record& quarantined, AlarmPriority priority, std::uint64_t sequence) {
  AlarmFact fact;
  fact.kind = AlarmKind::technical;
  fact.priority = priority;
  fact.code = "quarantine";
  auto alarm = storage_alarm(quarantined.session, std::move(fact), quarantined.received_at, quarantined.received_at);
  alarm.record.sequence = sequence;
  return alarm;
}

}  // namespace wardlink::storage
