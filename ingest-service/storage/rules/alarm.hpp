#pragma once
// What onsets and ends of alarms come to.

#include <optional>

#include "storage/port/record_store.hpp"
#include "storage/rules/order.hpp"

namespace wardlink::storage {

struct Acknowledgement {
  Instant at;
  std::string by;  // subject
};

/// Whether an end ends that onset: both alarms, of one start and stream.
bool ends(const Record& end, const Record& onset);

/// One condition: an onset, with the first (by sequence) of the records that end it; or an end without an onset.
struct ConditionParts {
  const DatedRecord* onset = nullptr;  // one of the two is there
  const DatedRecord* end = nullptr;
  const Acknowledgement* of_onset = nullptr;  // under the onset's key
  const Acknowledgement* of_end = nullptr;  // under the end's: it was there before its onset, so this one is the first
};
/// Without a patient.
AlarmCondition condition_of(const ConditionParts& parts);

/// What storage raises where it quarantines the first record of a start: the alarm's record, under the next sequence of
/// the start's storage stream. It is measured when the quarantined record was received.
DatedRecord quarantine_alarm(const Record& quarantined, std::uint64_t sequence);

}  // namespace wardlink::storage
