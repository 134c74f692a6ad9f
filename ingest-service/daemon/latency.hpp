#pragma once
// How long something took, counted in a few buckets: what a Prometheus histogram is made of. Header only.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

namespace wardlink::daemon {

/// Not thread-safe; whoever shares one locks.
class Latency {
 public:
  /// Upper bounds in seconds: from a COMMIT on a quiet disk up to where a device gives up. What is longer is counted
  /// too.
  static constexpr std::array bounds{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,  0.2,
                                     0.5,    1.0,   2.0,   5.0,   10.0, 30.0, 60.0, 300.0};

  void observe(std::chrono::duration<double> time) {
    const auto* bucket = std::lower_bound(bounds.begin(), bounds.end(), time.count());
    ++counts_[static_cast<std::size_t>(bucket - bounds.begin())];
    sum_ += time.count();
  }
  void add(const Latency& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    sum_ += other.sum_;
  }
  /// A bucket's own; the last one is what exceeds all bounds.
  const std::array<std::uint64_t, bounds.size() + 1>& counts() const { return counts_; }
  double seconds() const { return sum_; }

 private:
  std::array<std::uint64_t, bounds.size() + 1> counts_{};
  double sum_ = 0;
};

}  // namespace wardlink::daemon
