// Alarms that people end, through the API; and what a database of before knows. LIFE-1.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "watch_talk.hpp"

namespace wardlink::storage {
namespace {

using grpc::StatusCode;
using test::IngestTalk;
using test::WatchTalk;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* device = "urn:dev:os:32473-a";

class EndsTest : public testing::Test {
 protected:
  EndsTest() {
    for (const char* name : {"viewer", "nurse", "admin", "icu"}) test::pki().add_client(name);
    talk.attach(1, device, 7, start);
  }

  IngestTalk granted() {
    service.store.ensure_grants({{"urn:wardlink:service:ingest", "ingest", ""},
                                 {"urn:wardlink:client:viewer", "viewer", ""},
                                 {"urn:wardlink:client:nurse", "clinician", ""},
                                 {"urn:wardlink:client:admin", "admin", ""},
                                 {"urn:wardlink:client:icu", "clinician", "icu"}});
    return IngestTalk(service.channel("ingest-client"));
  }

  std::shared_ptr<grpc::Channel> as(const std::string& name) { return service.channel("clients/" + name); }

  void append_alarm(std::uint64_t sequence, v1::AlarmFact::Event event, std::uint64_t onset = 0) {
    v1::Append batch;
    test::add_alarm(batch, 1, sequence, sequence * 1000, "hr-high", event, onset);
    EXPECT_THAT(talk.append(batch).results(), ElementsAre(v1::RECORD_RESULT_COMMITTED));
  }

  static std::string name(std::uint64_t sequence) {
    return std::string("devices/") + device + "/alarms/7-2-" + std::to_string(sequence);
  }

  grpc::Status close(const std::string& by, const std::vector<std::string>& names, const std::string& reason,
                     v1::CloseAlarmsResponse* response = nullptr) {
    grpc::ClientContext context;
    v1::CloseAlarmsRequest request;
    for (const auto& each : names) request.add_names(each);
    request.set_reason(reason);
    v1::CloseAlarmsResponse ignored;
    return v1::AlarmService::NewStub(as(by))->CloseAlarms(&context, request, response ? response : &ignored);
  }

  grpc::Status discharge(const std::string& by, const std::string& patient, std::int64_t at, v1::Discharge& response) {
    grpc::ClientContext context;
    v1::DischargePatientRequest request;
    request.set_name(patient);
    if (at != 0) request.mutable_discharge_time()->set_seconds(at);
    return v1::PatientService::NewStub(as(by))->DischargePatient(&context, request, &response);
  }

  std::string patient(const std::string& called, const std::string& ward, std::int64_t worn_since) {
    const auto id = service.store.create_patient(called, {}, ward).id;
    service.store.assign({}, device, id, Instant{std::chrono::seconds{worn_since}}, "nurse");
    return "patients/" + id;
  }

  std::vector<v1::Alarm> alarms() {
    grpc::ClientContext context;
    v1::ListAlarmsResponse response;
    EXPECT_TRUE(v1::AlarmService::NewStub(as("viewer"))->ListAlarms(&context, {}, &response).ok());
    return {response.alarms().begin(), response.alarms().end()};
  }

  test::ScratchDatabase database;
  test::Service service{database.connection()};
  IngestTalk talk{granted()};
  std::int64_t start =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count() -
      3600;
};

TEST_F(EndsTest, CarersCloseWithAReason) {
  for (const std::uint64_t sequence : {1, 2, 3}) append_alarm(sequence, v1::AlarmFact::RAISED);
  v1::CloseAlarmsResponse closed;
  EXPECT_EQ(close("viewer", {name(1)}, "lost").error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(close("nurse", {name(1)}, "").error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(close("nurse", {name(1)}, " \t ").error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(close("nurse", {name(1)}, std::string(201, 'x')).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(close("nurse", {}, "lost").error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(close("nurse", {name(1), name(9)}, "lost").error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(close("icu", {name(1)}, "lost").error_code(), StatusCode::NOT_FOUND);
  ASSERT_TRUE(close("nurse", {name(2), name(1)}, "lost", &closed).ok());
  ASSERT_EQ(closed.alarms_size(), 2);
  EXPECT_EQ(closed.alarms(0).name(), name(2));
  EXPECT_EQ(closed.alarms(0).end_cause(), v1::ALARM_END_CAUSE_PERSON);
  EXPECT_EQ(closed.alarms(0).ended_by(), "urn:wardlink:client:nurse");
  EXPECT_EQ(closed.alarms(0).end_reason(), "lost");
  EXPECT_EQ(closed.alarms(0).state(), v1::ALARM_STATE_ENDED);
  // LIFE-3
  const auto second = close("admin", {name(1)}, "lost");
  EXPECT_EQ(second.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(second.error_message(), HasSubstr("urn:wardlink:client:nurse"));
  EXPECT_EQ(database.ask("SELECT subject || ' ' || outcome || ' ' || array_to_string(resources, ' ') FROM audit"
                         " WHERE method = 'AlarmService.CloseAlarms' AND cardinality(resources) = 2"
                         " ORDER BY audit_id DESC LIMIT 1"),
            "urn:wardlink:client:nurse granted " + name(2) + " " + name(1));
}

TEST_F(EndsTest, WhatALiveStartAssertsIsNotClosed) {
  patient("Ann", "icu", start);
  append_alarm(1, v1::AlarmFact::RAISED);
  const auto refused = close("icu", {name(1)}, "noise");
  EXPECT_EQ(refused.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(refused.error_message(), HasSubstr("asserted by its device"));
}

TEST_F(EndsTest, CarersDischargeAndWatchersHearOfIt) {
  const auto ann = patient("Ann", "icu", start);
  for (const std::uint64_t sequence : {1, 2, 3}) append_alarm(sequence, v1::AlarmFact::RAISED);
  WatchTalk watch(as("icu"), test::watch_request(ann), true);
  EXPECT_THAT(watch.present_state(), SizeIs(3));
  v1::Discharge gone;
  EXPECT_EQ(discharge("viewer", ann, 0, gone).error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(discharge("icu", ann, start + 100'000, gone).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(discharge("icu", ann, start - 10, gone).error_code(), StatusCode::FAILED_PRECONDITION);
  ASSERT_TRUE(discharge("icu", ann, start + 600, gone).ok());
  EXPECT_EQ(gone.patient(), ann);
  EXPECT_EQ(gone.discharge_time().seconds(), start + 600);
  EXPECT_EQ(gone.discharged_by(), "urn:wardlink:client:icu");
  ASSERT_EQ(gone.assignments_size(), 1);
  EXPECT_EQ(gone.assignments(0).held_until().seconds(), start + 600);
  std::vector<std::string> told;
  while (told.size() < 3) {
    const auto event = watch.event();
    ASSERT_TRUE(event);
    if (!event->has_alarm_event()) continue;
    EXPECT_EQ(event->alarm_event().change(), v1::AlarmEvent::ENDED);
    EXPECT_EQ(event->alarm_event().time().seconds(), start + 600);
    EXPECT_EQ(event->alarm_event().alarm().end_cause(), v1::ALARM_END_CAUSE_DISCHARGED);
    EXPECT_EQ(event->alarm_event().alarm().ended_by(), "urn:wardlink:client:icu");
    told.push_back(event->alarm_event().alarm().name());
  }
  EXPECT_THAT(told, ElementsAre(name(1), name(2), name(3)));
  // LIFE-3
  ASSERT_TRUE(discharge("icu", ann, start + 600, gone).ok()) << "the same again";
  EXPECT_EQ(gone.assignments_size(), 1);
  EXPECT_EQ(discharge("icu", ann, 0, gone).error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(discharge("nurse", ann, start + 600, gone).error_message(), HasSubstr("urn:wardlink:client:icu"));
  // Whoever wears it next, in another ward, has what it asserts, by its own name.
  const auto bob = patient("Bob", "maternity", start + 1200);
  const auto first = alarms().front();
  EXPECT_EQ(first.patient(), bob);
  EXPECT_THAT(first.name(), HasSubstr("/alarms/7-4-"));
  EXPECT_EQ(first.origin(), name(3));
}

/// An onset is on its way, and not committed, when somebody takes the device off or the device registers anew.
class EndsRace : public testing::Test {
 protected:
  EndsRace() {
    const auto ann = store.create_patient("Ann", {}, "").id;
    store.assign({}, device, ann, start, "nurse");
    onset.begin();
    onset.ask(
        "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, tick_ms,"
        " measured_at, received_at, source) SELECT device_id, 7, 2, 1, 1, 1, 3, 'hr-high', 1000, instant(" +
        std::to_string((start + std::chrono::seconds(1)).time_since_epoch().count()) +
        "), now(), 'device' FROM device; SELECT 1");
  }

  /// The cause of its end, once both are committed.
  template <typename Call>
  std::string cause_after(Call&& call) {
    std::atomic<bool> done = false;
    std::thread other([&] {
      call();
      done = true;
    });
    test::Sql sql(database.connection());
    EXPECT_TRUE(test::eventually([&] {
      return done || sql.ask(
                         "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                         " AND wait_event_type = 'Lock'") != "0";
    }));
    EXPECT_FALSE(done) << "it did not wait for the onset";
    onset.commit();
    other.join();
    return sql.ask("SELECT end_cause FROM alarm_condition");
  }

  const Instant start =
      std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) - std::chrono::hours(1);
  test::ScratchDatabase database;
  PostgresStore store{{.connection = database.connection()}};
  std::unique_ptr<RecordWriter> writer = store.open_writer();
  std::shared_ptr<const Session> session = writer->attach({device, 7, start}).session;
  test::Sql onset{database.connection()};
};

TEST_F(EndsRace, AReleaseSeesWhatWasOnItsWay) {
  EXPECT_EQ(cause_after([&] { store.release({}, device, start + std::chrono::minutes(1), "nurse"); }), "3");
}

TEST_F(EndsRace, ANewerStartSeesWhatWasOnItsWay) {
  EXPECT_EQ(cause_after([&] { writer->attach({device, 8, start}); }), "2");
}

TEST_F(EndsRace, ADischargeSeesWhatWasOnItsWay) {
  const auto ann = store.patients({}, "", 1).front().id;
  EXPECT_EQ(cause_after([&] { store.discharge({}, ann, start + std::chrono::minutes(1), "nurse"); }), "4");
}

/// A database of before, three devices: 1 dead since its wearer was released, 2 and 3 in use.
class EndsOfBefore : public testing::Test {
 protected:
  EndsOfBefore() {
    database.take_steps_before("013");
    sql.ask(
        "INSERT INTO device (urn) SELECT 'urn:dev:os:32473-' || i FROM generate_series(1, 3) i;"
        "INSERT INTO device_boot (device_id, boot_id, anchor, first_seen_at)"
        " SELECT d, b, '2026-01-01', timestamptz '2026-01-01' + b * interval '1 minute'"
        " FROM generate_series(1, 3) d, generate_series(1, 2) b;"
        // Came after the start in use: a debt of a start that storage had never seen, and a post by hand.
        "INSERT INTO device_boot VALUES (2, 3, '2025-12-31', '2026-01-01 00:10'), (3, 3, 'epoch', '2026-01-01 00:10');"
        "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, tick_ms, "
        "measured_at,"
        "  received_at, source)"
        " SELECT d, b, s, 1, 1, 1, 3, 'hr-high', 0, '2026-01-01 00:30', '2026-01-01 00:30', 'device'"
        " FROM generate_series(1, 3) d, generate_series(1, 2) b, (VALUES (2), (4)) s(s);"
        "INSERT INTO stream_state (device_id, boot_id, stream, high_sequence) VALUES (3, 2, 4, 1);"
        "INSERT INTO patient (patient_id, display_name) SELECT ('00000000-0000-4000-8000-00000000000' || i)::uuid, i"
        " FROM generate_series(1, 2) i;"
        "INSERT INTO assignment SELECT d, '00000000-0000-4000-8000-000000000001',"
        "  '[2026-01-01,2026-01-02)', '[2026-01-01,)', 'nurse' FROM (VALUES (1), (3)) v(d);"
        "INSERT INTO assignment VALUES (3, '00000000-0000-4000-8000-000000000002', '[2026-01-03,)', '[2026-01-03,)',"
        "  'nurse');"
        "SELECT 1");
  }

  std::string ended() {
    return sql.ask("SELECT string_agg(concat_ws(' ', device_id, boot_id, stream, end_cause, ended_by), ','"
                   " ORDER BY device_id, boot_id, stream, sequence) FROM alarm_condition WHERE end_at IS NOT NULL");
  }

  const test::ScratchDatabase database;
  test::Sql sql{database.connection()};
};

TEST_F(EndsOfBefore, AreFoundWhenTheSchemaIsUpdatedWhereNobodyWearsTheDevice) {
  const PostgresStore store({.connection = database.connection()});
  EXPECT_EQ(ended(), "1 1 2 3 nurse,1 1 4 3 nurse,1 2 2 3 nurse,1 2 4 3 nurse");
  EXPECT_EQ(sql.ask("SELECT count(*) FROM open_alarm"), "8");
}

/// No update guesses which of the starts is in use: the device asserts what that one has raised, for who wears it now.
TEST_F(EndsOfBefore, ComeWithTheStartThatIsInUse) {
  PostgresStore store({.connection = database.connection()});
  const auto writer = store.open_writer();
  const Instant anchor{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
  for (const char* name : {"2", "3"}) writer->attach({"urn:dev:os:32473-" + std::string(name), 2, anchor});
  EXPECT_EQ(sql.ask("SELECT string_agg(concat_ws(' ', device_id, boot_id, stream, sequence), ','"
                    " ORDER BY device_id, boot_id, stream, sequence) FROM open_alarm"),
            "2 1 4 1,2 2 2 1,2 2 4 1,3 2 4 2");
  EXPECT_EQ(sql.ask("SELECT concat_ws(' ', origin_stream, origin_sequence, measured_at = '2026-01-03') FROM alarm_event"
                    " WHERE device_id = 3 AND stream = 4 AND sequence = 2"),
            "2 1 t");
}

}  // namespace
}  // namespace wardlink::storage
