#include "ingest/session/session_stats.hpp"

#include "ingest/session/sum.hpp"

namespace wardlink::ingest {

void add(SessionStats& sum, const SessionStats& one) {
  add(sum.notifications, one.notifications);
  add(sum.stale_notifications, one.stale_notifications);
  add(sum.rejected_tokens, one.rejected_tokens);
  add(sum.records, one.records);
  add(sum.quarantined, one.quarantined);
  add(sum.posts, one.posts);
  add(sum.registrations, one.registrations);
  add(sum.registrations_refused, one.registrations_refused);
  add(sum.clock_exchanges, one.clock_exchanges);
  add(sum.clock_exchanges_refused, one.clock_exchanges_refused);
  add(sum.clocks_doubted, one.clocks_doubted);
  add(sum.observations, one.observations);
  add(sum.observations_ended, one.observations_ended);
  add(sum.held_acks, one.held_acks);
  sum.alarm_ack.add(one.alarm_ack);
  add(sum.alarms_refused, one.alarms_refused);
  add(sum.alarms_declined, one.alarms_declined);
  add(sum.quarantine_over, one.quarantine_over);
}

}  // namespace wardlink::ingest
