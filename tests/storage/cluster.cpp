#include "cluster.hpp"

#include <libpq-fe.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include "places.hpp"

namespace wardlink::storage::test {
namespace {

const std::string script = places::source("scripts/private-postgres");

const std::string& shared_connection() {
  static const std::string connection = [] {
    std::string folder, text;
    if (const char* file = std::getenv("WARDLINK_TEST_CLUSTER")) {
      std::ifstream told(file);
      std::getline(told, folder);
      std::getline(told, text);
    }
    if (!text.empty()) return text;
    static Cluster own;
    return own.connection();
  }();
  return connection;
}

}  // namespace

std::string run(const std::vector<std::string>& command) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) throw std::runtime_error("no pipe");
  std::vector<char*> arguments;
  for (const auto& each : command) arguments.push_back(const_cast<char*>(each.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = vfork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(ends[1]);
  std::string output;
  std::array<char, 4096> buffer;
  for (ssize_t got; (got = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    output.append(buffer.data(), static_cast<std::size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error(command[0] + " failed: " + output);
  while (!output.empty() && output.back() == '\n') output.pop_back();
  return output;
}

bool eventually(const std::function<bool()>& condition) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

Cluster::Cluster(const std::vector<std::string>& options) {
  std::string name = "/tmp/wardlink-test-pg.XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder in /tmp");
  chmod(name.c_str(), 0755);
  folder_ = name;
  start(options);
}

Cluster::~Cluster() {
  try {
    stop();
  } catch (const std::exception&) {  // stopped already
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void Cluster::start(const std::vector<std::string>& options) {
  std::vector<std::string> command = {script, "start", folder_ + "/cluster"};
  for (const auto& option : options) {
    command.push_back("--option");
    command.push_back(option);
  }
  connection_ = run(command);
}

void Cluster::stop() { run({script, "stop", folder_ + "/cluster"}); }

struct Sql::Impl {
  ~Impl() { PQfinish(connection); }
  std::unique_ptr<PGresult, decltype(&PQclear)> ask(const std::string& statement) {
    std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection, statement.c_str()), &PQclear);
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
      const char* state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
      throw std::runtime_error(std::string(state != nullptr ? state : "") + " " + PQerrorMessage(connection));
    }
    return result;
  }
  PGconn* connection = nullptr;
};

Sql::Sql(const std::string& connection) : impl_(std::make_unique<Impl>()) {
  impl_->connection = PQconnectdb(connection.c_str());
  if (PQstatus(impl_->connection) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(impl_->connection));
}

Sql::~Sql() = default;

std::string Sql::ask(const std::string& statement) {
  const auto result = impl_->ask(statement);
  return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

std::vector<std::vector<std::optional<std::string>>> Sql::rows(const std::string& statement) {
  const auto result = impl_->ask(statement);
  std::vector<std::vector<std::optional<std::string>>> rows(static_cast<std::size_t>(PQntuples(result.get())));
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto place = static_cast<int>(row);
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      auto& value = rows[row].emplace_back();
      if (PQgetisnull(result.get(), place, column) == 0) value = PQgetvalue(result.get(), place, column);
    }
  }
  return rows;
}

void Sql::wait_until(const std::string& condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (ask("SELECT " + condition) != "t") {
    if (std::chrono::steady_clock::now() > limit) throw std::runtime_error("never came true: " + condition);
    ask("SELECT pg_sleep(0.01)");
  }
}

ScratchDatabase::ScratchDatabase() {
  static std::atomic<int> count = 0;
  name_ = "test_" + std::to_string(getpid()) + "_" + std::to_string(++count);
  Sql(shared_connection()).ask("CREATE DATABASE " + name_);
  connection_ = shared_connection() + " dbname=" + name_;
}

void ScratchDatabase::take_steps_before(const std::string& first_left_out) const {
  ask("CREATE TABLE schema_migration (version int PRIMARY KEY, name text NOT NULL, applied_at timestamptz)");
  std::set<std::filesystem::path> files;
  for (const auto& each : std::filesystem::directory_iterator(places::source("ingest-service/storage/schema")))
    files.insert(each.path());
  for (const auto& path : files) {
    const auto name = path.filename().string();
    if (name >= first_left_out) break;
    std::ostringstream sql;
    sql << std::ifstream(path).rdbuf();
    ask(sql.str());
    ask("INSERT INTO schema_migration VALUES (" + name.substr(0, 3) + ", '" + name + "')");
  }
}

ScratchDatabase::~ScratchDatabase() { Sql(shared_connection()).ask("DROP DATABASE " + name_ + " WITH (FORCE)"); }

}  // namespace wardlink::storage::test
