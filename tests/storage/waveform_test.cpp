// Waveforms from ingest to a client, over the gRPC API on a real PostgreSQL. I2, I4, I9, GRPC-01.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "service.hpp"

namespace wardlink::storage {
namespace {

using grpc::StatusCode;
using test::IngestTalk;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* device = "urn:dev:os:32473-a";
constexpr auto committed = v1::RECORD_RESULT_COMMITTED;
constexpr auto duplicate = v1::RECORD_RESULT_DUPLICATE;
constexpr auto quarantined = v1::RECORD_RESULT_QUARANTINED;

struct Answer {
  grpc::Status status;
  std::vector<v1::WaveformRun> runs;

  std::vector<std::uint64_t> sequences() const {
    std::vector<std::uint64_t> all;
    for (const auto& run : runs) all.push_back(run.sequence());
    return all;
  }
};

class WaveformTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto* name : {"viewer", "admin", "icu"}) test::pki().add_client(name);
    service.store.ensure_grants({{"urn:wardlink:service:ingest", "ingest", ""},
                                 {"urn:wardlink:client:viewer", "viewer", ""},
                                 {"urn:wardlink:client:admin", "admin", ""},
                                 {"urn:wardlink:client:icu", "viewer", "icu"}});
    talk.emplace(service.channel("ingest-client"));
    talk->attach(1, device, 7, start);
  }

  /// A run of so many samples of ECG at 100 Hz.
  static v1::Record& add_run(v1::Append& batch, std::uint64_t sequence, std::uint64_t tick_ms, std::size_t samples,
                             v1::Stream stream = v1::STREAM_WAVEFORM_ECG) {
    auto& record = *batch.add_records();
    record.set_session(1);
    record.set_stream(stream);
    record.set_sequence(sequence);
    record.set_tick_ms(tick_ms);
    auto& run = *record.mutable_waveform();
    run.set_rate_samples(100);
    run.set_rate_seconds(1);
    run.set_scale(0.001);
    run.set_offset(-0.5);
    run.set_samples(std::string(2 * samples, '\1'));
    return record;
  }

  std::vector<int> append(const v1::Append& batch) {
    const auto result = talk->append(batch);
    return {result.results().begin(), result.results().end()};
  }

  /// Ten runs of 2 s, one after the other.
  void fill() {
    v1::Append batch;
    for (std::uint64_t i = 1; i <= 10; ++i) add_run(batch, i, 2000 * (i - 1), 200);
    ASSERT_EQ(append(batch), std::vector<int>(10, committed));
  }

  v1::GetWaveformRequest request(std::int64_t from, std::int64_t to, const std::string& parent = of_device()) const {
    v1::GetWaveformRequest request;
    request.set_parent(parent);
    request.set_waveform("ecg");
    request.mutable_start_time()->set_seconds(start + from);
    request.mutable_end_time()->set_seconds(start + to);
    return request;
  }

  static std::string of_device() { return std::string("devices/") + device; }

  Answer ask(const v1::GetWaveformRequest& request, const std::string& who = "viewer") {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    const auto stub = v1::VitalsService::NewStub(service.channel("clients/" + who));
    const auto stream = stub->GetWaveform(&context, request);
    Answer answer;
    for (v1::WaveformRun run; stream->Read(&run);) answer.runs.push_back(run);
    answer.status = stream->Finish();
    return answer;
  }

  std::string create_patient(const std::string& ward = "") {
    v1::CreatePatientRequest request;
    request.mutable_patient()->set_display_name("Ada");
    request.mutable_patient()->set_ward(ward);
    v1::Patient patient;
    grpc::ClientContext context;
    EXPECT_TRUE(
        v1::PatientService::NewStub(service.channel("clients/admin"))->CreatePatient(&context, request, &patient).ok());
    return patient.name();
  }

  void assign(const std::string& patient, std::int64_t from) {
    v1::AssignDeviceRequest request;
    request.set_device(of_device());
    request.set_patient(patient);
    request.mutable_held_from()->set_seconds(start + from);
    v1::Assignment made;
    grpc::ClientContext context;
    EXPECT_TRUE(
        v1::DeviceService::NewStub(service.channel("clients/admin"))->AssignDevice(&context, request, &made).ok());
  }

  test::ScratchDatabase database;
  test::Service service{database.connection()};
  const std::int64_t start =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count() -
      3600;
  std::optional<IngestTalk> talk;
};

TEST_F(WaveformTest, ARunComesBackAsItWasSent) {
  v1::Append batch;
  auto& sent = *add_run(batch, 3, 12000, 1).mutable_waveform();
  sent.set_rate_samples(256);
  sent.set_rate_seconds(3);
  sent.set_scale(0.1 + 0.2);
  sent.set_samples(std::string("\xff\x6f\x80\x00\x04\xb4\x7f\xff", 8));
  ASSERT_THAT(append(batch), ElementsAre(committed));
  const auto answer = ask(request(0, 60));
  ASSERT_EQ(answer.runs.size(), 1U) << answer.status.error_message();
  const auto& run = answer.runs[0];
  EXPECT_EQ(run.device(), of_device());
  EXPECT_EQ(run.boot(), 7U);
  EXPECT_EQ(run.stream(), v1::STREAM_WAVEFORM_ECG);
  EXPECT_EQ(run.sequence(), 3U);
  EXPECT_EQ(run.tick_ms(), IngestTalk::tick(start, 12000));
  EXPECT_EQ(run.measured_at().seconds(), start + 12);
  EXPECT_EQ(run.waveform(), "ecg");
  EXPECT_EQ(run.unit(), "mV");
  EXPECT_EQ(run.rate_samples(), 256U);
  EXPECT_EQ(run.rate_seconds(), 3U);
  EXPECT_EQ(run.scale(), 0.1 + 0.2);
  EXPECT_EQ(run.offset(), -0.5);
  EXPECT_THAT(run.samples(), ElementsAre(-145, -32768, 1204, 32767));
}

TEST_F(WaveformTest, TheSameRunIsStoredOnceAndAnotherUnderItsKeyIsQuarantined) {
  v1::Append batch;
  add_run(batch, 1, 0, 200);
  EXPECT_THAT(append(batch), ElementsAre(committed));
  EXPECT_THAT(append(batch), ElementsAre(duplicate));
  auto other = batch;
  other.mutable_records(0)->mutable_waveform()->mutable_samples()->back() = '\2';
  auto scaled = batch;
  scaled.mutable_records(0)->mutable_waveform()->set_scale(0.002);
  auto moved = batch;
  moved.mutable_records(0)->set_tick_ms(26ULL * 3600 * 1000);  // another day, another partition
  for (const auto& changed : {other, scaled, moved}) EXPECT_THAT(append(changed), ElementsAre(quarantined));
  EXPECT_EQ(database.ask("SELECT count(*) FROM waveform_run"), "1");
  EXPECT_EQ(database.ask("SELECT count(*) FROM quarantine WHERE reason = 'conflict' AND stream = 17"), "3");
  v1::Append twice;
  add_run(twice, 2, 2000, 200);
  add_run(twice, 2, 2000, 200);
  add_run(twice, 2, 2000, 100);
  EXPECT_THAT(append(twice), ElementsAre(committed, duplicate, quarantined));
}

TEST_F(WaveformTest, WhatIsNoRunIsQuarantinedAndBlocksNoOther) {
  v1::Append batch;
  add_run(batch, 1, 0, 0);
  add_run(batch, 2, 0, 1001);  // 10.01 s
  add_run(batch, 3, 0, 100).mutable_waveform()->mutable_samples()->pop_back();
  add_run(batch, 4, 0, 100).mutable_waveform()->set_rate_samples(10);
  add_run(batch, 5, 0, 100).mutable_waveform()->set_rate_seconds(0);
  add_run(batch, 6, 0, 100).mutable_waveform()->set_scale(0);
  add_run(batch, 7, 0, 100, static_cast<v1::Stream>(99));
  add_run(batch, 8, 0, 100, v1::STREAM_VITALS);
  add_run(batch, 9, 0, 1000);  // 10 s
  test::add_set(batch, 1, 1, 1000, 72);
  EXPECT_THAT(append(batch), ElementsAre(quarantined, quarantined, quarantined, quarantined, quarantined, quarantined,
                                         quarantined, quarantined, committed, committed));
}

TEST_F(WaveformTest, ALateRunFillsItsGap) {
  v1::Append batch;
  add_run(batch, 1, 0, 200);
  add_run(batch, 3, 4000, 200);
  append(batch);
  EXPECT_THAT(ask(request(0, 60)).sequences(), ElementsAre(1, 3));
  v1::Append late;
  add_run(late, 2, 2000, 200);
  EXPECT_THAT(append(late), ElementsAre(committed));
  EXPECT_THAT(ask(request(0, 60)).sequences(), ElementsAre(1, 2, 3));
  EXPECT_EQ(database.ask("SELECT string_agg(late::text, ' ' ORDER BY sequence) FROM waveform_run"), "false true false");
}

TEST_F(WaveformTest, ASpanHoldsEveryRunWithASampleInIt) {
  fill();
  EXPECT_THAT(ask(request(3, 7)).sequences(), ElementsAre(2, 3, 4));  // the 2nd has begun at 2 s
  EXPECT_THAT(ask(request(4, 6)).sequences(), ElementsAre(3));
  EXPECT_THAT(ask(request(20, 60)).sequences(), IsEmpty());
  auto ppg = request(0, 60);
  ppg.set_waveform("ppg");
  EXPECT_THAT(ask(ppg).sequences(), IsEmpty());
}

TEST_F(WaveformTest, TheLastSecondsEndBehindTheNewestSample) {
  fill();
  v1::GetWaveformRequest last;
  last.set_parent(of_device());
  last.set_waveform("ecg");
  last.mutable_last()->set_seconds(4);
  EXPECT_THAT(ask(last).sequences(), ElementsAre(9, 10));
  last.mutable_end_time()->set_seconds(start + 8);
  EXPECT_THAT(ask(last).sequences(), ElementsAre(3, 4));
  last.set_waveform("resp");
  last.clear_end_time();
  EXPECT_TRUE(ask(last).status.ok());
}

TEST_F(WaveformTest, ManyRunsComeInOrderWithoutGapsOrDoubles) {
  v1::Append batch;
  for (std::uint64_t i = 1; i <= 600; ++i) add_run(batch, i, 100 * (i / 3), 10);  // three begin together
  append(batch);
  const auto sequences = ask(request(0, 60)).sequences();
  ASSERT_EQ(sequences.size(), 600U);
  for (std::uint64_t i = 0; i < 600; ++i) EXPECT_EQ(sequences[i], i + 1);
}

TEST_F(WaveformTest, ARunIsThePatientsWhoWoreTheDeviceAsItBegan) {  // I4
  fill();
  const auto first = create_patient("wards/icu"), second = create_patient();
  assign(first, 4);
  v1::ReleaseDeviceRequest release;
  release.set_device(of_device());
  release.mutable_held_until()->set_seconds(start + 9);
  v1::Assignment made;
  grpc::ClientContext context;
  ASSERT_TRUE(
      v1::DeviceService::NewStub(service.channel("clients/admin"))->ReleaseDevice(&context, release, &made).ok());
  assign(second, 12);
  EXPECT_THAT(ask(request(0, 60, first)).sequences(), ElementsAre(3, 4, 5));
  EXPECT_THAT(ask(request(0, 60, second)).sequences(), ElementsAre(7, 8, 9, 10));
  EXPECT_THAT(ask(request(0, 60, first), "icu").sequences(), ElementsAre(3, 4, 5));
  EXPECT_EQ(ask(request(0, 60, second), "icu").status.error_code(), StatusCode::PERMISSION_DENIED);
}

TEST_F(WaveformTest, InvalidArgumentsNameTheField) {
  fill();
  const auto names = [&](auto change, const char* field) {
    auto wrong = request(0, 60);
    change(wrong);
    const auto status = ask(wrong).status;
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << field;
    EXPECT_THAT(status.error_message(), HasSubstr(field));
  };
  names([](auto& r) { r.clear_parent(); }, "parent");
  names([](auto& r) { r.set_waveform("eeg"); }, "waveform");
  names([](auto& r) { r.clear_start_time(); }, "start_time");
  names([](auto& r) { r.mutable_last()->set_seconds(1); }, "start_time");
  names([&](auto& r) { r.mutable_end_time()->set_seconds(start - 1); }, "end_time");
  names([&](auto& r) { r.mutable_end_time()->set_seconds(start + 86'401); }, "end_time");
  for (const std::int64_t seconds : {0, -1, 86'401}) {
    names([&](auto& r) { r.clear_start_time(), r.mutable_last()->set_seconds(seconds); }, "last");
  }
  EXPECT_EQ(ask(request(0, 60, "devices/urn:dev:os:32473-none")).status.error_code(), StatusCode::NOT_FOUND);
}

TEST_F(WaveformTest, EveryCallIsAudited) {  // I9
  ask(request(0, 60));
  EXPECT_EQ(ask(request(0, 60), "icu").status.error_code(), StatusCode::OK);  // nobody wears it
  EXPECT_EQ(database.ask("SELECT count(*) FROM audit WHERE method = 'VitalsService.GetWaveform' AND outcome = 'granted'"
                         " AND resources = ARRAY['devices/urn:dev:os:32473-a']"),
            "2");
}

TEST_F(WaveformTest, RowsLieInThePartitionOfTheirDay) {
  fill();
  EXPECT_EQ(
      database.ask("SELECT bool_and(tableoid::regclass::text = 'waveform_run_' || to_char(measured_at AT TIME ZONE"
                   " 'UTC', 'YYYYMMDD')) FROM waveform_run"),
      "t");
}

}  // namespace
}  // namespace wardlink::storage
