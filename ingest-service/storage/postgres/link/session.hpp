#pragma once
// What a session of ours relies on, set by itself: no ALTER ROLE, ALTER DATABASE, PGOPTIONS or postgresql.conf changes
// it.

#include <pqxx/pqxx>
#include <string>

namespace wardlink::storage::postgres {

/// At the start of each connection, before any other statement. `options` opened it. StoreUnfit, in one sentence, where
/// something that we rely on cannot be had: PostgreSQL older than 15, a database that is not UTF8, a pooler that gives
/// each transaction another session, a setting that only a superuser may put right, no schema or more than one of ours.
void begin_session(pqxx::connection& connection, const std::string& options);

}  // namespace wardlink::storage::postgres
