#pragma once
// Live devices that raise and end alarms all the time, and how long each alarm record takes from the journal to its
// ACK.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "stack.hpp"
#include "wardlink/device.hpp"

namespace wardlink::testing {

/// A journal that keeps nothing but the time.
class Stopwatch final : public Journal {
 public:
  using Clock = std::chrono::steady_clock;

  bool generated(std::uint64_t, const SequencedSet&) override { return true; }
  bool generated(std::uint64_t boot, const SequencedAlarm& alarm) override;
  bool acknowledged(std::uint64_t boot, std::uint64_t sequence, std::chrono::system_clock::time_point) override;
  /// Milliseconds of each record since the last call, sorted.
  std::vector<double> take();

 private:
  std::mutex mutex_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Clock::time_point> begun_;
  std::vector<double> taken_;
};

/// `share`: 0.99 for p99. There is one.
double quantile(const std::vector<double>& sorted, double share);
/// "0.9 / 2.1 ms": p50 and p99
std::string words(const std::vector<double>& sorted);

class TimedWard {
 public:
  /// Makes the certificates device-0001 and up, and starts as many devices.
  TimedWard(const Stack& stack, std::size_t devices);

  bool connected() const;
  std::uint64_t handshakes() const { return sum(&DeviceStatus::handshakes); }
  std::uint64_t alarms() const { return sum(&DeviceStatus::alarms_generated); }
  std::uint64_t owed() const { return sum(&DeviceStatus::alarms_owed); }
  std::uint64_t sets() const { return sum(&DeviceStatus::sets_generated); }

  /// One alarm record of the next device.
  void act();
  /// One set of vital signs of the device whose turn is next.
  void report();

  std::shared_ptr<Stopwatch> stopwatch = std::make_shared<Stopwatch>();

 private:
  std::uint64_t sum(std::uint64_t DeviceStatus::*count) const;

  std::shared_ptr<Runtime> runtime_ = std::make_shared<Runtime>();
  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<std::optional<AlarmId>> open_;
  std::size_t next_ = 0;
};

}  // namespace wardlink::testing
