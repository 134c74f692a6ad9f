#pragma once
// Alarm conditions as the database tells them, attributed to who wore the device at their onset.

#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <vector>

#include "storage/port/record_store.hpp"

namespace wardlink::storage::postgres {

/// Of alarm_condition c, its device d and its patient p.
constexpr std::string_view alarm_columns =
    "c.device_id, d.urn, p.patient_id, p.display_name, c.boot_id, c.stream, c.sequence, c.kind, c.priority, c.code,"
    " c.sign_id, c.limit_value, c.value, micros(c.start_at), micros(c.end_at), c.start_tick_ms, c.end_tick_ms,"
    " micros(c.received_at), micros(c.acknowledged_at), c.acknowledged_by";

/// JOIN of alarm_condition c by the parts of its key. PostgreSQL takes a join with the view's UNION ALL for one with
/// every condition that ever was; of one key it looks up the one (OFFSET 0 keeps the key inside).
std::string condition_of(const std::string& device, const std::string& boot, const std::string& stream,
                         const std::string& sequence);
/// FROM what stands: c, d, a and p. A WHERE of c.end_at IS NULL belongs to it.
const std::string& open_conditions();

/// Arrays: $1 device ids, $2 who wears each now, NULL = nobody. That wearer's open ones, at most 100 of each device,
/// highest priority first, then newest; behind alarm_columns how many the device's wearer has, counted up to 1,000.
const std::string& open_alarms_statement();
/// $1 scope, and arrays: $2 devices, $3 boots, $4 streams, $5 sequences. Those that there are, in the order of the
/// arrays; behind alarm_columns the place in them, from 1.
const std::string& alarms_by_key_statement();

/// The row's columns from `first` on are alarm_columns.
AlarmCondition read_alarm(const pqxx::row& row, pqxx::row::size_type first = 0);
std::vector<AlarmCondition> read_alarms(const pqxx::result& rows);

}  // namespace wardlink::storage::postgres
