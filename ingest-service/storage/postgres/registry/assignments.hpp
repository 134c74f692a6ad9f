#pragma once
// Who wears what, as it is changed. In the caller's transaction, which holds the device's row. Throws what pqxx throws,
// and StoreError.

#include <pqxx/pqxx>

#include "storage/port/registry_store.hpp"

namespace wardlink::storage::postgres {

/// not_found where the patient is not there, or not in the scope.
void require_patient(pqxx::work& tx, const Scope& scope, const std::string& patient);

/// Ends the assignment `worn` at `at`; at its very start: it never was. Returns it as it is then.
AssignmentRow take_off(pqxx::work& tx, std::int64_t device_id, const AssignmentRow& worn, Instant at, Instant now,
                       const std::string& by);

}  // namespace wardlink::storage::postgres
