#include "resources.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "coap/link_format.hpp"
#include "payload.hpp"

namespace wardlink {
namespace {

using namespace std::chrono_literals;

// RFC 7641 §4.5.1: one Non-confirmable notification per round-trip time, 3 s while that is not known. Ingest takes 20
// notifications a second of a session (docs/wire.md, "What one session may send"): these are 16, the rest is for
// alarms.
constexpr coap::Duration kUnknownRoundTrip = 3s;
constexpr coap::Duration kShortestInterval = 60ms;
// Beyond one datagram's worth of sets, a round trip this long is worth measuring again: it may have been a busy moment.
constexpr coap::Duration kLongRoundTrip = 50ms;
constexpr coap::Duration kNeverRetransmittedBefore = 2s;  // RFC 7252 §4.8, ACK_TIMEOUT
constexpr std::size_t kMostSets = 48;                     // of one sign each, they fill a datagram
constexpr std::size_t kManyRuns = 8;
constexpr std::size_t kMostAlarms = 24;
constexpr coap::Duration kFirstRetry = 1s, kLastRetry = 8s;  // of what the journal refused

coap::Response content(coap::Bytes payload) {
  return {coap::code::content, coap::content_format::senml_cbor, std::move(payload), {}};
}

coap::Response refuse(coap::Code code) { return {code, std::nullopt, {}, {}}; }

}  // namespace

// -- AlarmLog --------------------------------------------------------------------------------------------------------

void AlarmLog::retry(coap::Instant now) {
  if (!recorder_.unwritten()) {
    retry_at_.reset();
    wait_ = kFirstRetry;
    return;
  }
  if (!retry_at_) retry_at_ = now + wait_;
  if (now < *retry_at_) return;
  recorder_.write_again();
  wait_ = std::min(2 * wait_, kLastRetry);
  retry_at_ = now + wait_;
}

void AlarmLog::finish() { recorder_.write_again(); }

void AlarmLog::acknowledged(const std::vector<AlarmKey>& records) {
  if (!records.empty()) recorder_.note_acknowledged(records, calendar_());
}

// -- requests --------------------------------------------------------------------------------------------------------

Resources::Resources(Recorder& recorder, AlarmLog& log, coap::Duration heartbeat, NotificationCounters& counters)
    : recorder_(recorder),
      log_(log),
      boot_(recorder.boot()),
      heartbeat_(heartbeat),
      counters_(counters),
      waveforms_(recorder, boot_, counters) {}

std::string Resources::links(const Recorder& recorder) {
  const auto link = [](const char* path, const char* type) {
    return coap::Link{path, {{"obs", std::nullopt}, {"rt", type}, {"ct", "112"}}};
  };
  std::vector links{link("/vitals", "wardlink.vitals"), link("/alarms", "wardlink.alarms")};
  for (auto& one : WaveformResources::links(recorder)) links.push_back(std::move(one));
  return coap::encode_links(links);
}

void Resources::handle(coap::Connection& connection, const coap::event::RequestReceived& request, coap::Instant now) {
  const bool vitals = request.path == "/vitals";
  const bool waveform = waveforms_.has(request.path);
  if (!vitals && !waveform && request.path != "/alarms") {
    return connection.respond(request.exchange, refuse(coap::code::not_found), now);
  }
  if (request.method != coap::code::get) {
    return connection.respond(request.exchange, refuse(coap::code::method_not_allowed), now);
  }
  if (request.accept && request.accept != coap::content_format::senml_cbor) {  // RFC 7252 §5.10.4
    return connection.respond(request.exchange, refuse(coap::code::not_acceptable), now);
  }
  if (!waveform) return vitals ? get_vitals(connection, request, now) : get_alarms(connection, request, now);
  if (waveforms_.get(connection, request, now)) spend(connection, now);
}

void Resources::get_vitals(coap::Connection& connection, const coap::event::RequestReceived& request,
                           coap::Instant now) {
  if (request.observe != 0u) {
    const auto latest = recorder_.latest_set(boot_);
    const auto one = latest ? std::vector{*latest} : std::vector<SequencedSet>{};
    return connection.respond(request.exchange, content(payload::vitals(one).bytes), now);
  }
  auto waiting = take_waiting();
  const auto observer = connection.respond_observed(request.exchange, std::move(waiting.response), now);
  recorder_.sets_sent(waiting.sets.size());
  if (vitals_.observer && *vitals_.observer != observer) connection.remove_observer(*vitals_.observer);
  vitals_.observer = observer;
  vitals_.sent_at = vitals_.confirmed_at = now;
  spend(connection, now);
}

void Resources::get_alarms(coap::Connection& connection, const coap::event::RequestReceived& request,
                           coap::Instant now) {
  const bool says_clock = std::ranges::find(request.queries, "tk") != request.queries.end();
  auto now_owed = owed(says_clock);
  if (request.observe != 0u) return connection.respond(request.exchange, std::move(now_owed.response), now);
  // Who asks again is owed all of it now, not behind a notification whose retransmissions may be used up.
  if (alarms_.observer) connection.remove_observer(*alarms_.observer);
  const auto [observer, delivery] =
      connection.respond_observed_separately(request.exchange, std::move(now_owed.response), coap::Slot::alarm, now);
  recorder_.carry(delivery, now_owed.records);
  alarms_ = {observer, now, delivery, now_owed.through, says_clock};
  ++counters_.con_notifications;
}

// -- what became of notifications ------------------------------------------------------------------------------------

void Resources::handle(const coap::event::NotificationAcknowledged& acknowledged) {
  if (vitals_.confirmable == acknowledged.delivery) {
    recorder_.sets_sent(vitals_.unconfirmed.size());
    vitals_.unconfirmed.clear();
    vitals_.confirmable.reset();
    return;
  }
  if (waveforms_.handle(acknowledged)) return;
  log_.acknowledged(recorder_.release(acknowledged.delivery));
  if (alarms_.latest == acknowledged.delivery) alarms_.latest.reset();
}

void Resources::handle(const coap::event::ObserverLost& lost) {
  waveforms_.handle(lost);
  // What was carried is still owed; ingest observes again when it can commit.
  if (vitals_.observer == lost.observer) {
    vitals_.observer.reset();
    take_back();
  }
  if (alarms_.observer == lost.observer) {
    alarms_.observer.reset();
    alarms_.latest.reset();
    recorder_.forget_deliveries();
  }
}

void Resources::handle(const coap::event::ObserverLeft& left) {
  waveforms_.handle(left);
  if (vitals_.observer == left.observer) {
    vitals_.observer.reset();
    take_back();  // its ACK will not come any more
  }
  if (alarms_.observer == left.observer) {
    alarms_.observer.reset();
    alarms_.latest.reset();
  }
}

void Resources::abandon() {
  take_back();
  waveforms_.abandon();
  recorder_.forget_deliveries();
}

void Resources::take_back() {
  recorder_.give_back(boot_, std::exchange(vitals_.unconfirmed, {}));
  vitals_.confirmable.reset();
}

// -- notifications ---------------------------------------------------------------------------------------------------

void Resources::pump(coap::Connection& connection, coap::Instant now) {
  if (alarms_due(log_.write_pending(), now)) notify_alarms(connection, now);
  probe(connection, now);
  if (now < connection.non_at()) return;  // nobody answers: what is measured waits
  const bool vitals_wait = vitals_.observer && recorder_.sets_waiting() > 0;
  if (vitals_wait && (!vitals_.sent_at || *vitals_.sent_at + interval(connection) <= now)) {
    notify_vitals(connection, now);
    spend(connection, now);
  }
  if (even_at_ <= now && waveforms_.due()) {
    waveforms_.notify_one(connection, now);
    spend(connection, now);
  }
}

void Resources::spend(const coap::Connection& connection, coap::Instant now) {
  even_at_ = std::max(even_at_, now) + interval(connection);
}

/// New records go at once, also while an older notification awaits its ACK: the connection lets the newer one take
/// over. The rest goes when the ACK has come; the heartbeat when nothing else went for long enough.
bool Resources::alarms_due(std::uint64_t through, coap::Instant now) const {
  if (!alarms_.observer) return false;
  if (through > alarms_.sent_through) return true;
  if (alarms_.latest) return false;
  return alarms_.sent_at + heartbeat_ <= now || recorder_.alarms_to_send() > 0;
}

void Resources::notify_alarms(coap::Connection& connection, coap::Instant now) {
  auto now_owed = owed(alarms_.says_clock);
  const auto delivery = connection.notify(*alarms_.observer, std::move(now_owed.response), coap::Reliability::con,
                                          coap::Slot::alarm, now);
  recorder_.carry(delivery, now_owed.records);
  alarms_.latest = delivery;
  alarms_.sent_at = now;
  alarms_.sent_through = now_owed.through;
  ++counters_.con_notifications;
}

void Resources::notify_vitals(coap::Connection& connection, coap::Instant now) {
  auto waiting = take_waiting();
  const bool confirm = vitals_.confirmed_at + kConfirmAfter <= now && !vitals_.confirmable;
  const auto reliability = confirm ? coap::Reliability::con : coap::Reliability::non;
  const auto delivery =
      connection.notify(*vitals_.observer, std::move(waiting.response), reliability, coap::Slot::ordinary, now);
  vitals_.sent_at = now;
  if (confirm) {
    vitals_.confirmable = delivery;
    vitals_.confirmed_at = now;
    vitals_.unconfirmed = std::move(waiting.sets);
    ++counters_.con_notifications;
  } else {
    recorder_.sets_sent(waiting.sets.size());
    ++counters_.non_notifications;
  }
}

coap::Duration Resources::interval(const coap::Connection& connection) const {
  return std::max(round_trip(connection), kShortestInterval);
}

coap::Duration Resources::round_trip(const coap::Connection& connection) const {
  return probe_.measured ? *probe_.measured : connection.round_trip_time().value_or(kUnknownRoundTrip);
}

/// The connection's own measure comes from requests, and after registration there are none: one slow moment then would
/// hold a backlog up for the whole session. So a ping goes when there is a backlog, and its answer is timed here.
void Resources::probe(coap::Connection& connection, coap::Instant now) {
  if (connection.busy(coap::Slot::ordinary)) return;
  if (std::exchange(probe_.open, false) && now - probe_.sent_at < kNeverRetransmittedBefore) {
    probe_.measured = now - probe_.sent_at;
  }
  const auto known = round_trip(connection);
  if (known < kLongRoundTrip) return;
  if (recorder_.sets_waiting() <= kMostSets && recorder_.runs_waiting() <= kManyRuns) return;
  if (probe_.sent_at + std::max<coap::Duration>(known, 1s) > now) return;
  connection.ping(now);
  probe_.open = true;
  probe_.sent_at = now;
}

std::optional<coap::Instant> Resources::next_deadline(const coap::Connection& connection) const {
  std::optional<coap::Instant> next;
  if (alarms_.observer && !alarms_.latest) next = alarms_.sent_at + heartbeat_;
  if (vitals_.observer && vitals_.sent_at && recorder_.sets_waiting() > 0) {
    const auto at = std::max(*vitals_.sent_at + interval(connection), connection.non_at());
    next = next ? std::min(*next, at) : at;
  }
  if (waveforms_.due()) {
    const auto at = std::max(even_at_, connection.non_at());
    next = next ? std::min(*next, at) : at;
  }
  return next;
}

// -- payloads --------------------------------------------------------------------------------------------------------

Resources::WaitingSets Resources::take_waiting() {
  auto sets = recorder_.take_sets(boot_, kMostSets);
  auto fitted = payload::vitals(sets);
  const auto rest = sets.begin() + static_cast<std::ptrdiff_t>(fitted.count);
  recorder_.give_back(boot_, {std::make_move_iterator(rest), std::make_move_iterator(sets.end())});
  sets.erase(rest, sets.end());
  return {content(std::move(fitted.bytes)), std::move(sets)};
}

Resources::OwedRecords Resources::owed(bool says_clock) {
  const auto through = log_.write_pending();
  auto [total, records] = recorder_.owed(through, kMostAlarms);
  auto fitted = payload::alarms(total, records, boot_, says_clock ? std::optional(recorder_.tick()) : std::nullopt);
  records.resize(fitted.count);
  return {content(std::move(fitted.bytes)), std::move(records), through};
}

}  // namespace wardlink
