#pragma once
// What one session knows of its device's clock: the tries of GET /time, the exchange that the device made of one of
// them, and whether its ticks bear that exchange out.

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "coap/instant.hpp"
#include "coap/result.hpp"
#include "ingest/payload/registration.hpp"
#include "ingest/sink/record_sink.hpp"

namespace wardlink::ingest {

/// Not thread-safe: the shard's thread owns it.
class DeviceClock {
 public:
  /// A tick that is ahead of what the exchange allows, or behind it, by more than this contradicts it.
  static constexpr std::chrono::milliseconds tolerance{2000};

  /// A try was received: the device's clock said `tick_ms` when it was sent. The last 8 are remembered.
  void heard(std::uint64_t tick_ms, coap::Instant now);
  bool was_asked() const { return !tries_.empty(); }

  /// The exchange that the device made of the try that it names; one that is not remembered is refused. Half of its
  /// round trip may have passed on either way. Empty: the last try, ± 60 s, since an older SDK may have repeated it.
  coap::Result<ClockExchange, Refusal> exchange(const std::optional<NamedTry>& accepted);

  /// A record came whose tick is the device's own. Where that tick cannot have been reached yet, by the exchange, the
  /// clock is doubtful: an exchange that covers both, at least twice as uncertain.
  std::optional<ClockExchange> doubt(std::uint64_t tick_ms, coap::Instant now);

  /// A heartbeat came that was sent at that tick; doubt() was told of it too. One may be late. Where two in a row are
  /// behind the exchange, and so is every tick between them, the clock has stood: an exchange as of doubt(). Where the
  /// next exchange of the device denies that, as much counts for the path's from then on.
  std::optional<ClockExchange> doubt_heartbeat(std::uint64_t tick_ms, coap::Instant now);

  /// Since the last exchange it was doubted.
  bool is_doubtful() const { return doubtful_; }

 private:
  struct Try {
    std::uint64_t tick_ms;
    coap::Instant at;
  };
  /// How far the tick is behind the exchange, which is in force.
  std::chrono::milliseconds behind(std::uint64_t tick_ms, coap::Instant now) const;
  ClockExchange doubted(std::chrono::milliseconds off);

  std::deque<Try> tries_;  // the newest last
  std::optional<ClockExchange> in_force_;
  std::chrono::milliseconds least_behind_{};  // of all ticks from the last heartbeat on; of none: as at the exchange
  std::optional<std::chrono::milliseconds> stood_;  // so long, as it seems since the exchange
  std::chrono::milliseconds slow_{};                // what two heartbeats may be behind, by the path alone
  bool doubtful_ = false;
};

}  // namespace wardlink::ingest
