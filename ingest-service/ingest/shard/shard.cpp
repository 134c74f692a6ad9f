#include "ingest/shard/shard.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace wardlink::ingest {
namespace {

constexpr SinkSession sink_session(coap::SessionId id) { return SinkSession{static_cast<std::uint64_t>(id)}; }
constexpr coap::SessionId session_id(SinkSession session) {
  return coap::SessionId{static_cast<std::uint64_t>(base(session))};
}

constexpr std::int64_t longest_expiry_pause = 10;  // seconds until the calendar is asked again: it may have stepped

/// The address without its port, for counting refusals by peer.
std::string host_of(coap::Address address) {
  address.port = 0;
  const std::string text = to_string(address);
  return text.substr(0, text.rfind(':'));
}

/// 1 to 2^53 − 1.
std::uint64_t draw_boot(const coap::Random& random) {
  std::array<std::uint8_t, 8> bytes{};
  random(bytes);
  std::uint64_t number = 0;
  for (const std::uint8_t byte : bytes) number = number << 8 | byte;
  return std::max<std::uint64_t>(number >> 11, 1);
}

}  // namespace

coap::Listener::Config listener_config() {
  return {.datagrams = {.per_second = 200, .burst = 1000},
          .connection = {.notifications = {.per_second = 20, .burst = 256},
                         .requests = {.per_second = 20, .burst = 64},
                         .max_held = 64}};
}

Shard::Shard(std::unique_ptr<coap::Sessions> sessions, const Config& config, coap::Random random, RecordSink& sink,
             Owners& owners, Environment environment)
    : sink_(sink),
      owners_(owners),
      environment_(std::move(environment)),
      shared_{sink,
              stats_.session,
              environment_.calendar,
              [this] { return Ticket{++last_ticket_}; },
              [random] { return draw_boot(random); },
              random,
              config.session},
      secure_(std::move(sessions)) {}

Shard::~Shard() {
  for (const auto& [id, entry] : sessions_) owners_.release(entry.session->device(), {this, id});
}

// -- coap::Endpoint ---------------------------------------------------------------------------------------------------

void Shard::handle_datagram(const coap::Address& from, coap::ByteView datagram, coap::Instant now) {
  secure_->handle_datagram(from, datagram, now);
  drain(now);
}

void Shard::handle_timeout(coap::Instant now) {
  secure_->handle_timeout(now);
  run_sessions(now);
  end_expired(now);
  for (const auto& line : tally_.due(now)) write(line);
  drain(now);
  give_back_after_a_crowd();
}

/// Handshakes that came to nothing leave tens of megabytes behind, which malloc would keep for the next ones.
void Shard::give_back_after_a_crowd() {
  constexpr std::size_t crowd = 100;
  if (secure_->half_open() >= crowd) crowded_ = true;
  if (crowded_ && secure_->half_open() == 0) {
    crowded_ = false;
    environment_.give_back();
  }
}

std::optional<coap::Datagram> Shard::poll_datagram() {
  auto datagram = secure_->poll_datagram();
  if (!datagram) sink_.flush();
  return datagram;
}

std::optional<coap::Instant> Shard::next_deadline() const {
  auto earliest = secure_->next_deadline();
  const auto keep = [&](std::optional<coap::Instant> other) {
    if (other && (!earliest || *other < *earliest)) earliest = other;
  };
  if (!deadlines_.empty()) keep(deadlines_.begin()->first);
  keep(tally_.next_deadline());
  keep(expiry_check_);
  return earliest;
}

void Shard::run_sessions(coap::Instant now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto id = deadlines_.begin()->second;
    Entry& entry = sessions_.at(id);
    deadlines_.erase(deadlines_.begin());
    entry.deadline.reset();
    auto* connection = secure_->command(id);
    if (connection == nullptr) continue;  // its end is on its way
    entry.session->handle_timeout(*connection, now);
    if (connection->state() != coap::SecureChannel::State::closed) rearm(id, entry);
  }
}

/// A session ends with its certificates (RFC 5280 §4.1.2.5). The calendar is asked anew each time, since it may step.
void Shard::end_expired(coap::Instant now) {
  if (!expiry_check_ || now < *expiry_check_) return;
  const auto today = std::chrono::floor<std::chrono::seconds>(environment_.calendar().time_since_epoch()).count();
  for (auto at = expiries_.begin(); at != expiries_.end() && at->first <= today; at = expiries_.erase(at))
    if (auto* connection = secure_->command(at->second)) connection->close(coap::CloseReason::certificate_expired, now);
  expiry_check_.reset();
  if (!expiries_.empty()) check_expiries(now, expiries_.begin()->first - today);
}

void Shard::check_expiries(coap::Instant now, std::int64_t seconds) {
  const auto at = now + std::chrono::seconds{std::clamp<std::int64_t>(seconds, 0, longest_expiry_pause)};
  expiry_check_ = std::min(at, expiry_check_.value_or(at));
}

void Shard::rearm(coap::SessionId id, Entry& entry) {
  const auto deadline = entry.session->next_deadline();
  if (deadline == entry.deadline) return;
  if (entry.deadline) deadlines_.erase({*entry.deadline, id});
  if (deadline) deadlines_.emplace(*deadline, id);
  entry.deadline = deadline;
}

// -- what the listener reports ----------------------------------------------------------------------------------------

void Shard::drain(coap::Instant now) {
  while (const auto event = secure_->poll_event()) dispatch(*event, now);
}

void Shard::dispatch(const coap::SessionEvent& event, coap::Instant now) {
  const auto* closing = std::get_if<coap::event::Closed>(&event.event);
  auto at = sessions_.find(event.session);
  if (at == sessions_.end()) {
    if (closing != nullptr) return refused(event, *closing, now);
    auto session = std::make_unique<DeviceSession>(sink_session(event.session), shared_, to_string(event.address));
    at = sessions_.emplace(event.session, Entry{std::move(session), {}, 0, {}}).first;
  }
  Entry& entry = at->second;
  auto* connection = secure_->command(event.session);
  entry.counters = event.counters;
  entry.session->handle(event.event, connection, now);
  if (closing != nullptr) return closed(event.session, entry, *closing);
  rearm(event.session, entry);
  const bool opened = std::holds_alternative<coap::event::Opened>(event.event) && connection != nullptr;
  if (opened) {
    entry.not_after = connection->peer().not_after;
    expiries_.emplace(entry.not_after, event.session);
    check_expiries(now, 0);
  }
  if (opened) claim(event.session, entry.session->device(), now);
}

void Shard::refused(const coap::SessionEvent& event, const coap::event::Closed& closed, coap::Instant now) {
  ++stats_.refused_handshakes[static_cast<std::size_t>(closed.reason)];
  if (const auto line = tally_.note({"handshake", to_string(closed.reason), host_of(event.address)}, now)) write(*line);
}

void Shard::closed(coap::SessionId id, Entry& entry, const coap::event::Closed& closed) {
  ++stats_.closed_sessions[static_cast<std::size_t>(closed.reason)];
  add(stats_.connections, entry.counters);
  if (entry.deadline) deadlines_.erase({*entry.deadline, id});
  expiries_.erase({entry.not_after, id});
  owners_.release(entry.session->device(), {this, id});
  sessions_.erase(id);
}

void Shard::write(const AuditTally::Line& line) {
  const auto& [key, count] = line;
  sink_.audit({"", key.action, false, key.reason, key.address, count});
}

// -- one owner a device -----------------------------------------------------------------------------------------------

void Shard::claim(coap::SessionId id, const std::string& device, coap::Instant now) {
  const auto [older, from] = owners_.claim(device, {this, id}, now);
  if (!older) return own(id, now, from);
  if (older->shard == this) {
    if (auto* connection = secure_->command(older->session)) connection->close(coap::CloseReason::superseded, now);
    return own(id, now, from);
  }
  older->shard->supersede(older->session, [this, id, from = from] {
    environment_.post([this, id, from] {
      own(id, environment_.clock(), from);
      environment_.wake();
    });
  });
}

void Shard::own(coap::SessionId id, coap::Instant now, coap::Instant from) {
  const auto at = sessions_.find(id);
  auto* connection = secure_->command(id);
  if (at == sessions_.end() || connection == nullptr) return;
  at->second.session->own(*connection, now, from);
  rearm(id, at->second);
}

void Shard::supersede(coap::SessionId session, std::function<void()> done) {
  environment_.post([this, session, done = std::move(done)] {
    const auto now = environment_.clock();
    if (auto* connection = secure_->command(session)) connection->close(coap::CloseReason::superseded, now);
    drain(now);
    environment_.wake();
    done();
  });
}

void Shard::close_all() {
  const auto now = environment_.clock();
  secure_->close_all(now);
  drain(now);
  for (const auto& line : tally_.rest()) write(line);
  environment_.wake();
}

// -- what the sink reports --------------------------------------------------------------------------------------------

void Shard::handle_sink(const std::vector<SinkEvent>& events) {
  const auto now = environment_.clock();
  for (const auto& event : events) std::visit([&](const auto& what) { on(what, now); }, event);
  drain(now);
  environment_.wake();
}

/// Alarms are what devices owe; readings that storage missed are not asked for.
void Shard::on(const StorageBack& back, coap::Instant now) {
  if (back.lane != Lane::alarms) return;
  for (auto& [id, entry] : sessions_)
    if (auto* connection = secure_->command(id)) {
      entry.session->handle_storage_back(*connection, now);
      rearm(id, entry);
    }
}

void Shard::on(const RecordAnswered& answer, coap::Instant now) {
  const auto stream = index_of(answer.stream);
  ++stats_.session.records[stream][static_cast<std::size_t>(answer.result)];
  if (answer.ticket == Ticket::none) return;
  const auto id = session_id(answer.session);
  const auto at = sessions_.find(id);
  auto* connection = secure_->command(id);
  if (at == sessions_.end() || connection == nullptr) return;
  at->second.session->handle_result(answer.ticket, answer.result, *connection, now);
  rearm(id, at->second);
}

// -- counters ---------------------------------------------------------------------------------------------------------

ShardStats Shard::stats() const {
  ShardStats snapshot = stats_;
  snapshot.listener = secure_->counters();
  snapshot.sessions = sessions_.size();
  snapshot.half_open = secure_->half_open();
  snapshot.handshakes_waiting = secure_->waiting();
  for (const auto& [id, entry] : sessions_) {
    const auto* connection = secure_->find(id);
    add(snapshot.connections, connection != nullptr ? connection->counters() : entry.counters);
  }
  return snapshot;
}

}  // namespace wardlink::ingest
