// One device with a valid certificate floods ingest: what it does to the alarms and heartbeats of twenty others.
//   flood_bench [SECONDS]
// "Without" is the same load sent to a port that discards, so that the processor time that it takes to make is there in
// both. Each is measured in three rounds, in turn; the ratio is the median of theirs. Ends with 1 when a ratio is above
// 1.5, or when anything of the others is missing.

#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>

#include "flood.hpp"
#include "timed_ward.hpp"

namespace {

using namespace wardlink::testing;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kDevices = 20;
constexpr int kRounds = 3;

struct Scenario {
  const char* words;
  Flood kind;
  unsigned a_second;
};
constexpr Scenario scenarios[] = {
    {"1,500 notifications a second of one alarm", Flood::one_alarm, 1500},
    {"1,500 undecodable notifications a second", Flood::undecodable, 1500},
    {"60,000 sets a second, 38 in a notification", Flood::sets, 1579},
    {"as many full notifications as a core makes", Flood::sets, 0},
};

/// A device by hand that only says that it lives, over and over.
class Heartbeats {
 public:
  Heartbeats(const Stack& stack, const std::string& label) : device_(stack.ingest_port(), stack.credentials(label)) {
    if (!device_.handshake() || !device_.register_as(stack.urn(label.substr(label.find('/') + 1)), 7))
      throw std::runtime_error("a heart was not let in");
  }
  /// Milliseconds from one to its ACK; a minute where none came.
  double beat() {
    const auto message = device_.notification(coap::Type::con, device_.alarms, R"([{"n":"owed","v":0}])");
    const auto begun = Clock::now();
    device_.send(message);
    device_.answer_to(message.id);
    return std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
  }

 private:
  RawDevice device_;
};

struct Times {
  std::vector<double> alarms, beats;
  std::uint64_t sent = 0;
};

struct Bench {
  Stack stack;
  TimedWard ward{stack, kDevices};
  std::vector<std::unique_ptr<Heartbeats>> hearts;

  Bench() {
    if (!eventually([&] { return ward.connected(); })) throw std::runtime_error("not all devices connected");
    stack.make_pki("device", {"greedy"});
    for (int i = 1; i <= 10; ++i) {
      const auto label = "heart-" + std::to_string(i);
      stack.make_pki("device", {label});
      hearts.push_back(std::make_unique<Heartbeats>(stack, "devices/" + label));
    }
  }

  /// So long: an alarm record and a set every 10 ms, of one device after the other, and a heartbeat.
  Times measure(int seconds, const Scenario& scenario, bool aside) {
    ward.stopwatch->take();
    Times times;
    {
      FloodingDevice greedy(stack, "greedy", scenario.kind, scenario.a_second, aside);
      auto due = Clock::now();
      for (int tick = 0; tick < seconds * 100; ++tick) {
        ward.report();
        ward.act();
        times.beats.push_back(hearts[static_cast<std::size_t>(tick) % hearts.size()]->beat());
        due += std::chrono::milliseconds{10};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - Clock::now());
        if (left.count() > 0) poll(nullptr, 0, static_cast<int>(left.count()));  // the load's pace, not a wait
      }
      if (!eventually([&] { return ward.owed() == 0; })) std::cerr << ward.owed() << " alarms are owed\n";
      times.sent = greedy.sent();
    }
    times.alarms = ward.stopwatch->take();
    std::ranges::sort(times.beats);
    return times;
  }

  std::uint64_t stored(const std::string& table) const {
    return std::strtoull(stack
                             .sql("SELECT count(*) FROM " + table + " JOIN device USING (device_id) WHERE urn <> '" +
                                  stack.urn("greedy") + "'")
                             .c_str(),
                         nullptr, 10);
  }
};

double median(std::vector<double> ratios) {
  std::ranges::sort(ratios);
  return ratios[ratios.size() / 2];
}

bool run(Bench& bench, const Scenario& scenario, int seconds) {
  std::vector<double> alarms, beats;
  long most = 0;
  for (int round = 1; round <= kRounds; ++round) {
    const auto without = bench.measure(seconds, scenario, true);
    const auto with = bench.measure(seconds, scenario, false);
    most = std::max(most, bench.stack.ingest.resident_kib());
    alarms.push_back(quantile(with.alarms, 0.99) / quantile(without.alarms, 0.99));
    beats.push_back(quantile(with.beats, 0.99) / quantile(without.beats, 0.99));
    std::printf("| %s | %s | %s | %.2f | %s | %s | %.2f | %.0f |\n", scenario.words, words(without.alarms).c_str(),
                words(with.alarms).c_str(), alarms.back(), words(without.beats).c_str(), words(with.beats).c_str(),
                beats.back(), static_cast<double>(with.sent) / seconds);
    std::fflush(stdout);
  }
  std::printf("| **median** | | | **%.2f** | | | **%.2f** | memory of ingest %ld MiB |\n", median(alarms),
              median(beats), most / 1024);
  return median(alarms) <= 1.5 && median(beats) <= 1.5;
}

int measure(int seconds) {
  Bench bench;
  bench.measure(seconds, scenarios[0], true);  // until everything has been touched once
  std::printf(
      "%zu devices, %d s each, p50 / p99\n\n| flood | alarm to ACK without | with | p99 ratio | heartbeat to ACK "
      "without "
      "| with | p99 ratio | notifications a second |\n|---|---|---|---|---|---|---|---|\n",
      kDevices, seconds);
  bool good = true;
  for (const auto& scenario : scenarios) good = run(bench, scenario, seconds) && good;
  const auto sets = bench.ward.sets();
  eventually([&] { return bench.stored("measurement_set") >= sets; }, std::chrono::seconds{30});
  const auto missing_sets = static_cast<long long>(sets - bench.stored("measurement_set"));
  const auto missing_alarms = static_cast<long long>(bench.ward.alarms() - bench.stored("alarm_event"));
  std::printf(
      "\nOf the others: sets missing %lld of %llu, alarms missing %lld of %llu. Records shed, of anybody: %.0f. "
      "Datagrams "
      "dropped by the kernel: %.0f. Notifications beyond the allowance %.0f, datagrams not decrypted %.0f, muted "
      "%.0f.\n",
      missing_sets, static_cast<unsigned long long>(sets), missing_alarms,
      static_cast<unsigned long long>(bench.ward.alarms()), bench.stack.metric_sum("wardlink_ingest_shed_total"),
      bench.stack.metric_sum("wardlink_ingest_kernel_drops"),
      bench.stack.metric("wardlink_ingest_messages_over_total{reason=\"notifications\"}"),
      bench.stack.metric("wardlink_ingest_datagrams_dropped_total{reason=\"session_rate\"}"),
      bench.stack.metric("wardlink_ingest_datagrams_dropped_total{reason=\"muted\"}"));
  return good && missing_sets == 0 && missing_alarms == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  const int seconds = count == 1 ? 15 : (count == 2 ? std::atoi(words[1]) : 0);
  if (seconds < 1 || seconds > 3600) {
    std::cerr << "flood_bench [SECONDS]: 1 to 3600 seconds for each of 24 measurements, 15 where it is left out.\n";
    return 2;
  }
  return measure(seconds);
}
