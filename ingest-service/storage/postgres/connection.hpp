#pragma once
// Connections to PostgreSQL: fit, or not at all; and what their failures mean.

#include <memory>
#include <pqxx/pqxx>
#include <string>
#include <utility>

#include "storage/store_error.hpp"

namespace wardlink::storage::postgres {

/// Says nothing to stderr by itself: what PostgreSQL says may hold values.
struct Connection : pqxx::connection {
  explicit Connection(const std::string& options) : pqxx::connection(options) {}
  pqxx::quiet_errorhandler quiet{*this};
};

/// Opens connections whose commits are durable. Any thread.
class Database {
 public:
  explicit Database(std::string connection) : connection_(std::move(connection)) {}
  /// StoreError away; StoreUnfit when fsync, full_page_writes or synchronous_commit is off.
  std::unique_ptr<Connection> open() const;

 private:
  std::string connection_;
};

/// The database may do better another time: connection, resources, locks, shutdown, conflict with another transaction.
bool passes(const pqxx::sql_error& error);
/// The values themselves are refused; another try ends the same.
bool refuses_data(const pqxx::sql_error& error);
/// The message without its details, which may hold values.
std::string headline(const std::exception& error);

/// Runs `work`, turning what may pass into StoreError::Kind::away. Other SQL errors go through as they are.
template <typename Work>
auto translated(Work&& work) {
  const auto away = [](const std::exception& error) -> StoreError {
    return {StoreError::Kind::away, "the database is away: " + headline(error)};
  };
  try {
    return work();
  } catch (const pqxx::sql_error& error) {
    if (passes(error)) throw away(error);
    throw;
  } catch (const pqxx::conversion_error&) {
    throw;  // a bug of ours
  } catch (const pqxx::usage_error& error) {
    throw away(error);  // a transaction whose connection has been lost
  } catch (const pqxx::failure& error) {
    throw away(error);  // broken_connection, in_doubt_error, serialization_failure, deadlock_detected
  }
}

}  // namespace wardlink::storage::postgres
