#pragma once
// Resource names: patients/{uuid}, devices/{urn}, wards/{id}. Throws InvalidArgument naming the field.

#include <optional>
#include <string>
#include <string_view>

#include "storage/port/record_store.hpp"

namespace wardlink::storage {

std::string device_name(std::string_view urn);
std::string patient_name(std::string_view id);  // "" stays ""
std::string ward_name(std::string_view id);     // "" stays ""
std::string alarm_name(const AlarmKey& key);    // devices/{urn}/alarms/{boot}-{stream}-{sequence}

std::string period_name(const PeriodKey& key);  // devices/{urn}/unattributed/{boot}-{first tick}-{last tick}

std::string parse_device(const std::string& field, const std::string& name);
std::string parse_patient(const std::string& field, const std::string& name);
std::string parse_ward(const std::string& field, const std::string& name);
AlarmKey parse_alarm(const std::string& field, const std::string& name);
PeriodKey parse_period(const std::string& field, const std::string& name);
/// A patient or a device; empty = all.
Subject parse_parent(const std::string& field, const std::string& name);

/// A URN as certificates carry it, in its one spelling (names/urn.hpp).
bool is_urn(std::string_view text);

}  // namespace wardlink::storage
