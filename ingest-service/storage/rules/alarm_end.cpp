#include "storage/rules/alarm_end.hpp"

#include <algorithm>

#include "storage/port/store_error.hpp"
#include "storage/rules/text.hpp"

namespace wardlink::storage {
namespace {

using Cause = AlarmEndCause;

std::optional<AlarmEnd> of_restart(const OnsetFacts& onset) {
  if (!onset.restarted_at || !is_of_start(onset)) return std::nullopt;
  return AlarmEnd{std::max(onset.start, *onset.restarted_at), Cause::restarted};
}

std::optional<AlarmEnd> of_release(const OnsetFacts& onset) {
  // Raised anew for an assignment that never was, or for one whose wearer had it already.
  if (onset.origin && (!onset.wearer || onset.origin_is_theirs)) return AlarmEnd{onset.start, Cause::released};
  if (!onset.wearer || !onset.wearer->until) return std::nullopt;
  const auto cause = onset.wearer->discharged ? Cause::discharged : Cause::released;
  return AlarmEnd{std::max(onset.start, *onset.wearer->until), cause, onset.wearer->released_by};
}

std::string name_of(const AlarmCondition& alarm) {
  return "devices/" + alarm.device + "/alarms/" + std::to_string(alarm.boot) + "-" +
         std::to_string(static_cast<int>(alarm.stream)) + "-" + std::to_string(alarm.sequence);
}

std::string told(const AlarmCondition& alarm) {
  const auto at = " at " + to_text_of_instant(*alarm.end);
  switch (alarm.end_cause.value_or(Cause::device)) {
    case Cause::device:
      return " was ended by its device" + at;
    case Cause::restarted:
      return " ended when its device restarted" + at;
    case Cause::released:
      return " ended with the release by " + alarm.ended_by + at;
    case Cause::discharged:
      return " ended with the discharge by " + alarm.ended_by + at;
    case Cause::person:
      return " was closed by " + alarm.ended_by + at + ": " + alarm.end_reason;
  }
  return " has ended" + at;
}

}  // namespace

bool is_of_start(const OnsetFacts& onset) {
  switch (onset.record.stream) {
    case Stream::storage:
      return onset.origin.has_value();
    case Stream::manual:
      return false;
    default:
      return true;
  }
}

std::optional<AlarmEnd> due_end(const OnsetFacts& onset) {
  if (onset.end) return std::nullopt;
  auto restart = of_restart(onset), release = of_release(onset);
  if (restart && release) return restart->at < release->at ? restart : release;
  return restart ? restart : release;
}

std::optional<Instant> due_anew(const OnsetFacts& onset) {
  const bool asserted =
      is_of_start(onset) && !onset.origin && !onset.restarted_at && !(onset.end && onset.end->cause == Cause::device);
  if (!asserted || !onset.worn_since || onset.stands_anew) return std::nullopt;
  const bool is_theirs = onset.wearer ? !onset.wearer->until : onset.start >= *onset.worn_since;
  if (!onset.end && is_theirs) return std::nullopt;
  const auto ended = onset.end ? onset.end->at : onset.start;
  return std::max({*onset.worn_since, onset.start, ended});
}

DatedRecord raised_anew(const OnsetFacts& onset, Instant at) {
  const auto& record = onset.record;
  auto anew = storage_alarm(record.session, std::get<AlarmFact>(record.body), at, std::max(at, record.received_at));
  anew.origin = AlarmOrigin{record.stream, record.sequence};
  return anew;
}

AlarmEnd end_with_origin(Instant origin_end, Instant start) { return {std::max(origin_end, start), Cause::device}; }

std::optional<AlarmEnd> closed_by_person(const AlarmCondition& alarm, const OnsetFacts& onset, Instant at,
                                         const std::string& by, const std::string& reason) {
  const auto refuse = [&](const std::string& why) {
    throw StoreError(StoreError::Kind::precondition, name_of(alarm) + why + "; nothing was closed");
  };
  if (alarm.end) {
    if (alarm.end_cause == Cause::person && alarm.ended_by == by && alarm.end_reason == reason) return std::nullopt;
    refuse(told(alarm));
  }
  if (is_of_start(onset) && !onset.restarted_at && onset.worn_since)
    refuse(" is asserted by its device, which is worn: it ends with the device's own word, or once it is released");
  return AlarmEnd{std::max(at, onset.start), Cause::person, by, reason};
}

bool is_restarting(std::optional<Instant> before, Instant newest) {
  return before && newest >= *before && newest - *before < std::chrono::minutes(10);
}

DatedRecord restarting_alarm(std::shared_ptr<const Session> newest, Instant at) {
  AlarmFact fact;
  fact.kind = AlarmKind::technical;
  fact.priority = AlarmPriority::medium;
  fact.code = "restarting";
  return storage_alarm(std::move(newest), std::move(fact), at, at);
}

}  // namespace wardlink::storage
