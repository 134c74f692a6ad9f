#pragma once
// The secure sessions' tenant in memory: an address is a session, open from its first datagram on, whose device is
// named after its port. No cryptography: the same seeds, the same bytes.

#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "coap/memory_channel.hpp"
#include "coap/sessions.hpp"

namespace wardlink::ingest::testing {

inline std::string name_of_port(std::uint16_t port) { return "urn:dev:os:32473-" + std::to_string(port); }

class MemorySessions final : public coap::Sessions {
 public:
  void handle_datagram(const coap::Address& from, coap::ByteView datagram, coap::Instant now) override {
    const coap::SessionId id{from.port};
    auto at = sessions_.find(id);
    if (at == sessions_.end()) {
      auto channel = std::make_unique<coap::testing::MemoryChannel>(
          coap::PeerIdentity{name_of_port(from.port), 4'000'000'000}, false);
      coap::Connection connection(std::move(channel), {}, coap::testing::seeded(from.port), now);
      at = sessions_.emplace(id, Session{from, std::move(connection)}).first;
      ++counters_.handshakes;
    }
    ++counters_.datagrams_in;
    at->second.connection.handle_datagram(datagram, now);
    touch(id);
  }
  void handle_timeout(coap::Instant now) override {
    for (auto& [id, session] : sessions_) session.connection.handle_timeout(now), touch(id);
  }

  const coap::Connection* find(coap::SessionId session) const override {
    const auto at = sessions_.find(session);
    return at == sessions_.end() ? nullptr : &at->second.connection;
  }
  coap::Connection* command(coap::SessionId session) override {
    ++commands;
    const auto at = sessions_.find(session);
    if (at == sessions_.end()) return nullptr;
    touch(session);
    return &at->second.connection;
  }
  void close_all(coap::Instant now) override {
    for (auto& [id, session] : sessions_) session.connection.close(coap::CloseReason::local, now), touch(id);
  }

  std::optional<coap::Datagram> poll_datagram() override {
    for (; !speaking_.empty(); speaking_.erase(speaking_.begin())) {
      Session& session = sessions_.at(*speaking_.begin());
      if (auto bytes = session.connection.poll_datagram()) {
        ++counters_.datagrams_out;
        return coap::Datagram{session.address, std::move(*bytes)};
      }
    }
    return std::nullopt;
  }
  std::optional<coap::SessionEvent> poll_event() override {
    for (; !telling_.empty(); telling_.erase(telling_.begin())) {
      Session& session = sessions_.at(*telling_.begin());
      if (auto event = session.connection.poll_event())
        return coap::SessionEvent{*telling_.begin(), std::move(*event), session.address, session.connection.counters()};
    }
    return std::nullopt;
  }
  std::optional<std::vector<coap::Address>> poll_muted() override { return std::nullopt; }
  std::optional<coap::Instant> next_deadline() const override {
    std::optional<coap::Instant> earliest;
    for (const auto& [id, session] : sessions_)
      if (const auto next = session.connection.next_deadline(); next && (!earliest || *next < *earliest))
        earliest = next;
    return earliest;
  }

  const coap::SessionCounters& counters() const override { return counters_; }
  std::size_t half_open() const override { return 0; }
  std::size_t waiting() const override { return 0; }

  std::size_t commands = 0;  // calls of command()

 private:
  struct Session {
    coap::Address address;
    coap::Connection connection;
  };
  void touch(coap::SessionId id) {
    speaking_.insert(id);
    telling_.insert(id);
  }

  std::unordered_map<coap::SessionId, Session> sessions_;
  std::set<coap::SessionId> speaking_, telling_;  // those that may have something
  coap::SessionCounters counters_;
};

}  // namespace wardlink::ingest::testing
