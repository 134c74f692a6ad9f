// What the store promises about records, on a real PostgreSQL. I1, I2, I4, I6.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
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

  static AlarmFact ended(const std::string& code, std::uint64_t onset) {
    return {AlarmEvent::ended, AlarmKind::physiological, AlarmPriority::high, code, 1, 120.0, 130.0, onset};
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

TEST_F(RecordStoreTest, TheSameRecordIsStoredOnceHoweverOftenItComes) {
  EXPECT_THAT(append({set(1, 1000, 72), set(2, 2000, 73)}), ElementsAre(committed, committed));
  EXPECT_THAT(append({set(1, 1000, 72), set(2, 2000, 73)}), ElementsAre(duplicate, duplicate));
  EXPECT_EQ(rows("measurement_set"), "2");
  EXPECT_EQ(rows("quarantine"), "0");
}

TEST_F(RecordStoreTest, ResultsComeInTheOrderOfTheRecords) {
  append({set(2, 2000, 73)});
  auto foreign = set(9, 9000, 1);
  foreign.session = nullptr;
  EXPECT_THAT(append({set(3, 3000, 74), set(2, 2000, 73), foreign, set(1, 1000, 72), set(3, 3000, 74)}),
              ElementsAre(committed, duplicate, RecordResult::not_attached, committed, duplicate));
  EXPECT_EQ(rows("measurement_set"), "3");
}

TEST_F(RecordStoreTest, OtherContentUnderAUsedKeyGoesToQuarantine) {
  append({set(1, 1000, 72)});
  EXPECT_THAT(append({set(1, 1000, 71), set(2, 2000, 73)}), ElementsAre(quarantined, committed));
  EXPECT_EQ(readings().at(0).set.values, std::vector<double>{72});
  EXPECT_EQ(database.ask("SELECT convert_from(payload, 'UTF8')::json->'values'->>0 FROM quarantine"), "71.0");
  EXPECT_EQ(database.ask("SELECT reason FROM quarantine"), "conflict");
  EXPECT_EQ(database.ask("SELECT count(*) FROM audit WHERE method = 'quarantine' AND outcome = 'refused'"), "1");
  EXPECT_EQ(database.ask("SELECT count(*) FROM alarm_event WHERE source = 'storage' AND code = 'quarantine'"
                         " AND kind = 2 AND stream = 4"),
            "1");
}

TEST_F(RecordStoreTest, TheSameSequenceWithAnotherTickIsCaughtAcrossPartitions) {
  append({set(1, 1000, 72)});
  const std::uint64_t yesterday_or_not = 26ULL * 3600 * 1000;  // another day, another partition
  EXPECT_THAT(append({set(1, yesterday_or_not, 72)}), ElementsAre(quarantined));
  EXPECT_EQ(rows("measurement_set"), "1");
}

TEST_F(RecordStoreTest, TwoContentsUnderOneKeyInOneBatch) {
  EXPECT_THAT(append({set(1, 1000, 72), set(1, 1000, 80), set(1, 1000, 72)}),
              ElementsAre(committed, quarantined, duplicate));
  EXPECT_EQ(readings().at(0).set.values, std::vector<double>{72});
}

TEST_F(RecordStoreTest, ARetriedQuarantineIsOneRowAndOneAlarm) {
  append({set(1, 1000, 72)});
  append({set(1, 1000, 71)});
  append({set(1, 1000, 71)});
  EXPECT_EQ(rows("quarantine"), "1");
  EXPECT_EQ(database.ask("SELECT seen FROM quarantine"), "2");
  EXPECT_EQ(database.ask("SELECT count(*) FROM alarm_event WHERE source = 'storage'"), "1");
}

TEST_F(RecordStoreTest, UndecodablePayloadsAreKeptAsTheyCame) {
  const std::string payload("\x00\xff\x01", 3);
  const Record record{session, Stream::vitals, 0, 0, now(), Unusable{"undecodable", "/vitals", payload}};
  EXPECT_THAT(append({record}), ElementsAre(quarantined));
  EXPECT_EQ(database.ask("SELECT encode(payload, 'hex') || reason || resource FROM quarantine"),
            "00ff01undecodable/vitals");
}

TEST_F(RecordStoreTest, ARecordThatTheDatabaseRefusesBlocksNoOther) {
  auto poison = alarm(2, raised("hr-high"));
  std::get<AlarmFact>(poison.body).code = "\xff\xfe";  // no UTF-8
  EXPECT_THAT(append({set(1, 1000, 72), alarm(1, raised("hr-high")), poison, alarm(3, raised("spo2-low"))}),
              ElementsAre(committed, committed, quarantined, committed));
  EXPECT_EQ(database.ask("SELECT count(*) FROM alarm_event WHERE source = 'device'"), "2");
  EXPECT_EQ(database.ask("SELECT reason FROM quarantine"), "refused_by_database");
}

TEST_F(RecordStoreTest, WhatIsNoNumberIsQuarantined) {
  EXPECT_THAT(append({set(1, 1000, std::nan("")), set(2, 2000, std::numeric_limits<double>::infinity()),
                      set(0, 3000, 72), set(3, 4000, 72)}),
              ElementsAre(quarantined, quarantined, quarantined, committed));
  EXPECT_EQ(rows("measurement_set"), "1");
}

TEST_F(RecordStoreTest, EveryDoubleComesBackExactly) {
  const std::vector<double> values = {37.6,
                                      0.1,
                                      1e-300,
                                      std::numeric_limits<double>::denorm_min(),
                                      std::numeric_limits<double>::max(),
                                      std::numeric_limits<double>::lowest(),
                                      std::nextafter(37.6, 38),
                                      -0.0,
                                      9007199254740993.0};
  std::vector<Record> records;
  for (std::size_t i = 0; i < values.size(); ++i) records.push_back(set(i + 1, i, values[i]));
  append(records);
  const auto stored = readings();
  ASSERT_EQ(stored.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(stored[i].set.values[0]), std::bit_cast<std::uint64_t>(values[i]));
  }
  const auto latest = store.latest({}, {Subject::Kind::device, "urn:dev:os:32473-a"});
  EXPECT_EQ(latest.at(0).values.at(0).value, values.back());
}

TEST_F(RecordStoreTest, LatestMovesForwardsOnly) {  // OBS-02, I6
  append({set(2, 2000, 80)});
  append({set(1, 1000, 60)});
  auto latest = store.latest({}, {});
  EXPECT_EQ(latest.at(0).values.at(0).value, 80);
  append({set(3, 3000, 81), set(4, 2500, 70)});
  latest = store.latest({}, {});
  EXPECT_EQ(latest.at(0).values.at(0).value, 81);
  EXPECT_EQ(latest.at(0).values.at(0).measured_at, anchor + 3000ms);
  EXPECT_EQ(rows("measurement_set"), "4");
}

TEST_F(RecordStoreTest, TheFirstAnchorStaysAndALaterOneIsACorrection) {
  append({set(5, 1000, 72)});
  const auto again = store.open_writer()->attach({"urn:dev:os:32473-a", 7, anchor + 250ms});
  EXPECT_EQ(again.session->anchor, anchor);
  EXPECT_EQ(again.watermarks, (std::map<Stream, std::uint64_t>{{Stream::vitals, 5}}));
  EXPECT_EQ(database.ask("SELECT string_agg(offset_micros::text, ',') FROM clock_correction"), "250000");
  store.open_writer()->attach({"urn:dev:os:32473-a", 7, anchor + 250ms});
  EXPECT_EQ(rows("clock_correction"), "1");
}

TEST_F(RecordStoreTest, TwoDevicesMayUseTheSameKeys) {
  const auto other = attach("urn:dev:os:32473-b");
  EXPECT_THAT(append({set(1, 1000, 72), set(1, 1000, 90, other)}), ElementsAre(committed, committed));
  EXPECT_EQ(rows("measurement_set"), "2");
}

TEST_F(RecordStoreTest, OnsetAndEndAreOneCondition) {
  append({alarm(1, raised("hr-high")), alarm(2, raised("spo2-low")), alarm(3, ended("hr-high", 1))});
  auto alarms = store.alarms({});
  ASSERT_EQ(alarms.size(), 2U);
  EXPECT_EQ(alarms[0].code, "spo2-low");
  EXPECT_FALSE(alarms[0].end);
  EXPECT_EQ(alarms[1].code, "hr-high");
  EXPECT_EQ(alarms[1].start, anchor + 1s);
  EXPECT_EQ(alarms[1].end, anchor + 3s);
  EXPECT_EQ(alarms[1].value, 140.0);
  EXPECT_EQ(alarms[1].limit, 130.0);
  AlarmsQuery open;
  open.open_only = true;
  EXPECT_EQ(store.alarms(open).size(), 1U);
}

TEST_F(RecordStoreTest, AnEndWhoseOnsetWasNeverHeardOfIsACondition) {
  append({alarm(2, ended("hr-high", 1)), alarm(4, ended("rr-low", 0))});
  auto alarms = store.alarms({});
  ASSERT_EQ(alarms.size(), 2U);
  EXPECT_FALSE(alarms[1].start);
  EXPECT_EQ(alarms[1].end, anchor + 2s);
  // The onset comes late: the two become one.
  append({alarm(1, raised("hr-high"))});
  alarms = store.alarms({});
  ASSERT_EQ(alarms.size(), 2U);
  EXPECT_EQ(alarms[1].start, anchor + 1s);
}

TEST_F(RecordStoreTest, AlarmsAreIdempotentToo) {
  EXPECT_THAT(append({alarm(1, raised("hr-high"))}), ElementsAre(committed));
  EXPECT_THAT(append({alarm(1, raised("hr-high")), alarm(1, raised("hr-low"))}), ElementsAre(duplicate, quarantined));
  EXPECT_NE(database.ask("SELECT pg_xact_commit_timestamp(xmin) FROM alarm_event WHERE source = 'device'"), "");
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

TEST_F(RecordStoreTest, PagesHoldEveryReadingOnceAndInOrder) {
  const auto other = attach("urn:dev:os:32473-b");
  std::vector<Record> records;
  for (std::uint64_t i = 1; i <= 50; ++i) records.push_back(set(i, (i / 3) * 1000, static_cast<double>(i)));
  append(records);
  append({set(1, 1000, 1, other)});
  std::vector<std::uint64_t> sequences;
  ReadingsQuery query;
  query.subject = {Subject::Kind::device, "urn:dev:os:32473-a"};
  query.limit = 7;
  for (;;) {
    const auto page = store.readings(query);
    if (page.empty()) break;
    for (const auto& row : page) sequences.push_back(row.sequence);
    const auto& last = page.back();
    query.after = Position{last.measured_at, last.device_id, last.boot, last.stream, last.sequence};
  }
  ASSERT_EQ(sequences.size(), 50U);
  for (std::uint64_t i = 1; i <= 50; ++i) EXPECT_EQ(sequences[i - 1], i);
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
