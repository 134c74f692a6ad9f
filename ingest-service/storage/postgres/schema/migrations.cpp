#include "storage/postgres/schema/migrations.hpp"

#include <string>

#include "storage/port/store_error.hpp"

namespace wardlink::storage::postgres {

namespace {

/// The newest step that was applied; 0 where there is none.
int current_version(pqxx::transaction_base& tx) {
  if (tx.exec1("SELECT to_regclass('schema_migration') IS NULL")[0].as<bool>()) return 0;
  const int current = tx.exec1("SELECT coalesce(max(version), 0) FROM schema_migration")[0].as<int>();
  if (current <= migrations().back().version) return current;
  throw StoreUnfit("The database's schema (version " + std::to_string(current) +
                   ") is newer than this program; run the newer wardlink-storage.");
}

/// Functions of ours look for tables in the schema that they lie in, also when that has got another name.
void pin_functions(pqxx::work& tx) {
  const auto astray = tx.exec(
      "SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = quote_ident(current_schema())::regnamespace"
      " AND EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%, pg_temp'"
      "   AND c <> 'search_path=' || current_setting('search_path'))");
  for (const auto row : astray)
    tx.exec0("ALTER FUNCTION " + row[0].as<std::string>() + " SET search_path FROM CURRENT");
}

}  // namespace

void expect_schema(pqxx::transaction_base& tx) {
  if (current_version(tx) < migrations().back().version)
    throw StoreError(StoreError::Kind::away, "its schema is not there yet: wardlink-storage --serve ingest makes it");
}

void migrate(pqxx::connection& connection) {
  pqxx::work tx(connection);
  tx.exec0("SET LOCAL statement_timeout = 0");
  tx.exec0("SET LOCAL lock_timeout = 0");
  // Any constant will do that no other program of this database takes: "ward" in ASCII.
  tx.exec1("SELECT pg_advisory_xact_lock(2002874980)");
  const int current = current_version(tx);
  if (current == 0)
    tx.exec0(
        "CREATE TABLE IF NOT EXISTS schema_migration (version int PRIMARY KEY, name text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())");
  for (const auto& migration : migrations()) {
    if (migration.version <= current) continue;
    tx.exec(std::string(migration.sql));
    tx.exec_params0("INSERT INTO schema_migration (version, name) VALUES ($1, $2)", migration.version,
                    std::string(migration.name));
  }
  pin_functions(tx);
  tx.commit();
}

std::string names_out_of_use(pqxx::connection& connection) {
  pqxx::nontransaction tx(connection);
  const auto count = [&tx](const std::string& column, const std::string& table) {
    return tx
        .exec1("SELECT count(*) FROM " + table + " WHERE " + column +
               " COLLATE \"C\" !~"
               " '^urn:[a-z0-9][a-z0-9-]{0,30}[a-z0-9]:[!-~]+$' OR " +
               column + " ~ '[/?#%]'")[0]
        .as<std::int64_t>();
  };
  const auto devices = count("urn", "device"), grants = count("subject", "grants");
  if (devices == 0 && grants == 0) return "";
  return std::to_string(devices) + " devices and " + std::to_string(grants) +
         " grants bear names that are no longer let in (with one of / ? # %, or capitals before the second colon):"
         " their records are kept, and found by patient; issue certificates under other names, assign these devices"
         " to their patients, and grant these subjects anew (--grant)";
}

}  // namespace wardlink::storage::postgres
