#pragma once
// A connection under test and its scripted peer: what the peer says, what must be answered, when. Virtual time.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "coap/connection.hpp"
#include "memory_channel.hpp"

namespace coap::testing {

class Lockstep {
 public:
  explicit Lockstep(Connection::Config config = {}, std::uint64_t seed = 1)
      : connection(std::make_unique<MemoryChannel>(PeerIdentity{"urn:dev:os:32473-a", 0}), config, seeded(seed), now) {
    event<event::Opened>();
  }

  /// Lets time pass, waking the connection at each deadline on the way.
  void pass(Duration duration) {
    const auto until = now + duration;
    for (auto due = connection.next_deadline(); due && *due <= until; due = connection.next_deadline()) {
      now = std::max(now, *due);
      connection.handle_timeout(now);
    }
    now = until;
  }

  void receive(const Message& message) { connection.handle_datagram(encode(message), now); }

  /// The next message that the connection sends; fails the test when there is none.
  Message sent() {
    const auto datagram = connection.poll_datagram();
    if (!datagram) {
      ADD_FAILURE() << "nothing was sent";
      return {};
    }
    const auto decoded = decode(*datagram);
    EXPECT_TRUE(decoded) << "what was sent is not CoAP";
    return decoded ? *decoded : Message{};
  }

  bool silent() { return !connection.poll_datagram().has_value(); }

  /// The next event, which must be an E.
  template <class E>
  E event() {
    auto next = connection.poll_event();
    if (!next || !std::holds_alternative<E>(*next)) {
      ADD_FAILURE() << (next ? "another event came, number " + std::to_string(next->index()) : "no event came");
      return E{};
    }
    return std::get<E>(std::move(*next));
  }

  bool no_event() { return !connection.poll_event().has_value(); }

  Instant now{};
  Connection connection;
};

inline Token token(std::string_view text) {
  return Token{ByteView{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}};
}

inline Bytes bytes(std::string_view text) { return {text.begin(), text.end()}; }

inline Message message(Type type, Code code, std::uint16_t id, Token token = {}, std::string_view payload = {}) {
  Message made;
  made.type = type;
  made.code = code;
  made.id = id;
  made.token = token;
  made.payload = bytes(payload);
  return made;
}

/// A GET as a peer would send it.
inline Message get(Type type, std::uint16_t id, Token token, std::string_view path,
                   std::optional<std::uint32_t> observe = {}) {
  auto made = message(type, code::get, id, token);
  if (observe) made.options.add_uint(OptionNumber::observe, *observe);
  add_uri(made.options, path, {});
  return made;
}

/// A 2.05 as an observed peer would send it.
inline Message notification(Type type, std::uint16_t id, Token token, std::uint32_t observe,
                            std::string_view payload = "x") {
  auto made = message(type, code::content, id, token, payload);
  made.options.add_uint(OptionNumber::observe, observe);
  return made;
}

}  // namespace coap::testing
