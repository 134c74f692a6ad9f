#pragma once
// The recordings as the tests read them: a reader of their own, so that a fault of the simulator's shows.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace wardlink::testing {

/// One line: signs by wire name; what was not measured is not there.
struct Sample {
  std::uint64_t tick_ms;
  std::map<std::string, double> signs;
};

/// A span in which a value lies beyond a limit, as THRESHOLD_EPISODES.csv lists it.
struct Episode {
  std::string code;  // hr-high, …
  std::uint64_t start_ms, end_ms;
  friend auto operator<=>(const Episode&, const Episode&) = default;
};

std::vector<Sample> read_recording(const std::string& path);
/// By recording, named as its file without ".csv".
std::map<std::string, std::vector<Episode>> read_episodes(const std::string& path);

}  // namespace wardlink::testing
