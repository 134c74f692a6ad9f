#pragma once
// The statements of the way in and of live streams. Each is prepared on a connection when it first runs there, then
// planned once, not once a batch.

#include <map>
#include <string>
#include <utility>

#include "storage/postgres/link/connection.hpp"

namespace wardlink::storage::postgres {

/// Text by name.
const std::map<std::string, std::string>& statements();

/// Those of them that live streams read with.
std::map<std::string, std::string> live_statements();

/// Runs one of them, in a transaction on a connection of Database.
template <typename... Arguments>
pqxx::result run(pqxx::transaction_base& tx, const char* name, Arguments&&... arguments) {
  auto& connection = static_cast<Connection&>(tx.conn());
  if (connection.prepared.insert(name).second) connection.prepare(name, statements().at(name));
  return tx.exec_prepared(name, std::forward<Arguments>(arguments)...);
}

}  // namespace wardlink::storage::postgres
