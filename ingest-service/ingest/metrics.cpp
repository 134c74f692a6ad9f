#include "ingest/metrics.hpp"

#include "daemon/metrics_port.hpp"

namespace wardlink::ingest {
namespace {

using daemon::MetricFamilies;

const char* name_of(Resource resource) { return path(resource) + 1; }

void add_network(MetricFamilies& to, const ShardStats& s) {
  to.counter("datagrams", "UDP datagrams").sample(s.listener.datagrams_in, {{"direction", "in"}});
  to.sample(s.listener.datagrams_out, {{"direction", "out"}});
  to.counter("kernel_drops", "Datagrams that the kernel dropped on ingest's sockets").sample(s.kernel_drops);
  to.counter("send_drops", "Datagrams that the kernel would not send: no buffer, no route").sample(s.send_drops);
  to.counter("datagrams_dropped", "Datagrams that led nowhere, by reason")
      .sample(s.listener.no_session, {{"reason", "no_session"}})
      .sample(s.listener.unauthenticated, {{"reason", "unauthenticated"}})
      .sample(s.listener.bad_hello, {{"reason", "bad_hello"}})
      .sample(s.listener.fragmented_hello, {{"reason", "fragmented_hello"}})
      .sample(s.listener.hellos_dropped, {{"reason", "crowded_out"}})
      .sample(s.listener.over_rate, {{"reason", "session_rate"}})
      .sample(s.muted_drops, {{"reason", "muted"}});
  to.gauge("sessions", "Sessions that stand").sample(s.sessions);
  to.gauge("half_open", "Handshakes under way").sample(s.half_open);
  to.gauge("handshakes_waiting", "Handshakes whose turn to begin has not come").sample(s.handshakes_waiting);
  to.counter("challenges", "HelloVerifyRequests sent").sample(s.listener.challenges);
  to.counter("handshakes", "Handshakes completed").sample(s.listener.handshakes);
}

void add_ends(MetricFamilies& to, const ShardStats& s) {
  to.counter("handshakes_refused", "Handshakes that ended without a session, by reason");
  for (std::uint8_t i = 0; i < count_of<coap::CloseReason>(); ++i)
    if (s.refused_handshakes[i] != 0) to.sample(s.refused_handshakes[i], {{"reason", to_string(coap::CloseReason{i})}});
  to.counter("sessions_closed", "Sessions that ended, by reason");
  for (std::uint8_t i = 0; i < count_of<coap::CloseReason>(); ++i)
    if (s.closed_sessions[i] != 0) to.sample(s.closed_sessions[i], {{"reason", to_string(coap::CloseReason{i})}});
}

void add_messages(MetricFamilies& to, const coap::ConnectionCounters& c) {
  to.counter("messages", "CoAP messages").sample(c.messages_in, {{"direction", "in"}});
  to.sample(c.messages_out, {{"direction", "out"}});
  to.counter("retransmissions", "Confirmable messages sent again").sample(c.retransmissions);
  to.counter("duplicates", "Messages received again").sample(c.duplicates);
  to.counter("malformed", "Messages that were not CoAP").sample(c.malformed);
  to.counter("resets", "Resets").sample(c.resets_in, {{"direction", "in"}});
  to.sample(c.resets_out, {{"direction", "out"}});
}

void add_excess(MetricFamilies& to, const ShardStats& s) {
  to.counter("messages_over", "What a session sent beyond its allowances, by reason; Confirmable messages come again")
      .sample(s.connections.notifications_over, {{"reason", "notifications"}})
      .sample(s.connections.requests_over, {{"reason", "requests"}})
      .sample(s.connections.held_over, {{"reason", "held_acks"}})
      .sample(s.session.alarms_declined, {{"reason", "open_alarms"}})
      .sample(s.session.quarantine_over, {{"reason", "quarantine"}});
}

void add_notifications(MetricFamilies& to, const SessionStats& s) {
  to.counter("registrations", "Registrations of devices")
      .sample(s.registrations, {{"result", "accepted"}})
      .sample(s.registrations_refused, {{"result", "refused"}});
  to.counter("clock_exchanges", "What devices said of their clocks, with /rd and later")
      .sample(s.clock_exchanges, {{"result", "accepted"}})
      .sample(s.clock_exchanges_refused, {{"result", "refused"}});
  to.counter("clocks_doubted", "Clocks whose ticks contradicted their exchange").sample(s.clocks_doubted);
  to.counter("observations", "Times that a resource was observed or its observation refreshed").sample(s.observations);
  to.counter("observations_ended", "Observations that their device ended").sample(s.observations_ended);
  to.counter("notifications", "Notifications under a token that stood; con = Confirmable, non = all else");
  for (Resource resource : resources)
    for (std::size_t con = 0; con < 2; ++con)
      to.sample(s.notifications[index_of(resource)][con],
                {{"resource", name_of(resource)}, {"type", con == 0 ? "non" : "con"}});
  to.counter("notifications_stale", "Notifications older than one seen before").sample(s.stale_notifications);
  to.counter("notifications_rejected", "Notifications under a token that did not stand")
      .sample(s.rejected_tokens[0], {{"reason", "unknown"}})
      .sample(s.rejected_tokens[1], {{"reason", "retired"}});
  to.histogram("alarm_ack", "From an alarm notification's arrival to its ACK, which waits for storage's COMMIT",
               s.alarm_ack);
  to.gauge("held_acks", "Alarm notifications whose ACK waits for storage").sample(s.held_acks);
}

void add_posts(MetricFamilies& to, const SessionStats& s) {
  to.counter("posts", "POSTs of readings and alarms by what became of them; away = 5.03, shed = 4.29");
  for (Resource resource : {Resource::vitals, Resource::alarms})
    for (std::uint8_t end = 0; end < count_of<PostEnd>(); ++end)
      to.sample(s.posts[index_of(resource)][end],
                {{"resource", name_of(resource)}, {"result", to_string(PostEnd{end})}});
}

void add_records(MetricFamilies& to, const SessionStats& s) {
  to.counter("records", "Records by what became of them; superseded = their device owes them in a newer session");
  for (std::size_t stream = 0; stream < streams.size(); ++stream)
    for (std::uint8_t result = 0; result < count_of<RecordResult>(); ++result)
      to.sample(s.records[stream][result],
                {{"stream", to_string(streams[stream])}, {"result", to_string(RecordResult{result})}});
  to.counter("quarantined", "Payloads that could not be taken, or not whole, by reason");
  for (std::uint8_t i = 0; i < count_of<QuarantineReason>(); ++i)
    to.sample(s.quarantined[i], {{"reason", to_string(QuarantineReason{i})}});
}

void add_sink(MetricFamilies& to, const ServiceStats& s) {
  const auto& readings = s.lanes.readings.queue;
  const auto& alarms = s.lanes.alarms.queue;
  to.counter("shed", "Records dropped for want of room, by reason; never alarms")
      .sample(readings.shed_vitals, {{"reason", "shed_vitals"}})
      .sample(readings.shed_waveforms, {{"reason", "shed_waveforms"}})
      .sample(readings.shed_quarantined, {{"reason", "shed_quarantined"}})
      .sample(readings.waited, {{"reason", "waited"}});
  to.counter("alarms_refused", "Alarm records not taken for want of room; their devices owe them")
      .sample(alarms.alarms_refused, {{"reason", "queue_full"}})
      .sample(s.shards.session.alarms_refused, {{"reason", "session_full"}});
  to.counter("audits_dropped", "Audit entries lost for want of room").sample(readings.audits_dropped);
  to.gauge("sink_connected", "Streams to storage that stand")
      .sample(s.connected.readings, {{"stream", "vitals"}})
      .sample(s.connected.alarms, {{"stream", "alarms"}});
  to.gauge("sink_waiting", "Records that storage has not answered")
      .sample(s.lanes.readings.waiting, {{"stream", "vitals"}})
      .sample(s.lanes.alarms.waiting, {{"stream", "alarms"}});
  to.counter("sink_streams", "Streams to storage opened")
      .sample(s.lanes.readings.streams, {{"stream", "vitals"}})
      .sample(s.lanes.alarms.streams, {{"stream", "alarms"}});
  to.counter("sink_refused", "Streams that storage refused: ingest's certificate has no grant, or lost it")
      .sample(s.lanes.readings.refused, {{"stream", "vitals"}})
      .sample(s.lanes.alarms.refused, {{"stream", "alarms"}});
  to.counter("sink_handovers", "Times that a shard handed over what a turn brought, under one lock")
      .sample(s.lanes.readings.handovers, {{"stream", "vitals"}})
      .sample(s.lanes.alarms.handovers, {{"stream", "alarms"}});
  to.counter("sink_appended", "Records taken, to go to storage")
      .sample(readings.appended, {{"stream", "vitals"}})
      .sample(alarms.appended, {{"stream", "alarms"}});
  to.counter("sink_parked",
             "Times that storage did not take a record, for it had not attached its session: it goes again")
      .sample(readings.parked, {{"stream", "vitals"}})
      .sample(alarms.parked, {{"stream", "alarms"}});
  to.counter("sink_resent", "Records sent again after a stream was lost")
      .sample(readings.resent, {{"stream", "vitals"}})
      .sample(alarms.resent, {{"stream", "alarms"}});
  to.counter("attaches_refused", "Times that storage would not attach a session")
      .sample(readings.attaches_refused, {{"stream", "vitals"}})
      .sample(alarms.attaches_refused, {{"stream", "alarms"}});
  to.counter("stamps_ignored", "Streams on which storage did not answer the first stamp: it is too old, or hangs")
      .sample(readings.stamps_ignored, {{"stream", "vitals"}})
      .sample(alarms.stamps_ignored, {{"stream", "alarms"}});
  to.gauge("shards", "Threads that share the port").sample(s.shard_count);
  to.gauge("shards_silent", "Threads too busy to tell their counters: their part here is what they told last")
      .sample(s.silent_shards);
}

}  // namespace

std::vector<prometheus::MetricFamily> metrics(const ServiceStats& stats) {
  MetricFamilies all("wardlink_ingest_");
  add_network(all, stats.shards);
  add_ends(all, stats.shards);
  add_messages(all, stats.shards.connections);
  add_excess(all, stats.shards);
  add_notifications(all, stats.shards.session);
  add_posts(all, stats.shards.session);
  add_records(all, stats.shards.session);
  add_sink(all, stats);
  return std::move(all).take();
}

}  // namespace wardlink::ingest
