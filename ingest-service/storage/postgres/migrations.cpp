#include "storage/postgres/migrations.hpp"

#include <string>

#include "storage/store_error.hpp"

namespace wardlink::storage::postgres {

void migrate(pqxx::connection& connection) {
  pqxx::work tx(connection);
  tx.exec0("SET LOCAL statement_timeout = 0");
  tx.exec0("SET LOCAL lock_timeout = 0");
  // Any constant will do that no other program of this database takes: "ward" in ASCII.
  tx.exec1("SELECT pg_advisory_xact_lock(2002874980)");
  tx.exec0(
      "CREATE TABLE IF NOT EXISTS schema_migration (version int PRIMARY KEY, name text NOT NULL,"
      " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())");
  const int current = tx.exec1("SELECT coalesce(max(version), 0) FROM schema_migration")[0].as<int>();
  if (current > migrations().back().version) {
    throw StoreUnfit("The database's schema (version " + std::to_string(current) +
                     ") is newer than this program; run the newer wardlink-storage.");
  }
  for (const auto& migration : migrations()) {
    if (migration.version <= current) continue;
    tx.exec(std::string(migration.sql));
    tx.exec_params0("INSERT INTO schema_migration (version, name) VALUES ($1, $2)", migration.version,
                    std::string(migration.name));
  }
  tx.commit();
}

}  // namespace wardlink::storage::postgres
