// What an attack on the API's port does to alarms: how long they take from being raised to their ACK, with the attack
// and without.
//   attack_bench [ALARMS]      of each measurement, at least; default 1000
// The attack, once a second: the request of CVE-2023-1428; then again, and whatever the request did the API is killed
// at once if it runs, and its supervisor (--serve all) starts it anew. Without it, the same requests go to a port that
// discards them. Three rounds; ends with 1 when
// the median of their ratios, p99 with to p99 without, is above 1.5.

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <thread>

#include "http2_peer.hpp"
#include "stack.hpp"
#include "wardlink/device.hpp"

namespace {

using namespace wardlink::testing;
using wardlink::Alarm;
using wardlink::AlarmId;
using wardlink::Device;
using wardlink::storage::test::Http2Peer;
using Clock = std::chrono::steady_clock;

constexpr int kDevices = 20;
constexpr std::chrono::milliseconds kPause{10};  // between two alarm records, of one device after the other

/// Milliseconds from each alarm record to its ACK. Any thread.
class Stopwatch final : public wardlink::Journal {
 public:
  bool generated(std::uint64_t, const wardlink::SequencedSet&) override { return true; }
  bool generated(std::uint64_t boot, const wardlink::SequencedAlarm& alarm) override {
    const std::lock_guard lock(mutex_);
    begun_[{boot, alarm.sequence}] = Clock::now();
    return true;
  }
  bool acknowledged(std::uint64_t boot, std::uint64_t sequence, std::chrono::system_clock::time_point) override {
    const std::lock_guard lock(mutex_);
    const auto begun = begun_.extract({boot, sequence});
    if (!begun.empty())
      taken_.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begun.mapped()).count());
    return true;
  }
  /// Sorted, and begun anew.
  std::vector<double> take() {
    const std::lock_guard lock(mutex_);
    auto all = std::exchange(taken_, {});
    std::ranges::sort(all);
    return all;
  }

 private:
  std::mutex mutex_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Clock::time_point> begun_;
  std::vector<double> taken_;
};

class Ward {
 public:
  explicit Ward(const Stack& stack) {
    stack.make_pki("devices", {std::to_string(kDevices)});
    for (int i = 1; i <= kDevices; ++i) {
      char label[32];
      std::snprintf(label, sizeof label, "devices/device-%04d", i);
      wardlink::DeviceOptions options;
      options.server = "127.0.0.1";
      options.port = stack.ingest_port();
      options.credentials = stack.credentials(label);
      options.journal = stopwatch_;
      options.runtime = runtime_;
      devices_.push_back(std::make_unique<Device>(std::move(options)));
      devices_.back()->start();
    }
    open_.resize(kDevices);
  }
  bool connected() const {
    return std::ranges::all_of(devices_, [](const auto& one) { return one->status().connected; });
  }
  /// So many alarm records, one after the other; then all that is owed is waited for.
  std::vector<double> measure(int alarms) {
    auto next = Clock::now();
    for (int i = 0; i < alarms; ++i) {
      act(static_cast<std::size_t>(i % kDevices));
      next += kPause;
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
      if (left.count() > 0) poll(nullptr, 0, static_cast<int>(left.count()));  // the load's pace
    }
    eventually(
        [&] { return std::ranges::all_of(devices_, [](const auto& one) { return one->status().alarms_owed == 0; }); });
    return stopwatch_->take();
  }

 private:
  /// Raises, or ends what was raised.
  void act(std::size_t which) {
    if (open_[which]) {
      devices_[which]->end(*std::exchange(open_[which], std::nullopt));
      return;
    }
    Alarm alarm;
    alarm.kind = wardlink::AlarmKind::technical;
    alarm.code = "lead-off";
    open_[which] = devices_[which]->raise(alarm);
  }

  std::shared_ptr<Stopwatch> stopwatch_ = std::make_shared<Stopwatch>();
  std::shared_ptr<wardlink::Runtime> runtime_ = std::make_shared<wardlink::Runtime>();
  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<std::optional<AlarmId>> open_;
};

/// Once a second, until it is gone: a request, then what `after` does.
class Attack {
 public:
  Attack(std::function<int()> port, const coap::Credentials& credentials, std::function<void()> after)
      : thread_([=, this] {
          while (!stop_) {
            const auto next = Clock::now() + std::chrono::seconds(1);
            try {
              Http2Peer peer(port(), credentials.certificate_pem, credentials.private_key_pem);
              if (peer.open()) {
                peer.send({Http2Peer::headers, Http2Peer::end_headers, 1,
                           Http2Peer::request("/wardlink.v1.VitalsService/GetLatest",
                                              {{"grpclb_client_stats", "x"}, {"x-more", std::string(9'000, 'x')}})});
              }
            } catch (const std::exception&) {
              // Not there yet: the next one in a second.
            }
            after();
            while (!stop_ && Clock::now() < next) poll(nullptr, 0, 10);
          }
        }) {}
  ~Attack() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

int a_free_port() {
  const int one = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  const bool found = bind(one, reinterpret_cast<const sockaddr*>(&name), size) == 0 &&
                     getsockname(one, reinterpret_cast<sockaddr*>(&name), &size) == 0;
  close(one);
  return found ? ntohs(name.sin_port) : 0;
}

double quantile(const std::vector<double>& sorted, double share) {
  return sorted.at(std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size()))));
}

int measure(int alarms) {
  Stack stack;
  stack.supervise_storage();
  stack.make_pki("client", {"attacker"});
  const auto attacker = stack.credentials("clients/attacker");
  Ward ward(stack);
  if (!eventually([&] { return ward.connected(); })) {
    std::cerr << "Not all devices connected.\n";
    return 1;
  }
  const int free_port = a_free_port();
  const Process discard({"openssl", "s_server", "-accept", "127.0.0.1:" + std::to_string(free_port), "-cert",
                         stack.pki() + "/storage.pem", "-key", stack.pki() + "/storage.key", "-alpn", "h2", "-quiet"},
                        "/dev/null");
  ward.measure(alarms / 2);  // until everything has been touched once
  std::printf(
      "%d devices, an alarm record every %ld ms; from the record to its ACK, ms\n\n"
      "| round | without: p50 / p99 | attack: p50 / p99 | p99 ratio | attack and kill: p50 / p99 | p99 ratio |\n"
      "|---|---|---|---|---|---|\n",
      kDevices, static_cast<long>(kPause.count()));
  std::vector<double> attacked_ratios, killed_ratios;
  int kills = 0;
  for (int round = 1; round <= 3; ++round) {
    const auto beside = [&](std::function<int()> port, std::function<void()> after) {
      const Attack attack(std::move(port), attacker, std::move(after));
      return ward.measure(alarms);
    };
    const auto api = [&] { return stack.storage_port(); };
    const auto quiet = beside([&] { return free_port; }, [] {});
    const auto attacked = beside(api, [] {});
    const auto killed = beside(api, [&] {
      // The API is started after ingest's half, which nobody kills.
      const auto children = children_of(stack.storage.pid());
      if (children.size() == 2) kills += kill(children.back(), SIGKILL) == 0;
    });
    const auto p99 = [](const std::vector<double>& sorted) { return quantile(sorted, 0.99); };
    attacked_ratios.push_back(p99(attacked) / p99(quiet));
    killed_ratios.push_back(p99(killed) / p99(quiet));
    std::printf("| %d | %.1f / %.1f | %.1f / %.1f | %.2f | %.1f / %.1f | %.2f |\n", round, quantile(quiet, 0.5),
                p99(quiet), quantile(attacked, 0.5), p99(attacked), attacked_ratios.back(), quantile(killed, 0.5),
                p99(killed), killed_ratios.back());
    std::fflush(stdout);
  }
  std::ranges::sort(attacked_ratios);
  std::ranges::sort(killed_ratios);
  std::printf(
      "\nMedian ratios: %.2f with the attack, %.2f where the API is killed after each request, too (%d times)\n",
      attacked_ratios[1], killed_ratios[1], kills);
  return attacked_ratios[1] <= 1.5 && killed_ratios[1] <= 1.5 ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  const int alarms = count > 1 ? std::atoi(words[1]) : 1000;
  if (count > 2 || alarms < 100) {
    std::cerr << "attack_bench [ALARMS]: at least 100.\n";
    return 2;
  }
  return measure(alarms);
}
