#include "device_core.hpp"

#include <algorithm>
#include <utility>

#include "coap/option.hpp"
#include "problem.hpp"

namespace wardlink {
namespace {

using namespace std::chrono_literals;
using coap::CloseReason;

constexpr coap::Duration kHandshakeLimit = 15s;
constexpr coap::Duration kHandshakeSilence = 5s;    // nothing came: the gateway has gone, or is another by now
constexpr coap::Duration kSetupLimit = 60s;         // from the first flight to the registration's answer
constexpr coap::Duration kUnobservedLimit = 10min;  // registered, but ingest asks for nothing
constexpr coap::Duration kSettled = 10s;            // a session that served so long was no failure
constexpr coap::Duration kConditionsAtMost = 1s;    // how far ahead the device's own clock is trusted to run like ours

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

void keep_earliest(std::optional<coap::Instant>& earliest, std::optional<coap::Instant> candidate) {
  if (candidate && (!earliest || *candidate < *earliest)) earliest = candidate;
}

}  // namespace

DeviceCore::DeviceCore(Config config, Seams seams, Recorder& recorder)
    : config_(std::move(config)),
      seams_(std::move(seams)),
      recorder_(recorder),
      log_(seams_.journal, seams_.calendar, recorder) {
  config_.connection.detect_silence = true;
}

DeviceCore::~DeviceCore() = default;

coap::Instant DeviceCore::Session::set_up_by() const {
  return stage == Stage::handshake ? std::min(began + kHandshakeLimit, heard + kHandshakeSilence) : began + kSetupLimit;
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
  log_.write_pending();
  if (session_) session_->connection.close(CloseReason::local, now);
  drain(now);
  publish();
}

void DeviceCore::nudge(coap::Instant now) { pump(now); }

void DeviceCore::handle_datagram(const coap::Address& from, coap::ByteView datagram, coap::Instant now) {
  if (!session_ || from != server_) return;
  session_->heard = now;
  session_->connection.handle_datagram(datagram, now);
  pump(now);
}

void DeviceCore::handle_timeout(coap::Instant now) {
  if (session_) session_->connection.handle_timeout(now);
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
  if (!session_) return next;
  const auto& session = *session_;
  keep_earliest(next, session.connection.next_deadline());
  if (session.stage != Session::Stage::serving) {
    keep_earliest(next, session.set_up_by());
    return next;
  }
  keep_earliest(next, session.resources.next_deadline(session.connection));
  keep_earliest(next, std::max(session.connection.last_heard(), session.pinged_at) + patience());
  return next;
}

// -- the drain order: datagrams first, then events, until both are empty ----------------------------------------------

bool DeviceCore::drain(coap::Instant now) {
  bool any = false;
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
  }
  log_.write_pending();
  do {
    drain(now);
    if (session_ && running_) watch(now);
    if (session_ && session_->stage == Session::Stage::serving) session_->resources.pump(session_->connection, now);
  } while (drain(now));
  publish();
}

// -- a session's life ------------------------------------------------------------------------------------------------

void DeviceCore::connect(coap::Instant now) {
  retry_at_.reset();
  const auto address = seams_.resolve();
  if (!address) {
    link_.last_problem = address.error();
    return retry_later(now, Backoff::kMostUnanswered);
  }
  server_ = *address;
  given_up_.reset();
  session_.emplace(
      Session{Session::Stage::handshake, coap::Connection(seams_.connect(now), config_.connection, seams_.random, now),
              Resources(recorder_, log_, config_.heartbeat, notifications_), now, now, now, std::nullopt, now});
}

void DeviceCore::handle(const coap::Event& event, coap::Instant now) {
  auto& session = *session_;
  std::visit(
      Overloaded{
          [&](const coap::event::Opened&) {
            ++link_.handshakes;
            ask_time(now);
          },
          [&](const coap::event::ResponseReceived& response) { answered(response, now); },
          [&](const coap::event::RequestFailed& failed) {
            if (session.asked != failed.request || failed.why == coap::event::Failure::closed) return;
            give_up(CloseReason::peer_silent, "The gateway did not answer this device's registration.", now);
          },
          [&](const coap::event::RequestReceived& request) {
            session.resources.handle(session.connection, request, now);
          },
          [&](const coap::event::NotificationAcknowledged& acknowledged) { session.resources.handle(acknowledged); },
          [&](const coap::event::ObserverLost& lost) { session.resources.handle(lost); },
          [&](const coap::event::ObserverLeft& left) { session.resources.handle(left); },
          [&](const coap::event::Closed& why) { closed(why, now); }, [](const auto&) {},  // this side observes nothing
      },
      event);
}

void DeviceCore::ask_time(coap::Instant now) {
  session_->stage = Session::Stage::time;
  coap::Request request;
  request.path = "/time";
  request.queries = {"tk=" + std::to_string(recorder_.tick())};
  session_->asked = session_->connection.request(std::move(request), now);
}

void DeviceCore::register_device(coap::Instant now) {
  session_->stage = Session::Stage::registration;
  const auto lifetime = std::max<std::int64_t>(60, 3 * config_.heartbeat.count());
  coap::Request request;
  request.method = coap::code::post;
  request.path = "/rd";
  request.queries = {"ep=" + config_.name, "lt=" + std::to_string(lifetime), "boot=" + std::to_string(config_.boot)};
  request.content_format = coap::content_format::link;
  const auto links = Resources::links(recorder_);
  request.payload.assign(links.begin(), links.end());
  session_->asked = session_->connection.request(std::move(request), now);
}

void DeviceCore::answered(const coap::event::ResponseReceived& response, coap::Instant now) {
  auto& session = *session_;
  if (session.asked != response.request) return;
  session.asked.reset();
  if (!response.code.is_success()) {
    const std::string reason(response.payload.begin(), response.payload.end());
    const auto what = session.stage == Session::Stage::time ? "GET /time" : "POST /rd";
    return give_up(CloseReason::local,
                   std::string("The gateway answered ") + what + " with " + to_string(response.code) +
                       (reason.empty() ? "." : ": " + reason),
                   now);
  }
  if (session.stage == Session::Stage::time) return register_device(now);
  session.stage = Session::Stage::serving;
  session.stage_since = now;
}

void DeviceCore::give_up(CloseReason reason, std::string problem, coap::Instant now) {
  given_up_ = std::move(problem);
  session_->connection.close(reason, now);
}

/// What no timer of the connection sees: a set-up that hangs, a gateway that is silent though nothing is in flight, one
/// that never asks.
void DeviceCore::watch(coap::Instant now) {
  auto& session = *session_;
  if (session.stage != Session::Stage::serving) {
    if (session.set_up_by() > now) return;
    if (session.stage == Session::Stage::handshake && session.heard == session.began)
      return give_up(CloseReason::peer_silent, "Nothing answers at the gateway's address and port.", now);
    return give_up(CloseReason::handshake_deadline, describe(CloseReason::handshake_deadline, ""), now);
  }
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

void DeviceCore::closed(const coap::event::Closed& why, coap::Instant now) {
  auto& session = *session_;
  session.resources.abandon();
  retransmissions_before_ += session.connection.counters().retransmissions;
  link_.last_problem = given_up_ ? *given_up_ : describe(why.reason, why.detail);
  if (session.stage == Session::Stage::serving && session.began + kSettled <= now) backoff_.reset();
  while (auto datagram = session.connection.poll_datagram()) out_.push_back({server_, std::move(*datagram)});
  session_.reset();
  if (running_) retry_later(now, why.reason == CloseReason::peer_silent ? Backoff::kMostUnanswered : Backoff::kMost);
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
  link_.journal_failures = log_.failures();
  recorder_.publish(link_);
}

}  // namespace wardlink
