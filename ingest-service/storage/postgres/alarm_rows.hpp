#pragma once
// Alarm conditions as the database tells them, attributed to who wore the device at their onset.

#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <vector>

#include "storage/record_store.hpp"

namespace wardlink::storage::postgres {

/// Of alarm_condition c, its device d and its patient p.
constexpr std::string_view alarm_columns =
    "c.device_id, d.urn, p.patient_id, p.display_name, c.boot_id, c.stream, c.sequence, c.kind, c.priority, c.code,"
    " c.sign_id, c.limit_value, c.value, micros(c.start_at), micros(c.end_at), c.start_tick_ms, c.end_tick_ms,"
    " micros(c.received_at), micros(c.acknowledged_at), c.acknowledged_by";

/// $1 scope, $2 patient, $3 device, $4 open only, $5 start, $6 end, $7 to $11 the position before, $12 limit, $13
/// states.
const std::string& alarms_statement();
/// $1 scope, $2 device ids. Open ones, highest priority first, then newest.
const std::string& open_alarms_statement();
/// $1 scope, $2 device, $3 boot, $4 stream, $5 sequence.
const std::string& one_alarm_statement();

/// The row's columns from `first` on are alarm_columns.
AlarmCondition read_alarm(const pqxx::row& row, pqxx::row::size_type first = 0);
std::vector<AlarmCondition> read_alarms(const pqxx::result& rows);

}  // namespace wardlink::storage::postgres
