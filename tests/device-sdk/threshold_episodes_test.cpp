// The alarms of real recordings, with hysteresis and shortest duration 0, are the spans that a rule found in them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <tuple>

#include "alarm_limits.hpp"
#include "realdata.hpp"
#include "recording.hpp"

namespace wardlink {
namespace {

/// recording, sign and side ("hr-high"), onset and end in seconds
using Episode = std::tuple<std::string, std::string, std::string, std::string>;

std::string seconds(std::uint64_t tick_ms) {
  EXPECT_EQ(tick_ms % 1000, 0u);
  return std::to_string(tick_ms / 1000);
}

std::vector<Episode> expected_episodes(const std::filesystem::path& folder) {
  const std::map<std::string, std::string> wire{{"heart_rate_bpm", "hr"},
                                                {"spo2_percent", "spo2"},
                                                {"respiration_rate_bpm", "rr"},
                                                {"temperature_celsius", "temp"},
                                                {"systolic_mmhg", "sbp"}};
  std::ifstream file(folder / "THRESHOLD_EPISODES.csv");
  std::string line;
  std::getline(file, line);
  std::vector<Episode> episodes;
  while (std::getline(file, line)) {
    std::istringstream row(line);
    std::string dataset, record, signal, rule, start, end;
    for (auto* cell : {&dataset, &record, &signal, &rule, &start, &end}) std::getline(row, *cell, ',');
    episodes.emplace_back(dataset + "_" + record, wire.at(signal) + (rule.starts_with('>') ? "-high" : "-low"), start,
                          end);
  }
  return episodes;
}

std::vector<Episode> alarms_of(const ward::Recording& recording) {
  AlarmLimits limits({AlarmSettings::news2_extremes(), 0, 0});
  std::vector<AlarmLimits::Transition> transitions;
  for (const auto& set : recording.sets) {
    for (const auto& reading : set.readings)
      limits.sample(reading.sign, *set.tick_ms, reading.value, recording.length_ms, transitions);
  }
  limits.conclude(recording.length_ms, recording.length_ms, transitions);

  std::map<std::size_t, std::string> onset;
  std::vector<Episode> episodes;
  for (const auto& t : transitions) {
    const auto& limit = limits.settings().limits[t.limit];
    if (t.event == SequencedAlarm::Event::raised) {
      onset[t.limit] = seconds(t.tick_ms);
      continue;
    }
    const auto side = limit.side == AlarmLimit::Side::high ? "-high" : "-low";
    episodes.emplace_back(recording.name, std::string(signs::find(limit.sign)->wire) + side, onset.at(t.limit),
                          seconds(t.tick_ms));
    onset.erase(t.limit);
  }
  EXPECT_TRUE(onset.empty());
  return episodes;
}

TEST(ThresholdEpisodes, AreExactlyTheAlarmsOfTheRecordings) {
  WARDLINK_NEEDS_REALDATA(folder);
  std::vector<Episode> found;
  std::size_t recordings = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto name = entry.path().stem().string();
    const bool vitals = (name.starts_with("bidmc_") || name.starts_with("challenge2019_")) &&
                        entry.path().extension() == ".csv" && !name.ends_with("_ecg") && !name.ends_with("_ppg") &&
                        !name.ends_with("_events");
    if (!vitals) continue;
    ++recordings;
    const auto alarms = alarms_of(ward::load_recording(entry.path().string()));
    found.insert(found.end(), alarms.begin(), alarms.end());
  }
  EXPECT_EQ(recordings, 28u);
  EXPECT_THAT(found, ::testing::UnorderedElementsAreArray(expected_episodes(folder)));
}

}  // namespace
}  // namespace wardlink
