// The catalogue of waveforms, and that docs/wire.md shows the same one.

#include "signs/waveforms.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "places.hpp"

namespace {

using signs::SampleRate;

TEST(Waveforms, AreFoundByIdAndByName) {
  EXPECT_EQ(signs::waveforms().size(), signs::kWaveformCount);
  for (const signs::Waveform& waveform : signs::waveforms()) {
    EXPECT_EQ(signs::find_waveform(waveform.id), &waveform);
    EXPECT_EQ(signs::find_waveform(waveform.wire), &waveform);
  }
  EXPECT_EQ(signs::find_waveform(signs::WaveformId{0}), nullptr);
  EXPECT_EQ(signs::find_waveform(static_cast<signs::WaveformId>(signs::kWaveformCount + 1)), nullptr);
  for (const char* name : {"", "ECG", "hr", "scale"}) EXPECT_EQ(signs::find_waveform(name), nullptr) << name;
}

// They are in databases: nobody may renumber them.
TEST(Waveforms, HaveTheirPermanentNumbers) {
  EXPECT_EQ(signs::find_waveform("ecg")->id, 1);
  EXPECT_EQ(signs::find_waveform("ppg")->id, 2);
  EXPECT_EQ(signs::find_waveform("resp")->id, 3);
}

TEST(Waveforms, ARateIsAFractionWithinTheWaveformsRange) {
  const auto& ecg = *signs::find_waveform("ecg");
  EXPECT_TRUE(allowed(ecg, {50, 1}));
  EXPECT_TRUE(allowed(ecg, {1000, 1}));
  EXPECT_TRUE(allowed(ecg, {256, 3}));
  EXPECT_TRUE(allowed(ecg, {1'000'000, 1'000}));
  EXPECT_FALSE(allowed(ecg, {49, 1}));
  EXPECT_FALSE(allowed(ecg, {1001, 1}));
  EXPECT_FALSE(allowed(ecg, {0, 1}));
  EXPECT_FALSE(allowed(ecg, {125, 0}));
  EXPECT_FALSE(allowed(ecg, {1'000'001, 10'000}));
  EXPECT_TRUE(allowed(*signs::find_waveform("resp"), {25, 1}));
}

TEST(Waveforms, ARunLastsAtMostTenSeconds) {
  EXPECT_FALSE(signs::is_run({125, 1}, 0));
  EXPECT_TRUE(signs::is_run({125, 1}, 1));
  EXPECT_TRUE(signs::is_run({125, 1}, 1250));
  EXPECT_FALSE(signs::is_run({125, 1}, 1251));
  EXPECT_TRUE(signs::is_run({256, 3}, 853));
  EXPECT_FALSE(signs::is_run({256, 3}, 854));
}

std::string row(const signs::Waveform& w) {
  std::ostringstream text;
  text << "| " << w.id << " | `" << w.wire << "` | " << w.display << " | " << w.ucum << " | `" << w.senml_unit << "` | "
       << w.lowest_hz << " to " << w.highest_hz << " | " << w.mdc << " |";
  return text.str();
}

TEST(Waveforms, ThePageOfTheWireShowsThemAll) {
  std::ifstream page(places::source("docs/wire.md"));
  std::set<std::string> lines;
  for (std::string line; std::getline(page, line);) lines.insert(line);
  for (const signs::Waveform& waveform : signs::waveforms())
    EXPECT_TRUE(lines.contains(row(waveform))) << row(waveform);
}

}  // namespace
