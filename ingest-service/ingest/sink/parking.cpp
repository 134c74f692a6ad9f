#include "ingest/sink/parking.hpp"

#include <algorithm>

namespace wardlink::ingest {

bool Parking::park(LaneSession& session, coap::Instant now) {
  if (session.retry) return false;
  session.pause = session.pause == coap::Duration{} ? first_ : std::min(session.pause * 2, longest_);
  session.retry = now + session.pause;
  return true;
}

std::optional<SinkSession> Parking::due(coap::Instant now) const {
  if (due_.empty() || due_.begin()->first > now) return std::nullopt;
  return due_.begin()->second;
}

std::optional<coap::Instant> Parking::next_deadline() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

void Parking::leave(LaneSession& session, coap::Instant when) {
  forget(session);
  session.retry.reset();
  session.unparked = when;
}

void Parking::forget(const LaneSession& session) {
  if (session.retry) due_.erase({*session.retry, session.attachment.session});
}

}  // namespace wardlink::ingest
