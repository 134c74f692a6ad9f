#pragma once
// Connections to PostgreSQL: fit, or not at all; and what their failures mean.

#include <memory>
#include <pqxx/pqxx>
#include <set>
#include <string>
#include <utility>

#include "storage/port/store_error.hpp"
#include "storage/postgres/link/durability.hpp"
#include "storage/postgres/link/patience.hpp"

namespace wardlink::storage::postgres {

struct Statement;

/// Says nothing to stderr by itself: what PostgreSQL says may hold values.
struct Connection : pqxx::connection {
  Connection(const std::string& options, Patience& all) : pqxx::connection(options), patience(all) {}
  pqxx::quiet_errorhandler quiet{*this};
  Patience& patience;
  std::set<const Statement*> prepared;
};

/// Opens connections that stand on no setting of anybody else's (session.hpp). Any thread.
class Database {
 public:
  explicit Database(std::string connection) : connection_(std::move(connection)) {}
  /// StoreError away; StoreUnfit where the database will not do.
  std::unique_ptr<Connection> open() const;
  /// Of all its connections.
  Durability& durability() const { return durability_; }

 private:
  std::string connection_;
  mutable Durability durability_;
  mutable Patience patience_{std::chrono::seconds{20}};  // longer than any statement may take
};

/// The database may do better another time: connection, resources, locks, shutdown, conflict with another transaction.
bool passes(const pqxx::sql_error& error);
/// Another transaction held what it needed for too long.
inline bool waits_for_lock(const pqxx::sql_error& error) { return error.sqlstate() == "55P03"; }
/// The values themselves are refused; another try ends the same.
bool refuses_data(const pqxx::sql_error& error);
/// What is wrong, in one sentence that stays the same for as long as it is; without details, which may hold values.
std::string cause(const pqxx::sql_error& error);
std::string cause(const pqxx::failure& error);

/// Runs `work`, turning what may pass into StoreError::Kind::away. Other SQL errors go through as they are.
template <typename Work>
auto translated(Work&& work) {
  const auto away = [](const std::string& cause) -> StoreError {
    return {StoreError::Kind::away, "the database is away: " + cause};
  };
  try {
    return work();
  } catch (const pqxx::sql_error& error) {
    if (passes(error)) throw away(cause(error));
    throw;
  } catch (const pqxx::conversion_error&) {
    throw;  // a bug of ours
  } catch (const pqxx::usage_error&) {
    throw away("the connection was lost");  // a transaction whose connection has been lost
  } catch (const pqxx::failure& error) {
    throw away(cause(error));  // broken_connection, in_doubt_error, serialization_failure, deadlock_detected
  }
}

/// The same on a connection that may take its time, but not for ever.
template <typename Work>
auto in_turn(Connection& connection, Work&& work) {
  const Patience::Turn turn(connection.patience, connection.sock());
  try {
    return translated(std::forward<Work>(work));
  } catch (const StoreError&) {
    if (turn.ended_early()) throw StoreError(StoreError::Kind::away, "the database is away: it does not answer");
    throw;
  }
}

}  // namespace wardlink::storage::postgres
