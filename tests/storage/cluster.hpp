#pragma once
// Real PostgreSQL for tests. Run by ctest they share one cluster (WARDLINK_TEST_CLUSTER names the file that tells it);
// by hand, an executable starts one of its own and stops it at its end.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace wardlink::storage::test {

/// Asks again until it holds, for what another process or thread does without saying so. False after 60 s.
bool eventually(const std::function<bool()>& condition);

/// A cluster of its own, in a folder of its own below /tmp; gone with the object.
class Cluster {
 public:
  explicit Cluster(const std::vector<std::string>& options = {});
  ~Cluster();
  void stop();
  void start(const std::vector<std::string>& options = {});
  const std::string& connection() const { return connection_; }

 private:
  std::string folder_, connection_;
};

/// A connection for a test's own questions, with a transaction open from begin() to commit().
class Sql {
 public:
  explicit Sql(const std::string& connection);
  ~Sql();
  /// The first column of the first row as text; "" where there is none, or NULL. Throws std::runtime_error with the
  /// SQLSTATE when refused.
  std::string ask(const std::string& statement);
  /// All rows, each column as text; nothing for NULL. Throws as ask().
  std::vector<std::vector<std::optional<std::string>>> rows(const std::string& statement);
  void begin() { ask("BEGIN"); }
  void commit() { ask("COMMIT"); }
  /// Asks again until it says "t". Throws after 60 s.
  void wait_until(const std::string& condition);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// An empty database in the shared cluster, dropped with the object.
class ScratchDatabase {
 public:
  ScratchDatabase();
  ~ScratchDatabase();
  const std::string& connection() const { return connection_; }
  std::string ask(const std::string& statement) const { return Sql(connection_).ask(statement); }
  /// Makes it one of an earlier version: the schema's steps whose file names come before `first_left_out` ("008").
  void take_steps_before(const std::string& first_left_out) const;

 private:
  std::string name_, connection_;
};

/// Runs a command without a shell and returns what it printed. Throws when it fails.
std::string run(const std::vector<std::string>& command);

/// SQL that makes calendar() read the only row of the table virtual_calendar.
constexpr const char* virtual_calendar =
    "CREATE TABLE virtual_calendar (at timestamptz NOT NULL); INSERT INTO virtual_calendar VALUES (clock_timestamp());"
    "CREATE OR REPLACE FUNCTION calendar() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ SELECT at FROM"
    " virtual_calendar $$; SELECT 1";

}  // namespace wardlink::storage::test
