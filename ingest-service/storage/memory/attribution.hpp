#pragma once
// Who wore what, and what of it a question concerns. The caller holds the tables' mutex.

#include "storage/memory/tables.hpp"

namespace wardlink::storage::memory {

/// Whose the device was at that instant, as it is believed now. nullptr = nobody's.
const AssignmentRow* worn_at(const Tables& tables, std::int64_t device_id, Instant at);

/// Whether the patient is there and in the scope.
bool sees_patient(const Tables& tables, const Scope& scope, const std::string& patient);

/// The candidates of a record in doubt, as its clock may have been of more than one wearer's time. Empty: it is not.
std::set<std::string> doubted_of(const Tables& tables, const DatedRecord& record);
/// The same where nobody has settled whose it is: it is nobody's.
std::set<std::string> candidates_of(const Tables& tables, const DatedRecord& record);
/// What its instant may be wrong by. Nothing: its start was never dated.
std::optional<std::chrono::microseconds> uncertainty_in(const Tables& tables, const DatedRecord& record);
/// Whose the record is, for certain or as it was settled. nullptr = nobody's.
const AssignmentRow* wearer_of(const Tables& tables, const DatedRecord& record);
/// Which wards see what is nobody's, with these candidates: theirs and that of who wears the device now. Nothing: all,
/// as nobody does.
std::optional<std::vector<std::string>> wards_of_doubt(const Tables& tables, std::int64_t device_id,
                                                       const std::set<std::string>& candidates);

/// Whether a question concerns the device as it is worn by that assignment. nullptr = by nobody.
bool concerns(const Tables& tables, const Scope& scope, const Subject& subject, std::int64_t device_id,
              const AssignmentRow* worn);
/// Whether it concerns the alarm; also one that is nobody's.
bool concerns(const Tables& tables, const Scope& scope, const Subject& subject, const AlarmCondition& alarm);

/// The devices that a question may concern; all, for a patient.
std::vector<std::int64_t> devices_of(const Tables& tables, const Subject& subject);

/// not_found where the subject does not exist.
void require_known(const Tables& tables, const Subject& subject);

/// The newest instant of receipt of the device's records.
std::optional<Instant> last_received_at(const Tables& tables, std::int64_t device_id);

}  // namespace wardlink::storage::memory
