#pragma once
// Alarms that end though their device has not ended them, and those raised anew. In the caller's transaction. Throws
// what pqxx throws.

#include <pqxx/pqxx>
#include <span>
#include <vector>

#include "storage/rules/alarm_end.hpp"

namespace wardlink::storage::postgres {

/// Keeps appends of alarms of these devices, and their attaches, off until COMMIT: what they wrote before is seen from
/// the next statement on. In the order of devices, so that nobody waits in a circle.
void lock_devices(pqxx::work& tx, std::span<const std::int64_t> devices);

/// What is known of these alarms; of an end without an onset, nothing comes. By device, boot, stream and sequence.
std::vector<OnsetFacts> facts_of(pqxx::work& tx, const std::vector<AlarmCondition>& alarms);

/// Ends what is due on these devices, and raises anew what is: a fixed number of statements. They are locked.
void settle_devices(pqxx::work& tx, std::span<const std::int64_t> devices);
/// The same of these records, which are alarms, inserted by this transaction: onsets that are ended on arrival; and
/// what was raised anew from what ends.
void settle_alarms(pqxx::work& tx, std::span<const Record* const> inserted);

/// The caller's end of an onset.
void end_alarms(pqxx::work& tx, const std::vector<std::pair<OnsetFacts, AlarmEnd>>& ends);

/// The technical alarm `clock` of the starts of these records, which have a clock_jump(), where it was never raised.
void raise_clock_alarms(pqxx::work& tx, std::span<const Record* const> jumped);

/// The technical alarm `restarting` of these devices, where it is due and none stands. They are locked.
void raise_restarting(pqxx::work& tx, std::span<const std::int64_t> devices);

}  // namespace wardlink::storage::postgres
