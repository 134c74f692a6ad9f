#pragma once
// How much one peer may have done for it: so many a second on average, so many at once after a rest.

#include <algorithm>

#include "coap/instant.hpp"

namespace coap {

struct Allowance {
  unsigned per_second = 0;  // 0: no limit
  unsigned burst = 1;       // at once, after a rest; at least 1
};

/// A token bucket that is one instant. Not thread-safe.
class Budget {
 public:
  explicit Budget(const Allowance& allowance)
      : Budget(allowance.per_second == 0 ? Duration{0} : Duration{std::chrono::seconds{1}} / allowance.per_second,
               allowance.burst) {}
  /// One in `interval`.
  Budget(Duration interval, unsigned burst) : interval_(interval), burst_(std::max(burst, 1u)) {}

  /// Whether one more may be had now. `kept`: so many must remain for others.
  bool affords(Instant now, unsigned kept = 0) const {
    return kept < burst_ && paid_until_ - now <= interval_ * (burst_ - 1 - kept);
  }
  void spend(Instant now) { paid_until_ = std::max(paid_until_, now) + interval_; }
  /// From when on one more may be had; long past where it may be now.
  Instant next() const { return paid_until_ - interval_ * (burst_ - 1); }
  /// Nothing is left of what was spent.
  bool rested(Instant now) const { return paid_until_ <= now; }
  bool take(Instant now, unsigned kept = 0) {
    if (!affords(now, kept)) return false;
    spend(now);
    return true;
  }

 private:
  Duration interval_;
  unsigned burst_;
  Instant paid_until_{Duration::min() / 2};
};

}  // namespace coap
