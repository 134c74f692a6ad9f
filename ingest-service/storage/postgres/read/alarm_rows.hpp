#pragma once
// Alarm conditions as the database tells them, attributed to who wore the device at their onset.

#include <pqxx/pqxx>
#include <string>
#include <vector>

#include "storage/port/record_store.hpp"
#include "storage/postgres/link/fields.hpp"

namespace wardlink::storage::postgres {

/// Of alarm_condition c, its device d and its patient p.
const Fields<AlarmCondition>& alarm_fields();

/// JOIN of alarm_condition c by the parts of its key. PostgreSQL takes a join with the view's UNION ALL for one with
/// every condition that ever was; of one key it looks up the one (OFFSET 0 keeps the key inside).
std::string condition_of(const std::string& device, const std::string& boot, const std::string& stream,
                         const std::string& sequence);
/// JOIN of condition c's device d, assignment a and patient p: who wore the device at its onset.
const std::string& attribution();
/// The end of it: who wore the device of the condition c, for certain.
std::string wearer_of_condition();
/// FROM what stands: c, d, a and p. A WHERE of c.end_at IS NULL belongs to it.
const std::string& open_conditions();

/// Arrays: $1 device ids, $2 who wears each now, NULL = nobody. That wearer's open ones, at most 100 of each device,
/// highest priority first, then newest; behind alarm_fields() how many the device's wearer has, counted up to 1,000.
const std::string& open_alarms_statement();
/// Of rows that begin with alarm_fields().
std::vector<AlarmCondition> read_alarms(const pqxx::result& rows);

}  // namespace wardlink::storage::postgres
