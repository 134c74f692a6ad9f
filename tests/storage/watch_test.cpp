// Live streams over mutual TLS on a real PostgreSQL: nothing skipped, nothing twice, nothing backwards, nothing that is
// another ward's. I6, I9

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <random>
#include <set>

#include "storage/live/cursor.hpp"
#include "watch_talk.hpp"

namespace wardlink::storage {
namespace {

using grpc::StatusCode;
using test::IngestTalk;
using test::key_of;
using test::keys_of;
using test::watch_request;
using test::WatchTalk;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* device_a = "urn:dev:os:32473-a";
constexpr const char* device_b = "urn:dev:os:32473-b";

std::int64_t micros_of(const google::protobuf::Timestamp& stamp) {
  return stamp.seconds() * 1'000'000 + stamp.nanos() / 1000;
}

class WatchTest : public testing::Test {
 protected:
  void SetUp() override {
    talk.attach(1, device_a, 7, start);
    talk.attach(2, device_b, 9, start);
  }

  std::shared_ptr<grpc::Channel> granted() {
    for (const auto* name : {"viewer", "nurse", "admin", "icu"}) test::pki().add_client(name);
    service.store.ensure_grants({{"urn:wardlink:service:ingest", "ingest", ""},
                                 {"urn:wardlink:client:viewer", "viewer", ""},
                                 {"urn:wardlink:client:nurse", "clinician", ""},
                                 {"urn:wardlink:client:admin", "admin", ""},
                                 {"urn:wardlink:client:icu", "clinician", "icu"}});
    return service.channel("ingest-client");
  }

  std::shared_ptr<grpc::Channel> as(const std::string& name) { return service.channel("clients/" + name); }

  /// One set of the session, its own transaction.
  void append_set(std::uint64_t session, std::uint64_t sequence) {
    v1::Append batch;
    test::add_set(batch, session, sequence, sequence * 1000, 60 + static_cast<double>(sequence));
    ASSERT_EQ(talk.append(batch).results(0), v1::RECORD_RESULT_COMMITTED);
  }

  void append_alarm(std::uint64_t session, std::uint64_t sequence, v1::AlarmFact::Event event,
                    std::uint64_t onset = 0) {
    v1::Append batch;
    test::add_alarm(batch, session, sequence, sequence * 1000, "hr-high", event, onset);
    ASSERT_EQ(talk.append(batch).results(0), v1::RECORD_RESULT_COMMITTED);
  }

  std::string create_patient(const std::string& display_name, const std::string& ward = "") {
    return "patients/" + service.store.create_patient(display_name, {}, ward).id;
  }

  void assign(const std::string& patient, const char* device) {
    service.store.assign({}, device, patient.substr(9), Instant(std::chrono::seconds(start)), "test");
  }

  /// A cursor behind everything that is there now.
  std::string cursor_now() {
    WatchTalk watch(as("viewer"), watch_request());
    watch.present_state();
    return watch.cursor();
  }

  grpc::Status acknowledge(const std::string& by, const std::vector<std::string>& names,
                           v1::AcknowledgeResponse& response) {
    grpc::ClientContext context;
    v1::AcknowledgeRequest request;
    for (const auto& name : names) request.add_names(name);
    return v1::AlarmService::NewStub(as(by))->Acknowledge(&context, request, &response);
  }

  std::vector<v1::Alarm> alarms(std::vector<v1::AlarmState> states) {
    grpc::ClientContext context;
    v1::ListAlarmsRequest request;
    for (const auto state : states) request.add_states(state);
    v1::ListAlarmsResponse response;
    EXPECT_TRUE(v1::AlarmService::NewStub(as("viewer"))->ListAlarms(&context, request, &response).ok());
    return {response.alarms().begin(), response.alarms().end()};
  }

  test::ScratchDatabase database;
  test::Service service{database.connection()};
  IngestTalk talk{granted()};
  std::int64_t start =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count() -
      3600;
};

TEST_F(WatchTest, ThePresentStateFirstThenWhatIsCommitted) {
  append_set(1, 1);
  append_alarm(1, 1, v1::AlarmFact::RAISED);
  WatchTalk watch(as("viewer"), watch_request());
  const auto present = watch.present_state();
  ASSERT_EQ(present.size(), 2U);  // b has said nothing yet, but nobody wears it either
  EXPECT_EQ(present[0].latest().signs(0).value(), 61);
  EXPECT_TRUE(present[0].latest().signs(0).stale()) << "it is an hour old";
  EXPECT_EQ(present[0].latest().open_alarms(), 1U);
  EXPECT_EQ(present[0].cursor(), "");
  EXPECT_NE(watch.cursor(), "");
  append_set(1, 2);
  append_alarm(1, 2, v1::AlarmFact::ENDED, 1);
  const auto events = watch.events(2);
  EXPECT_THAT(keys_of(events), ElementsAre("a/7-1-2", "a/7-2-2"));
  EXPECT_EQ(events[0].measurement_set().readings(0).value(), 62);
  EXPECT_EQ(events[1].alarm_event().change(), v1::AlarmEvent::ENDED);
  EXPECT_EQ(events[1].alarm_event().alarm().name(), std::string("devices/") + device_a + "/alarms/7-2-1");
  EXPECT_EQ(events[1].alarm_event().alarm().state(), v1::ALARM_STATE_ENDED);
}

/// While any transaction of the cluster is open, nothing younger is settled.
TEST_F(WatchTest, WhatThePresentStateHoldsIsNotSentAgain) {
  test::ScratchDatabase neighbour;
  test::Sql old(neighbour.connection());
  old.begin();
  old.ask("SELECT pg_current_xact_id()");
  append_set(1, 1);
  append_alarm(1, 1, v1::AlarmFact::RAISED);
  test::Sql slow(database.connection());
  slow.begin();
  slow.ask("SELECT pg_current_xact_id()");
  append_set(1, 2);
  WatchTalk vitals(as("viewer"), watch_request()), alarms(as("viewer"), watch_request(), true);
  const auto present = vitals.present_state();
  ASSERT_EQ(present.size(), 2U);
  EXPECT_EQ(present[0].latest().signs(0).value(), 62);
  EXPECT_EQ(present[0].latest().open_alarms(), 1U);
  EXPECT_EQ(alarms.present_state().size(), 1U);
  slow.ask(
      "INSERT INTO measurement_set (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at,"
      " sign_ids, sign_values, qualities) SELECT device_id, 7, 3, 1, 0, now(), now(), '{1}', '{70}', '{0}'"
      " FROM device WHERE urn = 'urn:dev:os:32473-a'");
  slow.commit();
  append_alarm(1, 2, v1::AlarmFact::ENDED, 1);
  old.commit();
  EXPECT_THAT(keys_of(vitals.events(2)), ElementsAre("a/7-3-1", "a/7-2-2"));
  EXPECT_EQ(key_of(*alarms.event()), "a/7-2-2");
}

TEST_F(WatchTest, TheAlarmsStreamHoldsNoSets) {
  append_alarm(1, 1, v1::AlarmFact::RAISED);
  WatchTalk watch(as("viewer"), watch_request(), true);
  const auto present = watch.present_state();
  ASSERT_EQ(present.size(), 1U);
  EXPECT_EQ(present[0].open_alarm().code(), "hr-high");
  append_set(1, 1);
  append_alarm(2, 1, v1::AlarmFact::RAISED);
  EXPECT_EQ(key_of(*watch.event()), "b/9-2-1");
}

TEST_F(WatchTest, EveryCursorGoesOnExactlyBehindIt) {
  const auto begin = cursor_now();
  v1::Append batch;  // one transaction, several kinds and devices
  for (std::uint64_t i = 1; i <= 3; ++i) {
    test::add_set(batch, 2, i, i * 1000, 60);
    test::add_set(batch, 1, i, i * 1000, 60);
    test::add_alarm(batch, 1, i, i * 1000, "hr-high", v1::AlarmFact::RAISED);
  }
  talk.append(batch);
  append_set(1, 4);
  assign(create_patient("Ann"), device_b);
  append_set(2, 4);
  WatchTalk watch(as("viewer"), watch_request("", begin));
  const auto whole = watch.events(12);
  ASSERT_THAT(keys_of(whole), ElementsAre("a/7-1-1", "a/7-1-2", "a/7-1-3", "b/9-1-1", "b/9-1-2", "b/9-1-3", "a/7-2-1",
                                          "a/7-2-2", "a/7-2-3", "a/7-1-4", "believed", "b/9-1-4"));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    WatchTalk resumed(as("viewer"), watch_request("", whole[i].cursor()));
    const auto left = whole.size() - i - 1;
    const auto rest = keys_of(left > 0 ? resumed.events(left) : resumed.all_so_far());
    const auto all = keys_of(whole);
    EXPECT_EQ(rest, std::vector<std::string>(all.begin() + static_cast<std::ptrdiff_t>(i) + 1, all.end())) << i;
  }
}

TEST_F(WatchTest, AnOpenTransactionHoldsBackWhatIsYoungerAndSkipsNothing) {
  const auto begin = cursor_now();
  test::Sql slow(database.connection());
  slow.begin();
  slow.ask(
      "INSERT INTO measurement_set (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at,"
      " sign_ids, sign_values, qualities) SELECT device_id, 7, 3, 1, 0, now(), now(), '{1}', '{70}', '{0}'"
      " FROM device WHERE urn = 'urn:dev:os:32473-a'");
  append_set(1, 1);
  const auto overtaken = std::stoll(slow.ask("SELECT micros(clock_timestamp())"));
  append_set(2, 1);
  append_alarm(2, 1, v1::AlarmFact::RAISED);
  WatchTalk watch(as("viewer"), watch_request("", begin));
  // Three heartbeats, and nothing that might overtake the open one.
  for (int beats = 0; beats < 3; ++beats) {
    const auto response = watch.hear();
    ASSERT_TRUE(response && response->has_heartbeat());
    EXPECT_LE(micros_of(response->heartbeat().complete_until()), overtaken) << "it must stand still";
  }
  slow.commit();
  EXPECT_THAT(keys_of(watch.events(4)), ElementsAre("a/7-3-1", "a/7-1-1", "b/9-1-1", "b/9-2-1"));
  append_set(1, 2);
  EXPECT_EQ(key_of(*watch.event()), "a/7-1-2");
}

/// A store whose watchers read one event a page, the first three behind the tail's first look so late that it has
/// looked twice more.
class SlowPages final : public LiveStore {
 public:
  SlowPages(LiveStore& store, std::function<void()> meanwhile) : store_(store), meanwhile_(std::move(meanwhile)) {}

  std::string epoch() override { return store_.epoch(); }
  PresentState present(const LiveFilter& filter) override { return store_.present(filter); }
  std::unique_ptr<CommitListener> listen() override { return store_.listen(); }
  void wake() override { store_.wake(); }
  Horizon horizon() override {
    const auto horizon = store_.horizon();
    if (asked_++ == 0) first_ = horizon.settled;  // the watcher's: the tail looks once somebody watches
    asked_.notify_all();
    return horizon;
  }
  LivePage live(const LiveFilter& filter, const LivePosition& after, std::uint64_t until, std::size_t limit) override {
    if (filter.for_all) return store_.live(filter, after, until, limit);
    if (auto once = std::exchange(meanwhile_, {})) once();
    if (until > first_ && late_pages_++ < 3) {
      const int before = asked_;
      for (int now = before; now < before + 2; now = asked_) asked_.wait(now);
    }
    return store_.live(filter, after, until, 1);
  }

 private:
  LiveStore& store_;
  std::function<void()> meanwhile_;
  std::atomic<int> asked_ = 0;
  std::atomic<std::uint64_t> first_ = 0;
  int late_pages_ = 0;
};

TEST_F(WatchTest, AHeartbeatWhileCatchingUpSkipsNothing) {
  const auto cursor = cursor_now();
  append_set(1, 1);
  WatchTalk(as("viewer"), watch_request("", cursor)).events(1);  // it is settled: no older transaction is open
  // What is committed between the first look and the tail's is caught up with a heartbeat behind each event.
  SlowPages pages(service.store, [&] {
    for (std::uint64_t sequence = 2; sequence <= 6; ++sequence) append_set(1, sequence);
  });
  test::Service slow(
      database.connection(), [](Server::Config& config) { config.live.beat = std::chrono::milliseconds(0); }, &pages);
  WatchTalk watch(slow.channel("clients/viewer"), watch_request("", cursor));
  EXPECT_THAT(keys_of(watch.events(6)), ElementsAre("a/7-1-1", "a/7-1-2", "a/7-1-3", "a/7-1-4", "a/7-1-5", "a/7-1-6"));
}

/// Writers that race, cancel and hold transactions open; a watcher that comes and goes.
TEST_F(WatchTest, NothingIsSkippedWhileManyCommitAtOnce) {
  constexpr int writers = 4, batches = 60;
  std::string cursor = cursor_now();
  std::vector<std::thread> threads;
  for (int w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      IngestTalk mine(service.channel("ingest-client"));
      const auto urn = "urn:dev:os:32473-w" + std::to_string(w);
      mine.attach(1, urn, 7, start);
      mine.attach(2, "urn:dev:os:32473-shared", 7, start);
      for (int i = 1; i <= batches; ++i) {
        v1::Append batch;
        for (int k = 0; k < 3; ++k) {
          const auto sequence = static_cast<std::uint64_t>(3 * (i - 1) + k + 1);
          test::add_set(batch, 1, sequence, sequence * 1000, 60);
        }
        // One stream that all of them write to: whoever waits for it must not come before whom it waited for.
        const auto sequence = static_cast<std::uint64_t>(i * writers + w);
        test::add_set(batch, 2, sequence, sequence * 1000, 60);
        mine.append(batch);
      }
    });
  }
  std::atomic<bool> done = false;
  std::thread hung([&] {
    test::Sql slow(database.connection());
    while (!done) {
      slow.begin();
      slow.ask("INSERT INTO ward (ward_id) VALUES ('none')");
      slow.ask("SELECT pg_sleep(0.2)");
      slow.ask("ROLLBACK");
    }
  });
  constexpr std::size_t expected = writers * batches * 4;
  std::mt19937 random(42);
  std::set<std::string> seen;
  std::map<std::string, std::uint64_t> highest;
  std::size_t received = 0, late = 0, comings = 0;
  while (received < expected) {
    WatchTalk watch(as("viewer"), watch_request("", cursor));
    ++comings;
    const auto patience = std::uniform_int_distribution<std::size_t>(1, 150)(random);
    for (std::size_t i = 0; i < patience && received < expected; ++i) {
      const auto event = watch.event();
      ASSERT_TRUE(event) << "after " << received;
      cursor = event->cursor();
      ASSERT_TRUE(seen.insert(key_of(*event)).second) << key_of(*event) << " twice";
      ++received;
      const auto& set = event->measurement_set();
      auto& high = highest[set.device()];
      if (event->late()) {
        ++late;
        EXPECT_LT(set.sequence(), high);
      } else {
        EXPECT_GT(set.sequence(), high) << set.device();
        high = set.sequence();
      }
    }
  }
  done = true;
  for (auto& thread : threads) thread.join();
  hung.join();
  EXPECT_EQ(std::to_string(received), database.ask("SELECT count(*) FROM measurement_set"));
  EXPECT_EQ(std::to_string(late), database.ask("SELECT count(*) FROM measurement_set WHERE late"));
  RecordProperty("comings", static_cast<int>(comings));
  RecordProperty("late", static_cast<int>(late));
}

TEST_F(WatchTest, WhatAnotherProcessCommitsIsSeenAndItsCursorsHold) {
  test::Service other(database.connection());
  WatchTalk here(as("viewer"), watch_request()), there(other.channel("clients/viewer"), watch_request());
  here.present_state();
  there.present_state();
  append_set(1, 1);
  IngestTalk elsewhere(other.channel("ingest-client"));
  elsewhere.attach(1, "urn:dev:os:32473-c", 7, start);
  v1::Append batch;
  test::add_set(batch, 1, 1, 1000, 60);
  elsewhere.append(batch);
  EXPECT_THAT(keys_of(here.events(2)), ElementsAre("a/7-1-1", "c/7-1-1"));
  EXPECT_EQ(key_of(*there.event()), "a/7-1-1");
  WatchTalk resumed(as("viewer"), watch_request("", there.cursor()));
  EXPECT_EQ(key_of(*resumed.event()), "c/7-1-1");
}

TEST_F(WatchTest, LateDataSaysSo) {
  WatchTalk watch(as("viewer"), watch_request());
  watch.present_state();
  append_set(1, 5);
  append_set(1, 3);
  append_set(1, 6);
  append_alarm(1, 2, v1::AlarmFact::RAISED);
  append_alarm(1, 1, v1::AlarmFact::RAISED);
  const auto events = watch.events(5);
  std::vector<bool> late;
  for (const auto& event : events) late.push_back(event.late());
  EXPECT_THAT(keys_of(events), ElementsAre("a/7-1-5", "a/7-1-3", "a/7-1-6", "a/7-2-2", "a/7-2-1"));
  EXPECT_THAT(late, ElementsAre(false, true, false, false, true));
}

TEST_F(WatchTest, WaveformRunsComeToWhoAsksForThem) {
  auto with_runs = watch_request();
  with_runs.set_waveforms(true);
  WatchTalk plain(as("viewer"), watch_request()), asked(as("viewer"), with_runs), alarms(as("viewer"), with_runs, true);
  for (auto* watch : {&plain, &asked, &alarms}) watch->present_state();
  ASSERT_TRUE(asked.hear()->has_heartbeat());  // it follows the tail
  const auto append_run = [&](std::uint64_t sequence) {
    v1::Append batch;
    test::add_set(batch, 1, sequence, sequence * 1000, 60);
    auto& record = *batch.add_records();
    record.set_session(1);
    record.set_stream(v1::STREAM_WAVEFORM_ECG);
    record.set_sequence(sequence);
    record.set_tick_ms(sequence * 1000);
    auto& run = *record.mutable_waveform();
    run.set_rate_samples(100);
    run.set_rate_seconds(1);
    run.set_scale(0.001);
    run.set_samples(std::string("\x00\x01\xff\xff", 4));
    ASSERT_EQ(talk.append(batch).results(1), v1::RECORD_RESULT_COMMITTED);
  };
  assign(create_patient("Ann"), device_a);
  for (const std::uint64_t sequence : {1, 3, 2}) append_run(sequence);
  append_alarm(1, 1, v1::AlarmFact::RAISED);
  const auto whole = asked.events(8);
  const auto keys = keys_of(whole);
  ASSERT_THAT(keys,
              ElementsAre("believed", "a/7-1-1", "a/7-17-1", "a/7-1-3", "a/7-17-3", "a/7-1-2", "a/7-17-2", "a/7-2-1"));
  EXPECT_EQ(whole[2].patient_display_name(), "Ann");
  EXPECT_EQ(whole[2].waveform_run().waveform(), "ecg");
  EXPECT_THAT(whole[2].waveform_run().samples(), ElementsAre(1, -1));
  EXPECT_FALSE(whole[4].late());
  EXPECT_TRUE(whole[6].late());
  for (std::size_t i = 0; i + 1 < whole.size(); ++i) {
    with_runs.set_cursor(whole[i].cursor());
    const auto first = keys.begin() + static_cast<std::ptrdiff_t>(i) + 1;
    EXPECT_EQ(keys_of(WatchTalk(as("viewer"), with_runs).events(whole.size() - i - 1)),
              std::vector<std::string>(first, keys.end()));
  }
  EXPECT_THAT(keys_of(plain.events(5)), ElementsAre("believed", "a/7-1-1", "a/7-1-3", "a/7-1-2", "a/7-2-1"));
  EXPECT_THAT(keys_of(alarms.events(2)), ElementsAre("believed", "a/7-2-1"));
}

TEST_F(WatchTest, AttributionChangesAreTold) {
  const auto ann = create_patient("Ann");
  WatchTalk watch(as("viewer"), watch_request());
  watch.present_state();
  append_set(1, 1);
  EXPECT_EQ(watch.event()->patient(), "");
  assign(ann, device_a);
  auto event = *watch.event();
  EXPECT_EQ(event.attribution_changed().change(), v1::AttributionChanged::BELIEVED);
  EXPECT_EQ(event.attribution_changed().assignment().patient(), ann);
  EXPECT_EQ(event.attribution_changed().assignment().device(), std::string("devices/") + device_a);
  append_set(1, 2);
  event = *watch.event();
  EXPECT_EQ(event.patient(), ann);
  EXPECT_EQ(event.patient_display_name(), "Ann");
  service.store.release({}, device_a, Instant(std::chrono::seconds(start + 1)), "test");
  EXPECT_THAT(keys_of(watch.events(2)), ElementsAre("withdrawn", "believed"));
  append_set(1, 3);
  EXPECT_EQ(watch.event()->patient(), "");
}

TEST_F(WatchTest, AWardSeesItsOwnPatientsOnly) {
  const auto begin = cursor_now();
  const auto ann = create_patient("Ann", "icu"), bob = create_patient("Bob", "west");
  assign(ann, device_a);
  assign(bob, device_b);
  WatchTalk own(as("icu"), watch_request()), ward(as("viewer"), watch_request("wards/west")),
      patient(as("viewer"), watch_request(bob)),
      device(as("viewer"), watch_request(std::string("devices/") + device_a));
  EXPECT_EQ(own.present_state().size(), 1U);
  EXPECT_EQ(ward.present_state().size(), 1U);
  EXPECT_EQ(patient.present_state().size(), 1U);
  EXPECT_EQ(device.present_state().size(), 1U);
  append_set(1, 1);
  append_set(2, 1);
  append_alarm(2, 1, v1::AlarmFact::RAISED);
  append_alarm(1, 1, v1::AlarmFact::RAISED);
  EXPECT_THAT(keys_of(own.all_so_far()), ElementsAre("a/7-1-1", "a/7-2-1"));
  EXPECT_THAT(keys_of(device.all_so_far()), ElementsAre("a/7-1-1", "a/7-2-1"));
  EXPECT_THAT(keys_of(ward.all_so_far()), ElementsAre("b/9-1-1", "b/9-2-1"));
  EXPECT_THAT(keys_of(patient.all_so_far()), ElementsAre("b/9-1-1", "b/9-2-1"));
  // The same out of the database.
  EXPECT_THAT(keys_of(WatchTalk(as("icu"), watch_request("", begin)).all_so_far()),
              ElementsAre("believed", "a/7-1-1", "a/7-2-1"));
  EXPECT_THAT(keys_of(WatchTalk(as("viewer"), watch_request(bob, begin)).all_so_far()),
              ElementsAre("believed", "b/9-1-1", "b/9-2-1"));
  for (const auto& parent : {bob, std::string("wards/west"), std::string("devices/") + device_b}) {
    EXPECT_EQ(WatchTalk(as("icu"), watch_request(parent)).finish().error_code(), StatusCode::PERMISSION_DENIED);
  }
  EXPECT_EQ(WatchTalk(as("viewer"), watch_request("wards/nowhere")).finish().error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(WatchTalk(as("viewer"), watch_request("beds/1")).finish().error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(WatchTest, AGrantThatIsTakenAwayEndsTheStream) {
  WatchTalk watch(as("viewer"), watch_request());
  watch.present_state();
  database.ask("DELETE FROM grants WHERE subject = 'urn:wardlink:client:viewer'");
  EXPECT_EQ(watch.finish().error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(database.ask("SELECT string_agg(outcome, ' ' ORDER BY audit_id) FROM audit"
                         " WHERE method = 'VitalsService.Watch'"),
            "granted refused");
}

TEST_F(WatchTest, ABrokenAuditBlocksIt) {
  database.ask("ALTER TABLE audit RENAME TO audit_away");
  EXPECT_EQ(WatchTalk(as("viewer"), watch_request()).finish().error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(WatchTest, ACursorOfAnotherDatabaseIsOutOfRange) {
  append_set(1, 1);
  const auto cursor = cursor_now();
  const auto refused = [&](const std::string& text) {
    return WatchTalk(as("viewer"), watch_request("", text)).finish().error_code();
  };
  test::ScratchDatabase another;
  test::Service elsewhere(another.connection());
  elsewhere.store.ensure_grants({{"urn:wardlink:client:viewer", "viewer", ""}});
  EXPECT_EQ(WatchTalk(elsewhere.channel("clients/viewer"), watch_request("", cursor)).finish().error_code(),
            StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(refused("no cursor"), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(refused(cursor.substr(0, cursor.size() - 4)), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(refused(make_cursor(service.store.epoch(), {.transaction = 1ULL << 40})), StatusCode::OUT_OF_RANGE);
  std::string newer = cursor;
  newer[newer.find("3a") - 1] = '2';  // wardlink-2:
  EXPECT_EQ(refused(newer), StatusCode::OUT_OF_RANGE);
  database.ask("UPDATE live_epoch SET epoch = gen_random_uuid()");
  EXPECT_EQ(refused(cursor), StatusCode::OUT_OF_RANGE);
}

TEST_F(WatchTest, ARestoredDatabaseBeginsAnEpochAndForgetsForeignTransactions) {
  append_set(1, 1);
  const auto cursor = cursor_now();
  // As a restore leaves it: the rows' ids are another cluster's, higher than any of this one.
  database.ask("UPDATE measurement_set SET xid = '900000000000'");
  database.ask("UPDATE stream_state SET xid = '900000000000'");
  database.ask("UPDATE live_epoch SET home = 'elsewhere'");
  test::Service restored(database.connection());
  EXPECT_EQ(WatchTalk(restored.channel("clients/viewer"), watch_request("", cursor)).finish().error_code(),
            StatusCode::OUT_OF_RANGE);
  WatchTalk watch(restored.channel("clients/viewer"), watch_request());
  EXPECT_EQ(watch.present_state().size(), 2U);
  IngestTalk anew(restored.channel("ingest-client"));
  anew.attach(1, device_a, 7, start);
  v1::Append batch;
  test::add_set(batch, 1, 2, 2000, 60);
  EXPECT_EQ(anew.append(batch).results(0), v1::RECORD_RESULT_COMMITTED);
  EXPECT_EQ(key_of(*watch.event()), "a/7-1-2");
}

TEST_F(WatchTest, HeartbeatsComeWhereNothingElseDoes) {
  WatchTalk watch(as("viewer"), watch_request());
  watch.present_state();
  const auto first = watch.hear(), second = watch.hear();
  ASSERT_TRUE(first && first->has_heartbeat());
  ASSERT_TRUE(second && second->has_heartbeat());
  const auto at = [](const v1::WatchResponse& r) { return r.heartbeat().time(); };
  EXPECT_LE(at(*second).seconds() - at(*first).seconds(), 60);  // 5 s where the machine has the time
  // It goes on with what is settled, for which others' transactions may have to end.
  const auto before = micros_of(first->heartbeat().complete_until());
  auto beat = second;
  while (beat && micros_of(beat->heartbeat().complete_until()) <= before) beat = watch.hear();
  EXPECT_TRUE(beat);
}

TEST_F(WatchTest, WhoReadsTooSlowlyIsDroppedWithItsCursorAndNobodyElse) {
  test::Service small(database.connection(), [](Server::Config& config) {
    config.live.watchers = 3;
    config.live.queue = 500;
    config.live.stuck = std::chrono::seconds(60);
  });
  const auto begin = cursor_now();
  WatchTalk slow(small.channel("clients/viewer"), watch_request()),
      quick(small.channel("clients/viewer"), watch_request());
  slow.present_state();
  quick.present_state();
  constexpr std::uint64_t sets = 6000;
  constexpr std::uint64_t ahead = 250;  // of who reads, which leaves room in its queue however slow this machine is
  std::atomic<std::uint64_t> received = 0;
  std::thread reader([&] {
    while (received < sets && quick.event()) {
      ++received;
      received.notify_one();
    }
    EXPECT_EQ(received, sets) << quick.finish().error_message();
    received = sets;
    received.notify_one();
  });
  for (std::uint64_t first = 1; first <= sets; first += 25) {
    for (auto so_far = received.load(); so_far + ahead < first; so_far = received.load()) received.wait(so_far);
    v1::Append batch;
    for (std::uint64_t i = first; i < first + 25; ++i) {
      test::add_set(batch, 1, i, i * 1000, 60);
      // Long enough that what the transport holds is soon full.
      auto& signs = *batch.mutable_records(batch.records_size() - 1)->mutable_signs();
      for (std::uint32_t sign = 1000; sign < 1060; ++sign) {
        signs.add_sign(sign);
        signs.add_value(1);
        signs.add_quality(0);
      }
    }
    talk.append(batch);
  }
  reader.join();
  std::size_t heard = slow.events(sets).size();
  EXPECT_LT(heard, sets);
  const auto status = slow.finish();
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  const auto cursor = slow.cursor().empty() ? begin : slow.cursor();
  EXPECT_EQ(WatchTalk(as("viewer"), watch_request("", cursor)).events(sets - heard).size(), sets - heard);
}

TEST_F(WatchTest, ThereAreOnlySoManyWatchers) {
  test::Service small(database.connection(), [](Server::Config& config) { config.live.watchers = 2; });
  std::vector<std::unique_ptr<WatchTalk>> talks;
  for (int i = 0; i < 2; ++i) {
    talks.push_back(std::make_unique<WatchTalk>(small.channel("clients/viewer"), watch_request()));
    talks.back()->present_state();
    talks.back()->hear();
  }
  EXPECT_EQ(WatchTalk(small.channel("clients/viewer"), watch_request()).finish().error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
  talks.pop_back();
  const auto let_in = [&] {
    WatchTalk third(small.channel("clients/viewer"), watch_request());
    third.present_state();
    return third.hear().has_value();
  };
  EXPECT_TRUE(test::eventually(let_in));
}

TEST_F(WatchTest, AStoppingServiceSaysSo) {
  auto other = std::make_unique<test::Service>(
      database.connection(), [](Server::Config& config) { config.farewell = std::chrono::seconds(60); });
  WatchTalk watch(other->channel("clients/viewer"), watch_request());
  watch.present_state();
  watch.hear();
  auto stopped = std::async(std::launch::async, [&] { other->server.shutdown(); });
  const auto status = watch.finish();
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("cursor"));
  stopped.get();
}

TEST_F(WatchTest, AnAlarmIsRaisedEndedAcknowledgedAndBoth) {
  append_alarm(1, 1, v1::AlarmFact::RAISED);
  append_alarm(1, 2, v1::AlarmFact::RAISED);
  append_alarm(1, 3, v1::AlarmFact::ENDED, 2);
  const auto first = std::string("devices/") + device_a + "/alarms/7-2-1";
  const auto second = std::string("devices/") + device_a + "/alarms/7-2-2";
  EXPECT_EQ(alarms({v1::ALARM_STATE_RAISED}).at(0).name(), first);
  EXPECT_EQ(alarms({v1::ALARM_STATE_ENDED}).at(0).name(), second);
  WatchTalk watch(as("viewer"), watch_request(), true);
  watch.present_state();
  v1::AcknowledgeResponse response;
  ASSERT_TRUE(acknowledge("nurse", {second, first}, response).ok());
  EXPECT_EQ(response.alarms(0).state(), v1::ALARM_STATE_ENDED_ACKNOWLEDGED);
  EXPECT_EQ(response.alarms(1).state(), v1::ALARM_STATE_ACKNOWLEDGED);
  EXPECT_EQ(response.alarms(1).acknowledged_by(), "urn:wardlink:client:nurse");
  EXPECT_THAT(keys_of(watch.events(2)), ElementsAre("ack " + first, "ack " + second));
  // Again, by somebody else: the first stands, and nothing is told.
  ASSERT_TRUE(acknowledge("admin", {first}, response).ok());
  EXPECT_EQ(response.alarms(0).acknowledged_by(), "urn:wardlink:client:nurse");
  append_alarm(1, 4, v1::AlarmFact::ENDED, 1);
  EXPECT_EQ(key_of(*watch.event()), "a/7-2-4");
  EXPECT_EQ(alarms({v1::ALARM_STATE_ENDED_ACKNOWLEDGED}).size(), 2U);
  EXPECT_THAT(alarms({v1::ALARM_STATE_RAISED, v1::ALARM_STATE_ACKNOWLEDGED}), IsEmpty());
  EXPECT_EQ(database.ask("SELECT subject || ' ' || resources[1] FROM audit WHERE method = 'AlarmService.Acknowledge'"
                         " ORDER BY audit_id LIMIT 1"),
            "urn:wardlink:client:nurse " + second);
  EXPECT_THROW(database.ask("DELETE FROM alarm_acknowledgement"), std::runtime_error);
}

/// An end without its onset is a condition of its own, until the onset comes.
TEST_F(WatchTest, AnAcknowledgementOutlivesThatTheOnsetComesBehindItsEnd) {
  append_alarm(1, 2, v1::AlarmFact::ENDED, 1);
  v1::AcknowledgeResponse response;
  ASSERT_TRUE(acknowledge("nurse", {std::string("devices/") + device_a + "/alarms/7-2-2"}, response).ok());
  WatchTalk watch(as("viewer"), watch_request(), true);
  EXPECT_THAT(watch.present_state(), IsEmpty());
  append_alarm(1, 1, v1::AlarmFact::RAISED);
  const auto raised = watch.event();
  ASSERT_TRUE(raised);
  EXPECT_EQ(raised->alarm_event().alarm().state(), v1::ALARM_STATE_ENDED_ACKNOWLEDGED);
  const auto onset = std::string("devices/") + device_a + "/alarms/7-2-1";
  ASSERT_EQ(alarms({}).size(), 1U);
  EXPECT_EQ(alarms({}).at(0).name(), onset);
  EXPECT_EQ(alarms({}).at(0).acknowledged_by(), "urn:wardlink:client:nurse");
  // Again, by its new name: the first stands.
  ASSERT_TRUE(acknowledge("admin", {onset}, response).ok());
  EXPECT_EQ(response.alarms(0).acknowledged_by(), "urn:wardlink:client:nurse");
  EXPECT_EQ(database.ask("SELECT count(*) FROM alarm_acknowledgement"), "1");
}

// LIFE-3
TEST_F(WatchTest, ASecondAcknowledgementIsToldToBeNone) {
  append_alarm(1, 1, v1::AlarmFact::RAISED);
  append_alarm(1, 2, v1::AlarmFact::RAISED);
  const auto first = std::string("devices/") + device_a + "/alarms/7-2-1";
  const auto second = std::string("devices/") + device_a + "/alarms/7-2-2";
  v1::AcknowledgeResponse response;
  ASSERT_TRUE(acknowledge("nurse", {first}, response).ok());
  EXPECT_EQ(response.acknowledged_by_others_size(), 0);
  ASSERT_TRUE(acknowledge("nurse", {first}, response).ok()) << "said again by the same is said";
  EXPECT_EQ(response.acknowledged_by_others_size(), 0);
  ASSERT_TRUE(acknowledge("admin", {second, first}, response).ok());
  ASSERT_EQ(response.acknowledged_by_others_size(), 1);
  EXPECT_EQ(response.acknowledged_by_others(0), first);
}

TEST_F(WatchTest, AcknowledgingIsForCarersOfTheWardAllOrNone) {
  assign(create_patient("Bob", "west"), device_b);
  append_alarm(2, 1, v1::AlarmFact::RAISED);
  append_alarm(1, 1, v1::AlarmFact::RAISED);
  const auto of_bob = std::string("devices/") + device_b + "/alarms/9-2-1";
  const auto of_nobody = std::string("devices/") + device_a + "/alarms/7-2-1";
  v1::AcknowledgeResponse response;
  EXPECT_EQ(acknowledge("viewer", {of_bob}, response).error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(acknowledge("icu", {of_bob}, response).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(acknowledge("nurse", {of_bob, of_nobody + "0"}, response).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(acknowledge("nurse", {}, response).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(acknowledge("nurse", {"devices/x"}, response).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(database.ask("SELECT count(*) FROM alarm_acknowledgement"), "0");
}

}  // namespace
}  // namespace wardlink::storage
