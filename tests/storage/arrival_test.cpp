// What arrives at once: a fixed number of statements, whatever its number; nobody waits in a circle; one that is
// refused takes no other along. FAIR-2.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "service.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;
using test::IngestTalk;
using test::ScratchDatabase;
using test::Sql;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::int64_t start = 1'760'000'000;
const Instant anchor{std::chrono::seconds{start}};

const std::vector<Grant> grants{{"urn:wardlink:service:ingest", "ingest", ""}};

std::string urn(std::size_t i) { return "urn:dev:os:32473-" + std::to_string(i); }

std::vector<AttachRequest> arrivals(std::size_t first, std::size_t count, std::uint64_t boot) {
  std::vector<AttachRequest> requests;
  for (std::size_t i = 0; i < count; ++i) requests.push_back({urn(first + i), boot, anchor});
  return requests;
}

Record undecodable(const std::shared_ptr<const Session>& session, const std::string& payload,
                   const std::string& reason = "undecodable") {
  return {session, Stream::vitals, 0, 0, anchor, Unusable{reason, "/vitals", payload}};
}

/// A PostgreSQL that counts statements.
class CrowdTest : public testing::Test {
 protected:
  CrowdTest() { sql.ask("CREATE EXTENSION pg_stat_statements"); }

  template <typename Work>
  int statements(Work&& work) {
    sql.ask("SELECT pg_stat_statements_reset()");
    work();
    return std::stoi(sql.ask("SELECT sum(calls) FROM pg_stat_statements WHERE query !~ 'pg_stat_statements'"));
  }
  /// Transactions that have written.
  std::string transactions() { return sql.ask("SELECT pg_snapshot_xmax(pg_current_snapshot())"); }

  test::Cluster cluster{{"shared_preload_libraries=pg_stat_statements"}};
  Sql sql{cluster.connection()};
  PostgresStore store{{.connection = cluster.connection()}};
  std::unique_ptr<RecordWriter> writer = store.open_writer();
  std::size_t ended = 0;
  std::vector<Attached> connected = writer->attach(arrivals(0, 200, 1));  // partitions are made
};

// FAIR-2. BEGIN and COMMIT are among the statements.
TEST_F(CrowdTest, IsAttachedWithAFixedNumberOfStatements) {
  std::vector<int> fresh, rebooted, known, corrected;
  for (const std::size_t count : {1, 10, 300}) {
    auto requests = arrivals(1000 * count, count, 7);
    fresh.push_back(statements([&] { EXPECT_THAT(writer->attach(requests), SizeIs(count)); }));
    const auto before = transactions();
    known.push_back(statements([&] { writer->attach(requests); }));
    EXPECT_EQ(transactions(), before) << "what is known is only read";
    for (auto& request : requests) ++request.boot;
    rebooted.push_back(statements([&] { writer->attach(requests); }));
    for (auto& request : requests) request.tick_ms += 1000;
    corrected.push_back(statements([&] { writer->attach(requests); }));
  }
  // Looked up three times, devices, locked, starts, exchanges, clocks, the calendar's steps, wearers, jumps, doubts,
  // registered, what they end, whether they restart, watermarks.
  EXPECT_THAT(fresh, Each(18));
  EXPECT_THAT(rebooted, Each(16));  // looked up twice
  EXPECT_THAT(known, Each(4));      // looked up, watermarks
  EXPECT_THAT(
      corrected,
      Each(13));  // looked up twice, locked, exchanges, clocks, steps, wearers, jumps, doubts, alarms, watermarks
}

// FAIR-2, LIFE-1
TEST_F(CrowdTest, OfNewStartsEndsAlarmsWithAFixedNumberOfStatements) {
  std::vector<int> raised, restarted, again;
  AlarmFact onset;
  onset.code = "hr-high";
  for (const std::size_t count : {1, 10, 200}) {
    auto requests = arrivals(1000 * count, count, 1);
    std::vector<Record> alarms;
    for (const auto& attached : writer->attach(requests))
      alarms.push_back({attached.session, Stream::alarms, 1, 1000, anchor, onset});
    raised.push_back(statements([&] { writer->append(alarms); }));
    for (auto& request : requests) ++request.boot;
    restarted.push_back(statements([&] { writer->attach(requests); }));
    EXPECT_EQ(sql.ask("SELECT count(*) FROM alarm_end"), std::to_string(ended += count));
    for (auto& request : requests) ++request.boot;
    writer->attach(requests);
    for (auto& request : requests) ++request.boot;
    again.push_back(statements([&] { writer->attach(requests); }));  // too often
  }
  EXPECT_THAT(raised, Each(raised.front()));
  EXPECT_THAT(restarted, Each(17));
  EXPECT_THAT(again, Each(again.front()));
  EXPECT_EQ(sql.ask("SELECT count(*) FROM alarm_event WHERE code = 'restarting'"), std::to_string(ended));
}

// FAIR-2
TEST_F(CrowdTest, OfRecordsCostsAFixedNumberOfStatements) {
  std::vector<int> debts, known, quarantined, again, audited;
  for (const std::size_t count : {1, 10, 200}) {
    const auto starts = arrivals(0, count, 100 + count);
    debts.push_back(statements([&] { EXPECT_EQ(writer->at_boots(starts).back()->boot, 100 + count); }));
    known.push_back(statements([&] { writer->at_boots(starts); }));
    std::vector<Record> records;
    for (const auto& session : writer->at_boots(starts)) records.push_back(undecodable(session, "bytes"));
    quarantined.push_back(statements([&] { writer->append(records); }));
    again.push_back(statements([&] { writer->append(records); }));
    const std::vector<AuditFact> facts(count, {.subject = "s", .method = "m", .resources = {"a", "b"}});
    audited.push_back(statements([&] { EXPECT_TRUE(writer->audit(facts)); }));
  }
  EXPECT_THAT(debts, Each(11));  // looked up twice, devices locked, starts, clocks, steps, wearers, jumps, doubts
  EXPECT_THAT(known, Each(3));
  EXPECT_THAT(quarantined, Each(testing::Le(16)));  // the last asks whether the COMMIT will wait for the disk
  EXPECT_THAT(quarantined, Each(quarantined.front()));
  EXPECT_THAT(again, Each(again.front()));
  EXPECT_THAT(audited, Each(4));
}

// FAIR-2: through the contract, each a record of another start.
TEST_F(CrowdTest, OfDebtsInOneAppendIsDatedAtOnce) {
  test::Service service(cluster.connection());
  service.store.ensure_grants(grants);
  IngestTalk talk(service.channel("ingest-client"));
  talk.attach(1, urn(0), 1, start);
  std::vector<int> dated;
  for (const std::uint64_t count : {1, 10, 200}) {
    v1::Append batch;
    for (std::uint64_t i = 1; i <= count; ++i) {
      test::add_alarm(batch, 1, 1, 1500, "hr-high", v1::AlarmFact::RAISED);
      batch.mutable_records()->rbegin()->set_boot(1000 * count + i);
    }
    sql.ask("SELECT pg_stat_statements_reset()");
    EXPECT_THAT(talk.append(batch).results(), AllOf(SizeIs(count), Each(v1::RECORD_RESULT_COMMITTED)));
    dated.push_back(
        std::stoi(sql.ask("SELECT sum(calls) FROM pg_stat_statements WHERE query ~ 'device_boot'"
                          " AND query !~ 'pg_stat_statements'")));
  }
  EXPECT_THAT(dated, Each(5));  // looked up twice, begun; their clocks; and what is known of their alarms
}

class ArrivalTest : public testing::Test {
 protected:
  /// `a` and `b` in two threads, both of which wait for what `held` holds until it is rolled back.
  template <typename A, typename B>
  void crossing(const std::string& held, A&& a, B&& b) {
    Sql other(database.connection());
    other.begin();
    other.ask(held);
    std::thread first(a), second(b);
    Sql(database.connection())
        .wait_until(
            "count(*) >= 2 FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock'");
    other.ask("ROLLBACK");
    first.join();
    second.join();
  }

  std::string rows(const std::string& of) { return database.ask("SELECT count(*) FROM " + of); }

  ScratchDatabase database;
  PostgresStore store{{.connection = database.connection()}};
  std::unique_ptr<RecordWriter> one = store.open_writer(), two = store.open_writer();
  std::vector<AttachRequest> forwards = arrivals(1, 3, 7), backwards{forwards.rbegin(), forwards.rend()};
};

// FAIR-2: devices that nobody knew.
TEST_F(ArrivalTest, TwoWritersThatTakeInTheSameDevicesDoNotWaitInACircle) {
  crossing(
      "INSERT INTO device (urn) VALUES ('" + urn(2) + "')", [&] { EXPECT_NO_THROW(one->attach(forwards)); },
      [&] { EXPECT_NO_THROW(two->attach(backwards)); });
  EXPECT_EQ(rows("device"), "3");
  EXPECT_EQ(rows("device_boot"), "3");
}

// FAIR-2: devices that are known, at a new start of each.
TEST_F(ArrivalTest, TwoWritersThatBeginTheSameStartsDoNotWaitInACircle) {
  one->attach(forwards);
  for (auto* requests : {&forwards, &backwards})
    for (auto& request : *requests) request.boot = 8;
  crossing(
      "INSERT INTO device_boot SELECT device_id, 8, now() FROM device WHERE urn = '" + urn(2) + "'",
      [&] { EXPECT_NO_THROW(one->at_boots(forwards)); }, [&] { EXPECT_NO_THROW(two->at_boots(backwards)); });
  EXPECT_EQ(rows("device_boot"), "6");
}

// FAIR-2: the same, where one registers what the other has debts of.
TEST_F(ArrivalTest, AStartThatRegistersAndItsDebtsDoNotWaitInACircle) {
  one->attach(forwards);
  for (auto* requests : {&forwards, &backwards})
    for (auto& request : *requests) request.boot = 8;
  crossing(
      "INSERT INTO device_boot SELECT device_id, 8, now() FROM device WHERE urn = '" + urn(2) + "'",
      [&] { EXPECT_NO_THROW(one->attach(forwards)); }, [&] { EXPECT_NO_THROW(two->at_boots(backwards)); });
  EXPECT_EQ(rows("device_boot"), "6");
}

// FAIR-2: the alarms that quarantined records raise.
TEST_F(ArrivalTest, TwoWritersThatQuarantineOfTheSameDevicesDoNotWaitInACircle) {
  std::vector<Record> mine, yours;
  for (const auto& attached : one->attach(forwards)) mine.push_back(undecodable(attached.session, "mine"));
  for (const auto& attached : two->attach(backwards)) yours.push_back(undecodable(attached.session, "yours"));
  crossing(
      "INSERT INTO stream_state SELECT device_id, 7, 4, 0 FROM device WHERE urn = '" + urn(2) + "'",
      [&] { EXPECT_NO_THROW(one->append(mine)); }, [&] { EXPECT_NO_THROW(two->append(yours)); });
  EXPECT_EQ(rows("quarantine"), "6");
  EXPECT_EQ(rows("alarm_event WHERE code = 'quarantine'"), "3");
}

// FAIR-2: the first anchor of a start stays, the last is its exchange, however they come.
TEST_F(ArrivalTest, ADeviceThatArrivesTwiceInOneBatchHasTheFirstAnchor) {
  std::vector<AttachRequest> requests(3, {urn(1), 7, anchor});
  requests[1].anchor += 1s;
  requests[2].anchor += 2s;
  const auto attached = one->attach(requests);
  ASSERT_THAT(attached, SizeIs(3));
  for (const auto& each : attached) EXPECT_EQ(each.session->anchor, anchor);
  EXPECT_EQ(database.ask("SELECT array_agg(from_tick) FROM clock_exchange WHERE anchor = instant(" +
                         std::to_string((anchor + 2s).time_since_epoch().count()) + ")"),
            "{0}");
}

TEST_F(ArrivalTest, EachOfManyHasItsOwnWatermarks) {
  const auto attached = one->attach(forwards);
  std::vector<Record> records;
  for (std::uint64_t i = 0; i < 3; ++i)
    records.push_back({attached[i].session, Stream::vitals, 10 + i, 1000, anchor, MeasurementSet{{1}, {72}, {0}}});
  one->append(records);
  const auto again = two->attach(backwards);
  for (std::uint64_t i = 0; i < 3; ++i)
    EXPECT_EQ(again[i].watermarks, (std::map<Stream, std::uint64_t>{{Stream::vitals, 12 - i}}));
}

// FAIR-2: what is wrong with one is told of that one. An older ingest, which attaches one by one, is answered as
// before.
TEST_F(ArrivalTest, OneThatIsRefusedTakesNoOtherAlong) {
  database.ask("ALTER TABLE device ADD CHECK (urn <> '" + urn(6) + "')");
  test::Service service(database.connection());
  service.store.ensure_grants(grants);
  IngestTalk talk(service.channel("ingest-client"));
  v1::IngestRequest request;
  for (std::uint64_t i = 1; i <= 7; ++i) {
    auto& attach = *request.mutable_attach_all()->add_attaches();
    attach.set_session(i);
    attach.set_device(i == 2 ? "no urn" : urn(i));
    attach.set_boot(i == 3 ? 1ULL << 53 : 7);
    attach.set_stamp(IngestTalk::stamp);
    if (i == 4) attach.mutable_exchange()->set_tick_ms((1ULL << 53) - 1);  // TIME-2: began long before year 1
  }
  talk.send(request);
  const auto answer = talk.hear();
  ASSERT_EQ(answer.attach_all_result().results_size(), 7);
  const std::vector<std::string> refused{"", "device", "boot", "", "", "database", ""};
  v1::Append batch;
  for (std::uint64_t i = 1; i <= 7; ++i) {
    const auto& result = answer.attach_all_result().results(static_cast<int>(i - 1));
    EXPECT_EQ(result.session(), i);
    EXPECT_EQ(result.refusal().empty(), refused[i - 1].empty());
    EXPECT_THAT(result.refusal(), HasSubstr(refused[i - 1]));
    test::add_set(batch, i, 1, 1500, 72);
  }
  constexpr auto committed = v1::RECORD_RESULT_COMMITTED, none = v1::RECORD_RESULT_NOT_ATTACHED;
  EXPECT_THAT(talk.append(batch).results(), ElementsAre(committed, none, none, committed, committed, none, committed));
  EXPECT_EQ(talk.attach(8, urn(8), 7, start).refusal(), "");
  EXPECT_THAT(talk.attach(9, urn(6), 7, start).refusal(), HasSubstr("database"));
  EXPECT_EQ(rows("device"), "5");
}

TEST_F(ArrivalTest, TheSameUndecodableTwiceInOneBatchIsOneRow) {
  const auto session = one->attach(forwards).front().session;
  const std::vector<Record> records{undecodable(session, "x"), undecodable(session, "y"), undecodable(session, "x"),
                                    undecodable(session, "x", "bad_set")};
  one->append(records);
  EXPECT_EQ(database.ask("SELECT array_agg(convert_from(payload, 'UTF8') || seen || reason ORDER BY reason, payload)"
                         " FROM quarantine"),
            "{x1bad_set,x2undecodable,y1undecodable}");
}

// FAIR-2: neither a row that the audit refuses nor a text that ends within a character.
TEST_F(ArrivalTest, ARowThatTheAuditRefusesTakesNoOtherAlong) {
  database.ask("ALTER TABLE audit ADD CHECK (reason <> 'poison')");
  const auto session = one->attach(forwards).front().session;
  std::string accents(254, 'e');
  for (int i = 0; i < 4; ++i) accents += "é";
  const std::vector<Record> records{undecodable(session, "1"), undecodable(session, "2", "poison"),
                                    undecodable(session, "3", accents), undecodable(session, "4", "poison"),
                                    undecodable(session, "5")};
  EXPECT_THAT(one->append(records), Each(RecordResult::quarantined));
  EXPECT_EQ(rows("quarantine"), "5");
  EXPECT_EQ(rows("quarantine WHERE reason = 'refused_by_database'"), "0");
  EXPECT_EQ(rows("audit WHERE method = 'quarantine'"), "3");
}

}  // namespace
}  // namespace wardlink::storage
