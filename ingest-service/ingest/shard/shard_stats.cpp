#include "ingest/shard/shard_stats.hpp"

#include "ingest/session/sum.hpp"

namespace wardlink::ingest {

static void add(coap::SessionCounters& sum, const coap::SessionCounters& one) {
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
  add(sum.send_drops, one.send_drops);
}

}  // namespace wardlink::ingest
