// What a record costs in the store: processor time of this process and of a private PostgreSQL, for new records and for
// the same ones again.
//   store_bench [SETS]      default: 50000; a tenth as many alarms and runs of samples
// Prints a Markdown table, in microseconds a record.

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "cluster.hpp"
#include "processes.hpp"
#include "storage/postgres/postgres_store.hpp"

namespace {

using namespace wardlink::storage;
using wardlink::testing::Part;

constexpr std::size_t devices = 500, batch_size = 256;

double own_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

MeasurementSet set_of(std::uint64_t number) {
  const auto step = static_cast<double>(number % 100);
  return {{1, 2, 3, 4}, {60 + step, 90 + step / 10, 12 + step / 20, 36 + step / 50}, {0, 0, 0, 0}};
}

AlarmFact alarm_of(std::uint64_t number) {
  const bool onset = number % 2 == 1;
  return {onset ? AlarmEvent::raised : AlarmEvent::ended,
          AlarmKind::physiological,
          AlarmPriority::high,
          "hr-high",
          1,
          140.5,
          130.0,
          onset ? 0 : number - 1};
}

WaveformRun run_of(std::uint64_t number) {
  return {125, 1, 0.005, 0, std::string(250, static_cast<char>('a' + number % 26))};
}

/// `count` records, those of a device in its order, a second apart.
template <typename Make>
std::vector<Record> records(const std::vector<Attached>& sessions, Stream stream, std::size_t count, Make&& make) {
  std::vector<Record> all;
  all.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto& session = sessions[i % sessions.size()].session;
    const std::uint64_t sequence = 1 + i / sessions.size(), tick = 1000 * sequence;
    all.push_back({session, stream, sequence, tick, session->anchor + std::chrono::milliseconds(tick), make(sequence)});
  }
  return all;
}

class Bench {
 public:
  void measure(const char* what, const std::vector<Record>& records, RecordResult expected) {
    const double own = own_seconds(), database = server_.seconds();
    for (std::size_t from = 0; from < records.size(); from += batch_size) {
      const auto batch = std::span(records).subspan(from, std::min(batch_size, records.size() - from));
      const auto results = writer_->append(batch);
      failed_ = failed_ || !std::ranges::all_of(results, [&](RecordResult each) { return each == expected; });
    }
    const auto each = [&](double seconds) { return seconds * 1e6 / static_cast<double>(records.size()); };
    std::printf("| %s | %.2f | %.1f |\n", what, each(own_seconds() - own), each(server_.seconds() - database));
    std::fflush(stdout);
  }

  std::vector<Attached> attach() {
    const auto anchor = std::chrono::floor<std::chrono::hours>(std::chrono::system_clock::now());
    std::vector<AttachRequest> requests;
    for (std::size_t i = 0; i < devices; ++i)
      requests.push_back({"urn:dev:os:32473-" + std::to_string(i), 7, anchor - std::chrono::hours(1)});
    return writer_->attach(requests);
  }

  bool failed() const { return failed_; }

 private:
  test::Cluster cluster_{{"autovacuum=off"}};
  PostgresStore store_{{.connection = cluster_.connection()}};
  std::unique_ptr<RecordWriter> writer_ = store_.open_writer();
  Part server_{"PostgreSQL", std::stoi(test::Sql(cluster_.connection()).ask("SELECT pg_read_file('postmaster.pid')"))};
  bool failed_ = false;
};

}  // namespace

int main(int count, char** words) {
  const int asked = count > 1 ? std::atoi(words[1]) : 50'000;
  if (count > 2 || asked < 1000 || asked > 10'000'000) {
    std::cerr << "store_bench [SETS]: 1000 to 10000000 sets.\n";
    return 2;
  }
  const auto most = static_cast<std::size_t>(asked);
  Bench bench;
  const auto sessions = bench.attach();
  const auto sets = records(sessions, Stream::vitals, most, set_of);
  const auto alarms = records(sessions, Stream::alarms, most / 10, alarm_of);
  const auto runs = records(sessions, waveform_stream(1), most / 10, run_of);
  std::printf("| microseconds of a processor | storage | PostgreSQL |\n|---|---|---|\n");
  bench.measure("a set of four signs", sets, RecordResult::committed);
  bench.measure("the same again", {sets.begin(), sets.begin() + static_cast<std::ptrdiff_t>(most / 10)},
                RecordResult::duplicate);
  bench.measure("an alarm", alarms, RecordResult::committed);
  bench.measure("the same again", alarms, RecordResult::duplicate);
  bench.measure("a run of 125 samples", runs, RecordResult::committed);
  bench.measure("the same again", runs, RecordResult::duplicate);
  if (bench.failed()) std::cerr << "A record was not stored as it was to be.\n";
  return bench.failed() ? 1 : 0;
}
