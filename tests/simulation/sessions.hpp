#pragma once
// The sessions behind one shard's socket: coap::Sessions in memory, by the rules of coap::Listener. A cookie before any
// state; a live session that no unfinished handshake touches (RFC 6347 §4.2.8); idle and handshake limits.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "channel.hpp"
#include "coap/connection.hpp"
#include "coap/sessions.hpp"

namespace wardlink::simulation {

class Sessions final : public coap::Sessions {
 public:
  struct Config {
    coap::Duration handshake_deadline = std::chrono::seconds{30};
    coap::Duration idle_limit = std::chrono::minutes{30};
    coap::Connection::Config connection;
  };
  /// `cookie_secret`: shared by all shards of a process.
  Sessions(const Config& config, std::uint64_t cookie_secret, coap::Random random);

  void handle_datagram(const coap::Address& from, coap::ByteView datagram, coap::Instant now) override;
  void handle_timeout(coap::Instant now) override;
  const coap::Connection* find(coap::SessionId session) const override;
  coap::Connection* command(coap::SessionId session) override;
  void close_all(coap::Instant now) override;
  std::optional<coap::Datagram> poll_datagram() override;
  std::optional<coap::SessionEvent> poll_event() override;
  std::optional<std::vector<coap::Address>> poll_muted() override { return std::nullopt; }
  std::optional<coap::Instant> next_deadline() const override;
  const coap::SessionCounters& counters() const override { return counters_; }
  std::size_t half_open() const override;
  std::size_t waiting() const override { return 0; }

 private:
  struct Session {
    coap::SessionId id;
    coap::Address address;
    coap::Connection connection;
    std::uint64_t random;  // of its claim
    coap::Instant began;
    bool live = false;
    bool ready = false;
  };
  struct Place {
    Session* live = nullptr;
    Session* pending = nullptr;
  };

  void claim(const coap::Address& from, const Packet& packet, coap::Instant now);
  std::uint64_t cookie_of(const coap::Address& from, std::uint64_t random) const;
  coap::Instant limit(const Session& session) const;
  void close_silently(Session& session, coap::CloseReason reason, coap::Instant now);
  void touch(Session& session);
  void settle();
  void drain(Session& session);
  void promote(Session& session);
  void forget(Session& session);
  std::uint64_t draw();

  Config config_;
  std::uint64_t cookie_secret_;
  coap::Random random_;
  coap::SessionCounters counters_;
  coap::Instant told_{};
  bool shut_ = false;
  std::uint64_t last_ = 0;
  std::map<coap::SessionId, std::unique_ptr<Session>> sessions_;
  std::map<coap::Address, Place> places_;
  std::deque<coap::SessionId> ready_;
  std::deque<coap::Datagram> out_;
  std::deque<coap::SessionEvent> events_;
};

}  // namespace wardlink::simulation
