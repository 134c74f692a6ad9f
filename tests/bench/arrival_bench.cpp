// A crowd that arrives at once: how soon its samples are rows, what it costs PostgreSQL to attach a session, and what
// an alarm beside it waits.
//   arrival_bench [SESSIONS]...      default: 5000 10000
// All handshakes first; then all register in the same second, and each sends a set a second from then on. Prints a
// Markdown table for each number of sessions.

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "coap/udp_driver.hpp"
#include "light_device.hpp"
#include "places.hpp"
#include "processes.hpp"
#include "stack.hpp"
#include "test_authority.hpp"

namespace {

using namespace wardlink::testing;
using coap::EventLoop;
using coap::Instant;
using namespace std::chrono_literals;

constexpr std::size_t alarm_devices = 5;
constexpr auto alarm_pause = 200ms;

/// PostgreSQL that keeps account of its statements; an authority of ours, whose certificates cost microseconds.
class CountedStack {
 public:
  CountedStack() {
    const std::string script = places::source("scripts/private-postgres");
    stack.ingest = {};
    stack.storage = {};
    run({script, "stop", stack.path("postgres")});
    run({script, "start", stack.path("postgres"), "--option", "shared_preload_libraries=pg_stat_statements"});
    stack.sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
    write_file(stack.pki() + "/device-ca.pem", authority.certificate_pem());
    stack.start_storage();
    stack.start_ingest();
    trusted_ = read_file(stack.pki() + "/service-ca.pem");
  }
  coap::Credentials issue(const std::string& urn) const {
    coap::testing::CertificateSpec spec;
    spec.san = "URI:" + urn;
    const auto pair = authority.issue(spec);
    return {pair.certificate_pem, pair.private_key_pem, trusted_};
  }

  Stack stack;
  coap::testing::TestAuthority authority{"device authority"};

 private:
  std::string trusted_;
};

/// Many devices in this thread.
class Crowd {
 public:
  Crowd(const CountedStack& counted, std::size_t sessions)
      : counted_(counted), epoch_(EventLoop::now()), poll_(epoll_create1(0)) {
    // Instant 0 of all ticks, by the calendar of this machine.
    epoch_calendar_ = std::chrono::system_clock::now();
    devices_.resize(sessions);
  }
  ~Crowd() { close(poll_); }

  /// Few at a time, for ingest rations handshakes. False when any fails.
  bool connect() {
    constexpr std::size_t at_once = 64;
    std::size_t begun = 0, open = 0;
    while (open < devices_.size()) {
      for (; begun < devices_.size() && begun - open < at_once; ++begun) begin(begun);
      turn(5ms);
      if (++turns_ % 50 == 0) run_timers(begun);
      open = 0;
      for (std::size_t i = 0; i < begun; ++i) {
        if (devices_[i]->closed()) return false;
        open += devices_[i]->open() ? 1 : 0;
      }
    }
    return true;
  }

  /// All register at once; from then on each that is ready sends a set a second, at a moment of its own, and a few of
  /// them alarms instead.
  void run(std::chrono::seconds time) {
    const auto start = EventLoop::now();
    for (auto& device : devices_) device->register_now(start);
    auto next_alarm = start, next_timers = start + 1s;
    std::int64_t next = 0;
    const auto due = [&] { return start + coap::Duration{1s} * next / static_cast<std::int64_t>(devices_.size()); };
    for (auto now = start; now < start + time; now = EventLoop::now()) {
      // At most a share at a time, so that what arrives is read between.
      for (int burst = 0; burst < 32 && due() <= now; ++burst, ++next)
        sample(static_cast<std::size_t>(next) % devices_.size(), due());
      for (; next_alarm <= now; next_alarm += alarm_pause)
        for (std::size_t i = 0; i < std::min(alarm_devices, devices_.size()); ++i)
          if (devices_[i]->ready()) devices_[i]->raise_alarm(now);
      if (next_timers <= now) run_timers(devices_.size()), next_timers = now + 1s;
      turn(due() <= now ? 0ms : 1ms);
      if (!all_ready_ && is_all_ready()) all_ready_ = EventLoop::now() - start;
    }
    for (const auto end = EventLoop::now() + 10s; EventLoop::now() < end;) turn(100ms);
  }

  std::uint64_t sets() const {
    std::uint64_t sum = 0;
    for (const auto& device : devices_) sum += device->sets_sent();
    return sum;
  }
  std::vector<double> alarm_milliseconds() const {
    std::vector<double> all;
    for (const auto& device : devices_)
      for (const auto each : device->alarm_times())
        all.push_back(std::chrono::duration<double, std::milli>(each).count());
    std::ranges::sort(all);
    return all;
  }
  std::int64_t epoch_micros() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(epoch_calendar_.time_since_epoch()).count();
  }
  /// From the first registration until all were observed.
  std::optional<coap::Duration> all_ready() const { return all_ready_; }

 private:
  void begin(std::size_t i) {
    char urn[64];
    std::snprintf(urn, sizeof urn, "urn:dev:os:32473-%016llx", static_cast<unsigned long long>(i + 1));
    devices_[i] = std::make_unique<LightDevice>(counted_.stack.ingest_port(), counted_.issue(urn), urn, 7, epoch_);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = devices_[i].get();
    epoll_ctl(poll_, EPOLL_CTL_ADD, devices_[i]->socket(), &event);
  }

  void turn(std::chrono::milliseconds wait) {
    std::array<epoll_event, 256> events;
    const int count = epoll_wait(poll_, events.data(), events.size(), static_cast<int>(wait.count()));
    const auto now = EventLoop::now();
    for (int i = 0; i < count; ++i) static_cast<LightDevice*>(events[static_cast<std::size_t>(i)].data.ptr)->read(now);
  }

  void run_timers(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) devices_[i]->handle_timeout(EventLoop::now());
  }

  /// What a device cannot send, because it is not observed yet, it measures later.
  void sample(std::size_t i, Instant due) {
    if (i < alarm_devices || !devices_[i]->ready()) return;
    devices_[i]->send_set(due);
  }

  bool is_all_ready() const {
    return std::ranges::all_of(devices_, [](const auto& device) { return device->ready(); });
  }

  const CountedStack& counted_;
  const Instant epoch_;
  std::chrono::system_clock::time_point epoch_calendar_;
  const int poll_;
  std::vector<std::unique_ptr<LightDevice>> devices_;
  std::optional<coap::Duration> all_ready_;
  std::uint64_t turns_ = 0;
};

double percentile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

/// Milliseconds, from the instant that the tick means on the device's own clock.
std::string sample_to_row(const Stack& stack, std::int64_t epoch_micros, const std::string& where) {
  return stack.sql(
      "SELECT array_to_string(ARRAY(SELECT round(unnest(percentile_disc(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY"
      " extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000 - " +
      std::to_string(epoch_micros / 1000) + " - tick_ms))::numeric, 1)), ' / ') FROM measurement_set WHERE " + where);
}

/// Milliseconds that PostgreSQL spent on statements, by what their text matches.
double statement_time(const Stack& stack, const std::string& pattern) {
  return std::strtod(
      stack.sql("SELECT coalesce(sum(total_exec_time), 0) FROM pg_stat_statements WHERE query ~ '" + pattern + "'")
          .c_str(),
      nullptr);
}

/// The dearest statements, for whoever looks for the next bottleneck.
void print_dearest(const Stack& stack) {
  if (std::getenv("WARDLINK_BENCH_STATEMENTS") == nullptr) return;
  std::printf("\ncalls, total ms, longest ms, statement\n%s\n",
              stack
                  .sql("SELECT string_agg(line, E'\\n') FROM (SELECT calls || ', ' || round(total_exec_time) || ', ' ||"
                       " round(max_exec_time) || ', ' || left(query, 70) AS line FROM pg_stat_statements"
                       " ORDER BY total_exec_time DESC LIMIT 16) t")
                  .c_str());
}

void print_statements(const Stack& stack, std::size_t sessions, std::uint64_t sets) {
  const auto attach = statement_time(
      stack, "device_boot|clock_exchange|INSERT INTO device |JOIN stream_state s ON s.device_id = k.device_id");
  std::printf("| attaching a session: PostgreSQL's execution time | %.3f ms |\n",
              attach / static_cast<double>(sessions));
  std::printf("| … its lines in the audit | %.3f ms |\n",
              statement_time(stack, "INSERT INTO audit") / static_cast<double>(sessions));
  std::printf("| storing a set | %.3f ms |\n", statement_time(stack,
                                                              "measurement_set|INTO latest|UPDATE latest|"
                                                              "UPDATE stream_state|FOR UPDATE OF s|high_sequence\\)") /
                                                   static_cast<double>(std::max<std::uint64_t>(sets, 1)));
}

int measure(std::size_t sessions, std::chrono::seconds time) {
  CountedStack counted;
  const Stack& stack = counted.stack;
  Crowd crowd(counted, sessions);
  std::cerr << "Connecting " << sessions << " sessions\n";
  if (!crowd.connect()) {
    std::cerr << "A handshake failed: " << stack.ingest.log();
    return 1;
  }
  stack.sql("SELECT pg_stat_statements_reset()");
  std::vector<Part> parts{{"wardlink-ingest", stack.ingest.pid()},
                          {"wardlink-storage", stack.storage.pid()},
                          {"PostgreSQL", std::stoi(read_file(stack.path("postgres/data/postmaster.pid")))},
                          {"this generator", getpid()}};
  for (auto& part : parts) part.seconds_before = part.seconds();
  std::cerr << "All register; measuring for " << time.count() << " s\n";
  crowd.run(time);
  const auto sent = crowd.sets();
  const auto stored = std::strtoull(stack.sql("SELECT count(*) FROM measurement_set").c_str(), nullptr, 10);
  const auto epoch = crowd.epoch_micros();
  const auto alarms = crowd.alarm_milliseconds();
  std::printf("\n%zu sessions at once, a set a second each, %lld s\n\n| what | figure |\n|---|---|\n", sessions,
              static_cast<long long>(time.count()));
  std::printf("| all are observed after | %.1f s |\n",
              crowd.all_ready() ? std::chrono::duration<double>(*crowd.all_ready()).count() : -1.0);
  std::printf("| sets sent / stored | %llu / %llu |\n", static_cast<unsigned long long>(sent), stored);
  std::printf("| from sample to row, p50 / p99 / most | %s ms |\n", sample_to_row(stack, epoch, "true").c_str());
  std::printf("| … each session's first set | %s ms |\n", sample_to_row(stack, epoch, "sequence = 1").c_str());
  std::printf("| an alarm beside it to its ACK, p50 / p99 / most (of %zu) | %.1f / %.1f / %.1f ms |\n", alarms.size(),
              percentile(alarms, 0.5), percentile(alarms, 0.99), percentile(alarms, 1));
  print_statements(stack, sessions, stored);
  for (const auto& part : parts)
    std::printf("| %s | %.2f s of a processor, %ld MiB |\n", part.name.c_str(), part.seconds() - part.seconds_before,
                part.kib() / 1024);
  std::printf("| shed by ingest / dropped by the kernel | %.0f / %.0f |\n",
              stack.metric_sum("wardlink_ingest_records_total{stream=\"vitals\",result=\"shed\"}"),
              stack.metric_sum("wardlink_ingest_kernel_drops"));
  print_dearest(stack);
  std::fflush(stdout);
  return sent == stored ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  std::vector<int> crowds{5000, 10'000};
  if (count > 1) crowds.clear();
  for (int i = 1; i < count; ++i) crowds.push_back(std::atoi(words[i]));
  if (std::ranges::any_of(crowds, [](int each) { return each < 10 || each > 15'000; })) {
    std::cerr << "arrival_bench SESSIONS...: 10 to 15000 sessions.\n";
    return 2;
  }
  int code = 0;
  for (const int each : crowds) code |= measure(static_cast<std::size_t>(each), std::chrono::seconds{20});
  return code;
}
