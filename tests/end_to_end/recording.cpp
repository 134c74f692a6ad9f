#include "recording.hpp"

#include <cstdlib>
#include <fstream>
#include <utility>

namespace wardlink::testing {
namespace {

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> all;
  std::string cell;
  for (const char c : line) {
    if (c == ',') {
      all.push_back(std::exchange(cell, {}));
    } else if (c != '\r') {
      cell += c;
    }
  }
  all.push_back(cell);
  return all;
}

const std::map<std::string, std::string> kWireNames{
    {"heart_rate_bpm", "hr"},        {"spo2_percent", "spo2"}, {"respiration_rate_bpm", "rr"},
    {"temperature_celsius", "temp"}, {"systolic_mmhg", "sbp"}, {"diastolic_mmhg", "dbp"},
};

std::uint64_t milliseconds(const std::string& seconds) {
  return static_cast<std::uint64_t>(std::strtod(seconds.c_str(), nullptr) * 1000);
}

}  // namespace

std::vector<Sample> read_recording(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  const auto columns = cells(line);
  std::vector<Sample> samples;
  while (std::getline(in, line)) {
    const auto row = cells(line);
    Sample sample{milliseconds(row[0]), {}};
    for (std::size_t i = 1; i < row.size(); ++i) {
      if (!row[i].empty()) sample.signs[kWireNames.at(columns[i])] = std::strtod(row[i].c_str(), nullptr);
    }
    if (!sample.signs.empty()) samples.push_back(std::move(sample));
  }
  return samples;
}

std::map<std::string, std::vector<Episode>> read_episodes(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  std::map<std::string, std::vector<Episode>> episodes;
  while (std::getline(in, line)) {
    const auto row = cells(line);
    const std::string side = row[3].starts_with(">=") ? "-high" : "-low";
    episodes[row[0] + "_" + row[1]].push_back(
        {kWireNames.at(row[2]) + side, milliseconds(row[4]), milliseconds(row[5])});
  }
  return episodes;
}

}  // namespace wardlink::testing
