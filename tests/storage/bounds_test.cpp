// Every call is bounded in rows, bytes and partitions. FAIR-2, ISO-1.
// Partitions: all but those that a call may open are locked against everybody, so that one too many makes it wait until
// it fails.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "places.hpp"
#include "watch_talk.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;
using test::Sql;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* urn = "urn:dev:os:32473-a";
constexpr int days = 90;

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

/// Ninety days of partitions. The device has one start, with a set and a run on the first of them, on the fiftieth and
/// the last but one; it was worn by Ann until the sixtieth, then by Ben.
class PartitionsTest : public testing::Test {
 protected:
  void SetUp() override {
    database.ask(
        "SELECT count(make_measurement_partition(current_date - n) AND make_waveform_partition(current_date - n))"
        " FROM generate_series(0, " +
        std::to_string(days) + ") n");
    session = writer->attach({urn, 7, anchor}).session;
    ann = store.create_patient("Ann", {}, "w1").id;
    ben = store.create_patient("Ben", {}, "w2").id;
    store.assign({}, urn, ann, anchor, "test");
    store.release({}, urn, anchor + 60 * 24h, "test");
    store.assign({}, urn, ben, anchor + 60 * 24h, "test");
    for (std::uint64_t i = 0; i < at.size(); ++i) {
      EXPECT_THAT(append({set(i + 1, at[i]), run(i + 1, at[i])}),
                  ElementsAre(RecordResult::committed, RecordResult::committed));
    }
  }

  static std::uint64_t tick(std::chrono::hours since) {
    return static_cast<std::uint64_t>(std::chrono::milliseconds(since).count());
  }
  Record set(std::uint64_t sequence, std::chrono::hours since, double value = 70) const {
    return {session, Stream::vitals, sequence, tick(since), now(), MeasurementSet{{1, 2}, {value, 98}, {0, 0}}};
  }
  Record run(std::uint64_t sequence, std::chrono::hours since) const {
    return {session,  static_cast<Stream>(17),
            sequence, tick(since),
            now(),    WaveformRun{125, 1, 1, 0, std::string(250, '\1')}};
  }
  std::vector<RecordResult> append(std::vector<Record> records) { return writer->append(records); }

  /// Locks every partition but the default one and those of these days, for as long as the object lives.
  std::unique_ptr<Sql> lock_all_but(const std::vector<std::chrono::hours>& open) {
    auto sql = std::make_unique<Sql>(database.connection());
    std::string spared;
    for (const auto& each : open) {
      spared += (spared.empty() ? "'" : ",'") +
                sql->ask("SELECT to_char(instant(" + std::to_string((anchor + each).time_since_epoch().count()) +
                         "), 'YYYYMMDD')") +
                "'";
    }
    sql->begin();
    sql->ask(
        "DO $$ DECLARE part regclass; BEGIN"
        " FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent IN"
        " ('measurement_set'::regclass, 'waveform_run'::regclass) AND right(inhrelid::regclass::text, 8) NOT IN "
        "('_default'," +
        spared + ") LOOP EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', part); END LOOP; END $$");
    return sql;
  }

  std::vector<std::uint64_t> all_readings(ReadingsQuery query) {
    std::vector<std::uint64_t> sequences;
    for (int pages = 0; pages < 100; ++pages) {
      const auto page = store.readings(query);
      for (const auto& row : page) sequences.push_back(row.sequence);
      if (!page.next) return sequences;
      query.after = page.next;
    }
    ADD_FAILURE() << "pages without an end";
    return sequences;
  }

  test::ScratchDatabase database;
  PostgresStore store{{.connection = database.connection()}};
  std::unique_ptr<RecordWriter> writer = store.open_writer();
  Instant anchor = std::chrono::floor<std::chrono::days>(now()) - days * 24h + 5h;
  std::vector<std::chrono::hours> at = {1h, 50 * 24h, (days - 1) * 24h};
  std::shared_ptr<const Session> session;
  std::string ann, ben;
};

// FAIR-2, ISO-1
TEST_F(PartitionsTest, AHistoryWithoutBoundsOpensWindowsThatHoldSomething) {
  const std::vector<Subject> subjects = {
      {Subject::Kind::device, urn}, {Subject::Kind::patient, ann}, {Subject::Kind::patient, ben}};
  const std::vector<std::vector<std::uint64_t>> expected = {{1, 2, 3}, {1, 2}, {3}};
  // Windows of 31 days: from the first, from the fiftieth, from the last on.
  std::vector<std::chrono::hours> open;
  for (int day = 0; day < days; ++day) {
    if (day < 32 || (day >= 50 && day < 82)) open.push_back(day * 24h);
  }
  for (int day = days - 1; day < days + 8; ++day) open.push_back(day * 24h);
  const auto locks = lock_all_but(open);
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    for (const std::size_t limit : {1, 2, 1000}) {
      ReadingsQuery query;
      query.subject = subjects[i];
      query.limit = limit;
      EXPECT_EQ(all_readings(query), expected[i]);
      query.scope = Scope({"w1", "w2"});
      EXPECT_EQ(all_readings(query), expected[i]);
      query.scope = Scope({"w3"});
      EXPECT_THAT(all_readings(query), IsEmpty());
      query.scope.reset();
      query.signs = {2};
      EXPECT_EQ(all_readings(query), expected[i]);
      query.signs = {9};
      EXPECT_THAT(all_readings(query), IsEmpty());
    }
  }
}

// FAIR-2
TEST_F(PartitionsTest, AHistoryWithBoundsOpensNothingElse) {
  const auto locks = lock_all_but({at[1]});
  ReadingsQuery query;
  query.subject = {Subject::Kind::device, urn};
  query.start = anchor + at[1] - 1h;
  query.end = anchor + at[1] + 1h;
  EXPECT_THAT(all_readings(query), ElementsAre(2));
  query.end = anchor + at[1];
  EXPECT_THAT(all_readings(query), IsEmpty());
}

// FAIR-2, ISO-1
TEST_F(PartitionsTest, AggregatesOpenTheDaysThatHoldSomething) {
  // A stretch is four times as long as the one before while there is little in it: 1, 4, 16, 64 hours.
  std::vector<std::chrono::hours> open;
  for (const auto& each : at) {
    for (int day = 0; day < 4; ++day) open.push_back(each + day * 24h);
  }
  const auto locks = lock_all_but(open);
  AggregatesQuery query;
  query.subject = {Subject::Kind::device, urn};
  query.start = anchor;
  query.end = anchor + days * 24h;
  query.bucket = std::chrono::hours(1);
  query.limit = 2;  // one bucket's
  std::vector<std::uint64_t> buckets;
  for (std::optional<std::uint64_t> next = 0; next;) {
    query.first_bucket = *next;
    const auto page = store.aggregates(query);
    for (const auto& row : page) {
      EXPECT_EQ(row.count, 1U);
      if (row.sign == 1) buckets.push_back(row.bucket);
    }
    next = page.next;
  }
  EXPECT_THAT(buckets, ElementsAre(1, 50 * 24, (days - 1) * 24));
}

// FAIR-2
TEST_F(PartitionsTest, RunsAreFoundOnTheirDay) {
  const auto locks = lock_all_but({at[0], at[1], at[2]});
  for (const auto& [subject, expected] : {std::pair{Subject{Subject::Kind::device, urn}, 2},
                                          {Subject{Subject::Kind::patient, ann}, 1},
                                          {Subject{Subject::Kind::patient, ben}, 2}}) {
    RunsQuery query;
    query.stream = static_cast<Stream>(17);
    query.subject = subject;
    query.end = store.end_of_runs(query);
    ASSERT_EQ(query.end, anchor + at[static_cast<std::size_t>(expected)] + 1s);
    query.start = *query.end - 1s;
    EXPECT_THAT(store.runs(query), SizeIs(1));
  }
}

// FAIR-2
TEST_F(PartitionsTest, ADuplicateIsSoughtOnTheDaysOfItsStream) {
  const auto locks = lock_all_but({at[0], at[1], at[2]});
  const auto of_today = set(5000, at[2]);  // beyond the range of the other days
  EXPECT_THAT(append({of_today}), ElementsAre(RecordResult::committed));
  EXPECT_THAT(append({set(1, at[0]), run(1, at[0])}), ElementsAre(RecordResult::duplicate, RecordResult::duplicate));
  EXPECT_THAT(append({set(2, at[1], 71)}), ElementsAre(RecordResult::quarantined));
  // With another tick it would lie on another day: its key is found all the same.
  EXPECT_THAT(append({set(1, at[2]), run(2, at[0])}),
              ElementsAre(RecordResult::quarantined, RecordResult::quarantined));
  EXPECT_THAT(append({set(4999, at[2]), run(4, at[2])}), ElementsAre(RecordResult::committed, RecordResult::committed));
  EXPECT_EQ(database.ask("SELECT count(*) FROM stream_day WHERE stream = 1"), "3");
}

// FAIR-2: what lies in one day of many is sought there only.
TEST_F(PartitionsTest, OfASequenceThatOneDayHoldsOnlyThatDayIsOpened) {
  EXPECT_THAT(append({set(5000, at[2]), set(10'000, at[2])}),
              ElementsAre(RecordResult::committed, RecordResult::committed));
  const auto locks = lock_all_but({at[2]});
  EXPECT_THAT(append({set(5000, at[2]), set(9000, at[2])}),
              ElementsAre(RecordResult::duplicate, RecordResult::committed));
}

// FAIR-2, ISO-1
TEST_F(PartitionsTest, ALiveStreamOpensTheDaysThatWereWrittenTo) {
  LiveFilter filter;
  filter.waveforms = true;
  const auto then = store.horizon();
  {
    // The days of the last sixteen thousand transactions.
    const auto locks = lock_all_but({at[0], at[1], at[2]});
    EXPECT_THAT(append({set(4, at[2]), run(4, at[2])}), SizeIs(2));
    const auto page = store.live(filter, {then.next}, store.horizon().next, 100);
    EXPECT_THAT(page.events, SizeIs(2));
    EXPECT_TRUE(page.complete);
  }
  // From the beginning: the rows of three days, those of one transaction behind those of the one before.
  const auto locks = lock_all_but({at[0], at[1], at[2]});
  std::vector<std::string> seen;
  LivePosition position;
  for (bool complete = false; !complete;) {
    const auto page = store.live(filter, position, store.horizon().next, 1);
    ASSERT_FALSE(page.events.empty() && !page.complete);
    for (const auto& event : page.events) {
      position = event.at;
      if (event.at.kind == LiveKind::set || event.at.kind == LiveKind::waveform) {
        seen.push_back(std::to_string(event.at.stream) + "-" + std::to_string(event.at.sequence));
      }
    }
    complete = page.complete;
  }
  EXPECT_THAT(seen, ElementsAre("1-1", "17-1", "1-2", "17-2", "1-3", "17-3", "1-4", "17-4"));
}

// Other programs' rows, and those that a transaction wrote which was rolled back.
TEST_F(PartitionsTest, DaysAreNotedWhoeverWrites) {
  const auto insert = [&](std::uint64_t sequence) {
    return "INSERT INTO measurement_set (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at,"
           " sign_ids, sign_values, qualities) SELECT device_id, 7, 1, " +
           std::to_string(sequence) + ", 0, now() - interval '10 days', now(), '{1}', '{70}', '{0}' FROM device";
  };
  const auto then = store.horizon();
  Sql other(database.connection());
  other.begin();
  other.ask(insert(20'000));
  other.ask("ROLLBACK");
  other.ask(insert(20'001));
  ReadingsQuery query;
  query.subject = {Subject::Kind::device, urn};
  query.start = now() - 11 * 24h;
  query.end = now() - 9 * 24h;
  EXPECT_THAT(all_readings(query), ElementsAre(20'001));
  EXPECT_THAT(store.live({}, {then.next}, store.horizon().next, 100).events, SizeIs(1));
  append({set(30'000, at[2])});
  EXPECT_THAT(append({set(20'001, 0h)}), ElementsAre(RecordResult::quarantined));
}

/// A database of an earlier version holds sets, in daily partitions and in the default one.
TEST(BoundsMigrationTest, WhatWasStoredBeforeIsFound) {  // FAIR-2
  const test::ScratchDatabase database;
  database.take_steps_before("008");
  database.ask("SELECT make_measurement_partition(current_date - 3), make_measurement_partition(current_date)");
  database.ask("INSERT INTO device (urn) VALUES ('urn:dev:os:32473-a'), ('urn:dev:os:32473-b')");
  database.ask("INSERT INTO device_boot SELECT device_id, 7, current_date - 3 FROM device");
  // Each device: two sets three days ago, one two days ago (default), two today.
  database.ask(
      "INSERT INTO measurement_set (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at, sign_ids,"
      " sign_values, qualities) SELECT device_id, 7, 1, i, i * 1000, date_trunc('day', now()) - d * interval '1 day' +"
      " i * interval '1 s', now(), '{1}', '{70}', '{0}' FROM device,"
      " (VALUES (1, 3), (2, 3), (3, 2), (4, 0), (5, 0)) v(i, d)");
  database.ask("INSERT INTO stream_state SELECT device_id, 7, 1, 5, now() FROM device");
  PostgresStore store({.connection = database.connection()});
  EXPECT_EQ(database.ask("SELECT string_agg(low || '-' || high, ' ' ORDER BY device_id, day) FROM stream_day"),
            "1-4095 3-4095 4-4095 1-4095 3-4095 4-4095");
  ReadingsQuery query;
  query.subject = {Subject::Kind::device, urn};
  EXPECT_THAT(store.readings(query), SizeIs(5));
  EXPECT_THAT(store.live({}, {}, store.horizon().next, 100).events, SizeIs(10));
  const auto writer = store.open_writer();
  const auto session = writer->attach({urn, 7, now()}).session;
  for (const std::uint64_t sequence : {1, 2, 3, 4, 5}) {  // with other ticks' days: found, and another's content
    const std::vector<Record> again = {
        {session, Stream::vitals, sequence, 86'400'000, now(), MeasurementSet{{1}, {70}, {0}}}};
    EXPECT_THAT(writer->append(again), ElementsAre(RecordResult::quarantined)) << sequence;
  }
}

/// Much of everything: 3,000 alarms in one ward and a few in another, and as many devices as `devices`.
class PagesTest : public testing::Test {
 protected:
  void SetUp() override {
    test::pki().add_client("viewer");
    service.store.ensure_grants({{"urn:wardlink:client:viewer", "viewer", ""}});
    channel = service.channel("clients/viewer");
  }

  void fill_devices(int devices) {
    const auto count = std::to_string(devices);
    database.ask("INSERT INTO ward VALUES ('w1'), ('w2')");
    database.ask(
        "INSERT INTO device (urn) SELECT 'urn:dev:os:32473-' || lpad(n::text, 40, 'x') FROM generate_series(1, " +
        count + ") n");
    database.ask(
        "INSERT INTO patient (display_name, ward_id) SELECT lpad(n::text, 60, 'N'), CASE WHEN n <= 3 THEN 'w2'"
        " ELSE 'w1' END FROM generate_series(1, " +
        count + ") n");
    database.ask(
        "INSERT INTO patient_identifier SELECT patient_id, repeat('s', 200), display_name || repeat('v', 140)"
        " FROM patient");
    database.ask(
        "INSERT INTO assignment SELECT d.device_id, p.patient_id, tstzrange(now() - interval '9 days', NULL),"
        " tstzrange(now(), NULL), 'test' FROM (SELECT device_id, row_number() OVER (ORDER BY device_id) n FROM device) "
        "d"
        " JOIN (SELECT patient_id, row_number() OVER (ORDER BY display_name COLLATE \"C\") n FROM patient) p USING (n)"
        " WHERE n > 10");
    database.ask(
        "INSERT INTO latest SELECT device_id, s, 70.5 + s, 0, now(), now(), 7, 1 FROM device,"
        " generate_series(1, 15) s");
  }

  template <typename Service, typename Method, typename Request, typename Response>
  Response call(Method method, const Request& request, Response response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    const auto stub = Service::NewStub(channel);
    const auto status = (stub.get()->*method)(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_LT(response.ByteSizeLong(), request.page_size() > 0 ? 1'200'000U : 3'500'000U);
    return response;
  }

  /// The names of what all pages hold; each once.
  template <typename Service, typename Method, typename Request, typename Response, typename Each>
  std::set<std::string> all(Method method, Request request, Response response, Each each) {
    std::set<std::string> names;
    for (int pages = 0; pages < 200; ++pages) {
      response = call<Service>(method, request, response);
      for (const auto& name : each(response)) EXPECT_TRUE(names.insert(name).second) << name << " comes twice";
      if (response.next_page_token().empty()) return names;
      request.set_page_token(response.next_page_token());
    }
    ADD_FAILURE() << "pages without an end";
    return names;
  }

  std::set<std::string> latest_of_all(std::int32_t page_size) {
    v1::GetLatestRequest request;
    request.set_page_size(page_size);
    return all<v1::VitalsService>(
        &v1::VitalsService::Stub::GetLatest, request, v1::GetLatestResponse(), [](auto& page) {
          std::vector<std::string> names;
          for (const auto& vitals : page.vitals()) names.push_back(vitals.device());
          for (int i = 1; i < page.vitals_size(); ++i) {  // patients by name, then what nobody wears
            const auto key = [&](int at) {
              const auto& row = page.vitals(at);
              return std::tuple(row.patient().empty(), row.patient_display_name());
            };
            EXPECT_LE(key(i - 1), key(i));
          }
          return names;
        });
  }

  test::ScratchDatabase database;
  test::Service service{database.connection()};
  std::shared_ptr<grpc::Channel> channel;
};

// FAIR-2: a hospital's devices take more than the 4 MiB that a client takes.
TEST_F(PagesTest, TheLatestOfAWholeHospitalComesInPages) {
  fill_devices(4000);
  database.ask("UPDATE patient SET display_name = lpad(display_name, 200, 'N')");
  database.ask("UPDATE latest SET value = value + 0.123456789");
  EXPECT_THAT(latest_of_all(2000), SizeIs(4000));
  // LIFE-3: who knows no pages gets all, or an error: never a part that looks like all.
  grpc::ClientContext context;
  v1::GetLatestResponse part;
  const auto status = v1::VitalsService::NewStub(channel)->GetLatest(&context, v1::GetLatestRequest(), &part);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("page_size: is required"));
  EXPECT_EQ(part.vitals_size(), 0);
  const Scope ward({"w2"});
  std::set<std::string> seen;
  for (std::optional<std::int64_t> after = 0; after;) {
    const auto page = service.store.latest(ward, {}, *after, 2);
    for (const auto& row : page) EXPECT_TRUE(seen.insert(row.device).second);
    after = page.next;
  }
  EXPECT_THAT(seen, SizeIs(3));
}

// LIFE-3
TEST_F(PagesTest, TheLatestOfAWardComesInOne) {
  fill_devices(1500);
  EXPECT_THAT(latest_of_all(0), SizeIs(1500));
}

// FAIR-2
TEST_F(PagesTest, PatientsAndDevicesEndTheirPagesBeforeTheyAreTooLarge) {
  fill_devices(2000);
  v1::ListPatientsRequest patients;
  patients.set_page_size(10'000);
  EXPECT_THAT(all<v1::PatientService>(&v1::PatientService::Stub::ListPatients, patients, v1::ListPatientsResponse(),
                                      [](auto& page) {
                                        std::vector<std::string> names;
                                        for (const auto& each : page.patients()) names.push_back(each.name());
                                        return names;
                                      }),
              SizeIs(2000));
  v1::ListDevicesRequest devices;
  devices.set_page_size(10'000);
  EXPECT_THAT(all<v1::DeviceService>(&v1::DeviceService::Stub::ListDevices, devices, v1::ListDevicesResponse(),
                                     [](auto& page) {
                                       std::vector<std::string> names;
                                       for (const auto& each : page.devices()) names.push_back(each.name());
                                       return names;
                                     }),
              SizeIs(2000));
  // A ward of three among them, and a viewer of it who also sees the ten devices that nobody wears.
  const Scope ward({"w2"});
  EXPECT_THAT(service.store.patients(ward, "", 10), SizeIs(3));
  std::set<std::string> seen;
  for (std::optional<std::string> after = ""; after;) {
    const auto page = service.store.devices(ward, *after, 4);
    for (const auto& row : page) EXPECT_TRUE(seen.insert(row.urn).second);
    after = page.next;
  }
  EXPECT_THAT(seen, SizeIs(13));
}

// FAIR-2: none twice and none left out, whatever is stored meanwhile.
TEST_F(PagesTest, PagesOfAlarmsAreWholeWhileMoreAreRaised) {
  fill_devices(20);
  const auto raise = [&](int from, int to, const std::string& at) {
    database.ask(
        "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, tick_ms,"
        " measured_at, received_at, source) SELECT device_id, 7, 2, i, 1, 1, 3, 'hr-high', i, " +
        at + ", now(), 'device' FROM device, generate_series(" + std::to_string(from) + ", " + std::to_string(to) +
        ") i");
  };
  raise(1, 150, "now() - (i / 10) * interval '1 hour'");  // many at one instant
  for (const bool open_only : {false, true}) {
    for (const auto& subject : {Subject{}, Subject{Subject::Kind::device, database.ask("SELECT max(urn) FROM device")},
                                Subject{Subject::Kind::patient, database.ask("SELECT patient_id FROM assignment")}}) {
      AlarmsQuery query;
      query.open_only = open_only;
      query.subject = subject;
      query.limit = 70;
      std::set<AlarmKey> seen;
      int round = 1000 * (open_only ? 2 : 1) + 100 * static_cast<int>(subject.kind);
      for (;;) {
        const auto page = service.store.alarms(query);
        for (const auto& each : page) {
          EXPECT_TRUE(seen.insert({each.device, each.boot, each.stream, each.sequence}).second);
        }
        if (!page.next) break;
        query.after = page.next;
        if (++round % 100 < 3) raise(round, round, "now() - (i % 15) * interval '1 hour'");
      }
      const auto old = std::ranges::count_if(seen, [](const AlarmKey& key) { return key.sequence <= 150; });
      EXPECT_EQ(old, subject.kind == Subject::Kind::all ? 3000 : 150);
    }
  }
}

// FAIR-2: an empty page says where to go on; one call looks at so much and no more.
TEST_F(PagesTest, AFilterThatFindsLittleLeadsFromPageToPage) {
  fill_devices(20);
  database.ask(
      "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, tick_ms,"
      " measured_at, received_at, source) SELECT device_id, 7, 2, i, 1, 1, 3, 'hr-high', i,"
      " now() - i * interval '1 minute', now(), 'device' FROM device, generate_series(1, 300) i");
  database.ask(
      "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, tick_ms,"
      " measured_at, received_at, source, onset_sequence) SELECT device_id, 7, 2, 1000, 2, 1, 3, 'hr-high', 0,"
      " now(), now(), 'device', 300 FROM device");
  for (const auto& [scope, states, expected] : {std::tuple{Scope({"w2"}), std::vector<std::uint16_t>{}, 900U},
                                                {Scope({"none"}), {}, 0U},
                                                {Scope(), {2}, 20U},
                                                {Scope(), {3}, 0U},
                                                {Scope(), {4}, 0U},
                                                {Scope({"w2"}), {2}, 3U}}) {
    AlarmsQuery query;
    query.scope = scope;
    query.states = states;
    std::size_t found = 0, pages = 0;
    for (;; ++pages) {
      ASSERT_LT(pages, 10U);
      const auto page = service.store.alarms(query);
      found += page.size();
      if (!page.next) break;
      query.after = page.next;
    }
    EXPECT_EQ(found, expected);
    EXPECT_GE(pages, 2U);
  }
}

}  // namespace
}  // namespace wardlink::storage
