// An alarm's ACK means a committed row, whatever dies on the way. I1, I2, MSG-09

#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>

#include "stack.hpp"
#include "wardlink/device.hpp"

namespace wardlink::testing {
namespace {

/// Instants of the audit book's ACKs, µs since 1970-01-01 UTC, by sequence.
std::map<std::uint64_t, std::int64_t> acknowledgements(const std::string& journal) {
  std::map<std::uint64_t, std::int64_t> at;
  std::ifstream in(journal);
  for (std::string line; std::getline(in, line);) {
    const auto entry = nlohmann::json::parse(line, nullptr, false);
    if (entry.is_object() && entry.value("type", "") == "ack") at[entry.at("seq")] = entry.at("at_us");
  }
  return at;
}

/// Holds every commit of an alarm back for as long as it lives.
class AlarmLock {
 public:
  explicit AlarmLock(const std::string& database) : connection_(database), work_(connection_) {
    work_.exec("LOCK TABLE alarm_event IN SHARE ROW EXCLUSIVE MODE");
  }

 private:
  pqxx::connection connection_;
  pqxx::work work_;
};

TEST(Durability, StorageKilledBetweenAnAlarmsArrivalAndItsCommit) {
  Stack stack;
  stack.make_pki("device", {"bed"});
  const auto journal = stack.path("bed.jsonl");

  DeviceOptions options;
  options.port = stack.ingest_port();
  options.credentials = stack.credentials("devices/bed");
  options.audit = open_audit_book(journal, stack.urn("bed"));
  Device device(options);
  device.start();
  ASSERT_TRUE(eventually([&] { return device.status().connected; })) << device.status().last_problem;

  std::optional<AlarmLock> lock(stack.database());
  Alarm alarm;
  alarm.code = "hr-high";
  alarm.sign = 1;
  alarm.value = 140;
  alarm.limit = 131;
  ASSERT_TRUE(device.raise(alarm));
  // It has arrived: storage stands before the lock with it.
  ASSERT_TRUE(eventually([&] {
    return stack.sql(
               "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
               "query ILIKE '%alarm_event%' AND pid <> pg_backend_pid()") != "0";
  }));
  EXPECT_EQ(device.status().alarms_acknowledged, 0u);

  stack.storage.signal(SIGKILL);
  stack.storage.wait();
  EXPECT_TRUE(acknowledgements(journal).empty());
  lock.reset();
  // Whatever the dead storage left in the database has ended before the new one starts.
  ASSERT_TRUE(eventually([&] {
    return stack.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'wardlink-storage-ingest'") == "0";
  }));
  EXPECT_EQ(stack.sql("SELECT count(*) FROM alarm_event"), "0") << "nothing was committed yet";
  EXPECT_EQ(device.status().alarms_acknowledged, 0u);
  EXPECT_TRUE(acknowledgements(journal).empty());

  stack.start_storage();
  ASSERT_TRUE(eventually([&] { return device.status().alarms_acknowledged == 1; }, std::chrono::seconds{120}));
  EXPECT_EQ(stack.sql("SELECT count(*) FROM alarm_event"), "1");
  const auto committed = std::stoll(stack.sql(
      "SELECT floor(extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint::text FROM alarm_event"));
  ASSERT_TRUE(eventually([&] { return acknowledgements(journal).size() == 1; }));
  const auto acknowledged = acknowledgements(journal);
  EXPECT_GE(acknowledged.begin()->second, committed) << "the ACK came before the COMMIT";
  RecordProperty("ack_after_commit_us", std::to_string(acknowledged.begin()->second - committed));
  EXPECT_EQ(device.status().handshakes, 1u) << "a held ACK is not a dead gateway";
  EXPECT_TRUE(device.stop(std::chrono::seconds{60}));
}

void reload(const Stack& stack, const std::string& statement) {
  pqxx::connection connection(stack.database());
  pqxx::nontransaction work(connection);
  work.exec0(statement);
  work.exec1("SELECT pg_reload_conf()");
}

Alarm high_heart_rate() {
  Alarm alarm;
  alarm.code = "hr-high";
  alarm.sign = 1;
  alarm.value = 140;
  alarm.limit = 131;
  return alarm;
}

// DUR-1, I1: PostgreSQL's administrator lets commits be lost, then fsync, while alarms come; then PostgreSQL crashes.
TEST(Durability, CommitsThatMayBeLostAreNotAcknowledged) {
  Stack stack;
  stack.make_pki("device", {"bed"});
  DeviceOptions options;
  options.port = stack.ingest_port();
  options.credentials = stack.credentials("devices/bed");
  Device device(options);
  device.start();
  ASSERT_TRUE(eventually([&] { return device.status().connected; })) << device.status().last_problem;

  // An ACK goes on meaning a row on the disk: what waits in memory is gone with a crash, and for long here.
  reload(stack, "ALTER SYSTEM SET wal_writer_delay = '10s'");
  reload(stack, "ALTER SYSTEM SET synchronous_commit = off");
  constexpr std::uint64_t alarms = 5;
  for (std::uint64_t i = 1; i <= alarms; ++i) {
    ASSERT_TRUE(device.raise(high_heart_rate()));
    ASSERT_TRUE(eventually([&] { return device.status().alarms_acknowledged == i; }, std::chrono::seconds{120}));
  }
  const auto victim = std::stoi(
      stack.sql("SELECT pid::text FROM pg_stat_activity WHERE application_name = 'wardlink-storage-ingest' LIMIT 1"));
  ASSERT_EQ(kill(victim, SIGKILL), 0);  // PostgreSQL then starts anew, from its log
  const auto rows = [&]() -> std::string {
    try {
      return stack.sql("SELECT count(*)::text FROM alarm_event");
    } catch (const std::exception&) {
      return "";
    }
  };
  ASSERT_TRUE(eventually([&] { return !rows().empty(); }));
  EXPECT_EQ(rows(), std::to_string(alarms));

  const auto serving = [&] { return stack.metric("wardlink_storage_serving"); };  // processes of storage
  ASSERT_TRUE(eventually([&] { return serving() == 2; }));

  // Without fsync nothing is acknowledged, and whoever looks is told why.
  reload(stack, "ALTER SYSTEM SET fsync = off");
  ASSERT_TRUE(eventually([&] { return serving() == 1; }));
  ASSERT_TRUE(device.raise(high_heart_rate()));
  ASSERT_TRUE(eventually([&] { return stack.metric("wardlink_ingest_held_acks") >= 1; }));
  EXPECT_NE(stack.client({"alarms", "list", "--system", "--open"}).find("fsync=off"), std::string::npos);
  EXPECT_EQ(device.status().alarms_acknowledged, alarms);
  const std::string said = "[error] PostgreSQL runs with fsync=off";
  const auto log = stack.storage.log();
  EXPECT_NE(log.find(said), std::string::npos) << log;
  EXPECT_EQ(log.find(said), log.rfind(said)) << "said once\n" << log;

  // Mended, all goes on by itself.
  reload(stack, "ALTER SYSTEM SET fsync = on");
  ASSERT_TRUE(eventually([&] { return device.status().alarms_acknowledged == alarms + 1; }, std::chrono::seconds{120}));
  EXPECT_EQ(rows(), std::to_string(alarms + 1));
  EXPECT_EQ(stack.sql("SELECT count(*)::text FROM system_alarm WHERE ended_at IS NULL"), "0");
  EXPECT_NE(stack.client({"alarms", "list", "--system"}).find("durability"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return serving() == 2; }));
  EXPECT_EQ(device.status().handshakes, 1u) << "a held ACK is not a dead gateway";
  EXPECT_TRUE(device.stop(std::chrono::seconds{60}));
}

}  // namespace
}  // namespace wardlink::testing
