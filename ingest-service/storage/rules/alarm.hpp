#pragma once
// What onsets and ends of alarms come to.

#include <optional>

#include "storage/port/record_store.hpp"

namespace wardlink::storage {

/// An alarm's onset or end as a store has it. `record` has a session and an AlarmFact.
struct AlarmRow {
  Record record;
  Instant measured_at;
};

struct Acknowledgement {
  Instant at;
  std::string by;  // subject
};

/// Whether an end ends that onset: both of one start and stream.
bool ends(const Record& end, const Record& onset);

/// One condition: an onset, with the first (by sequence) of the records that end it; or an end without an onset.
struct ConditionParts {
  const AlarmRow* onset = nullptr;  // one of the two is there
  const AlarmRow* end = nullptr;
  const Acknowledgement* of_onset = nullptr;  // under the onset's key
  const Acknowledgement* of_end = nullptr;  // under the end's: it was there before its onset, so this one is the first
};
/// Without a patient.
AlarmCondition condition_of(const ConditionParts& parts);

/// What storage raises where it quarantines the first record of a start: the alarm's record, under the next sequence of
/// the start's storage stream. It is measured when the quarantined record was received.
AlarmRow quarantine_alarm(const Record& quarantined, std::uint64_t sequence);

}  // namespace wardlink::storage
