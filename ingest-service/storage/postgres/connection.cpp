#include "storage/postgres/connection.hpp"

#include <array>
#include <string_view>

#include "storage/postgres/statements.hpp"

namespace wardlink::storage::postgres {
namespace {

void refuse_unfit(pqxx::connection& connection) {
  pqxx::nontransaction tx(connection);
  const auto row = tx.exec1(
      "SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')");
  constexpr std::array<const char*, 3> names = {"fsync", "full_page_writes", "synchronous_commit"};
  for (pqxx::row::size_type i = 0; i < 3; ++i) {
    if (row[i].as<std::string>() != "off") continue;
    throw StoreUnfit(std::string("PostgreSQL runs with ") + names[static_cast<std::size_t>(i)] +
                     "=off, so that a commit may be lost; switch it on.");
  }
}

}  // namespace

std::unique_ptr<Connection> Database::open() const {
  return translated([&] {
    auto connection = std::make_unique<Connection>(connection_);
    refuse_unfit(*connection);
    pqxx::nontransaction tx(*connection);
    tx.exec0("SET client_min_messages = error");
    tx.exec0("SET timezone = 'UTC'");
    tx.exec0("SET extra_float_digits = 1");
    // A statement that hangs must not hold a stream, nor a transaction the locks, for ever.
    tx.exec0("SET statement_timeout = '15s'");
    tx.exec0("SET lock_timeout = '10s'");
    tx.exec0("SET idle_in_transaction_session_timeout = '60s'");
    for (const auto& [name, text] : statements()) connection->prepare(name, text);
    return connection;
  });
}

bool passes(const pqxx::sql_error& error) {
  const std::string_view state = error.sqlstate();
  constexpr std::array<std::string_view, 9> classes = {"08", "25", "40", "53", "54", "55", "57", "58", "XX"};
  for (const auto each : classes) {
    if (state.starts_with(each)) return true;
  }
  return state.empty();
}

bool refuses_data(const pqxx::sql_error& error) {
  const std::string_view state = error.sqlstate();
  return state.starts_with("22") || state.starts_with("23");
}

std::string headline(const std::exception& error) {
  std::string text = error.what();
  text = text.substr(0, text.find('\n'));
  if (text.starts_with("ERROR:") || text.starts_with("FATAL:")) text = text.substr(text.find_first_not_of(' ', 6));
  return text;
}

}  // namespace wardlink::storage::postgres
