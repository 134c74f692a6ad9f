#include "recording.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "realdata.hpp"

namespace ward {
namespace {

Recording read(const std::string& text) {
  std::istringstream stream(text);
  return read_recording(stream, "/somewhere/bed_7.csv");
}

std::string problem(const std::string& text) {
  try {
    read(text);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "none";
}

signs::SignId id(std::string_view wire) { return signs::find(wire)->id; }

TEST(Recording, BlankIsNotMeasuredAndARowOfBlanksMakesNoSet) {
  const auto recording = read(
      "t_seconds,heart_rate_bpm,spo2_percent,temperature_celsius\n"
      "0,,,\n"
      "3600,102,,37.6\n"
      "7200.25,,98.5,\n"
      "9000,,,\n");
  EXPECT_EQ(recording.name, "bed_7");
  EXPECT_EQ(recording.length_ms, 9'000'000u);  // blank rows are part of it
  ASSERT_EQ(recording.sets.size(), 2u);
  EXPECT_EQ(recording.sets[0].tick_ms, 3'600'000u);
  ASSERT_EQ(recording.sets[0].readings.size(), 2u);
  EXPECT_EQ(recording.sets[0].readings[0].sign, id("hr"));
  EXPECT_EQ(recording.sets[0].readings[1].sign, id("temp"));
  EXPECT_EQ(recording.sets[0].readings[1].value, 37.6);
  EXPECT_EQ(recording.sets[1].tick_ms, 7'200'250u);
  EXPECT_EQ(recording.sets[1].readings[0].value, 98.5);
}

TEST(Recording, ColumnsMayStandInAnyOrderAndUnknownOnesAreIgnored) {
  const auto recording = read("note,systolic_mmhg,t_seconds,diastolic_mmhg,respiration_rate_bpm\r\nx,120,1,80,16\r\n");
  ASSERT_EQ(recording.sets.size(), 1u);
  EXPECT_EQ(recording.sets[0].readings.size(), 3u);
  EXPECT_EQ(recording.sets[0].readings[0].sign, id("sbp"));
}

TEST(Recording, SaysWhereAFileIsWrong) {
  EXPECT_EQ(problem(""), "/somewhere/bed_7.csv, line 1: the file is empty.");
  EXPECT_EQ(problem("heart_rate_bpm\n70\n"), "/somewhere/bed_7.csv, line 1: there is no column t_seconds.");
  EXPECT_EQ(problem("t_seconds,heart_rate_bpm\n0,70\n1,7o\n"), "/somewhere/bed_7.csv, line 3: '7o' is not a number.");
  EXPECT_EQ(problem("t_seconds,heart_rate_bpm\n0,nan\n"), "/somewhere/bed_7.csv, line 2: 'nan' is not a number.");
  EXPECT_EQ(problem("t_seconds,heart_rate_bpm\n5,70\n5,71\n"),
            "/somewhere/bed_7.csv, line 3: t_seconds does not rise.");
  EXPECT_EQ(problem("t_seconds,heart_rate_bpm\nsoon,70\n"), "/somewhere/bed_7.csv, line 2: t_seconds is not a time.");
  EXPECT_EQ(problem("t_seconds,heart_rate_bpm\n5\n"),
            "/somewhere/bed_7.csv, line 2: the number of columns is not the header's.");
}

TEST(Recording, ReadsEveryRecordingOfRealPatients) {
  WARDLINK_NEEDS_REALDATA(folder);
  const auto recording = load_recording((folder / "bidmc_01.csv").string());
  EXPECT_EQ(recording.sets.size(), 481u);
  EXPECT_EQ(recording.length_ms, 480'000u);
  EXPECT_FALSE(load_recording((folder / "flirt_empatica_e4.csv").string()).sets.empty());
  EXPECT_FALSE(load_recording((folder / "mitdb_100.csv").string()).sets.empty());
}

}  // namespace
}  // namespace ward
