#include "coap/listener.hpp"

#include <algorithm>
#include <deque>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dtls_record.hpp"
#include "handshake_budget.hpp"
#include "handshake_line.hpp"
#include "muted_addresses.hpp"

namespace coap {
namespace {

struct Session {
  SessionId id;
  Address address;
  std::uint64_t host;
  Bytes inbox;                                  // records that wait for their turn; the first is a ClientHello
  Bytes hello_random;                           // tells a repeated ClientHello from a new one until the handshake ends
  std::optional<Connection> connection = {};    // none before the ClientHello's turn has come
  Instant accepted = {};                        // when that was
  bool live = false;                            // its handshake has completed
  bool ready = false;                           // stands in the list of those to be drained
  std::optional<Instant> armed = std::nullopt;  // stands in the timers under this instant
  Budget datagrams;
  Excess excess;
};

/// What stands at one address: a session, a handshake (it may not have begun), or a handshake beside the session that
/// it may replace.
struct Place {
  Session* live = nullptr;
  Session* pending = nullptr;
};

// A handshake is not begun again sooner than a device repeats itself (RFC 6347 §4.2.4.1), so one that has restarted is
// late by no more than its first repetition.
constexpr Duration least_age = std::chrono::seconds{1};

// Of one handshake's records that wait for their turn, bytes: what OpenSSL would be let keep of them.
constexpr std::size_t largest_inbox = dtls::HandshakeBudget::most;

/// Type, version and the 32 bytes of client random behind the handshake header; judged whole before.
Bytes hello_random(const dtls::Record& hello) {
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
        pace(std::max(settings.handshake_rate, 1u)),
        muted(settings.mute_beyond, settings.max_muted) {}

  void handle_datagram(const Address& from, ByteView datagram, Instant now);
  void handle_record(const Address& from, const dtls::Record& record, Instant now);
  void handle_hello(const Address& from, const dtls::Record& hello, Instant now);
  void line_up(const Address& from, const dtls::Record& hello);
  bool await_turn(Session& pending, ByteView record);
  bool feed(Session& live, ByteView bytes, Instant now);
  std::optional<Instant> next_turn() const;
  void take_turn(Instant now);
  void begin(Session& session, Instant now);
  void go_on(Session& session, Instant now);
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
    return session.live ? session.connection->last_heard() + config.idle_limit
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

  // A handshake goes on in turns, and only when nothing that concerns a live session is to be done (handle_timeout).
  Pace pace;
  HostShares arrivals;   // whose handshake has not begun
  HostShares under_way;  // whose handshake has, and not ended
  HostShares flights;    // of these: who has sent something that waits for its turn
  bool begun_last = false;

  std::unordered_map<SessionId, std::unique_ptr<Session>> sessions;
  std::unordered_map<Address, Place> places;
  Instant told;  // the last instant that came with a datagram or a timeout
  std::uint64_t last_id = 0;
  bool shut = false;  // all has been closed

  // Both lists spare a walk through all sessions: whom to ask for datagrams and events, and whose time has come. An
  // instant may be too early, never too late: it is looked at again when it comes, so hearing from a session moves
  // nothing.
  std::vector<SessionId> ready;
  std::set<std::pair<Instant, SessionId>> timers;

  MutedAddresses muted;
  std::deque<Datagram> datagrams;
  std::deque<SessionEvent> events;
  SessionCounters counters;
};

// -- datagrams --------------------------------------------------------------------------------------------------------

void Listener::Impl::handle_datagram(const Address& from, ByteView datagram, Instant now) {
  told = now;
  ++counters.datagrams_in;
  if (shut) {
    ++counters.no_session;
    return;
  }
  const Place at = place(from);
  ByteView rest = datagram;
  auto record = dtls::next_record(rest);
  if (record && rest.empty() && record->epoch > 0 && at.live != nullptr && at.pending == nullptr) {
    if (!feed(*at.live, datagram, now)) ++counters.unauthenticated;
    return;  // nearly every datagram
  }
  if (!record) ++counters.no_session;
  for (; record; record = dtls::next_record(rest)) handle_record(from, *record, now);
}

/// Records are judged one by one: a handshake's last flight mixes epochs, and may share its address with a session.
void Listener::Impl::handle_record(const Address& from, const dtls::Record& record, Instant now) {
  if (record.is_client_hello()) return handle_hello(from, record, now);
  const Place at = place(from);
  const bool sealed = record.epoch > 0 && at.live != nullptr;
  // A session that is over its rate is not asked, but the Finished of the handshake that is to end it must be heard.
  const bool over = sealed && at.pending != nullptr && !at.live->datagrams.affords(now);
  if (sealed && !over && feed(*at.live, record.bytes, now)) return;
  // What is in clear never touches a live session (RFC 6347 §4.2.8).
  if (at.pending != nullptr && await_turn(*at.pending, record.bytes)) return;
  ++(over ? counters.over_rate : sealed ? counters.unauthenticated : counters.no_session);
}

/// False: it was not of this session.
bool Listener::Impl::feed(Session& live, ByteView bytes, Instant now) {
  if (!live.datagrams.affords(now)) {
    ++counters.over_rate;
    muted.note(live.address, live.excess, now);
    return true;
  }
  const bool authenticated = live.connection->handle_datagram(bytes, now);
  if (authenticated) live.datagrams.spend(now);
  touch(live);
  return authenticated;
}

void Listener::Impl::handle_hello(const Address& from, const dtls::Record& hello, Instant now) {
  auto verdict = cookie.judge(from, hello.bytes, now);
  switch (verdict.kind) {
    case HelloCookie::Verdict::Kind::drop:
      ++(std::string_view(verdict.why) == "fragmented" ? counters.fragmented_hello : counters.bad_hello);
      return;
    case HelloCookie::Verdict::Kind::challenge:
      ++counters.challenges;
      return send(from, std::move(verdict.reply));
    case HelloCookie::Verdict::Kind::good:
      break;
  }
  Session* const pending = place(from).pending;
  if (pending == nullptr) return line_up(from, hello);
  if (!pending->connection) {  // who owns the address repeats himself or begins again: his place in the line stays
    pending->inbox.assign(hello.bytes.begin(), hello.bytes.end());
    pending->hello_random = hello_random(hello);
  } else if (pending->hello_random == hello_random(hello)) {  // its answer was lost or is on its way
    await_turn(*pending, hello.bytes);
  } else if (now - pending->accepted < least_age) {
    ++counters.hellos_dropped;
  } else {
    close_silently(*pending, CloseReason::superseded);
    line_up(from, hello);
  }
}

void Listener::Impl::line_up(const Address& from, const dtls::Record& hello) {
  if (arrivals.size() >= config.max_waiting) {
    ++counters.hellos_dropped;
    forget(*session(arrivals.first_to_go()));
  }
  const SessionId id{++last_id};
  auto made = std::make_unique<Session>(Session{.id = id,
                                                .address = from,
                                                .host = cookie.host(from),
                                                .inbox = {hello.bytes.begin(), hello.bytes.end()},
                                                .hello_random = hello_random(hello),
                                                .datagrams = Budget(config.datagrams),
                                                .excess = {}});
  arrivals.add(made->host, id);
  places[from].pending = made.get();
  sessions.emplace(id, std::move(made));
}

/// False where no handshake has begun that it could belong to, or more waits already than one brings.
bool Listener::Impl::await_turn(Session& pending, ByteView record) {
  if (!pending.connection || pending.inbox.size() + record.size() > largest_inbox) return false;
  pending.inbox.insert(pending.inbox.end(), record.begin(), record.end());
  flights.add(pending.host, pending.id);
  return true;
}

// -- handshakes, one step at a time -----------------------------------------------------------------------------------

std::optional<Instant> Listener::Impl::next_turn() const {
  if (!flights.empty()) return told;
  if (!arrivals.empty()) return std::max(told, pace.next());
  return std::nullopt;
}

/// One step of one handshake, if there is one: of those that have begun and those that have not, in turn.
void Listener::Impl::take_turn(Instant now) {
  const bool may_begin = !arrivals.empty() && pace.next() <= now;
  if (!may_begin && flights.empty()) return;
  begun_last = may_begin && (flights.empty() || !begun_last);
  if (begun_last) {
    pace.step(now);
    begin(*session(arrivals.take_in_turn()), now);
  } else {
    go_on(*session(flights.take_in_turn()), now);
  }
}

void Listener::Impl::begin(Session& session, Instant now) {
  if (under_way.size() >= config.max_half_open) {
    close_silently(*this->session(under_way.first_to_go()), CloseReason::displaced);
  }
  const Bytes hello = std::exchange(session.inbox, {});
  session.connection.emplace(context->accept(hello, now), config.connection, random, now);
  session.accepted = now;
  under_way.add(session.host, session.id);
  drain(session);
}

void Listener::Impl::go_on(Session& session, Instant now) {
  session.connection->handle_datagram(std::exchange(session.inbox, {}), now);
  drain(session);
}

/// The handshake has completed. Whoever lived at this address is closed first, so that its end is told before the new
/// beginning; its close_notify is not sent, since the address speaks with the new session's keys now.
void Listener::Impl::promote(Session& session) {
  ++counters.handshakes;
  under_way.remove(session.host, session.id);
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
  session.connection->close(reason, told);
  while (session.connection->poll_datagram()) {
  }
  drain(session);
}

// -- time -------------------------------------------------------------------------------------------------------------

void Listener::Impl::handle_timeout(Instant now) {
  told = now;
  muted.expire(now);
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
  take_turn(now);
}

void Listener::Impl::expire(Session& session, Instant now) {
  disarm(session);
  if (limit(session) <= now) {
    session.connection->close(session.live ? CloseReason::idle : CloseReason::handshake_deadline, now);
  } else if (const auto at = session.connection->next_deadline(); at && *at <= now) {
    session.connection->handle_timeout(now);
  }
  touch(session);
}

/// At its own deadline or its limit, whichever is first; an earlier instant that is armed already stays.
void Listener::Impl::arm(Session& session) {
  const Instant limited = limit(session);
  const Instant at = std::min(session.connection->next_deadline().value_or(limited), limited);
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
    while (auto datagram = session.connection->poll_datagram()) send(session.address, std::move(*datagram));
    auto event = session.connection->poll_event();
    more = event.has_value();
    if (!event) break;
    if (std::holds_alternative<event::Opened>(*event)) promote(session);
    closed = closed || std::holds_alternative<event::Closed>(*event);
    events.push_back({session.id, std::move(*event), session.address, session.connection->counters()});
  }
  if (closed) {
    forget(session);
  } else {
    arm(session);
  }
}

void Listener::Impl::forget(Session& session) {
  disarm(session);
  if (session.connection) ++(session.live ? counters.sessions_closed : counters.handshakes_failed);
  for (HostShares* shares : {&arrivals, &under_way, &flights}) shares->remove(session.host, session.id);
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

const Connection* Listener::find(SessionId session) const {
  const Session* found = impl_->session(session);
  return found == nullptr || !found->connection ? nullptr : &*found->connection;
}

Connection* Listener::command(SessionId session) {
  Session* found = impl_->session(session);
  if (found == nullptr || !found->connection) return nullptr;
  impl_->touch(*found);
  return &*found->connection;
}

std::optional<Address> Listener::address_of(SessionId session) const {
  const Session* found = impl_->session(session);
  return found == nullptr ? std::nullopt : std::optional(found->address);
}

void Listener::renew(std::shared_ptr<const DtlsContext> context) { impl_->context = std::move(context); }

void Listener::close_all(Instant now) {
  impl_->shut = true;
  while (!impl_->arrivals.empty()) impl_->forget(*impl_->session(impl_->arrivals.take_in_turn()));
  for (const auto& [id, session] : impl_->sessions) {
    session->connection->close(CloseReason::local, now);
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

std::optional<std::vector<Address>> Listener::poll_muted() { return impl_->muted.poll(); }

std::optional<SessionEvent> Listener::poll_event() {
  if (impl_->events.empty()) impl_->settle();
  if (impl_->events.empty()) return std::nullopt;
  SessionEvent first = std::move(impl_->events.front());
  impl_->events.pop_front();
  return first;
}

std::optional<Instant> Listener::next_deadline() const {
  impl_->settle();
  auto earliest = impl_->next_turn();
  if (!impl_->timers.empty()) earliest = std::min(impl_->timers.begin()->first, earliest.value_or(Instant::max()));
  if (const auto at = impl_->muted.next_deadline()) earliest = std::min(*at, earliest.value_or(Instant::max()));
  return earliest;
}

const SessionCounters& Listener::counters() const { return impl_->counters; }
std::size_t Listener::sessions() const {
  return impl_->sessions.size() - impl_->under_way.size() - impl_->arrivals.size();
}
std::size_t Listener::half_open() const { return impl_->under_way.size(); }
std::size_t Listener::waiting() const { return impl_->arrivals.size(); }

}  // namespace coap
