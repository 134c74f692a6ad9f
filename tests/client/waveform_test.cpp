// wardlink waveform: what it asks for, what it prints, and how a strip is drawn.

#include <google/protobuf/util/json_util.h>

#include "client/waveform_strip.hpp"
#include "scripted_server.hpp"

namespace wardlink::command_line {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// One run of four samples at 2 a second, the first at 11:59:50, unless a test changes it.
class WaveformCommand : public ClientTest {
 protected:
  WaveformCommand() {
    run_.set_device("devices/urn:dev:os:32473-a");
    run_.set_boot(5);
    run_.set_sequence(1);
    *run_.mutable_measured_at() = before_noon(10);
    run_.set_waveform("ecg");
    run_.set_unit("mV");
    run_.set_rate_samples(2);
    run_.set_rate_seconds(1);
    run_.set_scale(0.001);
    for (const int sample : {145, -32768, -1, 2000}) run_.add_samples(sample);
    vitals_.waveform = [this](const v1::GetWaveformRequest& request, std::vector<v1::WaveformRun>& runs) {
      requests_.push_back(request);
      if (run_.samples_size() > 0) runs = {run_};
      for (auto sequence : more_) {
        runs.push_back(run_);
        runs.back().set_sequence(sequence);
      }
      return grpc::Status::OK;
    };
  }

  v1::WaveformRun run_;
  std::vector<std::uint64_t> more_;
  std::vector<v1::GetWaveformRequest> requests_;
};

const std::string kDevice = "urn:dev:os:32473-a";

TEST_F(WaveformCommand, CsvIsALineASample) {
  const auto answer = ask({"waveform", kDevice, "ecg", "--format", "csv"});
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(answer.out,
            "time,device,boot,sequence,ecg\n"
            "2026-03-01T11:59:50.000000Z,urn:dev:os:32473-a,5,1,0.145\n"
            "2026-03-01T11:59:50.500000Z,urn:dev:os:32473-a,5,1,\n"
            "2026-03-01T11:59:51.000000Z,urn:dev:os:32473-a,5,1,-0.001\n"
            "2026-03-01T11:59:51.500000Z,urn:dev:os:32473-a,5,1,2.000\n");
}

TEST_F(WaveformCommand, AsksForTheLastTenSecondsUnlessToldOtherwise) {
  ask({"waveform", kDevice, "ecg"});  // two calls: the first finds the newest sample
  ask({"waveform", kDevice, "ppg", "--seconds", "2.5", "--to", "-1m"});
  ask({"waveform", kDevice, "ecg", "--from", "-1h", "--seconds", "30"});
  ask({"waveform", kDevice, "ecg", "--from", "-1h"});
  ASSERT_EQ(requests_.size(), 5U);
  EXPECT_EQ(requests_[0].parent(), "devices/" + kDevice);
  EXPECT_EQ(requests_[0].waveform(), "ecg");
  EXPECT_EQ(requests_[0].last().nanos(), 1'000'000);
  EXPECT_FALSE(requests_[0].has_start_time());
  EXPECT_EQ(requests_[1].end_time().seconds(), before_noon(8).seconds());  // four samples, 2 s
  EXPECT_EQ(requests_[1].start_time().seconds(), before_noon(18).seconds());
  EXPECT_FALSE(requests_[1].has_last());
  EXPECT_EQ(requests_[2].end_time().seconds(), before_noon(60).seconds());
  EXPECT_EQ(requests_[2].start_time().seconds(), before_noon(63).seconds());
  EXPECT_EQ(requests_[2].start_time().nanos(), 500'000'000);
  EXPECT_EQ(requests_[3].start_time().seconds(), before_noon(3600).seconds());
  EXPECT_EQ(requests_[3].end_time().seconds(), before_noon(3570).seconds());
  EXPECT_FALSE(requests_[4].has_end_time());
}

TEST_F(WaveformCommand, SamplesOutsideOfTheSpanAreLeftOut) {
  const auto answer = ask({"waveform", kDevice, "ecg", "--format", "csv", "--from", "2026-03-01T11:59:50.5Z", "--to",
                           "2026-03-01T11:59:51.5Z"});
  EXPECT_EQ(std::count(answer.out.begin(), answer.out.end(), '\n'), 3);
  EXPECT_THAT(answer.out, HasSubstr("11:59:50.500000Z"));
  EXPECT_THAT(answer.out, HasSubstr("11:59:51.000000Z"));
}

TEST_F(WaveformCommand, JsonIsTheRuns) {
  const auto answer = ask({"waveform", kDevice, "ecg", "--format", "json"});
  EXPECT_EQ(ask({"--json", "waveform", kDevice, "ecg"}).out, answer.out);
  EXPECT_TRUE(answer.out.starts_with("{")) << answer.out;
  EXPECT_THAT(answer.out, HasSubstr("\"runs\""));
  EXPECT_THAT(answer.out, HasSubstr("-32768"));
}

TEST_F(WaveformCommand, PeopleGetAStripAndTheCounts) {
  more_ = {4};
  const auto answer = ask({"waveform", kDevice, "ecg", "--width", "40"});
  EXPECT_THAT(answer.out, HasSubstr("ecg [mV]  urn:dev:os:32473-a  2 a second\n"));
  EXPECT_THAT(answer.out, HasSubstr("6 samples, 2 missing, 2 runs lost\n"));
  EXPECT_THAT(answer.out, HasSubstr("       2 |"));
}

TEST_F(WaveformCommand, NothingThereIsSaid) {
  run_.clear_samples();
  const auto answer = ask({"waveform", kDevice, "ecg"});
  EXPECT_EQ(answer.code, 1);
  EXPECT_THAT(answer.err, HasSubstr("no samples"));
  EXPECT_EQ(ask({"waveform", kDevice, "ecg", "--format", "csv"}).code, 1);
}

TEST_F(WaveformCommand, WhatTheServerRefusesIsTold) {
  vitals_.waveform = [](const v1::GetWaveformRequest&, std::vector<v1::WaveformRun>&) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "waveform: is not in the catalogue");
  };
  const auto answer = ask({"waveform", kDevice, "eeg"});
  EXPECT_EQ(answer.code, 3);
  EXPECT_THAT(answer.err, HasSubstr("not in the catalogue"));
  EXPECT_EQ(ask({"waveform", kDevice, "ecg", "--from", "-1h", "--to", "now", "--seconds", "1"}).code, 2);
  EXPECT_EQ(ask({"waveform", kDevice, "ecg", "--format", "xml"}).code, 2);
}

// -- the strip --------------------------------------------------------------------------------------------------------

TEST(Strip, DrawsTimeToTheRightAndValuesUpwards) {
  std::vector<StripSample> rise;
  for (int i = 0; i < 10; ++i) rise.push_back({i / 10.0, double(i)});
  EXPECT_THAT(draw_strip(rise, 20, 4),
              ElementsAre("       9 |        **",  //
                          "         |     ****",   //
                          "       3 |  ****",      //
                          "       0 |***"));
}

TEST(Strip, WhereNothingWasMeasuredThePaperIsBlank) {
  const std::vector<StripSample> ends{{0, 1}, {0.99, 1}};
  EXPECT_THAT(draw_strip(ends, 20, 2), ElementsAre("       1 |*        *", "       0 |"));
  EXPECT_TRUE(draw_strip({}, 20, 2).empty());
}

TEST(Strip, IsNeverWiderThanThePaper) {
  std::vector<StripSample> many;
  for (int i = 0; i < 3600; ++i) many.push_back({i / 3599.0, double(i % 100)});
  for (const std::size_t width : {20, 80, 200}) {
    for (const auto& line : draw_strip(many, width, 16)) EXPECT_LE(line.size(), width);
  }
}

}  // namespace
}  // namespace wardlink::command_line
