#include "coap/connection.hpp"

#include <algorithm>
#include <utility>

#include "connection_impl.hpp"

namespace coap {
namespace {

std::uint32_t draw_number(Random& random) {
  std::array<std::uint8_t, 4> bytes{};
  random(bytes);
  return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
         static_cast<std::uint32_t>(bytes[2]) << 8 | bytes[3];
}

/// RFC 7252 §4.2: between ACK_TIMEOUT and ACK_TIMEOUT · ACK_RANDOM_FACTOR.
ConfirmableSlot::Timing draw_timing(const Connection::Config& config, Random& random) {
  const double fraction = static_cast<double>(draw_number(random)) / 4294967295.0;
  const double factor = 1.0 + (config.ack_random_factor - 1.0) * fraction;
  const auto count = static_cast<double>(config.ack_timeout.count()) * factor;
  return {Duration{static_cast<Duration::rep>(count)}, config.max_retransmit};
}

void keep_earliest(std::optional<Instant>& earliest, Instant candidate) {
  if (!earliest || candidate < *earliest) earliest = candidate;
}

}  // namespace

Connection::Impl::Impl(std::unique_ptr<SecureChannel> secure_channel, const Config& settings, Random chance,
                       Instant now)
    : channel(std::move(secure_channel)),
      config(settings),
      random(std::move(chance)),
      ids(static_cast<std::uint16_t>(draw_number(random)), settings.exchange_lifetime),
      seen(settings.remembered_messages, settings.remembered_responses),
      notification_budget(settings.notifications),
      request_budget(settings.requests),
      probing(settings.probing_after, settings.probing_rate),
      tokens(random),
      last_heard(now) {
  after_channel(now);
}

bool Connection::Impl::handle_datagram(ByteView datagram, Instant now) {
  if (closed) return false;
  counters.bytes_in += datagram.size();
  const bool authenticated = channel->handle_datagram(datagram, now);
  if (authenticated) last_heard = now;
  after_channel(now);
  return authenticated;
}

void Connection::Impl::after_channel(Instant now) {
  if (!opened && channel->state() == SecureChannel::State::open) {
    opened = true;
    emit(event::Opened{});
  }
  while (const auto plaintext = channel->poll_plaintext()) {
    if (closed) return;
    receive(*plaintext, now);
  }
  if (channel->state() == SecureChannel::State::closed) close(channel->close_reason(), channel->close_detail());
  pump(now);
}

void Connection::Impl::receive(ByteView plaintext, Instant now) {
  const auto decoded = decode(plaintext);
  if (!decoded) {
    ++counters.malformed;
    if (const auto id = decoded.error().reset_id) send_empty(Type::rst, *id);
    return;
  }
  const Message& message = *decoded;
  ++counters.messages_in;
  // RFC 7252 §4.2: an ACK carries a response or nothing, a Reset nothing; what else they carry is ignored.
  const bool impossible = (message.type == Type::ack && message.code.is_request()) ||
                          (message.type == Type::rst && !message.code.is_empty());
  if (impossible) {
    ++counters.malformed;
    return;
  }
  if (message.type == Type::ack) return receive_ack(message, now);
  if (message.type == Type::rst) return receive_reset(message);

  const bool confirmable = message.type == Type::con;
  ++(confirmable ? counters.con_in : counters.non_in);
  if (message.code.is_empty()) {
    // A ping (RFC 7252 §4.3). An empty NON has no meaning and is ignored.
    if (confirmable) send_empty(Type::rst, message.id);
    return;
  }
  if (const auto known = seen.check(message.id, now, confirmable ? config.exchange_lifetime : config.non_lifetime)) {
    ++counters.duplicates;
    if (confirmable) repeat_reply(message, *known);
    return;
  }
  if (!affords(message, now)) return seen.forget(message.id);
  if (message.code.is_request()) {
    receive_request(message, now);
  } else if (critical_fault(message.options)) {
    reject_critical(message);
  } else {
    receive_response(message, now);
  }
}

bool Connection::Impl::affords(const Message& message, Instant now) {
  if (message.code.is_request()) {
    if (request_budget.take(now)) return true;
    ++counters.requests_over;
    return false;
  }
  if (pending_by_token(message.token)) return true;  // it was asked for
  const auto observation = observations.by_token(message.token);
  const bool urgent = observation && observations.find(*observation)->policy == AckPolicy::held;
  if (notification_budget.take(now, urgent ? 0 : config.notifications.burst / 4)) return true;
  ++counters.notifications_over;
  return false;
}

void Connection::Impl::repeat_reply(const Message& message, const Deduplication::Seen& known) {
  switch (known.reply) {
    case Deduplication::Reply::none:  // being worked on, or held until COMMIT: the answer will come
      break;
    case Deduplication::Reply::ack:
      return send_empty(Type::ack, message.id);
    case Deduplication::Reply::rst:
      return send_empty(Type::rst, message.id);
    case Deduplication::Reply::stored:
      if (known.stored != nullptr) transmit(*known.stored, Type::ack);
  }
}

void Connection::Impl::receive_ack(const Message& message, Instant now) {
  for (auto& one : slots) {
    const auto match = one.match(message.id);
    if (!match) continue;
    const auto& owner = match->owner;
    const bool carries_response = !message.code.is_empty();
    // Only a request is answered inside an ACK, and only under its own token (RFC 7252 §5.3.2).
    if (carries_response && (owner.kind != Owner::Kind::request || match->token != message.token)) return;
    if (critical_fault(message.options)) {
      ++counters.malformed;  // RFC 7252 §5.4.1: rejected, which for an ACK means ignored (§4.2)
      return;
    }
    if (match->current && &one == &slot(Slot::ordinary) && one.in_flight()->retransmissions == 0) {
      measure_round_trip(now - one.in_flight()->first_sent);
    }
    one.finish(message.id);
    if (owner.kind == Owner::Kind::notification) notification_acknowledged(owner);
    if (carries_response) receive_response(message, now);
    return;
  }
}

void Connection::Impl::receive_reset(const Message& message) {
  ++counters.resets_in;
  for (auto& one : slots) {
    const auto match = one.match(message.id);
    if (!match) continue;
    const auto& owner = match->owner;
    if (owner.kind == Owner::Kind::notification) return lose_observer(owner.observer, event::Failure::reset);
    one.finish(message.id);
    if (owner.kind == Owner::Kind::request) request_failed(owner.request, event::Failure::reset);
    if (owner.kind == Owner::Kind::response) lose_observer(owner.observer, event::Failure::reset);
    return;
  }
  if (const auto observer = observers.by_non(message.id)) lose_observer(*observer, event::Failure::reset);
}

void Connection::Impl::handle_timeout(Instant now) {
  if (closed) return;
  if (const auto at = channel->deadline(); at && *at <= now) channel->handle_timeout(now);
  after_channel(now);
  for (const auto which : {Slot::ordinary, Slot::alarm}) {
    if (!closed) expire(which, now);
  }
  if (closed) return;
  expire_exchanges(now);
  pump(now);
}

void Connection::Impl::expire(Slot which, Instant now) {
  auto& one = slot(which);
  if (!one.in_flight() || now < one.in_flight()->deadline) return;
  if (peer_is_silent(one)) return close(CloseReason::peer_silent, "no answer to two retransmissions, nothing heard");
  if (one.exhausted({{}, config.max_retransmit})) return give_up(one);
  const auto successor_id = one.has_successor() ? draw_id(now) : std::nullopt;
  transmit(one.retransmit(now, successor_id), Type::con);
  ++counters.retransmissions;
  // A held ACK is not a dead peer: ask in the other slot. Any authenticated answer proves life.
  auto& other = slot(Slot::ordinary);
  if (config.detect_silence && which == Slot::alarm && one.in_flight()->retransmissions == 1 && !other.in_flight()) {
    other.submit({Message{}, {Owner::Kind::ping}});
  }
}

bool Connection::Impl::peer_is_silent(const ConfirmableSlot& one) const {
  return config.detect_silence && one.in_flight()->retransmissions >= 2 && last_heard < one.in_flight()->first_sent;
}

void Connection::Impl::give_up(ConfirmableSlot& one) {
  const auto& current = one.in_flight()->item;
  const Owner owner = current.owner;
  // RFC 7641 §4.5.2: nobody listens there any more. What was sent is still owed.
  if (owner.kind == Owner::Kind::notification) return lose_observer(owner.observer, event::Failure::timeout);
  one.finish(current.message.id);
  if (owner.kind == Owner::Kind::request) request_failed(owner.request, event::Failure::timeout);
  if (owner.kind == Owner::Kind::response) lose_observer(owner.observer, event::Failure::timeout);
}

void Connection::Impl::notification_acknowledged(const Owner& owner) {
  emit(event::NotificationAcknowledged{owner.delivery});
  const auto* observer = observers.find(owner.observer);
  if (observer == nullptr || observer->last != owner.delivery) return;
  observers.remove(owner.observer);
  for (auto& one : slots) one.remove(owner.observer);
}

/// RFC 7252 §4.4: an id that comes again names the new message only.
std::optional<std::uint16_t> Connection::Impl::draw_id(Instant now) {
  const auto id = ids.draw(now);
  for (auto& one : slots) {
    if (id) one.forget_superseded(*id);
  }
  return id;
}

void Connection::Impl::pump(Instant now) {
  if (closed || !opened) return;
  for (auto& one : slots) {
    if (!one.idle_with_work()) continue;
    const auto id = draw_id(now);
    if (!id) return;
    one.start(*id, now, draw_timing(config, random));
    transmit(one.in_flight()->datagram, Type::con);
  }
}

void Connection::Impl::transmit(const Bytes& datagram, Type type) {
  if (!channel->send(datagram)) return;
  ++counters.messages_out;
  if (type == Type::con) ++counters.con_out;
  if (type == Type::non) ++counters.non_out;
  if (type == Type::rst) ++counters.resets_out;
}

void Connection::Impl::transmit(const Message& message) { transmit(encode(message), message.type); }

void Connection::Impl::send_empty(Type type, std::uint16_t id) {
  Message message;
  message.type = type;
  message.id = id;
  transmit(message);
}

void Connection::Impl::measure_round_trip(Duration sample) {
  round_trip = round_trip ? (*round_trip * 7 + sample) / 8 : sample;  // RFC 6298 §2.3, alpha = 1/8
}

void Connection::Impl::close(CloseReason reason, const std::string& detail) {
  if (closed) return;
  closed = true;
  channel->close();
  for (const auto& [id, request] : pending) {
    if (request.kind == Pending::Kind::plain) emit(event::RequestFailed{id, event::Failure::closed});
  }
  pending.clear();
  for (const auto id : observers.all()) lose_observer(id, event::Failure::closed);
  emit(event::Closed{reason, detail});
}

std::optional<Instant> Connection::Impl::next_deadline() const {
  if (closed) return std::nullopt;
  std::optional<Instant> earliest = channel->deadline();
  for (const auto& one : slots) {
    if (one.in_flight()) keep_earliest(earliest, one.in_flight()->deadline);
    if (opened && one.idle_with_work()) keep_earliest(earliest, ids.available_at());
  }
  for (const auto& [id, exchange] : exchanges) {
    if (exchange.confirmable && !exchange.acknowledged) keep_earliest(earliest, exchange.ack_deadline);
  }
  for (const auto& [id, request] : pending) keep_earliest(earliest, request.deadline);
  return earliest;
}

// -- the facade ------------------------------------------------------------------------------------------------------

Connection::Connection(std::unique_ptr<SecureChannel> channel, const Config& config, Random random, Instant now)
    : impl_(std::make_unique<Impl>(std::move(channel), config, std::move(random), now)) {}
Connection::~Connection() = default;
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;

bool Connection::handle_datagram(ByteView datagram, Instant now) { return impl_->handle_datagram(datagram, now); }
void Connection::handle_timeout(Instant now) { impl_->handle_timeout(now); }

void Connection::ping(Instant now) {
  impl_->slot(Slot::ordinary).submit({Message{}, {Owner::Kind::ping}});
  impl_->pump(now);
}

void Connection::close(CloseReason reason, Instant) { impl_->close(reason, ""); }

std::optional<Bytes> Connection::poll_datagram() {
  auto datagram = impl_->channel->poll_datagram();
  if (datagram) impl_->counters.bytes_out += datagram->size();
  return datagram;
}

std::optional<Event> Connection::poll_event() {
  if (impl_->events.empty()) return std::nullopt;
  Event next = std::move(impl_->events.front());
  impl_->events.pop_front();
  return next;
}

std::optional<Instant> Connection::next_deadline() const { return impl_->next_deadline(); }
SecureChannel::State Connection::state() const {
  return impl_->closed ? SecureChannel::State::closed : impl_->channel->state();
}
const PeerIdentity& Connection::peer() const { return impl_->channel->peer(); }
const ConnectionCounters& Connection::counters() const { return impl_->counters; }
std::optional<Duration> Connection::round_trip_time() const { return impl_->round_trip; }
Instant Connection::last_heard() const { return impl_->last_heard; }
Instant Connection::non_at() const { return impl_->probing.next(impl_->last_heard); }
bool Connection::busy(Slot which) const { return impl_->slot(which).in_flight().has_value(); }

}  // namespace coap
