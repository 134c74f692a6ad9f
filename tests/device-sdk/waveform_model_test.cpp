// The simulated ECG, PPG and respiration: the shapes that they must have, and that they keep time with the rates given.

#include "waveform_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "feed.hpp"
#include "realdata.hpp"

namespace ward {
namespace {

using Samples = std::vector<double>;

std::vector<Samples> minute(double heart_rate, double respiratory_rate) {
  WaveformModel model({"ecg", "ppg", "resp"});
  std::vector<Samples> all(3);
  for (int second = 0; second < 60; ++second) {
    const auto next = model.next(heart_rate, respiratory_rate);
    for (std::size_t i = 0; i < 3; ++i) all[i].insert(all[i].end(), next.samples[i].begin(), next.samples[i].end());
  }
  return all;
}

/// Where the samples rise through the level.
std::vector<std::size_t> rises(const Samples& samples, double level) {
  std::vector<std::size_t> at;
  for (std::size_t i = 1; i < samples.size(); ++i)
    if (samples[i - 1] < level && samples[i] >= level) at.push_back(i);
  return at;
}

double highest(const Samples& samples, std::size_t from, std::size_t to) {
  return *std::max_element(samples.begin() + static_cast<std::ptrdiff_t>(from),
                           samples.begin() + static_cast<std::ptrdiff_t>(to));
}
double lowest(const Samples& samples, std::size_t from, std::size_t to) {
  return *std::min_element(samples.begin() + static_cast<std::ptrdiff_t>(from),
                           samples.begin() + static_cast<std::ptrdiff_t>(to));
}

TEST(WaveformModel, BeatsAndBreathesAtTheRatesThatItIsGiven) {
  for (const double rate : {45.0, 72.0, 130.0}) {
    const auto all = minute(rate, 15);
    const auto beats = static_cast<double>(rises(all[0], 0.6).size());
    EXPECT_NEAR(beats, rate, 2) << rate;
    EXPECT_NEAR(static_cast<double>(rises(all[1], 0.5).size()), rate, 2) << rate;  // a pulse a beat
    EXPECT_NEAR(static_cast<double>(rises(all[2], 0.5).size()), 15, 1) << rate;
  }
}

TEST(WaveformModel, ABeatHasItsPQrsAndT) {
  const auto ecg = minute(60, 15)[0];  // 250 samples a second, about one second a beat
  const auto beats = rises(ecg, 0.6);
  ASSERT_GT(beats.size(), 50u);
  for (std::size_t i = 1; i + 1 < beats.size(); ++i) {
    const auto r = beats[i];
    EXPECT_NEAR(highest(ecg, r, r + 8), 1.1, 0.1);           // R
    EXPECT_LT(lowest(ecg, r - 15, r), -0.05);                // Q
    EXPECT_LT(lowest(ecg, r, r + 16), -0.1);                 // S
    EXPECT_NEAR(highest(ecg, r - 52, r - 28), 0.12, 0.06);   // P, 160 ms before R
    EXPECT_NEAR(highest(ecg, r + 60, r + 100), 0.28, 0.06);  // T, about 310 ms behind it
    EXPECT_LT(highest(ecg, r + 125, r + 160), 0.1);          // then nothing until the next P
  }
}

TEST(WaveformModel, ThePulseFollowsTheBeat) {
  const auto all = minute(60, 15);
  const auto beats = rises(all[0], 0.6), pulses = rises(all[1], 0.5);
  for (std::size_t i = 1; i < 50; ++i) {
    const double beat_s = static_cast<double>(beats[i]) / 250;
    const auto pulse =
        std::find_if(pulses.begin(), pulses.end(), [&](std::size_t at) { return double(at) / 125 > beat_s; });
    ASSERT_NE(pulse, pulses.end());
    EXPECT_NEAR(double(*pulse) / 125 - beat_s, 0.3, 0.1);
  }
}

TEST(WaveformModel, TheFeedGivesASecondOfSamplesWithEachSet) {
  const auto feed = model(3, {"ecg", "resp"});
  ASSERT_NE(feed->due(0), nullptr);
  EXPECT_FALSE(feed->due_block(0));
  feed->take();
  EXPECT_FALSE(feed->due_block(0.9));  // its second is not over
  auto block = feed->due_block(1);
  ASSERT_TRUE(block);
  EXPECT_EQ(*block->waveform, "ecg");
  EXPECT_EQ(block->samples.size(), 250u);
  feed->take_block();
  block = feed->due_block(1);
  ASSERT_TRUE(block);
  EXPECT_EQ(*block->waveform, "resp");
  EXPECT_EQ(block->samples.size(), 25u);
  feed->take_block();
  EXPECT_FALSE(feed->due_block(1));
}

// -- recordings -------------------------------------------------------------------------------------------------------

WaveformRecording read(const std::string& text) {
  std::istringstream stream(text);
  return read_waveform(stream, "ecg", "bed_7_ecg.csv");
}

std::string problem(const std::string& text) {
  try {
    read(text);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "none";
}

TEST(WaveformRecording, HasItsRateAndABlankIsNotMeasured) {
  const auto recording = read("# sampling_hz: 62.5\n# units: mV\n0.725\n\n-1.5\r\n");
  EXPECT_EQ(recording.options.rate, (signs::SampleRate{625, 10}));
  EXPECT_EQ(recording.options.scale, 0.001);
  ASSERT_EQ(recording.samples.size(), 3u);
  EXPECT_EQ(recording.samples[0], 0.725);
  EXPECT_TRUE(std::isnan(recording.samples[1]));
  EXPECT_EQ(recording.samples[2], -1.5);
  EXPECT_EQ(recording.length_ms(), 48u);
}

TEST(WaveformRecording, SaysWhereAFileIsWrong) {
  const std::string rate =
      "bed_7_ecg.csv, line 1: no line before it says '# sampling_hz: ' and a rate that the waveform "
      "may have.";
  EXPECT_EQ(problem("0.5\n"), rate);
  EXPECT_EQ(problem("# sampling_hz: 125\n0.5\n7o\n"), "bed_7_ecg.csv, line 3: '7o' is not a number.");
  EXPECT_EQ(problem("# sampling_hz: 125\n"), "bed_7_ecg.csv, line 1: there are no samples.");
  EXPECT_THAT(problem("# sampling_hz: 20000\n1\n"), ::testing::HasSubstr("line 2"));
  EXPECT_THAT(problem("# sampling_hz: fast\n1\n"), ::testing::HasSubstr("line 2"));
}

TEST(WaveformRecording, IsPlayedInItsTime) {
  const auto feed = play({}, {read("# sampling_hz: 50\n" + std::string(150, '\n'))}, 2);
  EXPECT_FALSE(feed->due_block(0.49));
  auto block = feed->due_block(0.5);  // a second, at twice the speed
  ASSERT_TRUE(block);
  EXPECT_EQ(block->samples.size(), 50u);
  EXPECT_EQ(block->tick_ms, 0u);
  feed->take_block();
  feed->take_block();
  EXPECT_FALSE(feed->over(1.4));
  block = feed->due_block(1.5);
  ASSERT_TRUE(block);
  EXPECT_EQ(block->tick_ms, 2000u);
  feed->take_block();
  EXPECT_TRUE(feed->over(1.5));
}

TEST(WaveformRecording, FindsTheFilesBesideARecording) {
  WARDLINK_NEEDS_REALDATA(folder);
  const auto both = load_waveforms((folder / "bidmc_01.csv").string(), {"ecg", "ppg", "resp"});
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].samples.size(), 60'001u);
  EXPECT_EQ(both[1].options.name, "ppg");
  EXPECT_EQ(load_waveforms((folder / "mitdb_100.csv").string(), {"ecg"}).at(0).options.rate.samples, 360u);
  EXPECT_TRUE(load_waveforms((folder / "bidmc_05.csv").string(), {"ecg"}).empty());
}

}  // namespace
}  // namespace ward
