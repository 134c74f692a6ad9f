#pragma once
// Rows of the audit.

#include <pqxx/pqxx>
#include <span>

#include "storage/port/record_store.hpp"

namespace wardlink::storage::postgres {

/// A row each, in one statement. Throws what pqxx throws.
void insert_audit(pqxx::transaction_base& tx, std::span<const AuditFact> facts);
inline void insert_audit(pqxx::transaction_base& tx, const AuditFact& fact) { insert_audit(tx, std::span(&fact, 1)); }

}  // namespace wardlink::storage::postgres
