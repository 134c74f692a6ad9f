#pragma once
// What onsets and ends of alarms come to.

#include <optional>
#include <span>
#include <string>

#include "storage/port/record_store.hpp"
#include "storage/rules/order.hpp"

namespace wardlink::storage {

struct Acknowledgement {
  Instant at;
  std::string by;  // subject
};

/// An end under the onset's key that no record of the onset's stream tells.
struct AlarmEnd {
  Instant at;
  AlarmEndCause cause = AlarmEndCause::person;
  std::string by{}, reason{};  // subject, and in that person's words; empty = nobody
};

/// Which of an onset's AlarmEnds counts: the device's, else the only one. `ends` is not empty.
const AlarmEnd& counting_end(std::span<const AlarmEnd> ends);

/// Whether an end ends that onset: both alarms, of one start and stream.
bool ends(const Record& end, const Record& onset);

/// One condition: an onset, with the first (by sequence) of the records that end it; or an end without an onset.
struct ConditionParts {
  const DatedRecord* onset = nullptr;  // one of the two is there
  const DatedRecord* end = nullptr;
  const AlarmEnd* other_end = nullptr;        // the AlarmEnd that counts, where no record ends it
  const Acknowledgement* of_onset = nullptr;  // under the onset's key
  const Acknowledgement* of_end = nullptr;  // under the end's: it was there before its onset, so this one is the first
};
/// Without a patient.
AlarmCondition condition_of(const ConditionParts& parts);

/// How loud the quarantine of a record has to be: as high as the alarm in it, high where an alarm cannot be read, low
/// where it is none.
AlarmPriority quarantine_priority(const Record& quarantined, const Unusable& why);

/// An onset that storage raises itself at an instant, in the start's storage stream, still without its sequence.
DatedRecord storage_alarm(std::shared_ptr<const Session> session, AlarmFact fact, Instant at, Instant received_at);

constexpr const char* clock_code = "clock";
/// What storage raises, once a start, where a record has a clock_jump(), still without its sequence.
DatedRecord clock_alarm(const Record& jumped);

/// What storage raises where it quarantines a record, unless one at least as high of that device stands unacknowledged
/// for whoever wore it: the alarm's record, under the next sequence of the start's storage stream. It is measured when
/// the quarantined record was received.
DatedRecord quarantine_alarm(const Record& quarantined, AlarmPriority priority, std::uint64_t sequence);

}  // namespace wardlink::storage
