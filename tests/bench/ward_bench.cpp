// A whole ward on this machine: what every process costs, how soon a sample is a row, and whether any is missing.
//   ward_bench DEVICES SECONDS
// Prints a Markdown table. Ends with 1 when something is missing, for then the figures mean nothing.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "processes.hpp"
#include "stack.hpp"

namespace {

using namespace wardlink::testing;

struct Ward {
  Ward(const Stack& stack, int devices, int seconds) : status_file(stack.path("ward.status")) {
    process = stack.ward({"--devices", std::to_string(devices), "--seconds", std::to_string(seconds), "--drain", "30",
                          "--status-file", status_file});
  }
  std::uint64_t sum(const char* count) const {
    std::uint64_t total = 0;
    for (const auto& device : status().value("devices", nlohmann::json::array())) total += device.value(count, 0ull);
    return total;
  }
  bool all_connected(int devices) const {
    int connected = 0;
    for (const auto& device : status().value("devices", nlohmann::json::array()))
      connected += device.value("connected", false);
    return connected == devices;
  }
  nlohmann::json status() const {
    if (access(status_file.c_str(), R_OK) != 0) return nlohmann::json::object();
    return nlohmann::json::parse(read_file(status_file), nullptr, false);
  }

  std::string status_file;
  Process process;
};

int measure(int devices, int seconds) {
  Stack stack;
  std::cerr << "Making " << devices << " certificates\n";
  stack.make_pki("devices", {std::to_string(devices)});
  Ward ward(stack, devices, seconds);
  std::cerr << "Connecting\n";
  const bool connected =
      eventually([&] { return ward.all_connected(devices) || !ward.process.running(); }, std::chrono::seconds{300});
  if (!connected || !ward.process.running()) {
    std::cerr << "Not all devices connected: " << ward.process.log();
    return 1;
  }
  std::vector<Part> parts{{"wardlink-ingest", stack.ingest.pid()},
                          {"wardlink-storage --serve ingest", stack.storage.pid()},
                          {"wardlink-storage --serve api", stack.api.pid()},
                          {"PostgreSQL", std::stoi(read_file(stack.path("postgres/data/postmaster.pid")))},
                          {"wardlink-ward (all devices)", ward.process.pid()}};
  for (auto& part : parts) part.seconds_before = part.seconds();
  const auto begun = std::chrono::steady_clock::now();
  const auto all_there = stack.sql("SELECT clock_timestamp()");
  std::cerr << "Measuring for " << seconds << " s\n";
  // While it runs: afterwards the ward's own share is gone.
  eventually(
      [&] {
        return ward.sum("sets_generated") >=
                   static_cast<std::uint64_t>(devices) * static_cast<std::uint64_t>(seconds - 2) ||
               !ward.process.running();
      },
      std::chrono::seconds{seconds * 2});
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begun;
  std::printf(
      "%d devices, one set of vital signs a second each, %.0f s\n\n| process | processor | memory |\n|---|---|---|\n",
      devices, elapsed.count());
  for (const auto& part : parts) {
    std::printf("| %s | %.1f %% | %ld MiB |\n", part.name.c_str(),
                100 * (part.seconds() - part.seconds_before) / elapsed.count(), part.kib() / 1024);
  }
  const int code = ward.process.wait();
  const auto generated = ward.sum("sets_generated");
  const auto rows = [&] {
    return std::strtoull(stack.sql("SELECT count(*) FROM measurement_set").c_str(), nullptr, 10);
  };
  eventually([&] { return rows() >= generated; }, std::chrono::seconds{30});
  const auto stored = rows();
  const auto drops = stack.metric_sum("wardlink_ingest_kernel_drops");
  std::printf(
      "\nSets generated %llu, stored %llu, missing %lld; datagrams dropped by the kernel %.0f; handshakes %.0f.\n",
      static_cast<unsigned long long>(generated), static_cast<unsigned long long>(stored),
      static_cast<long long>(generated - stored), drops, stack.metric("wardlink_ingest_handshakes_total"));
  // Of sets measured since all are connected: before, they wait for their device's handshake.
  std::printf(
      "From sample to committed row, p50 / p99 / most: %s ms.\n",
      stack
          .sql("SELECT array_to_string(ARRAY(SELECT round((1000 * unnest(percentile_disc(ARRAY[0.5, 0.99, 1]) WITHIN "
               "GROUP "
               "(ORDER BY extract(epoch FROM pg_xact_commit_timestamp(xmin) - measured_at))))::numeric, 1)), ' / ') "
               "FROM measurement_set WHERE measured_at >= '" +
               all_there + "'")
          .c_str());
  if (code != 0) std::cerr << "The ward ended with code " << code << ": " << ward.process.log();
  return code == 0 && generated == stored && drops == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  const int devices = count == 3 ? std::atoi(words[1]) : 0, seconds = count == 3 ? std::atoi(words[2]) : 0;
  if (devices < 1 || devices > 9999 || seconds < 5) {
    std::cerr << "ward_bench DEVICES SECONDS: 1 to 9999 devices, at least 5 seconds.\n";
    return 2;
  }
  return measure(devices, seconds);
}
