#include "sessions.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace wardlink::simulation {

Sessions::Sessions(const Config& config, std::uint64_t cookie_secret, coap::Random random)
    : config_(config), cookie_secret_(cookie_secret), random_(std::move(random)) {}

std::uint64_t Sessions::draw() {
  std::array<std::uint8_t, 8> bytes{};
  random_(bytes);
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data(), 8);
  return number | 1;
}

std::uint64_t Sessions::cookie_of(const coap::Address& from, std::uint64_t random) const {
  return (std::hash<coap::Address>{}(from) ^ cookie_secret_) * 0x9e3779b97f4a7c15ULL ^ random;
}

// -- datagrams --------------------------------------------------------------------------------------------------------

void Sessions::handle_datagram(const coap::Address& from, coap::ByteView datagram, coap::Instant now) {
  told_ = now;
  ++counters_.datagrams_in;
  const auto packet = decode(datagram);
  if (!packet || shut_) {
    ++counters_.no_session;
  } else if (packet->kind == Kind::hello) {
    ++counters_.challenges;
    out_.push_back({from, encode({Kind::cookie, packet->first, cookie_of(from, packet->first)})});
  } else if (packet->kind == Kind::claim) {
    claim(from, *packet, now);
  } else {
    const auto at = places_.find(from);
    if (at == places_.end()) {
      ++counters_.no_session;
      return;
    }
    const Place place = at->second;
    for (Session* session : {place.live, place.pending}) {
      if (session == nullptr) continue;
      const bool authentic = session->connection.handle_datagram(datagram, now);
      touch(*session);
      if (authentic) return;
    }
    ++counters_.unauthenticated;
  }
}

void Sessions::claim(const coap::Address& from, const Packet& packet, coap::Instant now) {
  if (packet.second != cookie_of(from, packet.first)) {
    ++counters_.bad_hello;
    return;
  }
  Session* pending = places_[from].pending;
  if (pending != nullptr && pending->random == packet.first) {
    pending->connection.handle_datagram(encode(packet), now);
    touch(*pending);
    return;
  }
  if (pending != nullptr) close_silently(*pending, coap::CloseReason::displaced, now);
  const coap::SessionId id{++last_};
  auto made = std::make_unique<Session>(
      Session{id, from,
              coap::Connection(std::make_unique<ServerChannel>(packet.first, draw()), config_.connection, random_, now),
              packet.first, now});
  places_[from].pending = made.get();
  touch(*sessions_.emplace(id, std::move(made)).first->second);
}

/// The handshake has completed. Whoever lived at this address is closed first, so that its end is told before the new
/// beginning; its close_notify is not sent, since the address speaks with the new session's key now.
void Sessions::promote(Session& session) {
  ++counters_.handshakes;
  session.live = true;
  Place& at = places_[session.address];
  Session* old = std::exchange(at.live, &session);
  at.pending = nullptr;
  if (old != nullptr) close_silently(*old, coap::CloseReason::superseded, told_);
}

void Sessions::close_silently(Session& session, coap::CloseReason reason, coap::Instant now) {
  session.connection.close(reason, now);
  while (session.connection.poll_datagram()) {
  }
  drain(session);
}

// -- time -------------------------------------------------------------------------------------------------------------

coap::Instant Sessions::limit(const Session& session) const {
  return session.live ? session.connection.last_heard() + config_.idle_limit
                      : session.began + config_.handshake_deadline;
}

void Sessions::handle_timeout(coap::Instant now) {
  told_ = now;
  settle();
  for (const auto& [id, session] : sessions_) {
    if (limit(*session) <= now) {
      session->connection.close(session->live ? coap::CloseReason::idle : coap::CloseReason::handshake_deadline, now);
    } else if (const auto at = session->connection.next_deadline(); at && *at <= now) {
      session->connection.handle_timeout(now);
    } else {
      continue;
    }
    touch(*session);
  }
  settle();
}

std::optional<coap::Instant> Sessions::next_deadline() const {
  if (!ready_.empty()) return told_;
  std::optional<coap::Instant> earliest;
  for (const auto& [id, session] : sessions_) {
    const auto limited = limit(*session);
    const auto at = std::min(session->connection.next_deadline().value_or(limited), limited);
    earliest = std::min(earliest.value_or(at), at);
  }
  return earliest;
}

std::size_t Sessions::half_open() const {
  return static_cast<std::size_t>(std::ranges::count_if(sessions_, [](const auto& one) { return !one.second->live; }));
}

// -- commands and draining --------------------------------------------------------------------------------------------

const coap::Connection* Sessions::find(coap::SessionId session) const {
  const auto at = sessions_.find(session);
  return at == sessions_.end() ? nullptr : &at->second->connection;
}

coap::Connection* Sessions::command(coap::SessionId session) {
  const auto at = sessions_.find(session);
  if (at == sessions_.end()) return nullptr;
  touch(*at->second);
  return &at->second->connection;
}

void Sessions::close_all(coap::Instant now) {
  shut_ = true;
  for (const auto& [id, session] : sessions_) {
    session->connection.close(coap::CloseReason::local, now);
    touch(*session);
  }
}

void Sessions::touch(Session& session) {
  if (!std::exchange(session.ready, true)) ready_.push_back(session.id);
}

void Sessions::settle() {
  while (!ready_.empty()) {
    const auto at = sessions_.find(ready_.front());
    ready_.pop_front();
    if (at != sessions_.end()) drain(*at->second);
  }
}

/// The order of the Connection's contract: datagrams, then events, until both are empty. Forgets it after Closed.
void Sessions::drain(Session& session) {
  session.ready = false;
  for (;;) {
    while (auto datagram = session.connection.poll_datagram()) {
      ++counters_.datagrams_out;
      out_.push_back({session.address, std::move(*datagram)});
    }
    auto event = session.connection.poll_event();
    if (!event) return;
    if (std::holds_alternative<coap::event::Opened>(*event)) promote(session);
    const bool closed = std::holds_alternative<coap::event::Closed>(*event);
    events_.push_back({session.id, std::move(*event), session.address, session.connection.counters()});
    if (closed) return forget(session);
  }
}

void Sessions::forget(Session& session) {
  ++(session.live ? counters_.sessions_closed : counters_.handshakes_failed);
  const auto at = places_.find(session.address);
  if (at->second.live == &session) at->second.live = nullptr;
  if (at->second.pending == &session) at->second.pending = nullptr;
  if (at->second.live == nullptr && at->second.pending == nullptr) places_.erase(at);
  sessions_.erase(session.id);
}

std::optional<coap::Datagram> Sessions::poll_datagram() {
  if (out_.empty()) settle();
  if (out_.empty()) return std::nullopt;
  auto first = std::move(out_.front());
  out_.pop_front();
  return first;
}

std::optional<coap::SessionEvent> Sessions::poll_event() {
  if (events_.empty()) settle();
  if (events_.empty()) return std::nullopt;
  auto first = std::move(events_.front());
  events_.pop_front();
  return first;
}

}  // namespace wardlink::simulation
