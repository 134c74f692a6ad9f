#pragma once
// The ward: wearables on one runtime, each fed by a recording or the model, from their first connection to their last
// acknowledged alarm. Owns the clock of the simulation.

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "config.hpp"
#include "feed.hpp"
#include "wardlink/device.hpp"

namespace ward {

class Ward {
 public:
  /// Throws std::exception with one sentence when a certificate, a recording or a journal cannot be used.
  Ward(const Config& config, std::vector<Badge> badges);

  /// Connects, measures, drains; says what it does on stderr. `interrupted` may be set at any time: it then ends within
  /// about 2 s. Blocks. True when everything was sent and every alarm acknowledged.
  bool run(const std::atomic<bool>& interrupted);
  /// One line a device and the totals. After run().
  std::string report() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Bed {
    std::string label, urn, replay;
    std::unique_ptr<Feed> feed;
    std::unique_ptr<wardlink::Device> device;
    bool concluded = false;
    wardlink::DeviceStatus last;  // once stopped
  };

  void await_connections(const std::atomic<bool>& interrupted);
  void measure(const std::atomic<bool>& interrupted);
  bool feed_all(double elapsed_s);
  bool feed_one(Bed& bed, double elapsed_s);
  void feed_blocks(Bed& bed, double elapsed_s);
  bool over(double elapsed_s) const;
  void drain(const std::atomic<bool>& interrupted);
  void write_ready() const;
  void write_status(bool running);
  void write_status_each_second();

  Config config_;
  std::shared_ptr<wardlink::Runtime> runtime_;
  std::vector<Bed> beds_;
  Clock::time_point status_at_;
};

}  // namespace ward
