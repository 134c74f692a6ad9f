#include "ingest/stats.hpp"

namespace wardlink::ingest {
namespace {

void add(std::uint64_t& sum, std::uint64_t one) { sum += one; }

template <class T, std::size_t N>
void add(std::array<T, N>& sum, const std::array<T, N>& one) {
  for (std::size_t i = 0; i < N; ++i) add(sum[i], one[i]);
}

void add(SessionStats& sum, const SessionStats& one) {
  add(sum.notifications, one.notifications);
  add(sum.stale_notifications, one.stale_notifications);
  add(sum.rejected_tokens, one.rejected_tokens);
  add(sum.records, one.records);
  add(sum.quarantined, one.quarantined);
  add(sum.posts, one.posts);
  add(sum.registrations, one.registrations);
  add(sum.registrations_refused, one.registrations_refused);
  add(sum.observations, one.observations);
  add(sum.observations_ended, one.observations_ended);
  add(sum.held_acks, one.held_acks);
  sum.alarm_ack.add(one.alarm_ack);
  add(sum.alarms_refused, one.alarms_refused);
  add(sum.alarms_declined, one.alarms_declined);
  add(sum.quarantine_over, one.quarantine_over);
}

void add(coap::ListenerCounters& sum, const coap::ListenerCounters& one) {
  add(sum.datagrams_in, one.datagrams_in);
  add(sum.datagrams_out, one.datagrams_out);
  add(sum.challenges, one.challenges);
  add(sum.no_session, one.no_session);
  add(sum.unauthenticated, one.unauthenticated);
  add(sum.bad_hello, one.bad_hello);
  add(sum.over_rate, one.over_rate);
  add(sum.fragmented_hello, one.fragmented_hello);
  add(sum.hellos_dropped, one.hellos_dropped);
  add(sum.handshakes, one.handshakes);
  add(sum.handshakes_failed, one.handshakes_failed);
  add(sum.sessions_closed, one.sessions_closed);
}

}  // namespace

const char* to_string(PostEnd end) {
  static constexpr std::array<const char*, post_end_count> names{"stored", "refused", "away", "shed"};
  return names.at(static_cast<std::size_t>(end));
}

void add(coap::ConnectionCounters& sum, const coap::ConnectionCounters& one) {
  add(sum.messages_in, one.messages_in);
  add(sum.messages_out, one.messages_out);
  add(sum.con_in, one.con_in);
  add(sum.non_in, one.non_in);
  add(sum.con_out, one.con_out);
  add(sum.non_out, one.non_out);
  add(sum.retransmissions, one.retransmissions);
  add(sum.duplicates, one.duplicates);
  add(sum.resets_in, one.resets_in);
  add(sum.resets_out, one.resets_out);
  add(sum.malformed, one.malformed);
  add(sum.unknown_token, one.unknown_token);
  add(sum.retired_token, one.retired_token);
  add(sum.notifications_over, one.notifications_over);
  add(sum.requests_over, one.requests_over);
  add(sum.held_over, one.held_over);
  add(sum.bytes_in, one.bytes_in);
  add(sum.bytes_out, one.bytes_out);
}

void add(ShardStats& sum, const ShardStats& one) {
  add(sum.session, one.session);
  add(sum.listener, one.listener);
  add(sum.connections, one.connections);
  add(sum.refused_handshakes, one.refused_handshakes);
  add(sum.closed_sessions, one.closed_sessions);
  add(sum.sessions, one.sessions);
  add(sum.half_open, one.half_open);
  add(sum.handshakes_waiting, one.handshakes_waiting);
  add(sum.kernel_drops, one.kernel_drops);
  add(sum.muted_drops, one.muted_drops);
}

}  // namespace wardlink::ingest
