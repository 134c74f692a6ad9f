#pragma once
// What a person types for a patient or device, as the API's resource name.

#include <string>

#include "client/session.hpp"

namespace wardlink::command_line {

/// "urn:…" or "devices/urn:…": devices/urn:…. Throws Failure (exit_usage) when it is neither.
std::string device_name(const std::string& typed);
/// The URN alone, for people to read.
std::string device_urn(const std::string& name);
/// patients/ID as it is; an ID or display name is looked up. Throws Failure: exit_nothing when nobody matches,
/// exit_usage when several do.
std::string patient_name(const Session& session, const std::string& typed);
/// Either of the two; empty stays empty (everybody).
std::string parent_name(const Session& session, const std::string& typed);

/// devices/URN/alarms/ID; "devices/" may be left out.
inline std::string alarm_name(const std::string& text) { return text.starts_with("urn:") ? "devices/" + text : text; }

}  // namespace wardlink::command_line
