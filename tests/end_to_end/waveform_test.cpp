// Recorded waveforms go in at the wrist beside the vitals and come back through the command-line client, sample by
// sample. I1, I2, I3

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <limits>
#include <sstream>

#include "recording.hpp"
#include "stack.hpp"

namespace wardlink::testing {
namespace {

/// A waveform's file as the test reads it: a reader of its own, so that a fault of the simulator's shows.
struct File {
  double hz = 0;
  std::vector<double> samples;  // NaN = blank
};

double number(const std::string& text) {
  return text.empty() ? std::numeric_limits<double>::quiet_NaN() : std::stod(text);
}

File read_waveform(const std::string& path) {
  std::ifstream in(path);
  File file;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# sampling_hz:")) file.hz = std::stod(line.substr(14));
    if (!line.starts_with("#")) file.samples.push_back(number(line));
  }
  return file;
}

/// What the client prints as CSV.
struct Printed {
  std::vector<std::string> times;
  std::vector<std::uint64_t> sequences;
  std::vector<double> values;

  explicit Printed(const std::string& csv) {
    std::istringstream lines(csv);
    std::string line;
    std::getline(lines, line);
    EXPECT_TRUE(line.starts_with("time,device,boot,sequence,")) << line;
    while (std::getline(lines, line)) {
      std::istringstream cells(line);
      std::string time, device, boot, sequence, value;
      std::getline(cells, time, ',');
      std::getline(cells, device, ',');
      std::getline(cells, boot, ',');
      std::getline(cells, sequence, ',');
      std::getline(cells, value, ',');
      times.push_back(time);
      sequences.push_back(std::stoull(sequence));
      values.push_back(number(value));
    }
  }

  /// Runs that are missing before the last one.
  std::uint64_t gaps() const {
    std::uint64_t missing = sequences.empty() ? 0 : sequences.front() - 1;
    for (std::size_t i = 1; i < sequences.size(); ++i) {
      if (sequences[i] != sequences[i - 1]) missing += sequences[i] - sequences[i - 1] - 1;
    }
    return missing;
  }
};

/// Seconds of the hour of an instant like 2026-03-01T12:00:00.123456Z.
double seconds_of_hour(const std::string& time) {
  return 60 * std::stod(time.substr(14, 2)) + std::stod(time.substr(17, 9));
}

struct Case {
  std::size_t device;
  const char *recording, *waveform;
  double tolerance;  // in the waveform's unit
};

class Waveform : public ::testing::Test {
 protected:
  void SetUp() override {
    if (recordings_folder().empty()) {
      GTEST_SKIP() << "the recordings are not here: set WARDLINK_REALDATA to the folder that holds them";
    }
  }

  static std::string file(const std::string& name) { return recordings_folder() + "/" + name + ".csv"; }

  /// The whole of it, however long it is.
  static Printed print(const Stack& stack, const std::string& urn, const char* waveform) {
    return Printed(stack.client({"waveform", urn, waveform, "--seconds", "7200", "--format", "csv", "--utc"}));
  }

  /// Every sample of the file is there once, in its place; nothing else is.
  static void expect_equal(const Stack& stack, const std::string& urn, const Case& one) {
    const auto original = read_waveform(file(std::string(one.recording) + "_" + one.waveform));
    const auto printed = print(stack, urn, one.waveform);
    ASSERT_GT(original.samples.size(), 1000u);
    ASSERT_EQ(printed.values.size(), original.samples.size()) << one.recording << ' ' << one.waveform;
    double worst = 0, worst_ms = 0;
    std::size_t unlike = 0;
    for (std::size_t i = 0; i < original.samples.size(); ++i) {
      if (std::isnan(original.samples[i]) != std::isnan(printed.values[i])) ++unlike;
      if (!std::isnan(original.samples[i])) worst = std::max(worst, std::abs(original.samples[i] - printed.values[i]));
      double since = seconds_of_hour(printed.times[i]) - seconds_of_hour(printed.times[0]);
      since -= static_cast<double>(i) / original.hz;
      worst_ms = std::max(worst_ms, 1000 * std::abs(since - 3600 * std::round(since / 3600)));
    }
    EXPECT_EQ(unlike, 0u);
    EXPECT_LE(worst, one.tolerance) << one.recording << ' ' << one.waveform;
    EXPECT_LE(worst_ms, 1.001);  // a run's tick is rounded to 1 ms
    EXPECT_EQ(printed.gaps(), 0u) << one.recording << ' ' << one.waveform;
    std::cout << std::left << std::setw(10) << one.recording << std::setw(5) << one.waveform << std::right
              << std::setw(8) << printed.values.size() << " samples in " << std::setw(5) << printed.sequences.back()
              << " runs, gaps " << printed.gaps() << ", furthest off " << worst << " and " << worst_ms << " ms\n";
  }
};

TEST_F(Waveform, ComesBackAsItWasRecorded) {
  Stack stack;
  const std::vector<std::string> recordings{"bidmc_01", "bidmc_02", "mitdb_100"};
  stack.make_pki("devices", {std::to_string(recordings.size())});
  std::vector<std::string> arguments{"--waveforms", "ecg,ppg", "--speed", "max", "--drain", "300", "--replay"};
  for (const auto& recording : recordings) arguments.push_back(file(recording));
  auto ward = stack.ward(arguments);
  ASSERT_EQ(ward.wait(), 0) << ward.log();  // nothing dropped, nothing left

  const Case cases[] = {{0, "bidmc_01", "ecg", 0.001},
                        {0, "bidmc_01", "ppg", 0.0001},
                        {1, "bidmc_02", "ecg", 0.001},
                        {2, "mitdb_100", "ecg", 0.001}};
  std::vector<std::string> urns;
  for (std::size_t i = 1; i <= recordings.size(); ++i) urns.push_back(stack.urn("device-000" + std::to_string(i)));
  // What the devices let go of may still be on its way through ingest.
  const std::string stored = "SELECT sum(octet_length(samples)) / 2 FROM waveform_run";
  std::size_t samples = 0;
  for (const auto& one : cases) {
    samples += read_waveform(file(std::string(one.recording) + "_" + one.waveform)).samples.size();
  }
  EXPECT_TRUE(eventually([&] { return stack.sql(stored) == std::to_string(samples); })) << stack.sql(stored);
  for (const auto& one : cases) expect_equal(stack, urns[one.device], one);

  const auto sent = [&](const std::string& type) {
    double sum = 0;
    for (const char* waveform : {"ecg", "ppg"}) {
      sum += stack.metric("wardlink_ingest_notifications_total{resource=\"waveforms/" + std::string(waveform) +
                          "\",type=\"" + type + "\"}");
    }
    return sum;
  };
  std::cout << "sent as NON " << sent("non") << ", as CON " << sent("con") << "\n";
  EXPECT_GT(sent("non"), 1000);
  EXPECT_EQ(sent("con"), 0);
  EXPECT_EQ(stack.metric_sum("wardlink_ingest_kernel_drops"), 0);

  // The vitals beside them are all there.
  for (std::size_t i = 0; i < recordings.size(); ++i) {
    const auto expected = read_recording(file(recordings[i])).size();
    EXPECT_TRUE(eventually([&] { return stack.readings("devices/" + urns[i]).size() == expected; })) << recordings[i];
  }
  // And a person sees a strip of it.
  const auto strip = stack.client({"waveform", urns[2], "ecg", "--seconds", "10", "--width", "100", "--utc"});
  EXPECT_NE(strip.find("ecg [mV]"), std::string::npos) << strip;
  const auto says = [&](const std::string& count) {
    return strip.find(": " + count + " samples, 0 missing, 0 runs lost") != std::string::npos;
  };
  EXPECT_TRUE(says("3599") || says("3600") || says("3601")) << strip;
  std::cout << strip;
}

}  // namespace
}  // namespace wardlink::testing
