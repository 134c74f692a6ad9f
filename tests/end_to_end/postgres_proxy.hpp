#pragma once
// Stands between storage and PostgreSQL, and breaks the connection at the COMMIT of a transaction that inserts alarms:
// before the database has seen it, or after it is done and before storage hears of it.

#include <atomic>
#include <list>
#include <string>
#include <thread>

#include "process.hpp"

namespace wardlink::testing {

class PostgresProxy {
 public:
  /// `database`: a libpq connection string whose host is a unix socket's folder, as scripts/private-postgres prints it.
  explicit PostgresProxy(const std::string& database);
  ~PostgresProxy();
  PostgresProxy(const PostgresProxy&) = delete;
  PostgresProxy& operator=(const PostgresProxy&) = delete;

  /// The same database by way of this proxy.
  const std::string& database() const { return database_; }
  /// Breaks that many COMMITs from now on, by turns before and after the database has done it.
  void break_commits(int count) { left_ = count; }
  int done_unheard() const { return done_unheard_; }
  int never_done() const { return never_done_; }

 private:
  struct Talk;
  void accept();
  void carry(Talk& talk);
  bool from_storage(Talk& talk);
  bool pass(Talk& talk, char type, const std::string& message);
  bool break_commit(Talk& talk, const std::string& message, int number);

  TemporaryFolder folder_;
  std::string server_path_, database_;
  int socket_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> left_ = 0, done_unheard_ = 0, never_done_ = 0;
  std::list<std::thread> talks_;  // the accepting thread's, until it has ended
  std::thread accepting_;
};

}  // namespace wardlink::testing
