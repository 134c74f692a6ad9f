#pragma once
// A connection in virtual time that every target drives the same way: drained after every step, woken at every
// deadline.

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "../coap/memory_channel.hpp"
#include "coap/connection.hpp"
#include "script.hpp"

namespace fuzz {

using coap::Connection;
using coap::Duration;
using coap::Instant;
using coap::Message;

class Conversation {
 public:
  using OnSent = std::function<void(const Bytes&, const Message&)>;
  using OnEvent = std::function<void(const coap::Event&)>;

  Conversation(const Connection::Config& config, OnSent on_sent, OnEvent on_event)
      : connection(std::make_unique<coap::testing::MemoryChannel>(coap::PeerIdentity{"urn:dev:os:32473-a", 0}), config,
                   coap::testing::seeded(1), now),
        on_sent_(std::move(on_sent)),
        on_event_(std::move(on_event)) {}

  void receive(ByteView datagram) {
    connection.handle_datagram(datagram, now);
    drain();
  }
  void receive(const Message& message) { receive(coap::encode(message)); }

  /// In the order that the connection's header asks for.
  void drain() {
    while (const auto datagram = connection.poll_datagram()) {
      if (datagram->size() == 1) continue;  // close_notify of the channel in memory
      const auto message = coap::decode(*datagram);
      must(bool{message}, "what is sent is CoAP");
      on_sent_(*datagram, *message);
    }
    while (const auto event = connection.poll_event()) on_event_(*event);
  }

  /// Lets time pass, waking the connection at each deadline on the way.
  void pass(Duration duration) {
    const auto until = now + duration;
    for (auto due = connection.next_deadline(); due && *due <= until; due = connection.next_deadline()) {
      must(*due > now || !woken_, "a deadline that was served is over");
      now = std::max(now, *due);
      connection.handle_timeout(now);
      woken_ = true;
      drain();
    }
    woken_ = false;
    now = until;
  }

  Instant now{};
  Connection connection;

 private:
  OnSent on_sent_;
  OnEvent on_event_;
  bool woken_ = false;  // by the last deadline, with nothing said since
};

/// How long to wait, from one byte: from a millisecond to beyond every lifetime.
inline Duration duration_of(std::uint8_t choice) {
  using namespace std::chrono_literals;
  constexpr Duration steps[] = {1ms, 200ms, 999ms, 1s, 2s, 3s, 7s, 15s, 31s, 62s, 93s, 127s, 144s, 145s, 246s, 247s};
  return steps[choice % std::size(steps)];
}

inline coap::Token token_of(std::string_view text) {
  return coap::Token{ByteView(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())};
}

inline Message message_of(coap::Type type, coap::Code code, std::uint16_t id, coap::Token token = {}) {
  Message message;
  message.type = type;
  message.code = code;
  message.id = id;
  message.token = token;
  return message;
}

}  // namespace fuzz
