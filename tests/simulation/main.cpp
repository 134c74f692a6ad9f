// Plays the ward of many seeds, and tells of the first that breaks an invariant: its seed, what broke, and a shortened
// schedule to play again.

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "shrink.hpp"
#include "world.hpp"

namespace wardlink::simulation {
namespace {

constexpr const char* usage =
    "simulation_seeds_test: plays a ward in virtual time, one seed after the other.\n"
    "\n"
    "  simulation_seeds_test [--first N] [--seeds COUNT] [--minutes M] [--devices D] [--jobs J]\n"
    "      [--reach-all] [--counts] "
    "[--trace]\n"
    "  simulation_seeds_test --first SEED --schedule TEXT [--minutes M] [--devices D]\n"
    "\n"
    "  --seeds COUNT    from 1, 1 by default; WARDLINK_SIMULATION_SEEDS, where it is set, is the most\n"
    "  --minutes M      of virtual time a seed, 1 to 10080, 30 by default\n"
    "  --devices D      1 to 1000, 8 by default\n"
    "  --jobs J         threads, 1 to 64, 1 by default\n"
    "  --reach-all      fails where a kind of fault, or what it leads to, was never reached\n"
    "  --counts         prints how often each was\n"
    "  --trace          prints each run's fingerprint\n"
    "  --schedule TEXT  these faults instead of the seed's\n"
    "\n"
    "The exit code is 1 when an invariant breaks, 2 for options that cannot be read.\n";

struct Options {
  Run run;
  std::uint64_t seeds = 1;
  unsigned jobs = 1;
  bool reach_all = false, counts = false, trace = false;
};

std::optional<std::uint64_t> number(const char* text) {
  char* end = nullptr;
  if (text == nullptr || *text < '0' || *text > '9') return std::nullopt;
  const auto value = std::strtoull(text, &end, 10);
  return *end != 0 ? std::nullopt : std::optional<std::uint64_t>(value);
}

std::optional<Options> read(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--reach-all" || word == "--counts" || word == "--trace") {
      (word == "--counts" ? options.counts : word == "--trace" ? options.trace : options.reach_all) = true;
      continue;
    }
    if (++i >= count) return std::nullopt;
    if (word == "--schedule") {
      options.run.schedule = read_schedule(words[i]);
      if (!options.run.schedule) return std::nullopt;
      continue;
    }
    const auto value = number(words[i]);
    if (!value) return std::nullopt;
    if (word == "--first")
      options.run.seed = *value;
    else if (word == "--seeds")
      options.seeds = *value;
    else if (word == "--minutes")
      options.run.length = std::chrono::minutes{*value};
    else if (word == "--devices")
      options.run.devices = *value;
    else if (word == "--jobs")
      options.jobs = static_cast<unsigned>(*value);
    else
      return std::nullopt;
  }
  if (const auto most = number(std::getenv("WARDLINK_SIMULATION_SEEDS")))
    options.seeds = std::min(options.seeds, *most);
  const bool usable = options.seeds >= 1 && options.run.devices >= 1 && options.run.devices <= 1000 &&
                      options.run.length >= std::chrono::minutes{1} &&
                      options.run.length <= std::chrono::minutes{10'080} && options.jobs >= 1 && options.jobs <= 64;
  return usable ? std::optional(options) : std::nullopt;
}

/// "I5"
std::string invariant(const Outcome& outcome) {
  if (outcome.violations.empty()) return "";
  const auto& first = outcome.violations.front();
  return first.substr(0, first.find(' '));
}

void tell(const Run& run, const Outcome& outcome) {
  std::printf("seed %llu breaks %s:\n", static_cast<unsigned long long>(run.seed), invariant(outcome).c_str());
  for (const auto& violation : outcome.violations) std::printf("  %s\n", violation.c_str());
  const auto shortened = shorten(outcome.schedule, [&](const Schedule& schedule) {
    Run shorter = run;
    shorter.schedule = schedule;
    return invariant(play(shorter)) == invariant(outcome);
  });
  const auto minutes = run.length / std::chrono::minutes{1};
  std::printf(
      "the faults that it needs, %zu of %zu; play them with\n  simulation_seeds_test --first %llu --minutes %lld "
      "--devices"
      " %zu --schedule '%s'\n",
      shortened.size(), outcome.schedule.size(), static_cast<unsigned long long>(run.seed),
      static_cast<long long>(minutes), run.devices, to_text(shortened).c_str());
}

class Player {
 public:
  explicit Player(const Options& options) : options_(options) {}

  int play_all() {
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < options_.jobs; ++i) threads.emplace_back([this] { work(); });
    work();
    for (auto& thread : threads) thread.join();
    conclude();
    return failed_ ? 1 : 0;
  }

 private:
  void work() {
    for (;;) {
      const auto index = next_++;
      if (index >= options_.seeds || failed_) return;
      Run run = options_.run;
      run.seed += index;
      const auto outcome = play(run);
      const std::lock_guard lock(mutex_);
      if (options_.trace)
        std::printf("%llu %016llx\n", static_cast<unsigned long long>(run.seed),
                    static_cast<unsigned long long>(outcome.trace));
      sum_.add(outcome.sometimes);
      ++played_;
      if (!outcome.violations.empty() && !failed_.exchange(true)) tell(run, outcome);
    }
  }

  void conclude() {
    const double hours =
        static_cast<double>(played_) * std::chrono::duration<double>(options_.run.length).count() / 3600;
    const double spent = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
    std::printf("%llu seeds, %.1f hours of %zu devices in %.1f s of CPU: %.0f times faster than time\n",
                static_cast<unsigned long long>(played_), hours, options_.run.devices, spent, hours * 3600 / spent);
    if (options_.counts)
      for (const auto& [what, times] : sum_.counts())
        std::printf("%10llu %s\n", static_cast<unsigned long long>(times), what.c_str());
    if (!options_.reach_all || failed_) return;
    for (const auto& what : unreached(sum_)) {
      std::printf("never reached: %s\n", what.c_str());
      failed_ = true;
    }
  }

  const Options options_;
  std::atomic<std::uint64_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  Sometimes sum_;
  std::uint64_t played_ = 0;
};

}  // namespace
}  // namespace wardlink::simulation

int main(int count, char** words) {
  spdlog::set_level(spdlog::level::off);  // what the ward's processes log
  if (count == 2 && std::string(words[1]) == "--help") {
    std::fputs(wardlink::simulation::usage, stdout);
    return 0;
  }
  const auto options = wardlink::simulation::read(count, words);
  if (!options) {
    std::fputs(wardlink::simulation::usage, stderr);
    return 2;
  }
  return wardlink::simulation::Player(*options).play_all();
}
