// Samples become runs: where they are cut, what their ticks say, what is dropped.

#include "waveform_buffer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace wardlink {
namespace {

using ::testing::ElementsAre;

WaveformOptions ecg(signs::SampleRate rate, double scale = 0.001, double offset = 0) {
  return {"ecg", rate, scale, offset};
}

std::vector<double> zeros(std::size_t count) { return std::vector<double>(count); }

std::vector<std::uint64_t> ticks(const std::vector<SequencedRun>& runs) {
  std::vector<std::uint64_t> all;
  for (const auto& run : runs) all.push_back(run.tick_ms);
  return all;
}

std::vector<std::size_t> lengths(const std::vector<SequencedRun>& runs) {
  std::vector<std::size_t> all;
  for (const auto& run : runs) all.push_back(run.samples.size());
  return all;
}

TEST(WaveformBuffer, CutsIntoRunsThatFitADatagram) {
  WaveformBuffer buffer(ecg({360, 1}), 64);
  for (int i = 0; i < 100; ++i) buffer.add(zeros(10), {}, 0);
  EXPECT_EQ(buffer.waiting(), 2u);
  buffer.flush();
  const auto runs = buffer.take(10);
  EXPECT_THAT(lengths(runs), ElementsAre(460, 460, 80));
  EXPECT_THAT(ticks(runs), ElementsAre(0, 1278, 2556));  // 460 / 360 s apart, rounded each by itself
  for (std::size_t i = 0; i < runs.size(); ++i) EXPECT_EQ(runs[i].sequence, i + 1);
}

TEST(WaveformBuffer, ASlowWaveformIsCutAfterFourSeconds) {
  WaveformBuffer buffer({"resp", {25, 1}, 0.001, 0}, 64);
  buffer.add(zeros(250), 0, 0);
  EXPECT_THAT(lengths(buffer.take(10)), ElementsAre(100, 100));
}

TEST(WaveformBuffer, RoundingOfTicksNeverAddsUp) {
  WaveformBuffer buffer(ecg({256, 3}), 5000);
  buffer.add(zeros(256 * 4000), 0, 0);  // 12,000 s
  const auto runs = buffer.take(5000);
  const auto before = 341 * (runs.size() - 1);
  EXPECT_EQ(runs.back().samples.size(), 341u);
  EXPECT_EQ(runs.back().tick_ms, static_cast<std::uint64_t>(std::llround(static_cast<double>(before) * 3000 / 256)));
}

TEST(WaveformBuffer, TheFirstSamplesEndNow) {
  WaveformBuffer buffer(ecg({100, 1}), 64);
  buffer.add(zeros(100), {}, 5000);
  buffer.flush();
  EXPECT_THAT(ticks(buffer.take(1)), ElementsAre(4000));
}

TEST(WaveformBuffer, ATickThatFollowsGoesOnAndOneThatDoesNotOpensARun) {
  WaveformBuffer buffer(ecg({100, 1}), 64);
  buffer.add(zeros(100), 0, 0);
  buffer.add(zeros(100), 1011, 0);  // one sample and a millisecond late
  buffer.add(zeros(100), 2012, 0);  // a millisecond more
  buffer.add(zeros(50), 3001, 0);   // 11 ms early, by the new count
  buffer.flush();
  const auto runs = buffer.take(10);
  EXPECT_THAT(lengths(runs), ElementsAre(200, 150));
  EXPECT_THAT(ticks(runs), ElementsAre(0, 2012));
}

TEST(WaveformBuffer, SamplesTravelInStepsAndTheEdgesHold) {
  WaveformBuffer buffer(ecg({100, 1}, 0.005, 1), 64);
  buffer.add(std::vector{1.0, 1.005, 0.9974, std::nan(""), 1e9, -1e9}, 0, 0);
  buffer.flush();
  EXPECT_THAT(buffer.take(1).at(0).samples, ElementsAre(0, 1, -1, signs::kMissingSample, 32767, -32767));
}

TEST(WaveformBuffer, BeyondItsCapacityTheOldestIsDroppedAndCounted) {
  WaveformBuffer buffer(ecg({100, 1}), 2);
  buffer.add(zeros(400 * 5), 0, 0);
  EXPECT_EQ(buffer.generated(), 5u);
  EXPECT_EQ(buffer.dropped(), 3u);
  auto runs = buffer.take(1);
  EXPECT_EQ(runs.at(0).sequence, 4u);  // the gap shows
  buffer.add(zeros(400), {}, 0);
  buffer.give_back(std::move(runs));
  EXPECT_EQ(buffer.dropped(), 4u);
  EXPECT_EQ(buffer.take(1).at(0).sequence, 5u);
  EXPECT_EQ(buffer.latest()->sequence, 6u);
}

}  // namespace
}  // namespace wardlink
