#include "coap/listener.hpp"

#include <algorithm>
#include <deque>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dtls_record.hpp"
#include "handshake_ration.hpp"

namespace coap {
namespace {

struct Session {
  SessionId id;
  Address address;
  std::uint64_t host;
  Connection connection;
  Instant accepted;
  std::vector<std::uint8_t> hello_random;       // tells a repeated ClientHello from a new one while the handshake lasts
  bool live = false;                            // its handshake has completed
  bool ready = false;                           // stands in the list of those to be drained
  std::optional<Instant> armed = std::nullopt;  // stands in the timers under this instant
};

/// What stands at one address: a session, a handshake, or a handshake beside the session that it may replace.
struct Place {
  Session* live = nullptr;
  Session* pending = nullptr;
};

// A handshake is not begun again sooner than a device repeats itself (RFC 6347 §4.2.4.1), so one that has restarted is
// late by no more than its first repetition.
constexpr Duration least_age = std::chrono::seconds{1};

/// Type, version and the 32 bytes of client random behind the handshake header; judged whole before.
std::vector<std::uint8_t> hello_random(const dtls::Record& hello) {
  const ByteView random = hello.body.subspan(dtls::handshake_header + 2, 32);
  return {random.begin(), random.end()};
}

}  // namespace

struct Listener::Impl {
  Impl(std::shared_ptr<const DtlsContext> dtls_context, Bytes cookie_secret, const Config& settings, Random chance)
      : context(std::move(dtls_context)),
        cookie(std::move(cookie_secret)),
        config(settings),
        random(std::move(chance)),
        ration(settings.handshake_rate, settings.handshake_burst) {}

  void handle_datagram(const Address& from, ByteView datagram, Instant now);
  void handle_record(const Address& from, const dtls::Record& record, Instant now);
  void handle_hello(const Address& from, const dtls::Record& hello, Instant now);
  void accept(const Address& from, std::uint64_t host, const dtls::Record& hello, Instant now);
  bool feed(Session& session, ByteView bytes, Instant now);
  void feed_live(Session& live, ByteView bytes, Instant now);
  void promote(Session& session);
  void close_silently(Session& session, CloseReason reason);
  void handle_timeout(Instant now);
  void expire(Session& session, Instant now);

  Place place(const Address& address) const {
    const auto found = places.find(address);
    return found == places.end() ? Place{} : found->second;
  }
  Session* session(SessionId id) const {
    const auto found = sessions.find(id);
    return found == sessions.end() ? nullptr : found->second.get();
  }
  void touch(Session& session);
  void settle();
  void drain(Session& session);
  void arm(Session& session);
  void disarm(Session& session);
  void forget(Session& session);
  Instant limit(const Session& session) const {
    return session.live ? session.connection.last_heard() + config.idle_limit
                        : session.accepted + config.handshake_deadline;
  }
  void send(const Address& to, Bytes bytes) {
    ++counters.datagrams_out;
    datagrams.push_back({to, std::move(bytes)});
  }

  std::shared_ptr<const DtlsContext> context;
  const HelloCookie cookie;
  const Config config;
  const Random random;
  HandshakeRation ration;

  std::unordered_map<SessionId, std::unique_ptr<Session>> sessions;
  std::unordered_map<Address, Place> places;
  Instant told;  // the last instant that came with a datagram or a timeout
  std::uint64_t last_id = 0;

  // Both lists spare a walk through all sessions: whom to ask for datagrams and events, and whose time has come. An
  // instant may be too early, never too late: it is looked at again when it comes, so hearing from a session moves
  // nothing.
  std::vector<SessionId> ready;
  std::set<std::pair<Instant, SessionId>> timers;

  std::deque<Datagram> datagrams;
  std::deque<ListenerEvent> events;
  ListenerCounters counters;
};

// -- datagrams --------------------------------------------------------------------------------------------------------

void Listener::Impl::handle_datagram(const Address& from, ByteView datagram, Instant now) {
  told = now;
  ++counters.datagrams_in;
  const Place at = place(from);
  ByteView rest = datagram;
  auto record = dtls::next_record(rest);
  if (record && rest.empty() && record->epoch > 0 && at.live != nullptr && at.pending == nullptr) {
    feed_live(*at.live, datagram, now);  // nearly every datagram
    return;
  }
  if (!record) ++counters.no_session;
  for (; record; record = dtls::next_record(rest)) handle_record(from, *record, now);
}

/// Records are judged one by one: a handshake's last flight mixes epochs, and may share its address with a session.
void Listener::Impl::handle_record(const Address& from, const dtls::Record& record, Instant now) {
  if (record.is_client_hello()) return handle_hello(from, record, now);
  const Place at = place(from);
  if (record.epoch > 0 && at.live != nullptr) {
    if (at.pending == nullptr) return feed_live(*at.live, record.bytes, now);
    if (feed(*at.live, record.bytes, now)) return;
  }
  // What is in clear never touches a live session (RFC 6347 §4.2.8).
  if (at.pending == nullptr) {
    ++counters.no_session;
    return;
  }
  feed(*at.pending, record.bytes, now);
}

void Listener::Impl::feed_live(Session& live, ByteView bytes, Instant now) {
  if (!feed(live, bytes, now)) ++counters.unauthenticated;
}

bool Listener::Impl::feed(Session& session, ByteView bytes, Instant now) {
  const bool authenticated = session.connection.handle_datagram(bytes, now);
  if (session.live) {
    touch(session);
  } else {
    drain(session);  // at once: where the next record belongs depends on whether the handshake has completed
  }
  return authenticated;
}

void Listener::Impl::handle_hello(const Address& from, const dtls::Record& hello, Instant now) {
  auto verdict = cookie.judge(from, hello.bytes, now);
  switch (verdict.kind) {
    case HelloCookie::Verdict::Kind::drop:
      ++counters.bad_hello;
      return;
    case HelloCookie::Verdict::Kind::challenge:
      ++counters.challenges;
      return send(from, std::move(verdict.reply));
    case HelloCookie::Verdict::Kind::good:
      break;
  }
  Session* const pending = place(from).pending;
  if (pending != nullptr && pending->hello_random == hello_random(hello)) {  // its answer was lost or is on its way
    feed(*pending, hello.bytes, now);
    return;
  }
  const std::uint64_t host = cookie.host(from);
  if ((pending != nullptr && now - pending->accepted < least_age) || !ration.take(host, now)) {
    ++counters.hellos_rationed;
    return;
  }
  if (pending != nullptr) close_silently(*pending, CloseReason::superseded);  // who owns the address has begun again
  accept(from, host, hello, now);
}

void Listener::Impl::accept(const Address& from, std::uint64_t host, const dtls::Record& hello, Instant now) {
  if (ration.under_way() >= config.max_half_open) {
    close_silently(*session(ration.first_to_go()), CloseReason::displaced);
  }
  const SessionId id{++last_id};
  auto made = std::make_unique<Session>(
      Session{.id = id,
              .address = from,
              .host = host,
              .connection = Connection(context->accept(hello.bytes, now), config.connection, random, now),
              .accepted = now,
              .hello_random = hello_random(hello)});
  Session& session = *made;
  sessions.emplace(id, std::move(made));
  places[from].pending = &session;
  ration.began(host, id);
  drain(session);
}

/// The handshake has completed. Whoever lived at this address is closed first, so that its end is told before the new
/// beginning; its close_notify is not sent, since the address speaks with the new session's keys now.
void Listener::Impl::promote(Session& session) {
  ++counters.handshakes;
  ration.ended(session.host, session.id);
  session.live = true;
  session.hello_random = {};
  Place& at = places[session.address];
  Session* old = std::exchange(at.live, &session);
  at.pending = nullptr;
  disarm(session);  // the handshake's deadline
  if (old != nullptr) close_silently(*old, CloseReason::superseded);
}

/// Its address may be another session's by now, or forged from the start: no word on the wire.
void Listener::Impl::close_silently(Session& session, CloseReason reason) {
  session.connection.close(reason, told);
  while (session.connection.poll_datagram()) {
  }
  drain(session);
}

// -- time -------------------------------------------------------------------------------------------------------------

void Listener::Impl::handle_timeout(Instant now) {
  told = now;
  settle();
  std::vector<SessionId> due;
  for (const auto& [instant, id] : timers) {
    if (instant > now) break;
    due.push_back(id);
  }
  for (const SessionId id : due) {
    if (Session* one = session(id)) expire(*one, now);
  }
  settle();
}

void Listener::Impl::expire(Session& session, Instant now) {
  disarm(session);
  if (limit(session) <= now) {
    session.connection.close(session.live ? CloseReason::idle : CloseReason::handshake_deadline, now);
  } else if (const auto at = session.connection.next_deadline(); at && *at <= now) {
    session.connection.handle_timeout(now);
  }
  touch(session);
}

/// At its own deadline or its limit, whichever is first; an earlier instant that is armed already stays.
void Listener::Impl::arm(Session& session) {
  const Instant limited = limit(session);
  const Instant at = std::min(session.connection.next_deadline().value_or(limited), limited);
  if (session.armed && *session.armed <= at) return;
  disarm(session);
  session.armed = at;
  timers.emplace(at, session.id);
}

void Listener::Impl::disarm(Session& session) {
  if (session.armed) timers.erase({*session.armed, session.id});
  session.armed.reset();
}

// -- draining ---------------------------------------------------------------------------------------------------------

void Listener::Impl::touch(Session& session) {
  if (std::exchange(session.ready, true)) return;
  ready.push_back(session.id);
}

void Listener::Impl::settle() {
  for (const SessionId id : std::exchange(ready, {})) {
    if (Session* one = session(id)) drain(*one);
  }
}

/// The order of the Connection's contract: datagrams, then events, until both are empty. Forgets it after Closed.
void Listener::Impl::drain(Session& session) {
  session.ready = false;
  bool closed = false;
  for (bool more = true; more;) {
    while (auto datagram = session.connection.poll_datagram()) send(session.address, std::move(*datagram));
    auto event = session.connection.poll_event();
    more = event.has_value();
    if (!event) break;
    if (std::holds_alternative<event::Opened>(*event)) promote(session);
    closed = closed || std::holds_alternative<event::Closed>(*event);
    events.push_back({session.id, std::move(*event), session.address});
  }
  if (closed) {
    forget(session);
  } else {
    arm(session);
  }
}

void Listener::Impl::forget(Session& session) {
  disarm(session);
  ++(session.live ? counters.sessions_closed : counters.handshakes_failed);
  ration.ended(session.host, session.id);
  if (const auto found = places.find(session.address); found != places.end()) {
    Place& at = found->second;
    if (at.live == &session) at.live = nullptr;
    if (at.pending == &session) at.pending = nullptr;
    if (at.live == nullptr && at.pending == nullptr) places.erase(found);
  }
  sessions.erase(session.id);
}

// -- the face ---------------------------------------------------------------------------------------------------------

Listener::Listener(std::shared_ptr<const DtlsContext> context, Bytes cookie_secret, const Config& config, Random random)
    : impl_(std::make_unique<Impl>(std::move(context), std::move(cookie_secret), config, std::move(random))) {}
Listener::~Listener() = default;

void Listener::handle_datagram(const Address& from, ByteView datagram, Instant now) {
  impl_->handle_datagram(from, datagram, now);
}
void Listener::handle_timeout(Instant now) { impl_->handle_timeout(now); }

Connection* Listener::find(SessionId session) {
  Session* found = impl_->session(session);
  if (found == nullptr) return nullptr;
  impl_->touch(*found);
  return &found->connection;
}

std::optional<Address> Listener::address_of(SessionId session) const {
  const Session* found = impl_->session(session);
  return found == nullptr ? std::nullopt : std::optional(found->address);
}

void Listener::renew(std::shared_ptr<const DtlsContext> context) { impl_->context = std::move(context); }

void Listener::close_all(Instant now) {
  for (const auto& [id, session] : impl_->sessions) {
    session->connection.close(CloseReason::local, now);
    impl_->touch(*session);
  }
}

std::optional<Datagram> Listener::poll_datagram() {
  if (impl_->datagrams.empty()) impl_->settle();
  if (impl_->datagrams.empty()) return std::nullopt;
  Datagram first = std::move(impl_->datagrams.front());
  impl_->datagrams.pop_front();
  return first;
}

std::optional<ListenerEvent> Listener::poll_event() {
  if (impl_->events.empty()) impl_->settle();
  if (impl_->events.empty()) return std::nullopt;
  ListenerEvent first = std::move(impl_->events.front());
  impl_->events.pop_front();
  return first;
}

std::optional<Instant> Listener::next_deadline() const {
  impl_->settle();
  if (impl_->timers.empty()) return std::nullopt;
  return impl_->timers.begin()->first;
}

const ListenerCounters& Listener::counters() const { return impl_->counters; }
std::size_t Listener::sessions() const { return impl_->sessions.size() - impl_->ration.under_way(); }
std::size_t Listener::half_open() const { return impl_->ration.under_way(); }

}  // namespace coap
