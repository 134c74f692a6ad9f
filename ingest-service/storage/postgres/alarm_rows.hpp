#pragma once
// Alarm conditions as the database tells them, attributed to who wore the device at their onset.

#include <pqxx/pqxx>
#include <vector>

#include "storage/record_store.hpp"

namespace wardlink::storage::postgres {

/// $1 scope, $2 patient, $3 device, $4 open only, $5 start, $6 end, $7 to $11 the position before, $12 limit.
const char* alarms_statement();
/// $1 scope, $2 device ids. Open ones, highest priority first, then newest.
const char* open_alarms_statement();

std::vector<AlarmCondition> read_alarms(const pqxx::result& rows);

}  // namespace wardlink::storage::postgres
