#pragma once
// Statements that run often. Each is prepared on a connection when it first runs there, then planned once, not once a
// batch.

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

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

/// Values of a statement's parameters, from $1 on.
using Parameters = std::vector<std::string>;

/// In a transaction on a connection of Database. Throws what pqxx throws.
template <typename... Values>
requires(!std::is_same_v<std::remove_cvref_t<Values>, Parameters> && ...) pqxx::result
    run(pqxx::transaction_base& tx, const Statement& statement, Values&&... parameters) {
  auto& connection = static_cast<Connection&>(tx.conn());
  if (connection.prepared.insert(&statement).second) connection.prepare(statement.name, statement.text);
  return tx.exec_prepared(statement.name, std::forward<Values>(parameters)...);
}

inline pqxx::result run(pqxx::transaction_base& tx, const Statement& statement, const Parameters& parameters) {
  return run(tx, statement, pqxx::prepare::make_dynamic_params(parameters));
}

}  // namespace wardlink::storage::postgres
