#include "storage/postgres/link/session.hpp"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <string_view>

#include "storage/port/store_error.hpp"
#include "storage/postgres/link/text.hpp"

namespace wardlink::storage::postgres {
namespace {

struct Pin {
  std::string_view name, value;
};

// Of PostgreSQL's settings that a role, a database or a session may have its own of, those that what we send, read or
// promise depends on. What this server does not have is left out. Beside them: search_path and synchronous_commit
// below; plans, by the writer. Not ours to set, but watched: fsync and others (durability.cpp). Left as the
// administrator has it: default_transaction_read_only (records then wait, and the log says why), tablespaces, memory,
// what else the planner goes by, logging.
constexpr std::array<Pin, 27> pins = {{
    // How text is read, ours and the server's.
    {"client_encoding", "UTF8"},
    {"standard_conforming_strings", "on"},
    {"backslash_quote", "safe_encoding"},
    {"array_nulls", "on"},
    {"transform_null_equals", "off"},
    {"bytea_output", "hex"},
    {"DateStyle", "ISO, MDY"},
    {"IntervalStyle", "postgres"},
    {"TimeZone", "UTC"},
    {"extra_float_digits", "1"},
    {"client_min_messages", "error"},  // notices may hold values
    // A statement that hangs must not hold a stream, nor a transaction the locks and every live stream, for ever; a
    // connection that waits for work is not to end.
    {"statement_timeout", "15s"},
    {"lock_timeout", "10s"},
    {"idle_in_transaction_session_timeout", "20s"},
    {"idle_session_timeout", "0"},
    {"transaction_timeout", "0"},  // since PostgreSQL 17
    {"exit_on_error", "off"},
    // What a process had asked for ends with it: one that dies again and again must not use up the connections.
    {"client_connection_check_interval", "2s"},
    // To compile a statement takes longer than any of ours runs.
    {"jit", "off"},
    // What a transaction sees, and whether triggers and row policies apply: a row that a policy would hide is an error.
    {"default_transaction_isolation", "read committed"},
    {"default_transaction_deferrable", "off"},
    {"session_replication_role", "origin"},
    {"row_security", "off"},
    {"restrict_nonsystem_relation_kind", ""},  // since PostgreSQL 17: views
    // How rows are kept.
    {"default_table_access_method", "heap"},
    {"zero_damaged_pages", "off"},
    {"ignore_checksum_failure", "off"},
}};

/// A pooler answers a connection's start itself, and makes the process id up. PostgreSQL's own comes through TCP
/// proxies and address translation unchanged.
bool is_direct(pqxx::connection& connection, int pid) { return connection.backendpid() == pid; }

int session_of(pqxx::connection& connection) {
  return pqxx::nontransaction(connection).exec1("SELECT pg_backend_pid()")[0].as<int>();
}

/// While the one connection stands, the other is given its session: it is not its own.
bool shares_sessions(pqxx::connection& connection, const std::string& options) {
  pqxx::connection other(options);
  for (int i = 0; i < 3; ++i) {  // others at the same pooler may come between
    if (session_of(connection) == session_of(other)) return true;
  }
  return false;
}

std::string version_text(int number) { return std::to_string(number / 10000); }

/// What cannot be put right from here.
void refuse_server(const pqxx::row& row) {
  if (const int version = row["version"].as<int>(); version < 150000) {
    throw StoreUnfit("PostgreSQL " + version_text(version) + " is too old: Wardlink needs 15 or newer.");
  }
  if (const auto encoding = row["encoding"].as<std::string>(); encoding != "UTF8") {
    throw StoreUnfit("The database is encoded in " + encoding +
                     ", which does not hold every name: make it anew with ENCODING 'UTF8'.");
  }
}

/// The schema that holds our tables, whatever search_path is; for new ones the first of search_path. Quoted.
std::string home_of(const pqxx::row& row) {
  if (row["homes"].as<int>() == 1) return row["home"].as<std::string>();
  if (row["homes"].as<int>() > 1) {
    if (!row["visible"].is_null()) return row["visible"].as<std::string>();
    throw StoreUnfit("More than one schema of the database holds Wardlink's tables (" + row["home"].as<std::string>() +
                     "): name one of them in the connection string, options='-c search_path=…'.");
  }
  if (row["first"].is_null()) {
    throw StoreUnfit("search_path names no schema to make Wardlink's tables in: give this role one that is there.");
  }
  return row["first"].as<std::string>();
}

constexpr const char* ask_server =
    "WITH home AS (SELECT n.oid, quote_ident(n.nspname) AS name FROM pg_namespace n WHERE 2 = (SELECT count(*)"
    "   FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname IN ('schema_migration', 'alarm_event')"
    "   AND c.relkind = 'r'))"
    " SELECT pg_backend_pid() AS pid, current_setting('server_version_num')::int AS version,"
    " current_setting('server_encoding') AS encoding, current_setting('synchronous_commit') AS synchronous_commit,"
    " (SELECT count(*) FROM home) AS homes, (SELECT string_agg(name, ', ' ORDER BY name) FROM home) AS home,"
    " (SELECT name FROM home WHERE oid = (SELECT relnamespace FROM pg_class"
    "   WHERE oid = to_regclass('schema_migration'))) AS visible,"
    " quote_ident(current_schema()) AS first";

constexpr const char* wanted =
    "FROM pg_settings s JOIN unnest($1::text[], $2::text[]) w(name, value) ON w.name = s.name";

void pin(pqxx::nontransaction& tx, const std::string& home, const std::string& synchronous_commit) {
  ArrayText names, values;
  const auto add = [&](std::string_view name, std::string_view value) {
    names.add_quoted(name);
    values.add_quoted(value);
  };
  for (const auto& [name, value] : pins) add(name, value);
  // pg_temp last: a temporary table must not stand in front of one of ours.
  add("search_path", home + ", pg_temp");
  // Stricter than `on` stays: the standby has applied it too.
  add("synchronous_commit", synchronous_commit == "remote_apply" ? "remote_apply" : "on");
  // What has the right value already, too: else it would follow postgresql.conf at the next reload.
  tx.exec_params(fmt::format("SELECT set_config(s.name, w.value, false) {} WHERE s.context = 'user'"
                             " OR (s.context = 'superuser' AND has_parameter_privilege(s.name, 'SET'))",
                             wanted),
                 names.text(), values.text());
  const auto left = tx.exec_params(
      fmt::format("SELECT s.name, current_setting(s.name) {} WHERE current_setting(s.name) <> w.value LIMIT 1", wanted),
      names.text(), values.text());
  if (left.empty()) return;
  const auto name = left[0][0].as<std::string>();
  throw StoreUnfit("PostgreSQL's setting " + name + " is '" + left[0][1].as<std::string>() +
                   "' for this role, which may not change it: ALTER ROLE … RESET " + name +
                   ", or set it back where it is set.");
}

}  // namespace

void begin_session(pqxx::connection& connection, const std::string& options) {
  std::string home, synchronous_commit;
  {
    pqxx::nontransaction tx(connection);
    tx.exec0("SET statement_timeout = '15s'");  // before a question that the role's own would end
    const auto row = tx.exec1(ask_server);
    const bool direct = is_direct(connection, row["pid"].as<int>());
    refuse_server(row);
    home = home_of(row);
    synchronous_commit = row["synchronous_commit"].as<std::string>();
    if (direct) {
      pin(tx, home, synchronous_commit);
      return;
    }
  }
  if (shares_sessions(connection, options)) {
    throw StoreUnfit(
        "Between this program and PostgreSQL stands a pooler that shares sessions between transactions: connect"
        " directly, or set the pooler's pool_mode to session.");
  }
  pqxx::nontransaction tx(connection);
  pin(tx, home, synchronous_commit);
}

}  // namespace wardlink::storage::postgres
