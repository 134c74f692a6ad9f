#pragma once
// What stores answer, as text: two that were told the same answer alike. Without what the stores draw or read from a
// clock themselves (instants of record keeping, ids of transactions).

#include <string>

#include "storage/port/live_store.hpp"

namespace wardlink::storage::test {

std::string told(const AssignmentRow& row);
std::string told(const std::vector<AlarmCondition>& conditions);
std::string told(const std::vector<AuditFact>& facts);

/// Page by page, each row a line.
std::string told_readings(RecordStore& store, ReadingsQuery query);
std::string told_alarms(RecordStore& store, AlarmsQuery query);
/// Without ids; in no order that the stores must share.
std::string told_quarantine(RecordStore& store, QuarantineQuery query);
std::string told_runs(RecordStore& store, RunsQuery query);
std::string told_aggregates(RecordStore& store, AggregatesQuery query);
std::string told_latest(RecordStore& store, const Scope& scope, const Subject& subject);
std::string told_registry(RegistryStore& store, const Scope& scope);
/// From the first position on; waits until all of it is settled.
std::string told_live(LiveStore& store, const Scope& scope);
std::string told_present(LiveStore& store, const Scope& scope);

}  // namespace wardlink::storage::test
