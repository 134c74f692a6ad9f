#pragma once
// Where goes what cannot be taken: kept raw, audited, and a technical alarm raised, so that somebody looks.

#include <pqxx/pqxx>

#include "storage/record.hpp"
#include "storage/record_store.hpp"

namespace wardlink::storage::postgres {

/// In the caller's transaction. The same once more is the same row.
void quarantine(pqxx::work& tx, const Record& record, const Unusable& why);

/// One row. Throws what pqxx throws.
void insert_audit(pqxx::transaction_base& tx, const AuditFact& fact);

/// The same inside a savepoint: false, and logged, when the audit refuses or is slow. Records go on.
bool try_audit(pqxx::work& tx, const AuditFact& fact);

}  // namespace wardlink::storage::postgres
