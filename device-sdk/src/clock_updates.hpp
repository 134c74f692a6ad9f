#pragma once
// What a session goes on to tell the gateway of the device's clock: an exchange every hour, and at once where the clock
// does not keep step with the loop's, which stands while the host sleeps. Each is an update of the registration
// (RFC 9176 §5.3.1). A gateway that refuses one is asked no more in this session.

#include <optional>
#include <string>

#include "coap/connection.hpp"
#include "recorder.hpp"
#include "time_exchange.hpp"

namespace wardlink {

/// Sans-I/O. Not thread-safe: the loop's thread owns it.
class ClockUpdates {
 public:
  explicit ClockUpdates(Recorder& recorder) : recorder_(recorder), exchange_(recorder) {}

  /// The device is registered at that path ("/rd/7"; empty: the gateway named none and takes no updates), and said
  /// `last` of its clock. `random`: so that a ward does not ask as one.
  void begin(std::string location, const TimeExchange::Accepted& last, coap::Random& random, coap::Instant now);
  /// Not empty: the gateway took this.
  std::optional<TimeExchange::Accepted> handle(const coap::event::ResponseReceived& response, coap::Instant now);
  void handle(const coap::event::RequestFailed& failed);
  /// The gateway doubts the clock: an exchange at once, but no more than one in 10 s.
  void doubted(coap::Instant now);
  /// Asks and tells what is due.
  void pump(coap::Connection& connection, coap::Instant now);
  std::optional<coap::Instant> next_deadline() const;

 private:
  bool may_doubt(coap::Instant now) const;
  bool is_doubtful(coap::Instant now) const;
  void took(const TimeExchange::Accepted& exchange, coap::Instant now);

  Recorder& recorder_;
  TimeExchange exchange_;
  std::string location_;
  coap::Duration pause_{};
  coap::Instant due_{};
  std::optional<coap::Instant> began_;     // the last of these exchanges
  std::chrono::milliseconds lead_{};       // of the device's clock before the loop's, at the last exchange
  std::optional<coap::RequestId> update_;  // on its way, with …
  TimeExchange::Accepted told_{};
};

}  // namespace wardlink
