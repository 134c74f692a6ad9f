#pragma once
// Statements that run often. Each is prepared on a connection when it first runs there, then planned once, not once a
// batch.

#include <string>
#include <utility>

#include "storage/postgres/link/connection.hpp"

namespace wardlink::storage::postgres {

/// Lives as long as the program: a connection knows it by its address. The name is what PostgreSQL's own lists show;
/// no two have the same.
struct Statement {
  Statement(std::string named, std::string sql) : name(std::move(named)), text(std::move(sql)) {}
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  const std::string name, text;
};

/// In a transaction on a connection of Database. Throws what pqxx throws.
template <typename... Arguments>
pqxx::result run(pqxx::transaction_base& tx, const Statement& statement, Arguments&&... arguments) {
  auto& connection = static_cast<Connection&>(tx.conn());
  if (connection.prepared.insert(&statement).second) connection.prepare(statement.name, statement.text);
  return tx.exec_prepared(statement.name, std::forward<Arguments>(arguments)...);
}

}  // namespace wardlink::storage::postgres
