#include "device_core.hpp"

#include <algorithm>
#include <utility>

#include "coap/option.hpp"
#include "payload.hpp"
#include "problem.hpp"

namespace wardlink {
namespace {

using namespace std::chrono_literals;
using coap::CloseReason;

constexpr coap::Duration kLookUpPatience = 2s;   // then addresses of an earlier look-up have to do
constexpr coap::Duration kAttemptDelay = 250ms;  // RFC 8305 §5, before the next address is tried too
constexpr coap::Duration kAnsweredDelay = 2s;    // where something came: a ward's handshakes may stand in line there
constexpr coap::Duration kHandshakeLimit = 15s;
constexpr coap::Duration kHandshakeSilence = 5s;    // nothing came: the gateway has gone, or is another by now
constexpr coap::Duration kSetupLimit = 60s;         // from the first flight to the registration's answer
constexpr coap::Duration kTimeSilence = 14s;        // after the handshake, and no try of GET /time was answered
constexpr coap::Duration kUnobservedLimit = 10min;  // registered, but ingest asks for nothing
constexpr coap::Duration kSettled = 10s;            // a session that served so long was no failure
constexpr std::int64_t kDay = 86'400;               // between two dates in the journal
constexpr coap::Duration kConditionsAtMost = 1s;    // how far ahead the device's own clock is trusted to run like ours

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;  // which clang 14 does not find itself

void keep_earliest(std::optional<coap::Instant>& earliest, std::optional<coap::Instant> candidate) {
  if (candidate && (!earliest || *candidate < *earliest)) earliest = candidate;
}

/// RFC 8305 §4: the order stays within a family; the families take turns, the first one's first.
std::vector<coap::Address> families_in_turn(const std::vector<coap::Address>& addresses) {
  std::vector<coap::Address> first, second, turns;
  for (const auto& one : addresses) (is_ipv4(one) == is_ipv4(addresses.front()) ? first : second).push_back(one);
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) turns.push_back(first[i]);
    if (i < second.size()) turns.push_back(second[i]);
  }
  return turns;
}

}  // namespace

DeviceCore::DeviceCore(Config config, Seams seams, Recorder& recorder)
    : config_(std::move(config)), seams_(std::move(seams)), recorder_(recorder), log_(seams_.calendar, recorder) {
  config_.connection.detect_silence = true;
  noted_date_ = recorder_.latest_good_date();
  config_.earliest = std::max(config_.earliest, noted_date_);
}

DeviceCore::~DeviceCore() = default;

coap::Instant DeviceCore::Session::set_up_by() const { return began + kSetupLimit; }

bool DeviceCore::Session::is_unheard() const { return stage == Stage::time && connection.last_heard() <= stage_since; }

coap::Instant DeviceCore::Attempt::done_by() const {
  return std::min(began + kHandshakeLimit, heard.value_or(began) + kHandshakeSilence);
}

/// A heartbeat and its answer are enough for life; a ping asks only where they fail to come.
coap::Duration DeviceCore::patience() const { return coap::Duration{config_.heartbeat} * 3 / 2; }

void DeviceCore::start(coap::Instant now) {
  running_ = true;
  connect(now);
  pump(now);
}

void DeviceCore::stop(coap::Instant now) {
  running_ = false;
  retry_at_.reset();
  conditions_at_.reset();
  looked_up_at_.reset();
  untried_.clear();
  attempts_.clear();
  log_.finish();
  if (session_) session_->connection.close(CloseReason::local, now);
  drain(now);
  publish();
}

void DeviceCore::nudge(coap::Instant now) { pump(now); }

void DeviceCore::handle_datagram(const coap::Address& from, coap::ByteView datagram, coap::Instant now) {
  if (session_) {
    if (from != server_) return;
    session_->connection.handle_datagram(datagram, now);
  } else {
    const auto attempt = std::ranges::find(attempts_, from, &Attempt::server);
    if (attempt == attempts_.end()) return;
    attempt->heard = now;
    attempt->connection.handle_datagram(datagram, now);
  }
  pump(now);
}

void DeviceCore::handle_timeout(coap::Instant now) {
  if (session_) session_->connection.handle_timeout(now);
  for (auto& attempt : attempts_) attempt.connection.handle_timeout(now);
  pump(now);
}

std::optional<coap::Datagram> DeviceCore::poll_datagram() {
  if (out_.empty()) return std::nullopt;
  auto first = std::move(out_.front());
  out_.pop_front();
  return first;
}

std::optional<coap::Instant> DeviceCore::next_deadline() const {
  std::optional<coap::Instant> next = retry_at_;
  keep_earliest(next, conditions_at_);
  if (running_) keep_earliest(next, log_.next_deadline());
  keep_earliest(next, look_up_deadline());
  keep_earliest(next, attempts_deadline());
  for (const auto& one : attempts_) keep_earliest(next, one.connection.next_deadline());
  if (!session_) return next;
  const auto& session = *session_;
  keep_earliest(next, session.connection.next_deadline());
  if (session.stage != Session::Stage::serving) {
    keep_earliest(next, session.set_up_by());
    if (session.is_unheard()) keep_earliest(next, session.stage_since + kTimeSilence);
    keep_earliest(next, session.time.next_deadline());
    return next;
  }
  keep_earliest(next, session.clock.next_deadline());
  keep_earliest(next, session.resources.next_deadline(session.connection));
  keep_earliest(next, std::max(session.connection.last_heard(), session.pinged_at) + patience());
  return next;
}

// -- the drain order: datagrams first, then events, until both are empty ----------------------------------------------

bool DeviceCore::drain(coap::Instant now) {
  bool any = drain_attempts(now);
  while (session_) {
    bool more = false;
    while (auto datagram = session_->connection.poll_datagram()) {
      out_.push_back({server_, std::move(*datagram)});
      more = true;
    }
    if (const auto event = session_->connection.poll_event()) {
      handle(*event, now);
      more = true;
    }
    if (!more) break;
    any = true;
  }
  return any;
}

void DeviceCore::pump(coap::Instant now) {
  if (running_) {
    if (retry_at_ && *retry_at_ <= now) connect(now);
    const auto due = recorder_.raise_due();
    conditions_at_.reset();
    if (due) conditions_at_ = now + std::clamp<coap::Duration>(*due, 10ms, kConditionsAtMost);
    watch_look_up(now);
    watch_attempts(now);
  }
  log_.write_pending();
  log_.retry(now);
  do {
    drain(now);
    if (session_ && running_) watch(now);
    if (session_ && session_->stage == Session::Stage::serving) session_->resources.pump(session_->connection, now);
  } while (drain(now));
  publish();
}

// -- to a session: a look-up, then one address after the other --------------------------------------------------------

void DeviceCore::connect(coap::Instant now) {
  retry_at_.reset();
  if (looked_up_at_) return try_addresses(now);  // the name service hangs since an earlier attempt
  looked_up_at_ = now;
  look_up_late_ = false;
  seams_.look_up();
}

bool DeviceCore::idle() const { return !session_ && attempts_.empty() && untried_.empty() && !retry_at_; }

void DeviceCore::handle_addresses(coap::Result<std::vector<coap::Address>, std::string> found, coap::Instant now) {
  if (!running_ || !looked_up_at_) return;
  looked_up_at_.reset();
  if (found && !found->empty()) {
    addresses_ = families_in_turn(*found);
    try_addresses(now);
  } else if (idle()) {
    link_.last_problem = found ? "The name service knows no address of the gateway." : found.error();
    retry_later(now, Backoff::kMostUnanswered);
  }
  pump(now);
}

std::optional<coap::Instant> DeviceCore::look_up_deadline() const {
  if (!looked_up_at_ || look_up_late_) return std::nullopt;
  return *looked_up_at_ + kLookUpPatience;
}

void DeviceCore::watch_look_up(coap::Instant now) {
  const auto deadline = look_up_deadline();
  if (!deadline || *deadline > now) return;
  look_up_late_ = true;
  if (!idle()) return;
  link_.last_problem = "The name service does not answer when asked for the gateway's address.";
  try_addresses(now);
}

/// All that this round has not tried yet.
void DeviceCore::try_addresses(coap::Instant now) {
  if (session_) return;
  untried_.clear();
  for (const auto& one : addresses_) {
    if (std::ranges::find(attempts_, one, &Attempt::server) == attempts_.end()) untried_.push_back(one);
  }
  if (untried_.empty()) return;
  retry_at_.reset();
  try_next(now);
}

void DeviceCore::try_next(coap::Instant now) {
  attempts_.push_back(
      {untried_.front(), coap::Connection(seams_.connect(now), config_.connection, seams_.random, now), now});
  untried_.pop_front();
}

/// When the next address has its turn, or one that is being tried is given up.
std::optional<coap::Instant> DeviceCore::attempts_deadline() const {
  if (attempts_.empty()) return std::nullopt;
  std::optional<coap::Instant> earliest;
  const auto& last = attempts_.back();
  if (!untried_.empty()) earliest = last.began + (last.heard ? kAnsweredDelay : kAttemptDelay);
  for (const auto& one : attempts_) keep_earliest(earliest, one.done_by());
  return earliest;
}

void DeviceCore::watch_attempts(coap::Instant now) {
  while (attempts_deadline().value_or(coap::Instant::max()) <= now) {
    const auto late = std::ranges::find_if(attempts_, [now](const Attempt& one) { return one.done_by() <= now; });
    if (late == attempts_.end()) {
      try_next(now);
    } else if (late->heard) {
      attempt_failed(static_cast<std::size_t>(late - attempts_.begin()), CloseReason::handshake_deadline,
                     describe(CloseReason::handshake_deadline, ""), now);
    } else {
      attempt_failed(static_cast<std::size_t>(late - attempts_.begin()), CloseReason::peer_silent,
                     "Nothing answers at the gateway's address and port.", now);
    }
  }
}

/// The next one takes its place, where there is one; the device waits once all have failed.
void DeviceCore::attempt_failed(std::size_t attempt, CloseReason reason, std::string problem, coap::Instant now) {
  attempts_.erase(attempts_.begin() + static_cast<std::ptrdiff_t>(attempt));
  const bool silent = reason == CloseReason::peer_silent, last = attempts_.empty() && untried_.empty();
  if (!silent || last) link_.last_problem = std::move(problem);
  if (!untried_.empty()) return try_next(now);
  if (last) retry_later(now, silent ? Backoff::kMostUnanswered : Backoff::kMost);
}

/// Its handshake has succeeded: nothing less tells it from whoever forges a datagram. The others wait (RFC 8305 §5),
/// for it may yet fail.
void DeviceCore::choose(std::size_t attempt, coap::Instant now) {
  auto chosen = std::move(attempts_[attempt]);
  attempts_.erase(attempts_.begin() + static_cast<std::ptrdiff_t>(attempt));
  for (const auto& other : attempts_) untried_.push_back(other.server);
  attempts_.clear();
  server_ = chosen.server;
  given_up_.reset();
  session_.emplace(Session{Session::Stage::time, std::move(chosen.connection),
                           Resources(recorder_, log_, config_.heartbeat, notifications_), TimeExchange(recorder_),
                           ClockUpdates(recorder_), chosen.began, now, std::nullopt, std::nullopt, now});
}

bool DeviceCore::drain_attempts(coap::Instant now) {
  bool any = false;
  for (std::size_t i = 0; i < attempts_.size(); ++i) {
    auto& attempt = attempts_[i];
    for (; auto datagram = attempt.connection.poll_datagram(); any = true)
      out_.push_back({attempt.server, std::move(*datagram)});
    const auto event = attempt.connection.poll_event();
    if (!event) continue;
    if (const auto* refused = std::get_if<coap::event::Closed>(&*event)) {
      attempt_failed(i, refused->reason, describe(refused->reason, refused->detail), now);
      return true;
    }
    choose(i, now);
    handle(*event, now);
    return true;
  }
  return any;
}

// -- a session's life ------------------------------------------------------------------------------------------------

void DeviceCore::handle(const coap::Event& event, coap::Instant now) {
  auto& session = *session_;
  std::visit(
      Overloaded{
          [&](const coap::event::Opened&) {
            ++link_.handshakes;
            session.time.begin(now);
          },
          [&](const coap::event::ResponseReceived& response) { answered(response, now); },
          [&](const coap::event::RequestFailed& failed) {
            session.clock.handle(failed);
            if (session.asked != failed.request || failed.why == coap::event::Failure::closed) return;
            give_up(CloseReason::peer_silent, "The gateway did not answer this device's registration.", now);
          },
          [&](const coap::event::RequestReceived& request) {
            if (request.path == "/time") return asked_for_clock(request, now);
            session.resources.handle(session.connection, request, now);
          },
          [&](const coap::event::NotificationAcknowledged& acknowledged) { session.resources.handle(acknowledged); },
          [&](const coap::event::ObserverLost& lost) { session.resources.handle(lost); },
          [&](const coap::event::ObserverLeft& left) { session.resources.handle(left); },
          [&](const coap::event::Closed& why) { closed(why, now); },
          // This side observes nothing.
          [](const coap::event::NotificationReceived&) {},
          [](const coap::event::ObservationEnded&) {},
          [](const coap::event::NotificationRejected&) {},
      },
      event);
}

void DeviceCore::register_device(const TimeExchange::Accepted& exchange, coap::Instant now) {
  session_->stage = Session::Stage::registration;
  session_->exchange = exchange;
  const auto lifetime = std::max<std::int64_t>(60, 3 * config_.heartbeat.count());
  coap::Request request;
  request.method = coap::code::post;
  request.path = "/rd";
  request.queries = {"ep=" + config_.name, "lt=" + std::to_string(lifetime),
                     "boot=" + std::to_string(session_->resources.boot()), "tk=" + std::to_string(exchange.tick_ms),
                     "rt=" + std::to_string(exchange.round_trip_ms)};
  request.content_format = coap::content_format::link;
  const auto links = Resources::links(recorder_);
  request.payload.assign(links.begin(), links.end());
  session_->asked = session_->connection.request(std::move(request), now);
}

void DeviceCore::answered(const coap::event::ResponseReceived& response, coap::Instant now) {
  auto& session = *session_;
  if (const auto taken = session.clock.handle(response, now)) return note(*taken);
  const bool told_time = session.time.is_try(response.request);
  if (!told_time && session.asked != response.request) return;
  if (!response.code.is_success()) {
    const std::string reason(response.payload.begin(), response.payload.end());
    const auto what = session.stage == Session::Stage::time ? "GET /time" : "POST /rd";
    return give_up(CloseReason::local,
                   std::string("The gateway answered ") + what + " with " + to_string(response.code) +
                       (reason.empty() ? "." : ": " + reason),
                   now);
  }
  if (told_time) {
    if (const auto fault = judge_dates(response.payload)) return give_up(*fault, describe(*fault, ""), now);
    return session.time.answered(response.request, now);
  }
  session.asked.reset();
  session.stage = Session::Stage::serving;
  session.stage_since = now;
  std::string location;
  for (const auto& part : response.options.strings(coap::OptionNumber::location_path)) location += "/" + part;
  session.clock.begin(std::move(location), *session.exchange, seams_.random, now);
  note(*session.exchange);
  untried_.clear();
}

/// RFC 5280 §4.1.2.5. An instant that a certificate was good at is the earliest that it can be from then on.
std::optional<CloseReason> DeviceCore::judge_dates(coap::ByteView time_answer) {
  if (!config_.judges_dates) return std::nullopt;
  const auto told = payload::time(time_answer);
  if (!told) return CloseReason::protocol;
  const auto& peer = session_->connection.peer();
  const auto today = std::max(*told, config_.earliest);
  if (today < peer.not_before) return CloseReason::certificate_not_yet_valid;
  if (today > peer.not_after) return CloseReason::certificate_expired;
  config_.earliest = today;
  if (today - noted_date_ >= kDay && recorder_.note_good_date(today)) noted_date_ = today;
  return std::nullopt;
}

/// The gateway wants to know it anew.
void DeviceCore::asked_for_clock(const coap::event::RequestReceived& request, coap::Instant now) {
  const bool is_known = request.method == coap::code::post;
  if (is_known) session_->clock.doubted(now);
  session_->connection.respond(
      request.exchange, {is_known ? coap::code::changed : coap::code::method_not_allowed, std::nullopt, {}, {}}, now);
}

/// The gateway took it.
void DeviceCore::note(const TimeExchange::Accepted& exchange) {
  ++link_.clock_exchanges;
  link_.clock_uncertainty_ms = (exchange.round_trip_ms + 1) / 2;
  link_.clock_exchange_tick_ms = exchange.tick_ms;
}

void DeviceCore::give_up(CloseReason reason, std::string problem, coap::Instant now) {
  given_up_ = std::move(problem);
  session_->connection.close(reason, now);
}

/// What no timer of the connection sees: a set-up that hangs, a gateway that is silent though nothing is in flight, one
/// that never asks.
void DeviceCore::watch(coap::Instant now) {
  auto& session = *session_;
  if (session.resources.boot() != recorder_.boot()) {
    return give_up(CloseReason::local, "The device's clock went back: what follows is a new start of it.", now);
  }
  if (session.stage != Session::Stage::serving) return watch_set_up(now);
  session.clock.pump(session.connection, now);
  const bool observed = session.resources.observed();
  if (observed != session.was_observed) {
    session.was_observed = observed;
    session.stage_since = now;
  }
  if (!observed && session.stage_since + kUnobservedLimit <= now) {
    return give_up(CloseReason::idle, "The gateway has not observed this device for 10 minutes.", now);
  }
  const auto heard = session.connection.last_heard();
  if (heard + 4 * coap::Duration{config_.heartbeat} <= now) {
    return give_up(CloseReason::peer_silent, describe(CloseReason::peer_silent, ""), now);
  }
  if (std::max(heard, session.pinged_at) + patience() > now) return;
  session.pinged_at = now;
  if (!session.connection.busy(coap::Slot::ordinary)) session.connection.ping(now);
}

void DeviceCore::watch_set_up(coap::Instant now) {
  auto& session = *session_;
  if (session.set_up_by() <= now)
    return give_up(CloseReason::handshake_deadline, describe(CloseReason::handshake_deadline, ""), now);
  if (session.stage != Session::Stage::time) return;
  if (const auto exchange = session.time.pump(session.connection, now)) return register_device(*exchange, now);
  if (session.is_unheard() && session.stage_since + kTimeSilence <= now)
    return give_up(CloseReason::peer_silent, "The gateway does not answer when asked for the time.", now);
}

void DeviceCore::closed(const coap::event::Closed& why, coap::Instant now) {
  auto& session = *session_;
  session.resources.abandon();
  retransmissions_before_ += session.connection.counters().retransmissions;
  link_.last_problem = given_up_ ? *given_up_ : describe(why.reason, why.detail);
  if (session.stage == Session::Stage::serving && session.began + kSettled <= now) backoff_.reset();
  while (auto datagram = session.connection.poll_datagram()) out_.push_back({server_, std::move(*datagram)});
  session_.reset();
  if (!running_) return;
  if (!untried_.empty()) return try_next(now);
  retry_later(now, why.reason == CloseReason::peer_silent ? Backoff::kMostUnanswered : Backoff::kMost);
}

void DeviceCore::retry_later(coap::Instant now, coap::Duration most) {
  retry_at_ = now + backoff_.next(seams_.random, most);
}

void DeviceCore::publish() {
  link_.connected = session_ && session_->resources.observed();
  if (link_.connected) link_.last_problem.clear();
  link_.non_notifications = notifications_.non_notifications;
  link_.con_notifications = notifications_.con_notifications;
  link_.retransmissions = retransmissions_before_ + (session_ ? session_->connection.counters().retransmissions : 0);
  recorder_.publish(link_);
}

}  // namespace wardlink
