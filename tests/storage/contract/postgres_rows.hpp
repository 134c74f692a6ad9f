#pragma once
// All that PostgreSQL has of records, to be compared with a MemoryStore's rows.

#include "storage/memory/stored_rows.hpp"

namespace wardlink::storage::test {

/// Of the database of that connection string.
StoredRows postgres_rows(const std::string& connection);
/// Its audit without instants, oldest first.
std::vector<AuditFact> postgres_audit(const std::string& connection);

/// The first rows that differ, a line each; empty where all are equal.
std::string difference(const StoredRows& a, const StoredRows& b);

}  // namespace wardlink::storage::test
