// What PostgreSQL alone has to do with records: connections that are lost, partitions, triggers, a broken audit. What
// every store promises is in contract/. I1, I2, I9.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "cluster.hpp"
#include "storage/port/store_error.hpp"
#include "storage/postgres/postgres_store.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;
using test::ScratchDatabase;
using test::Sql;
using testing::ElementsAre;

constexpr auto committed = RecordResult::committed;
constexpr auto duplicate = RecordResult::duplicate;
constexpr auto quarantined = RecordResult::quarantined;

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

class RecordStoreTest : public testing::Test {
 protected:
  std::shared_ptr<const Session> attach(const std::string& device = "urn:dev:os:32473-a", std::uint64_t boot = 7) {
    return writer->attach({device, boot, anchor}).session;
  }

  Record set(std::uint64_t sequence, std::uint64_t tick, double heart_rate,
             std::shared_ptr<const Session> of = nullptr) {
    return {of ? of : session, Stream::vitals, sequence, tick, now(), MeasurementSet{{1}, {heart_rate}, {0}}};
  }

  Record alarm(std::uint64_t sequence, AlarmFact fact) {
    return {session, Stream::alarms, sequence, sequence * 1000, now(), std::move(fact)};
  }

  static AlarmFact raised(const std::string& code) {
    return {AlarmEvent::raised, AlarmKind::physiological, AlarmPriority::high, code, 1, 140.0, 130.0, 0};
  }

  std::vector<RecordResult> append(std::vector<Record> records) { return writer->append(records); }
  std::string rows(const std::string& table) { return database.ask("SELECT count(*) FROM " + table); }
  std::vector<ReadingRow> readings() {
    ReadingsQuery query;
    query.subject = {Subject::Kind::device, "urn:dev:os:32473-a"};
    return store.readings(query);
  }

  ScratchDatabase database;
  PostgresStore store{{.connection = database.connection()}};
  std::unique_ptr<RecordWriter> writer = store.open_writer();
  Instant anchor = std::chrono::floor<std::chrono::hours>(now()) - 2h;
  std::shared_ptr<const Session> session = attach();
};

TEST_F(RecordStoreTest, AlarmsAreIdempotentToo) {
  EXPECT_THAT(append({alarm(1, raised("hr-high"))}), ElementsAre(committed));
  EXPECT_THAT(append({alarm(1, raised("hr-high")), alarm(1, raised("hr-low"))}), ElementsAre(duplicate, quarantined));
  EXPECT_NE(database.ask("SELECT pg_xact_commit_timestamp(xmin) FROM alarm_event WHERE source = 'device'"), "");
}

TEST_F(RecordStoreTest, ARowOfANewerVersionHoldsUpNoOther) {
  EXPECT_THAT(append({alarm(1, raised("hr-high")), alarm(2, raised("hr-high")), alarm(3, raised("hr-high"))}),
              ElementsAre(committed, committed, committed));
  database.ask("ALTER TABLE alarm_event DISABLE TRIGGER alarm_event_append_only");
  for (const char* column : {"priority", "kind", "event"})
    database.ask("ALTER TABLE alarm_event DROP CONSTRAINT alarm_event_" + std::string(column) + "_check");
  database.ask(
      "UPDATE alarm_event SET priority = CASE sequence WHEN 1 THEN 4 ELSE priority END,"
      " kind = CASE sequence WHEN 2 THEN 9 ELSE kind END, event = CASE sequence WHEN 3 THEN 3 ELSE event END");
  EXPECT_THAT(append({alarm(6, raised("hr-low")), alarm(1, raised("hr-high")), alarm(2, raised("hr-high")),
                      alarm(3, raised("hr-high"))}),
              ElementsAre(committed, quarantined, quarantined, quarantined));
}

TEST_F(RecordStoreTest, ABackendThatIsKilledMidwayLeavesExactlyOneRow) {  // I1, I2
  Sql blocker(database.connection()), watcher(database.connection());
  blocker.begin();
  blocker.ask("LOCK TABLE alarm_event IN EXCLUSIVE MODE");
  bool was_away = false;
  std::vector<RecordResult> results;
  std::thread appending([&] {
    const std::vector<Record> records = {alarm(1, raised("hr-high"))};
    try {
      results = writer->append(records);
    } catch (const StoreError& error) {
      was_away = error.kind() == StoreError::Kind::away;
      results = writer->append(records);
    }
  });
  const std::string waiting =
      " FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <>"
      " pg_backend_pid()";
  watcher.wait_until("EXISTS (SELECT" + waiting + ")");
  watcher.ask("SELECT pg_terminate_backend(pid)" + waiting);
  blocker.commit();
  appending.join();
  EXPECT_TRUE(was_away);
  EXPECT_THAT(results, ElementsAre(committed));
  EXPECT_EQ(rows("alarm_event"), "1");
}

TEST_F(RecordStoreTest, AWriterSurvivesTheLossOfItsIdleConnection) {
  append({set(1, 1000, 72)});
  database.ask(
      "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
      " WHERE datname = current_database() AND pid <> pg_backend_pid()");
  EXPECT_THROW(append({set(2, 2000, 73)}), StoreError);
  EXPECT_THAT(append({set(2, 2000, 73)}), ElementsAre(committed));
  // Queries replace a lost connection by themselves.
  EXPECT_EQ(readings().size(), 2U);
}

TEST_F(RecordStoreTest, RowsLieInThePartitionOfTheirDay) {
  append({set(1, 1000, 72)});
  EXPECT_EQ(database.ask("SELECT tableoid::regclass::text = 'measurement_set_' || to_char(measured_at, 'YYYYMMDD')"
                         " FROM measurement_set"),
            "t");
  const auto old = writer->attach({"urn:dev:os:32473-old", 1, anchor - std::chrono::days(1)}).session;
  EXPECT_THAT(append({set(1, 1000, 72, old)}), ElementsAre(committed));
  const std::string partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'measurement_set'::regclass";
  const auto made = database.ask(partitions);
  const auto ancient = writer->attach({"urn:dev:os:32473-ancient", 1, Instant{}}).session;
  EXPECT_EQ(database.ask(partitions), made) << "1970 says nothing of when its rows are measured";
  EXPECT_THAT(append({set(1, 1000, 72, ancient)}), ElementsAre(committed));
  EXPECT_EQ(rows("measurement_set_default"), "1");
}

TEST_F(RecordStoreTest, TheAuditAndTheAlarmsOnlyGrow) {  // I9
  append({alarm(1, raised("hr-high"))});
  store.audit({.subject = "urn:wardlink:client:x", .method = "test", .granted = true});
  for (const auto* statement : {"DELETE FROM audit", "UPDATE audit SET subject = 'y'", "TRUNCATE audit",
                                "DELETE FROM alarm_event", "UPDATE device_boot SET anchor = now()"}) {
    EXPECT_THROW(database.ask(statement), std::runtime_error) << statement;
  }
  EXPECT_EQ(rows("audit"), "1");
}

TEST_F(RecordStoreTest, ABrokenAuditDoesNotStopRecords) {  // I9
  append({set(1, 1000, 72)});
  database.ask("ALTER TABLE audit RENAME TO audit_away");
  EXPECT_THAT(append({set(1, 1000, 71), set(2, 2000, 73)}), ElementsAre(quarantined, committed));
  const std::vector<AuditFact> facts(3, {.subject = "device", .method = "handshake"});
  EXPECT_FALSE(writer->audit(facts));
  EXPECT_EQ(rows("quarantine"), "1");
}

TEST_F(RecordStoreTest, ARowThatTheAuditRefusesTakesNoOtherAlong) {  // I9
  database.ask("ALTER TABLE audit ADD CHECK (method <> 'bad')");
  std::vector<AuditFact> facts(7, {.subject = "device", .method = "good"});
  facts[4].method = "bad";
  EXPECT_FALSE(writer->audit(facts));
  EXPECT_EQ(rows("audit"), "6");
}

TEST_F(RecordStoreTest, SecondStartFindsTheSchemaAndTheRows) {
  append({set(1, 1000, 72)});
  PostgresStore again({.connection = database.connection()});
  EXPECT_EQ(again.latest({}, {}).size(), 1U);
  database.ask("INSERT INTO schema_migration (version, name) VALUES (999, 'of the future')");
  EXPECT_THROW(PostgresStore({.connection = database.connection()}), StoreUnfit);
}

}  // namespace
}  // namespace wardlink::storage
