#pragma once
// How long to wait before the next attempt: full jitter, 1 s doubling to 60 s, so that a ward that lost its gateway
// does not come back as one. A gateway that said no costs most when it is asked again; one that says nothing costs
// little, and an alarm may be waiting for the second in which it is back.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "coap/instant.hpp"

namespace wardlink {

class Backoff {
 public:
  static constexpr coap::Duration kFirst = std::chrono::seconds{1};
  static constexpr coap::Duration kMost = std::chrono::seconds{60};
  static constexpr coap::Duration kMostUnanswered = std::chrono::seconds{4};

  /// Between zero and the current ceiling, `most` at the most; the ceiling then doubles, no further than that.
  coap::Duration next(coap::Random& random, coap::Duration most = kMost) {
    std::array<std::uint8_t, 4> bytes{};
    random(bytes);
    std::uint32_t number = 0;
    std::memcpy(&number, bytes.data(), sizeof number);
    const auto part = static_cast<double>(number) / 4294967296.0;
    const auto ceiling = static_cast<double>(std::min(ceiling_, most).count());
    const auto delay = coap::Duration{static_cast<coap::Duration::rep>(part * ceiling)};
    ceiling_ = std::max(ceiling_, std::min(ceiling_ * 2, most));
    return delay;
  }
  void reset() { ceiling_ = kFirst; }

 private:
  coap::Duration ceiling_ = kFirst;
};

}  // namespace wardlink
