#pragma once
// Alarms of the system itself: raised and ended by whichever process sees it first.

#include <pqxx/pqxx>
#include <string>

#include "storage/port/record_store.hpp"

namespace wardlink::storage::postgres {

/// As the source of an alarm.
std::string this_program();

/// Nothing changes where one of that code and subject is open.
void raise_system_alarm(pqxx::transaction_base& tx, const SystemAlarmFact& fact);
void end_system_alarm(pqxx::transaction_base& tx, const std::string& code, const std::string& subject = "");
bool system_alarm_stands(pqxx::transaction_base& tx, const std::string& code, const std::string& subject = "");

}  // namespace wardlink::storage::postgres
