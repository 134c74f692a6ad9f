// What is open is what has an onset and no end, in whatever order and over however many connections they come. I6.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <sstream>

#include "cluster.hpp"
#include "places.hpp"
#include "storage/postgres/postgres_store.hpp"

namespace wardlink::storage {
namespace {

using test::Sql;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* device = "urn:dev:os:32473-a";
constexpr auto committed = RecordResult::committed;

/// Another program's statement, of an onset (1) or an end (2) of the first device's alarm with sequence 1.
std::string insert(std::uint64_t sequence, int event) {
  return "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, onset_sequence,"
         " tick_ms, measured_at, received_at, source) SELECT device_id, 7, 2, " +
         std::to_string(sequence) + ", " + std::to_string(event) + ", 1, 3, 'hr-high', " + (event == 2 ? "1" : "NULL") +
         ", 0, now(), now(), 'device' FROM device";
}

class OpenAlarmTest : public testing::Test {
 protected:
  std::shared_ptr<const Session> attach(std::uint64_t boot) {
    return writer->attach({device, boot, Instant{} + std::chrono::hours(480'000)}).session;
  }

  static Record raised(const std::shared_ptr<const Session>& of, std::uint64_t sequence) {
    return alarm(of, sequence, AlarmEvent::raised, 0);
  }
  static Record ended(const std::shared_ptr<const Session>& of, std::uint64_t sequence, std::uint64_t onset) {
    return alarm(of, sequence, AlarmEvent::ended, onset);
  }
  static Record alarm(const std::shared_ptr<const Session>& of, std::uint64_t sequence, AlarmEvent event,
                      std::uint64_t onset) {
    return {of,
            Stream::alarms,
            sequence,
            sequence * 1000,
            of->anchor + std::chrono::seconds(sequence),
            AlarmFact{event, AlarmKind::physiological, AlarmPriority::high, "hr-high", 1, {}, {}, onset}};
  }

  RecordResult append(const Record& record) { return writer->append({&record, 1}).at(0); }

  /// "boot-sequence" of what is open, asked in each of the ways.
  std::set<std::string> open() {
    AlarmsQuery only, states;
    only.open_only = true;
    states.states = {1, 3};
    const auto found = names(store.alarms(only));
    EXPECT_EQ(found, names(store.alarms(states)));
    EXPECT_EQ(found, names(store.latest({}, {}).at(0).alarms));
    LiveFilter alarms;
    alarms.sets = false;
    EXPECT_EQ(found, names(store.present(alarms).alarms));
    return found;
  }

  static std::set<std::string> names(const std::vector<AlarmCondition>& alarms) {
    std::set<std::string> all;
    for (const auto& each : alarms) all.insert(std::to_string(each.boot) + "-" + std::to_string(each.sequence));
    return all;
  }

  std::string rows() const { return database.ask("SELECT count(*) FROM open_alarm"); }

  test::ScratchDatabase database;
  PostgresStore store{{.connection = database.connection()}};
  std::unique_ptr<RecordWriter> writer = store.open_writer();
  std::shared_ptr<const Session> session = attach(7);
};

TEST_F(OpenAlarmTest, AnOnsetIsOpenUntilItsEnd) {
  append(raised(session, 1));
  append(raised(session, 2));
  EXPECT_THAT(open(), ElementsAre("7-1", "7-2"));
  store.acknowledge({}, {{device, 7, Stream::alarms, 1}}, "test");
  EXPECT_THAT(open(), ElementsAre("7-1", "7-2"));
  append(ended(session, 3, 1));
  EXPECT_THAT(open(), ElementsAre("7-2"));
  append(ended(session, 4, 2));
  EXPECT_THAT(open(), IsEmpty());
  EXPECT_EQ(rows(), "0");
}

TEST_F(OpenAlarmTest, AnEndInTheSameBatchOrBeforeItsOnsetLeavesNothingOpen) {
  const std::vector<Record> together = {ended(session, 12, 11), raised(session, 11)};
  EXPECT_THAT(writer->append(together), ElementsAre(committed, committed));
  EXPECT_THAT(open(), IsEmpty());
  append(ended(session, 22, 21));
  append(raised(session, 21));
  EXPECT_THAT(open(), IsEmpty());
  EXPECT_EQ(rows(), "0");
}

TEST_F(OpenAlarmTest, AnEndIsOfItsOwnBootAlone) {
  append(raised(session, 1));
  const std::vector<AttachRequest> earlier{{session->device, 6, session->anchor}};
  append(ended(writer->at_boots(earlier).front(), 2, 1));
  EXPECT_THAT(open(), ElementsAre("7-1"));
  append(ended(session, 2, 1));
  EXPECT_THAT(open(), IsEmpty());
}

TEST_F(OpenAlarmTest, WhatIsQuarantinedOpensAndEndsNothing) {
  append(raised(session, 1));
  EXPECT_EQ(append(ended(session, 1, 1)), RecordResult::quarantined);  // other content under a used key
  append(ended(session, 2, 1));
  EXPECT_EQ(append(raised(session, 2)), RecordResult::quarantined);
  AlarmsQuery only;
  only.open_only = true;
  const auto left = store.alarms(only);
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].code, "quarantine");  // storage's own, which stands
}

/// Another storage process is in the middle of the one while this one writes the other.
TEST_F(OpenAlarmTest, OnsetAndEndOfTwoConnectionsAtOnceLeaveNothingOpen) {
  for (const bool onset_first : {true, false}) {
    const std::uint64_t boot = onset_first ? 7 : 8;
    const auto of = attach(boot);
    append(raised(of, 10));  // so that the stream's row is there
    append(ended(of, 11, 10));
    Sql other(database.connection());
    other.begin();
    const auto key = "boot_id = " + std::to_string(boot) + " AND stream = 2";
    other.ask("SELECT 1 FROM stream_state WHERE " + key + " FOR UPDATE");
    auto statement = insert(onset_first ? 1 : 2, onset_first ? 1 : 2);
    statement.replace(statement.find(", 7, 2"), 6, ", " + std::to_string(boot) + ", 2");
    other.ask(statement);
    auto waiting = std::async(std::launch::async, [&] {
      return writer->append(std::vector<Record>{onset_first ? ended(of, 2, 1) : raised(of, 1)});
    });
    Sql(database.connection())
        .wait_until(
            "EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock' AND query LIKE '%stream_state%')");
    other.commit();
    EXPECT_THAT(waiting.get(), ElementsAre(committed));
    EXPECT_THAT(open(), IsEmpty()) << boot;
    EXPECT_EQ(rows(), "0") << boot;
  }
}

/// Even where nobody holds the stream's row, nothing is said to be open that has ended.
TEST_F(OpenAlarmTest, OnsetAndEndThatDoNotSeeEachOtherAreNoOpenAlarm) {
  Sql one(database.connection()), two(database.connection());
  one.begin();
  two.begin();
  one.ask(insert(1, 1));
  two.ask(insert(2, 2));
  one.commit();
  two.commit();
  EXPECT_EQ(rows(), "1");
  EXPECT_THAT(open(), IsEmpty());
}

TEST_F(OpenAlarmTest, WhatIsRolledBackChangesNothing) {
  append(raised(session, 1));
  Sql other(database.connection());
  other.begin();
  other.ask(insert(2, 2));
  other.ask("ROLLBACK");
  EXPECT_THAT(open(), ElementsAre("7-1"));
}

/// A database of an earlier version holds alarms already.
TEST(OpenAlarmMigrationTest, WhatWasOpenBeforeIsOpen) {
  const test::ScratchDatabase database;
  database.take_steps_before("007");
  database.ask("INSERT INTO device (urn) VALUES ('urn:dev:os:32473-a')");
  for (const auto& [sequence, event] : {std::pair{1, 1}, {2, 2}, {3, 1}, {4, 1}}) database.ask(insert(sequence, event));
  PostgresStore store({.connection = database.connection()});
  AlarmsQuery only;
  only.open_only = true;
  EXPECT_EQ(store.alarms(only).size(), 2U);
  EXPECT_EQ(database.ask("SELECT string_agg(sequence::text, ' ' ORDER BY sequence) FROM open_alarm"), "3 4");
}

}  // namespace
}  // namespace wardlink::storage
