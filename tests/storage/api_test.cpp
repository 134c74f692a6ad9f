// The gRPC API over mutual TLS on a real PostgreSQL. GRPC-01, I9; 45 CFR 164.312(a)(1), (b), (d).

#include <gmock/gmock.h>
#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>

#include <chrono>

#include "service.hpp"
#include "signs/catalogue.hpp"

namespace wardlink::storage {
namespace {

using grpc::StatusCode;
using test::IngestTalk;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* device = "urn:dev:os:32473-a";

class ApiTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto* name : {"viewer", "nurse", "admin", "icu"}) test::pki().add_client(name);
    service.store.ensure_grants({{"urn:wardlink:service:ingest", "ingest", ""},
                                 {"urn:wardlink:client:viewer", "viewer", ""},
                                 {"urn:wardlink:client:nurse", "clinician", ""},
                                 {"urn:wardlink:client:admin", "admin", ""},
                                 {"urn:wardlink:client:icu", "clinician", "icu"}});
  }

  std::shared_ptr<grpc::Channel> as(const std::string& name) { return service.channel("clients/" + name); }

  template <typename Api, typename Method, typename Request, typename Response>
  grpc::Status call(const std::shared_ptr<grpc::Channel>& channel, Method method, const Request& request,
                    Response& response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    const auto stub = Api::NewStub(channel);
    return (stub.get()->*method)(&context, request, &response);
  }

  grpc::Status latest(const std::string& name, v1::GetLatestResponse& response, const std::string& parent = "") {
    v1::GetLatestRequest request;
    request.set_parent(parent);
    return call<v1::VitalsService>(as(name), &v1::VitalsService::Stub::GetLatest, request, response);
  }

  grpc::Status readings(const v1::ListReadingsRequest& request, v1::ListReadingsResponse& response) {
    return call<v1::VitalsService>(as("viewer"), &v1::VitalsService::Stub::ListReadings, request, response);
  }

  v1::Patient create_patient(const std::string& display_name, const std::string& ward = "") {
    v1::CreatePatientRequest request;
    request.mutable_patient()->set_display_name(display_name);
    request.mutable_patient()->set_ward(ward);
    v1::Patient patient;
    const auto status =
        call<v1::PatientService>(as("admin"), &v1::PatientService::Stub::CreatePatient, request, patient);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return patient;
  }

  grpc::Status assign(const std::string& by, const std::string& patient, std::int64_t from_seconds) {
    v1::AssignDeviceRequest request;
    request.set_device(std::string("devices/") + device);
    request.set_patient(patient);
    request.mutable_held_from()->set_seconds(from_seconds);
    v1::Assignment assignment;
    return call<v1::DeviceService>(as(by), &v1::DeviceService::Stub::AssignDevice, request, assignment);
  }

  /// Sixty sets, one a second from `start` on.
  void fill() {
    IngestTalk talk(service.channel("ingest-client"));
    talk.attach(1, device, 7, start);
    v1::Append batch;
    for (std::uint64_t i = 1; i <= 60; ++i) {
      test::add_set(batch, 1, i, i * 1000, 37.6 + static_cast<double>(i), i % 2 == 0 ? 1 : 2);
    }
    talk.append(batch);
    EXPECT_TRUE(talk.finish().ok());
  }

  test::ScratchDatabase database;
  test::Service service{database.connection()};
  std::int64_t start =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count() -
      3600;
};

TEST_F(ApiTest, IngestAppendsAndCliniciansRead) {
  IngestTalk talk(service.channel("ingest-client"));
  const auto attached = talk.attach(1, device, 7, start);
  EXPECT_EQ(attached.watermarks_size(), 0);
  v1::Append batch;
  batch.set_batch(11);
  test::add_set(batch, 1, 1, 1500, 37.6);
  test::add_set(batch, 2, 1, 1500, 37.6);
  test::add_set(batch, 1, 1, 1500, 37.6);
  test::add_alarm(batch, 1, 1, 1500, "hr-high", v1::AlarmFact::RAISED);
  const auto result = talk.append(batch);
  EXPECT_EQ(result.batch(), 11U);
  EXPECT_THAT(result.results(), ElementsAre(v1::RECORD_RESULT_COMMITTED, v1::RECORD_RESULT_NOT_ATTACHED,
                                            v1::RECORD_RESULT_DUPLICATE, v1::RECORD_RESULT_COMMITTED));
  const auto again = IngestTalk(service.channel("ingest-client")).attach(5, device, 7, start);
  EXPECT_EQ(again.watermarks_size(), 2);

  v1::GetLatestResponse response;
  ASSERT_TRUE(latest("viewer", response).ok());
  ASSERT_EQ(response.vitals_size(), 1);
  const auto& vitals = response.vitals(0);
  EXPECT_EQ(vitals.device(), std::string("devices/") + device);
  EXPECT_EQ(vitals.patient(), "");
  ASSERT_EQ(vitals.signs_size(), 1);
  EXPECT_EQ(vitals.signs(0).value(), 37.6);
  EXPECT_EQ(vitals.signs(0).sign(), signs::find(signs::SignId{1})->wire);
  EXPECT_EQ(vitals.signs(0).measured_at().nanos(), 500'000'000);
  const auto& age = vitals.signs(0).age();  // TIME-5
  EXPECT_EQ(vitals.signs(0).measured_at() + age, vitals.read_time());
  EXPECT_GE(age.seconds(), 0);
  EXPECT_EQ(vitals.open_alarms(), 1U);
  EXPECT_EQ(vitals.alarms(0).name(), std::string("devices/") + device + "/alarms/7-2-1");
}

// TIME-5: the server says what is not current, by its own calendar.
TEST_F(ApiTest, TheLatestSaysWhatIsTooOldToBeCurrent) {
  const auto now = std::chrono::floor<std::chrono::seconds>(service.store.calendar()).time_since_epoch().count();
  IngestTalk talk(service.channel("ingest-client"));
  talk.attach(1, device, 7, now - 3600);
  v1::Append batch;
  batch.set_batch(1);
  test::add_set(batch, 1, 1, 0, 70, signs::find("hr")->id);
  test::add_set(batch, 1, 2, 0, 37, signs::find("temp")->id);
  test::add_set(batch, 1, 3, 0, 120, signs::find("sbp")->id);
  test::add_set(batch, 1, 4, 3'600'000, 97, signs::find("spo2")->id);
  test::add_set(batch, 1, 5, 90'000'000, 12, signs::find("rr")->id);  // a day ahead
  talk.append(batch);
  v1::GetLatestResponse response;
  ASSERT_TRUE(latest("viewer", response).ok());
  std::string told;
  for (const auto& sign : response.vitals(0).signs())
    told += sign.sign() + (sign.stale() ? " stale" : "") + (sign.has_clock_jump() ? " clock" : "") +
            (sign.has_uncertainty() ? ", " : " of an unknown clock, ");
  EXPECT_EQ(told, "hr stale, spo2, rr clock, temp, sbp, ");
}

// I9, TIME-2: who may see a device may see its clock, and is on the audit log for it.
TEST_F(ApiTest, TheClockOfADeviceIsTold) {
  const auto now = std::chrono::floor<std::chrono::seconds>(service.store.calendar());
  const auto writer = service.store.open_writer();
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  writer->attach({device, 7, now - seconds{100}, milliseconds{13}, now - seconds{99}, false, 1000});
  writer->attach({device, 7, now - seconds{70}, milliseconds{20}, {}, false, 60'000});
  writer->at_boots(std::vector<AttachRequest>{{device, 6, now - seconds{200}}});
  v1::GetDeviceClockRequest request;
  request.set_device(std::string("devices/") + device);
  const auto ask = [&](const std::string& name, v1::DeviceClock& clock) {
    return call<v1::DeviceService>(as(name), &v1::DeviceService::Stub::GetDeviceClock, request, clock);
  };
  v1::DeviceClock clock;
  ASSERT_TRUE(ask("viewer", clock).ok());
  EXPECT_EQ(clock.device(), request.device());
  ASSERT_EQ(clock.starts_size(), 1);
  const auto& present = clock.starts(0);
  EXPECT_EQ(present.boot(), 7U);
  EXPECT_EQ(present.readings(), 2U);
  EXPECT_EQ(present.registered_at().seconds(), (now - seconds{99}).time_since_epoch() / seconds{1});
  EXPECT_EQ(present.anchor().seconds(), (now - seconds{70}).time_since_epoch() / seconds{1});
  EXPECT_EQ(present.read_at().seconds(), (now - seconds{10}).time_since_epoch() / seconds{1});
  EXPECT_EQ(present.tick_ms(), 60'000U);
  EXPECT_EQ(present.uncertainty().nanos(), 20'000'000);
  EXPECT_GE(clock.uncertainty().nanos(), 20'000'000);
  ASSERT_EQ(present.steps_size(), 1);
  EXPECT_EQ(present.steps(0).cause(), v1::ClockStep::CLOCK_READ);
  EXPECT_EQ(present.steps(0).by().seconds(), 30);
  ASSERT_EQ(clock.unplaced_starts_size(), 1);
  EXPECT_TRUE(clock.unplaced_starts(0).never_dated());
  EXPECT_FALSE(clock.unplaced_starts(0).has_read_at());
  EXPECT_EQ(clock.starts_in_day(), 1U);
  EXPECT_EQ(clock.start_times_size(), 1);

  ASSERT_TRUE(
      assign("nurse", create_patient("Ann", "wards/maternity").name(), now.time_since_epoch() / seconds{1}).ok());
  EXPECT_EQ(ask("icu", clock).error_code(), StatusCode::PERMISSION_DENIED);
  request.set_device("devices/urn:dev:os:32473-none");
  const auto status = ask("admin", clock);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("devices/urn:dev:os:32473-none"));
  request.set_device("Bed 1");
  EXPECT_EQ(ask("viewer", clock).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(database.ask("SELECT string_agg(subject || ' ' || outcome || ' ' || resources[1], ', ' ORDER BY audit_id)"
                         " FROM audit WHERE method = 'DeviceService.GetDeviceClock'"),
            "urn:wardlink:client:viewer granted devices/urn:dev:os:32473-a, "
            "urn:wardlink:client:icu refused devices/urn:dev:os:32473-a, "
            "urn:wardlink:client:admin granted devices/urn:dev:os:32473-none, "
            "urn:wardlink:client:viewer granted malformed");
}

TEST_F(ApiTest, ARecordOfAnEarlierStartIsStoredUnderIt) {  // I1, I2
  IngestTalk talk(service.channel("ingest-client"));
  talk.attach(1, device, 7, start);
  talk.attach(2, device, 8, start + 1800);
  v1::Append batch;
  test::add_alarm(batch, 2, 1, 1500, "hr-high", v1::AlarmFact::RAISED);
  test::add_alarm(batch, 2, 2, 2500, "hr-high", v1::AlarmFact::ENDED, 1);
  test::add_alarm(batch, 2, 1, 1500, "spo2-low", v1::AlarmFact::RAISED);
  for (auto& record : *batch.mutable_records()) record.set_boot(7);
  batch.mutable_records(2)->set_boot(0);
  test::add_alarm(batch, 1, 1, 1500, "hr-high", v1::AlarmFact::RAISED);  // as it came before the reboot
  EXPECT_THAT(talk.append(batch).results(), ElementsAre(v1::RECORD_RESULT_COMMITTED, v1::RECORD_RESULT_COMMITTED,
                                                        v1::RECORD_RESULT_COMMITTED, v1::RECORD_RESULT_DUPLICATE));
  EXPECT_EQ(
      database.ask("SELECT string_agg(boot_id || ' ' || code || ' ' || extract(epoch FROM measured_at)::bigint, ',' "
                   "ORDER BY boot_id, sequence) FROM alarm_event WHERE event = 1"),
      "7 hr-high " + std::to_string(start + 2) + ",8 spo2-low " + std::to_string(start + 1802));
  EXPECT_EQ(database.ask("SELECT count(*) FROM alarm_condition WHERE boot_id = 7 AND end_at - start_at = '1 s'"), "1");
  EXPECT_EQ(database.ask("SELECT count(*) FROM clock_exchange WHERE from_tick IS NOT NULL"), "0");
}

TEST_F(ApiTest, AStartThatNeverReachedIngestIsAnchoredByItsFirstRecord) {
  IngestTalk talk(service.channel("ingest-client"));
  talk.attach(1, device, 8, start);
  const auto before = database.ask("SELECT calendar()");
  for (const std::int64_t later : {0, 100}) {
    v1::IngestRequest request;
    auto& batch = *request.mutable_append();
    batch.set_stamp(IngestTalk::stamp);
    test::add_alarm(batch, 1, later == 0 ? 1 : 2, 60'000, "fall", v1::AlarmFact::RAISED);
    batch.mutable_records(0)->set_boot(7);
    batch.mutable_records(0)->set_received_after_us((later - 600) * 1'000'000);
    talk.send(request);
    EXPECT_THAT(talk.hear().append_result().results(), ElementsAre(v1::RECORD_RESULT_COMMITTED));
  }
  // It was received 600 s before the stamp of the stream, which was taken before `before`.
  EXPECT_EQ(database.ask("SELECT anchor < '" + before + "'::timestamptz - interval '660 s' AND anchor > '" + before +
                         "'::timestamptz - interval '760 s' FROM device_boot WHERE boot_id = 7"),
            "t");
}

TEST_F(ApiTest, ABootThatCannotBeIsQuarantined) {
  IngestTalk talk(service.channel("ingest-client"));
  talk.attach(1, device, 8, start);
  v1::Append batch;
  test::add_alarm(batch, 1, 1, 1000, "fall", v1::AlarmFact::RAISED);
  test::add_alarm(batch, 1, 2, 1ULL << 52, "fall", v1::AlarmFact::RAISED);
  batch.mutable_records(0)->set_boot(1ULL << 53);
  batch.mutable_records(1)->set_boot(7);
  EXPECT_THAT(talk.append(batch).results(), ElementsAre(v1::RECORD_RESULT_QUARANTINED, v1::RECORD_RESULT_COMMITTED))
      << "a tick is no reason";
  EXPECT_EQ(database.ask("SELECT count(*) FROM device_boot"), "2");
}

TEST_F(ApiTest, AMalformedAttachIsRefusedAndTheStreamLives) {
  IngestTalk talk(service.channel("ingest-client"));
  EXPECT_THAT(talk.attach(1, "no urn", 7, start).refusal(), HasSubstr("device"));
  EXPECT_THAT(talk.attach(1, device, 1ULL << 53, start).refusal(), HasSubstr("boot"));
  EXPECT_EQ(talk.attach(1, device, 7, start).refusal(), "");
}

TEST_F(ApiTest, IngestsOwnFactsAreAudited) {
  IngestTalk talk(service.channel("ingest-client"));
  v1::IngestRequest request;
  auto& refused = *request.mutable_audit()->add_entries();
  refused.set_action("handshake");
  refused.set_reason("expired");
  refused.set_count(3);
  *request.mutable_audit()->add_entries() = refused;
  talk.send(request);
  talk.attach(1, device, 7, start);  // handled in order: the audit is done
  EXPECT_EQ(database.ask("SELECT string_agg(outcome || reason || count, ' ') FROM audit"
                         " WHERE method = 'ingest.handshake'"),
            "refusedexpired3 refusedexpired3");
}

// ISO-1: each authority opens its own port; until it is told otherwise, the API lets services in too.
TEST_F(ApiTest, PeopleDoNotGetToIngestsPort) {
  v1::GetLatestResponse response;
  EXPECT_EQ(IngestTalk(service.channel_to(service.ingest.port(), "clients/admin")).finish().error_code(),
            StatusCode::UNAVAILABLE);
  EXPECT_EQ(call<v1::VitalsService>(service.channel_to(service.ingest.port(), "ingest-client"),
                                    &v1::VitalsService::Stub::GetLatest, v1::GetLatestRequest(), response)
                .error_code(),
            StatusCode::UNIMPLEMENTED);
  EXPECT_TRUE(IngestTalk(service.channel_to(service.ingest.port(), "ingest-client")).finish().ok());
}

TEST_F(ApiTest, AnIngestOfBeforeIsToldWhereToGo) {
  const auto status = IngestTalk(service.channel_to(service.server.port(), "ingest-client")).finish();
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("50052"));
  EXPECT_EQ(database.ask("SELECT string_agg(subject || ' ' || outcome, ',') FROM audit"
                         " WHERE method = 'IngestService.Ingest' AND reason LIKE '%50052%'"),
            "urn:wardlink:service:ingest refused");
}

TEST_F(ApiTest, GrantsDecide) {
  test::pki().add_service("other");
  const auto ann = create_patient("Ann").name();
  v1::GetLatestResponse response;
  EXPECT_EQ(assign("viewer", ann, start).error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(IngestTalk(service.channel_to(service.ingest.port(), "services/other")).finish().error_code(),
            StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(call<v1::VitalsService>(service.channel_to(service.server.port(), "ingest-client"),
                                    &v1::VitalsService::Stub::GetLatest, v1::GetLatestRequest(), response)
                .error_code(),
            StatusCode::PERMISSION_DENIED);
  test::pki().add_client("stranger");
  EXPECT_EQ(latest("stranger", response).error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(database.ask("SELECT string_agg(subject || ' ' || method, ', ' ORDER BY audit_id) FROM audit"
                         " WHERE outcome = 'refused'"),
            "urn:wardlink:client:viewer DeviceService.AssignDevice,"
            " urn:wardlink:service:other IngestService.Ingest,"
            " urn:wardlink:service:ingest VitalsService.GetLatest,"
            " urn:wardlink:client:stranger VitalsService.GetLatest");
}

TEST_F(ApiTest, EveryCallLeavesAnAuditRowWithoutNames) {
  const auto ann = create_patient("Ann Secret", "wards/icu").name();
  v1::GetLatestResponse response;
  latest("viewer", response, ann);
  EXPECT_EQ(database.ask("SELECT resources[1] FROM audit WHERE method = 'VitalsService.GetLatest'"), ann);
  EXPECT_EQ(latest("viewer", response, "patients/Ann Secret").error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(database.ask("SELECT count(*) FROM audit WHERE resources[1] = 'malformed'"), "1");
  EXPECT_EQ(database.ask("SELECT count(*) FROM audit WHERE audit::text LIKE '%Secret%'"), "0");
}

TEST_F(ApiTest, ABrokenAuditBlocksReadsAndNeverAlarms) {
  IngestTalk talk(service.channel("ingest-client"));
  talk.attach(1, device, 7, start);
  database.ask("ALTER TABLE audit RENAME TO audit_away");
  v1::GetLatestResponse response;
  EXPECT_EQ(latest("viewer", response).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(response.vitals_size(), 0);
  v1::Append batch;
  test::add_alarm(batch, 1, 1, 1000, "hr-high", v1::AlarmFact::RAISED);
  EXPECT_THAT(talk.append(batch).results(), ElementsAre(v1::RECORD_RESULT_COMMITTED));
  // Nor does it keep a new stream out.
  IngestTalk another(service.channel("ingest-client"));
  another.attach(1, device, 7, start);
  EXPECT_THAT(another.append(batch).results(), ElementsAre(v1::RECORD_RESULT_DUPLICATE));
}

TEST_F(ApiTest, OnlyCertificatesOfOurAuthorityGetIn) {
  const test::Pki foreign;
  foreign.add_client("viewer");
  test::pki().add_client("expired", {"--expired"});
  test::pki().add_client("server-only", {"--eku", "server"});
  const auto refused = [&](const std::shared_ptr<grpc::Channel>& channel) {
    v1::GetLatestResponse response;
    return call<v1::VitalsService>(channel, &v1::VitalsService::Stub::GetLatest, v1::GetLatestRequest(), response)
        .error_code();
  };
  EXPECT_EQ(refused(service.channel("")), StatusCode::UNAVAILABLE);
  EXPECT_EQ(refused(service.channel("clients/viewer", foreign)), StatusCode::UNAVAILABLE);
  EXPECT_EQ(refused(as("expired")), StatusCode::UNAVAILABLE);
  EXPECT_EQ(refused(as("server-only")), StatusCode::UNAVAILABLE);
  EXPECT_EQ(database.ask("SELECT count(*) FROM audit WHERE method LIKE 'Vitals%'"), "0");
  EXPECT_EQ(refused(as("viewer")), StatusCode::OK);
}

TEST_F(ApiTest, PagesAreCompleteWithoutGapsOrDoubles) {
  fill();
  v1::ListReadingsRequest request;
  request.set_parent(std::string("devices/") + device);
  request.set_page_size(7);
  std::vector<std::uint64_t> sequences;
  do {
    v1::ListReadingsResponse response;
    ASSERT_TRUE(readings(request, response).ok());
    for (const auto& set : response.measurement_sets()) {
      sequences.push_back(set.sequence());
      EXPECT_EQ(set.readings(0).value(), 37.6 + static_cast<double>(set.sequence()));
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  ASSERT_EQ(sequences.size(), 60U);
  for (std::uint64_t i = 1; i <= 60; ++i) EXPECT_EQ(sequences[i - 1], i);
}

TEST_F(ApiTest, APageTokenFitsItsOwnRequestOnly) {
  fill();
  v1::ListReadingsRequest request;
  request.set_parent(std::string("devices/") + device);
  request.set_page_size(7);
  v1::ListReadingsResponse response;
  ASSERT_TRUE(readings(request, response).ok());
  request.set_page_token(response.next_page_token());
  request.add_signs("hr");
  EXPECT_EQ(readings(request, response).error_code(), StatusCode::INVALID_ARGUMENT);
  request.clear_signs();
  request.set_page_size(9);  // this one may change
  EXPECT_TRUE(readings(request, response).ok());
  for (const auto* token : {"zz", "31", "6e6f6e73656e7365", "\xc3\xa4"}) {
    request.set_page_token(token);
    const auto status = readings(request, response);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("page_token"));
  }
}

TEST_F(ApiTest, ReadingsBySignAndTime) {
  fill();
  v1::ListReadingsRequest request;
  request.set_parent(std::string("devices/") + device);
  request.add_signs(std::string(signs::find(signs::SignId{2})->wire));
  request.mutable_start_time()->set_seconds(start + 11);
  request.mutable_end_time()->set_seconds(start + 15);
  v1::ListReadingsResponse response;
  ASSERT_TRUE(readings(request, response).ok());
  ASSERT_EQ(response.measurement_sets_size(), 2);
  EXPECT_EQ(response.measurement_sets(0).sequence(), 11U);
  EXPECT_EQ(response.measurement_sets(1).sequence(), 13U);
}

TEST_F(ApiTest, InvalidArgumentsNameTheField) {
  fill();
  const auto names = [&](const v1::ListReadingsRequest& request, const char* field) {
    v1::ListReadingsResponse response;
    const auto status = readings(request, response);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr(field));
  };
  v1::ListReadingsRequest request;
  names(request, "parent");
  request.set_parent("patients/7");
  names(request, "parent");
  request.set_parent(std::string("devices/") + device);
  request.add_signs("mood");
  names(request, "signs");
  request.clear_signs();
  request.set_page_size(-1);
  names(request, "page_size");
  request.clear_page_size();
  request.mutable_start_time()->set_nanos(-1);
  names(request, "start_time");
  request.mutable_start_time()->set_nanos(0);
  request.mutable_start_time()->set_seconds(100);
  request.mutable_end_time()->set_seconds(50);
  names(request, "end_time");
  EXPECT_EQ(assign("nurse", create_patient("Ann").name(), start + 7200).error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(ApiTest, AssignedReadingsAreThePatients) {
  fill();
  const auto ann = create_patient("Ann").name(), bob = create_patient("Bob").name();
  ASSERT_TRUE(assign("nurse", ann, start).ok());
  const auto refused = assign("nurse", bob, start + 5);
  EXPECT_EQ(refused.error_code(), StatusCode::FAILED_PRECONDITION);
  v1::GetLatestResponse response;
  ASSERT_TRUE(latest("viewer", response, ann).ok());
  ASSERT_EQ(response.vitals_size(), 1);
  EXPECT_EQ(response.vitals(0).patient_display_name(), "Ann");
  EXPECT_EQ(response.vitals(0).signs_size(), 2);
  EXPECT_EQ(latest("viewer", response, "patients/00000000-0000-0000-0000-000000000000").error_code(),
            StatusCode::NOT_FOUND);
  EXPECT_EQ(database.ask("SELECT recorded_by FROM assignment"), "urn:wardlink:client:nurse");
}

// LIFE-3
TEST_F(ApiTest, WhatACallDoesNotDoItRefuses) {
  const auto ann = create_patient("Ann").name();
  v1::CreateDeviceRequest worn;
  worn.mutable_device()->set_name(std::string("devices/") + device);
  worn.mutable_device()->set_patient(ann);
  v1::Device made;
  auto refused = call<v1::DeviceService>(as("admin"), &v1::DeviceService::Stub::CreateDevice, worn, made);
  EXPECT_EQ(refused.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(refused.error_message(), HasSubstr("device.patient: is not put on by this call"));
  const auto refusal = [&](const v1::Patient& wish) {
    v1::CreatePatientRequest request;
    *request.mutable_patient() = wish;
    v1::Patient patient;
    return call<v1::PatientService>(as("admin"), &v1::PatientService::Stub::CreatePatient, request, patient)
        .error_message();
  };
  v1::Patient named, wearing;
  named.set_display_name("Bob");
  named.set_name(ann);
  EXPECT_THAT(refusal(named), HasSubstr("patient.name: is drawn by the server"));
  wearing.set_display_name("Bob");
  wearing.add_devices(std::string("devices/") + device);
  EXPECT_THAT(refusal(wearing), HasSubstr("patient.devices: are not put on by this call"));
  EXPECT_EQ(database.ask("SELECT (SELECT count(*) FROM device) || ' ' || (SELECT count(*) FROM patient)"), "0 1");
  fill();
  ASSERT_TRUE(assign("nurse", ann, start).ok());
  v1::ReleaseDeviceRequest release;
  release.set_device(std::string("devices/") + device);
  release.mutable_held_until()->set_seconds(start + 10);
  v1::Assignment assignment;
  ASSERT_TRUE(call<v1::DeviceService>(as("nurse"), &v1::DeviceService::Stub::ReleaseDevice, release, assignment).ok());
  refused = assign("nurse", ann, start + 5);
  EXPECT_EQ(refused.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(refused.error_message(), HasSubstr("nothing was assigned"));
}

TEST_F(ApiTest, AGrantForAWardReachesItsPatientsOnly) {
  fill();
  const auto ann = create_patient("Ann", "wards/icu").name(), bob = create_patient("Bob").name();
  v1::GetLatestResponse response;
  EXPECT_EQ(assign("icu", bob, start).error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_TRUE(assign("icu", ann, start).ok());
  EXPECT_TRUE(latest("icu", response).ok());
  EXPECT_EQ(response.vitals_size(), 1);
  EXPECT_EQ(latest("icu", response, bob).error_code(), StatusCode::PERMISSION_DENIED);
  v1::ListPatientsResponse patients;
  EXPECT_TRUE(
      call<v1::PatientService>(as("icu"), &v1::PatientService::Stub::ListPatients, v1::ListPatientsRequest(), patients)
          .ok());
  EXPECT_EQ(patients.patients_size(), 1);
}

TEST_F(ApiTest, AlarmsAreListedNewestFirstByPages) {
  IngestTalk talk(service.channel("ingest-client"));
  talk.attach(1, device, 7, start);
  v1::Append batch;
  for (std::uint64_t i = 1; i <= 5; ++i) {
    test::add_alarm(batch, 1, 2 * i - 1, i * 1000, "hr-high", v1::AlarmFact::RAISED);
    if (i < 5) test::add_alarm(batch, 1, 2 * i, i * 1000 + 500, "hr-high", v1::AlarmFact::ENDED, 2 * i - 1);
  }
  talk.append(batch);
  v1::ListAlarmsRequest request;
  request.set_page_size(2);
  std::vector<std::uint64_t> ticks;
  do {
    v1::ListAlarmsResponse response;
    ASSERT_TRUE(call<v1::AlarmService>(as("viewer"), &v1::AlarmService::Stub::ListAlarms, request, response).ok());
    for (const auto& alarm : response.alarms()) ticks.push_back(alarm.start_tick_ms() - IngestTalk::tick(start, 0));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(ticks, ElementsAre(5000U, 4000U, 3000U, 2000U, 1000U));
  request.set_open_only(true);
  v1::ListAlarmsResponse response;
  ASSERT_TRUE(call<v1::AlarmService>(as("viewer"), &v1::AlarmService::Stub::ListAlarms, request, response).ok());
  ASSERT_EQ(response.alarms_size(), 1);
  EXPECT_FALSE(response.alarms(0).has_end_time());
  EXPECT_EQ(response.alarms(0).limit(), 130);
  EXPECT_FALSE(response.alarms(0).has_value());
}

TEST_F(ApiTest, DevicesAndPatientsByPages) {
  v1::CreateDeviceRequest create;
  v1::Device made;
  for (const char* urn : {"urn:dev:os:32473-c", "urn:dev:os:32473-b", "urn:dev:os:32473-d"}) {
    create.mutable_device()->set_name(std::string("devices/") + urn);
    ASSERT_TRUE(call<v1::DeviceService>(as("admin"), &v1::DeviceService::Stub::CreateDevice, create, made).ok());
  }
  EXPECT_EQ(call<v1::DeviceService>(as("admin"), &v1::DeviceService::Stub::CreateDevice, create, made).error_code(),
            StatusCode::ALREADY_EXISTS);
  v1::ListDevicesRequest request;
  request.set_page_size(2);
  v1::ListDevicesResponse page;
  ASSERT_TRUE(call<v1::DeviceService>(as("viewer"), &v1::DeviceService::Stub::ListDevices, request, page).ok());
  EXPECT_EQ(page.devices(0).name(), "devices/urn:dev:os:32473-b");
  EXPECT_EQ(page.devices_size(), 2);
  request.set_page_token(page.next_page_token());
  ASSERT_TRUE(call<v1::DeviceService>(as("viewer"), &v1::DeviceService::Stub::ListDevices, request, page).ok());
  EXPECT_EQ(page.devices(0).name(), "devices/urn:dev:os:32473-d");
  EXPECT_EQ(page.next_page_token(), "");
}

TEST_F(ApiTest, ARequestBeyondTheLimitEndsTheStreamNotTheService) {  // GRPC-01
  IngestTalk talk(service.channel("ingest-client"));
  talk.attach(1, device, 7, start);
  v1::IngestRequest huge;
  huge.mutable_append()->add_records()->mutable_quarantined()->set_payload(std::string(5 * 1024 * 1024, 'x'));
  talk.send(huge);
  EXPECT_FALSE(talk.hear().has_append_result());
  v1::GetLatestResponse response;
  EXPECT_TRUE(latest("viewer", response).ok());
}

TEST_F(ApiTest, APortInUseIsOneSentence) {
  Server::Config config;
  config.address = "127.0.0.1:" + std::to_string(service.server.port());
  EXPECT_THROW(Server(config, service.store, service.store, service.store, service.store), ListenError);
}

}  // namespace
}  // namespace wardlink::storage
