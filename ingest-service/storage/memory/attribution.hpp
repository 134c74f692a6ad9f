#pragma once
// Who wore what, and what of it a question concerns. The caller holds the tables' mutex.

#include "storage/memory/tables.hpp"

namespace wardlink::storage::memory {

/// Whose the device was at that instant, as it is believed now. nullptr = nobody's.
const AssignmentRow* worn_at(const Tables& tables, std::int64_t device_id, Instant at);

/// Whether the patient is there and in the scope.
bool sees_patient(const Tables& tables, const Scope& scope, const std::string& patient);

/// Whether a question concerns what the device measured at that instant.
bool concerns(const Tables& tables, const Scope& scope, const Subject& subject, std::int64_t device_id, Instant at);

/// The devices that a question may concern; all, for a patient.
std::vector<std::int64_t> devices_of(const Tables& tables, const Subject& subject);

/// not_found where the subject does not exist.
void require_known(const Tables& tables, const Subject& subject);

/// The newest instant of receipt of the device's records.
std::optional<Instant> last_received_at(const Tables& tables, std::int64_t device_id);

}  // namespace wardlink::storage::memory
