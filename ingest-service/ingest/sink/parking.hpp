#pragma once
// Sessions that storage would not attach, and when each is tried again.

#include <optional>
#include <set>
#include <utility>

#include "ingest/sink/lane_session.hpp"

namespace wardlink::ingest {

/// Not thread-safe.
class Parking {
 public:
  /// How long a session waits: doubled each time from the one up to the other, until a record of it is taken.
  Parking(coap::Duration first, coap::Duration longest) : first_(first), longest_(longest) {}

  /// Until its `retry`. False: it is parked already.
  bool park(LaneSession& session, coap::Instant now);
  /// Nothing of it is in flight any more, so that it may go when its time has come.
  void settle(const LaneSession& session) { due_.emplace(*session.retry, session.attachment.session); }
  /// One whose time has come.
  std::optional<SinkSession> due(coap::Instant now) const;
  std::optional<coap::Instant> next_deadline() const;
  /// It is parked no longer; what it holds is the caller's. `when`: what came before that did not wait for its turn.
  void leave(LaneSession& session, coap::Instant when);
  /// The session ends.
  void forget(const LaneSession& session);

 private:
  coap::Duration first_, longest_;
  std::set<std::pair<coap::Instant, SinkSession>> due_;
};

}  // namespace wardlink::ingest
