// What a question costs where much is stored already: rows that PostgreSQL reads, which no load of the machine changes.

#include <gtest/gtest.h>

#include "cluster.hpp"
#include "storage/postgres/postgres_store.hpp"

namespace wardlink::storage {
namespace {

constexpr const char* device = "urn:dev:os:32473-a";
// Onsets are odd, their ends even; the last onset stays open. All but the first hundred are acknowledged.
constexpr std::uint64_t events = 20'000;
constexpr int runs = 20'000;
constexpr std::uint64_t enough = 1000;

class WorkTest : public testing::Test {
 protected:
  void SetUp() override {
    PostgresStore store({.connection = database.connection()});
    patient = store.create_patient("Ann", {}, "").id;
    attach(store);
    store.assign({}, device, patient, anchor, "test");
  }

  std::shared_ptr<const Session> attach(PostgresStore& store) const {
    return store.open_writer()->attach({device, 7, anchor}).session;
  }

  void fill_alarms() const {
    database.ask(
        "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, onset_sequence,"
        " tick_ms, measured_at, received_at, source)"
        " SELECT device_id, 7, 2, i, 2 - i % 2, 1, 3, 'hr-high', CASE WHEN i % 2 = 0 THEN i - 1 END, i, now(), now(),"
        " 'device' FROM device, generate_series(1, " +
        std::to_string(events - 1) + ") i");
    database.ask(
        "INSERT INTO alarm_acknowledgement (device_id, boot_id, stream, sequence, acknowledged_by)"
        " SELECT device_id, boot_id, stream, sequence, 'test' FROM alarm_event WHERE event = 1 AND sequence > 200");
    database.ask("INSERT INTO stream_state SELECT device_id, 7, 2, " + std::to_string(events - 1) + " FROM device");
    database.ask("ANALYZE");
  }

  void fill_runs() const {
    database.ask(
        "INSERT INTO waveform_run (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at,"
        " rate_samples, rate_seconds, scale, sample_offset, samples)"
        " SELECT device_id, 7, 17, i, i, now() - i * interval '10 s', now(), 100, 1, 1, 0, '\\x0000'"
        " FROM device, generate_series(1, " +
        std::to_string(runs) + ") i");
    database.ask("ANALYZE");
  }

  /// Of the tables that are named so. A connection tells of its work at its end at the latest.
  std::uint64_t read(const std::string& tables) const {
    test::Sql sql(database.connection());
    sql.wait_until(
        "count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'");
    return std::stoull(sql.ask("SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname ~ '" + tables +
                               "') + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname ~ '" + tables +
                               "')"));
  }

  template <typename Call>
  std::uint64_t work(const std::string& tables, Call call) const {
    const auto before = read(tables);
    {
      PostgresStore store({.connection = database.connection()});
      call(store);
    }
    return read(tables) - before;
  }

  AlarmKey alarm(std::uint64_t sequence) const { return {device, 7, Stream::alarms, sequence}; }

  static LiveFilter alarms_only() {
    LiveFilter filter;
    filter.sets = false;
    return filter;
  }

  /// The alarms' changes since then, so often that PostgreSQL keeps one plan for them all.
  static std::size_t changes_since(PostgresStore& store, const Horizon& then) {
    std::size_t changes = 0;
    for (int i = 0; i < 10; ++i) {
      changes = store.live(alarms_only(), {then.next}, store.horizon().next, 100).events.size();
    }
    return changes;
  }

  test::ScratchDatabase database;
  Instant anchor = std::chrono::floor<std::chrono::hours>(
      std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()) -
      std::chrono::hours(24 * 7));
  std::string patient;
};

TEST_F(WorkTest, ANewAlarmOnALiveStreamReadsNoOtherAlarms) {
  fill_alarms();
  EXPECT_LT(work("^alarm",
                 [&](PostgresStore& store) {
                   const auto then = store.horizon();
                   const auto writer = store.open_writer();
                   const auto session = writer->attach({device, 7, anchor}).session;
                   const AlarmFact end{
                       AlarmEvent::ended, AlarmKind::physiological, AlarmPriority::high, "hr-high", 1, {}, {},
                       events - 1};
                   const std::vector<Record> records = {
                       {session, Stream::alarms, events, events, anchor + std::chrono::hours(1), end}};
                   ASSERT_EQ(writer->append(records).at(0), RecordResult::committed);
                   EXPECT_EQ(changes_since(store, then), 1U);
                 }),
            enough);
}

TEST_F(WorkTest, AnAcknowledgementOnALiveStreamReadsNoOtherAlarms) {
  fill_alarms();
  EXPECT_LT(work("^alarm",
                 [&](PostgresStore& store) {
                   const auto then = store.horizon();
                   store.acknowledge({}, {alarm(1)}, "test");
                   EXPECT_EQ(changes_since(store, then), 1U);
                 }),
            enough);
}

TEST_F(WorkTest, AHundredAlarmsAreAcknowledgedByTheirKeys) {
  fill_alarms();
  std::vector<AlarmKey> keys;
  for (std::uint64_t i = 0; i < 100; ++i) keys.push_back(alarm(2 * i + 1));
  EXPECT_LT(work("^alarm", [&](PostgresStore& store) { EXPECT_EQ(store.acknowledge({}, keys, "test").size(), 100U); }),
            3 * enough);
}

TEST_F(WorkTest, WhatIsOpenIsFoundAmongWhatIsOpen) {
  fill_alarms();
  EXPECT_LT(work("alarm",
                 [&](PostgresStore& store) {
                   EXPECT_EQ(store.latest({}, {}).at(0).alarms.size(), 1U);
                   EXPECT_EQ(store.present(alarms_only()).alarms.size(), 1U);
                   AlarmsQuery open;
                   open.open_only = true;
                   EXPECT_EQ(store.alarms(open).size(), 1U);
                   AlarmsQuery standing;
                   standing.states = {1, 3};
                   EXPECT_EQ(store.alarms(standing).size(), 1U);
                 }),
            enough);
}

// FAIR-2
TEST_F(WorkTest, APageOfQuarantineReadsNoMoreThanThePage) {
  database.ask(
      "INSERT INTO quarantine (device_id, boot_id, stream, sequence, digest, reason, resource, payload, received_at)"
      " SELECT device_id, 7, 2, i, '\\x00', 'conflict', '', '\\x00', now() - i * interval '1 s' FROM device,"
      " generate_series(1, 20000) i");
  database.ask("ANALYZE");
  EXPECT_LT(work("^quarantine",
                 [&](PostgresStore& store) {
                   QuarantineQuery query;
                   query.limit = 50;
                   for (const auto& subject : {Subject{}, Subject{Subject::Kind::device, device}}) {
                     query.subject = subject;
                     const auto page = store.quarantine(query);
                     ASSERT_EQ(page.size(), 50U);
                     EXPECT_EQ(page.back().sequence, 50U);
                   }
                   query.subject = {};
                   query.payload = true;
                   EXPECT_EQ(store.quarantine(query).size(), 50U);
                 }),
            enough);
  // Another ward's: nothing of it is found. A patient's: devices are put in order. So many are looked at in one call.
  EXPECT_LT(work("^quarantine",
                 [&](PostgresStore& store) {
                   QuarantineQuery query;
                   query.scope = std::vector<std::string>{"icu"};
                   const auto page = store.quarantine(query);
                   EXPECT_TRUE(page.empty());
                   EXPECT_TRUE(page.next);
                   query.scope.reset();
                   query.subject = {Subject::Kind::patient, patient};
                   query.limit = 50;
                   EXPECT_EQ(store.quarantine(query).size(), 50U);
                 }),
            7 * enough);
}

TEST_F(WorkTest, TheNewestRunIsFoundWithoutTheOthers) {
  fill_runs();
  EXPECT_LT(work("^waveform_run",
                 [&](PostgresStore& store) {
                   RunsQuery query;
                   query.stream = static_cast<Stream>(17);
                   query.subject = {Subject::Kind::device, device};
                   EXPECT_TRUE(store.end_of_runs(query));
                   query.subject = {Subject::Kind::patient, patient};
                   EXPECT_TRUE(store.end_of_runs(query));
                 }),
            enough);
}

/// What lies behind another wearer's time is not looked through.
TEST_F(WorkTest, AFormerWearersNewestRunIsFoundWithoutTheLaterOnes) {
  fill_runs();
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  {
    PostgresStore store({.connection = database.connection()});
    store.release({}, device, now - std::chrono::hours(50), "test");
  }
  EXPECT_LT(work("^waveform_run",
                 [&](PostgresStore& store) {
                   RunsQuery query;
                   query.stream = static_cast<Stream>(17);
                   query.subject = {Subject::Kind::patient, patient};
                   const auto end = store.end_of_runs(query);
                   ASSERT_TRUE(end);
                   EXPECT_LT(*end, now - std::chrono::hours(50) + std::chrono::seconds(1));
                   EXPECT_GT(*end, now - std::chrono::hours(51));
                 }),
            enough);
}

}  // namespace
}  // namespace wardlink::storage
