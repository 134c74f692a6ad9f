// PostgreSQL freezes, lets nobody in, takes no writes, has no room, or breaks off at a COMMIT, each under a load of
// alarms and vitals: no session is lost, no ACK leaves without its COMMIT, nobody has to help, and in the end every
// alarm has exactly one row. I1, I2, I5, I8, MSG-07

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mount.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <pqxx/pqxx>

#include "alarm_books.hpp"
#include "places.hpp"
#include "postgres_proxy.hpp"
#include "stack.hpp"

namespace wardlink::testing {
namespace {

constexpr int kDevices = 8;
/// Beyond what it had before: far above what these devices say in a minute, far below what would hurt a host.
constexpr long kMoreKib = 64 * 1024;

/// The postmaster and all that it started, stopped for as long as this lives.
class Frozen {
 public:
  explicit Frozen(pid_t postmaster) : pids_{postmaster} {
    kill(postmaster, SIGSTOP);  // first: it starts no more of them
    for (const auto child : children_of(postmaster)) pids_.push_back(child);
    for (const auto pid : pids_) kill(pid, SIGSTOP);
  }
  ~Frozen() {
    for (auto at = pids_.rbegin(); at != pids_.rend(); ++at) kill(*at, SIGCONT);
  }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;
  std::size_t processes() const { return pids_.size(); }

 private:
  std::vector<pid_t> pids_;
};

/// A small file system of its own.
class SmallDisk {
 public:
  SmallDisk() : mounted_(mount("tmpfs", path().c_str(), "tmpfs", 0, "size=8m") == 0) {}
  ~SmallDisk() {
    if (mounted_) umount2(path().c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }
  const std::string& path() const { return folder_.path(); }
  void fill() const {
    std::ofstream file(path() + "/filler", std::ios::binary);
    const std::string page(4096, 'x');
    while (file.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) continue;
  }
  void give_back() const { std::filesystem::remove(path() + "/filler"); }

 private:
  TemporaryFolder folder_;
  bool mounted_;
};

std::int64_t now_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

class DatabaseFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    stack.make_pki("devices", {std::to_string(kDevices)});
    std::filesystem::create_directory(journals);
    ward = Process({places::program("alarm_ward"), std::to_string(stack.ingest_port()), stack.pki(), journals,
                    std::to_string(kDevices), "1"},
                   stack.path("alarm_ward.log"));
    ASSERT_TRUE(eventually([&] { return stack.metric("wardlink_ingest_sessions") == kDevices; }));
    ASSERT_TRUE(eventually(
        [&] { return stack.sql("SELECT count(DISTINCT device_id) FROM alarm_event") == std::to_string(kDevices); }));
    handshakes_before = handshakes();
    storage_pid = stack.storage.pid();
    memory_kib = stack.ingest.resident_kib();
    log_before = stack.storage.log().size();
  }

  double handshakes() const { return stack.metric("wardlink_ingest_handshakes_total"); }
  double held() const { return stack.metric("wardlink_ingest_held_acks"); }
  double waiting(const std::string& stream) const {
    return stack.metric("wardlink_ingest_sink_waiting{stream=\"" + stream + "\"}");
  }
  std::string said() const { return stack.storage.log().substr(log_before); }

  /// Every device has an alarm whose ACK is held, and storage has said why.
  void expect_held(const std::string& cause) {
    ASSERT_TRUE(eventually([&] { return held() >= kDevices; })) << held() << '\n' << said();
    ASSERT_TRUE(eventually([&] { return said().find(cause) != std::string::npos; })) << said();
    held_from_us = now_us();
    poll(nullptr, 0, 3000);  // its length is the fault, not a wait for something: devices retransmit meanwhile
    held_until_us = now_us();
    EXPECT_GT(waiting("alarms"), 0);
    EXPECT_LT(stack.ingest.resident_kib(), memory_kib + kMoreKib);
  }

  /// Nobody helped: the same storage, the same sessions.
  void expect_healed() {
    ward.signal(SIGTERM);
    EXPECT_EQ(ward.wait(), 0) << ward.log();
    EXPECT_TRUE(stack.storage.running());
    EXPECT_EQ(stack.storage.pid(), storage_pid);
    EXPECT_EQ(stack.ask(), grpc::StatusCode::OK);
    EXPECT_EQ(handshakes(), handshakes_before) << "a held ACK is not a dead gateway";
    EXPECT_EQ(stack.metric_sum("wardlink_ingest_shed_total"), 0);
    EXPECT_TRUE(eventually([&] { return waiting("vitals") == 0; }));
    EXPECT_LT(stack.ingest.resident_kib(), memory_kib + kMoreKib);
    const auto books = compare_books(stack, journals);
    std::cout << books << '\n' << said();
    EXPECT_EQ(books.missing, 0u);
    EXPECT_EQ(books.doubled, 0u);
    EXPECT_EQ(books.early, 0u) << "an ACK left before its COMMIT";
    EXPECT_EQ(books.compared.size(), books.journaled) << "all that was journaled is acknowledged";
    EXPECT_GT(books.compared.size(), 100u) << "the load was no load";
    EXPECT_EQ(stack.sql("SELECT count(*) FROM quarantine"), "0");
    expect_plain_words();
  }

  /// Alarm rows whose COMMIT lies within the time that expect_held watched: none, or the fault was none. (That no ACK
  /// came before its COMMIT is told by the books.)
  std::string committed_while_held() const {
    return stack.sql(
        "SELECT count(*) FROM alarm_event WHERE extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000 BETWEEN " +
        std::to_string(held_from_us) + " AND " + std::to_string(held_until_us));
  }

  /// One line for each cause, not for each try or each who waits; no SQL, nothing of what devices say.
  void expect_plain_words() {
    const auto log = said();
    EXPECT_LE(std::count(log.begin(), log.end(), '\n'), 12) << log;
    for (const auto* secret : {"INSERT", "DETAIL", "CONTEXT", "lead-off", "{", "urn:"}) {
      EXPECT_EQ(log.find(secret), std::string::npos) << secret << " in\n" << log;
    }
  }

  pid_t postmaster() const { return std::stoi(read_file(stack.path("postgres/data/postmaster.pid"))); }

  /// As the cluster's owner, beside the database that the fault strikes.
  void command(const std::string& statement) const {
    auto elsewhere = stack.database();
    elsewhere.replace(elsewhere.find("dbname="), std::string::npos, "dbname=postgres");
    pqxx::connection connection(elsewhere);
    pqxx::nontransaction work(connection);
    work.exec(statement);
  }
  void end_connections() const {
    command("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'wardlink'");
  }

  std::optional<SmallDisk> disk;  // outlives the cluster that has a tablespace on it
  Stack stack;
  const std::string journals = stack.path("journals");
  Process ward;
  double handshakes_before = 0;
  pid_t storage_pid = 0;
  long memory_kib = 0;
  std::size_t log_before = 0;
  std::int64_t held_from_us = 0, held_until_us = 0;  // since 1970-01-01 UTC
};

TEST_F(DatabaseFaults, Frozen) {
  {
    const Frozen frozen(postmaster());
    ASSERT_GT(frozen.processes(), 4u) << "the postmaster alone is not PostgreSQL";
    expect_held("does not answer");
    EXPECT_EQ(stack.ask(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_GT(waiting("vitals"), 0);
  }
  expect_healed();
  EXPECT_EQ(committed_while_held(), "0");
}

TEST_F(DatabaseFaults, WithoutConnections) {
  command("ALTER DATABASE wardlink ALLOW_CONNECTIONS false");
  end_connections();
  expect_held("not currently accepting connections");
  EXPECT_EQ(stack.ask(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_GT(waiting("vitals"), 0);
  command("ALTER DATABASE wardlink ALLOW_CONNECTIONS true");
  expect_healed();
  EXPECT_EQ(committed_while_held(), "0");
}

TEST_F(DatabaseFaults, ReadOnly) {
  command("ALTER DATABASE wardlink SET default_transaction_read_only = on");
  end_connections();
  expect_held("read-only");
  EXPECT_EQ(stack.ask(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_GT(waiting("vitals"), 0);
  command("ALTER DATABASE wardlink RESET default_transaction_read_only");
  expect_healed();
  EXPECT_EQ(committed_while_held(), "0");
}

TEST_F(DatabaseFaults, DiskFull) {
  disk.emplace();
  if (!disk->mounted()) GTEST_SKIP() << "tmpfs cannot be mounted here";
  if (getuid() == 0) run({"chown", "postgres:", disk->path()});
  command("CREATE TABLESPACE small LOCATION '" + disk->path() + "'");
  for (const auto* what : {"TABLE alarm_event", "INDEX alarm_event_pkey"})
    stack.sql(std::string("ALTER ") + what + " SET TABLESPACE small");
  disk->fill();
  expect_held("disk is full");  // a page that was begun may still take a row: of those, the books tell
  disk->give_back();
  expect_healed();
}

TEST_F(DatabaseFaults, CommitInDoubt) {
  PostgresProxy proxy(stack.database());
  stack.storage.signal(SIGTERM);
  stack.storage.wait();
  stack.start_storage(proxy.database());
  storage_pid = stack.storage.pid();
  proxy.break_commits(8);
  log_before = stack.storage.log().size();
  ASSERT_TRUE(eventually([&] { return proxy.done_unheard() == 4 && proxy.never_done() == 4; })) << said();
  expect_healed();
  EXPECT_GE(stack.metric("wardlink_ingest_records_total{stream=\"alarms\",result=\"duplicate\"}"), 4)
      << "what was done was found done";
  stack.storage = {};  // before the proxy
}

}  // namespace
}  // namespace wardlink::testing
