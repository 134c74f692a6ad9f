#pragma once
// Alarms that end though their device has not ended them, and those raised anew. The caller holds the tables' mutex,
// and has begun the transaction.

#include "storage/memory/tables.hpp"
#include "storage/rules/alarm_end.hpp"

namespace wardlink::storage::memory {

/// What is known of an alarm; of an end without an onset, only its record.
OnsetFacts facts_of(const Tables& tables, const RecordKey& alarm);

/// Ends those of these onsets whose end is due, and raises them anew for who wears the device now.
void settle(Tables& tables, const std::set<RecordKey>& onsets);
/// All of these devices that it may be due for.
void settle_devices(Tables& tables, const std::set<std::int64_t>& devices);

/// `end` is the device's: what was raised anew from its onset ends with it.
void end_with_origin(Tables& tables, const Record& end);

/// The technical alarm `clock` of the record's start, where it was never raised. The record has a clock_jump().
void raise_clock_alarm(Tables& tables, const Record& jumped);

/// The technical alarm `restarting`, where it is due and none stands.
void raise_restarting(Tables& tables, std::int64_t device_id);

}  // namespace wardlink::storage::memory
