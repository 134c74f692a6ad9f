#pragma once
// One exchange of the device's clock with the gateway: tries of GET /time until one is answered in time. Each is a
// message of its own, Non-confirmable, with the clock of that moment: what is sent again would carry an old tick.

#include <cstdint>
#include <optional>
#include <vector>

#include "coap/connection.hpp"
#include "recorder.hpp"

namespace wardlink {

/// Sans-I/O. Not thread-safe: the loop's thread owns it.
class TimeExchange {
 public:
  /// The try that the gateway is told of.
  struct Accepted {
    std::uint64_t tick_ms;        // the device's clock when it was sent
    std::uint64_t round_trip_ms;  // until its answer, by that clock, rounded up: from 1 on
    coap::Instant answered_at;
  };

  explicit TimeExchange(Recorder& recorder) : recorder_(recorder) {}

  /// The first try goes with the next pump().
  void begin(coap::Instant now);
  bool is_under_way() const { return next_at_.has_value(); }
  bool is_try(coap::RequestId request) const;
  /// A try was answered.
  void answered(coap::RequestId request, coap::Instant now);
  /// Sends the next try when it is due: after 2 s twice, then after 4 s, doubled up to 60 s. Returns the try to name,
  /// when there is one, and the exchange is over: the first that was answered within 2 s; where three were not, the
  /// quickest.
  std::optional<Accepted> pump(coap::Connection& connection, coap::Instant now);
  std::optional<coap::Instant> next_deadline() const { return next_at_; }

 private:
  struct Try {
    coap::RequestId request;
    std::uint64_t tick_ms;
  };
  bool is_settled(coap::Instant now) const;

  Recorder& recorder_;
  std::vector<Try> open_;         // not answered
  std::optional<Accepted> best_;  // of those that were
  unsigned sent_ = 0;
  std::optional<coap::Instant> next_at_;  // empty: none is under way
};

}  // namespace wardlink
