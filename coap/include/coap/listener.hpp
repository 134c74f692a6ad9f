#pragma once
// Many connections behind one UDP socket: the cookie before anything is allocated, half-open handshakes capped and
// bounded in time, datagrams handed to the session they belong to, a live session untouched by a handshake on its
// address until that has finished (RFC 6347 §4.2.8). Sans-I/O, one thread.
//
// handle_datagram() does at once what concerns a live session, and answers a ClientHello without a cookie. All else of
// a handshake waits for its turn: next_deadline() is then due at once, and each handle_timeout() takes one step (some
// 0.4 ms). So drivers that read what has arrived before they look at the time keep handshakes out of the way of who is
// in.

#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "coap/dtls.hpp"
#include "coap/sessions.hpp"

namespace coap {

class Listener final : public Sessions {
 public:
  struct Config {
    // Handshakes under way, each up to 90 KB; at least 1. One more, and the oldest of the host that has most makes way
    // (CloseReason::displaced): who fills the room pushes out his own. Never a live session.
    std::size_t max_half_open = 500;
    // Good ClientHellos that wait for their turn, each as long as its datagram (some 300 bytes, at most 4 KiB); at
    // least 1. One more, and one makes way by the same rule, without a word: its device repeats itself
    // (RFC 6347 §4.2.4.1).
    std::size_t max_waiting = 1'000;
    // Handshakes begun a second, evenly. Hosts (an IPv4 address, an IPv6 /64) take turns, so one that floods takes its
    // turn and no more, and one that is alone all turns. A new hello from the address and port of a handshake under way
    // is not heard until that is a second old.
    unsigned handshake_rate = 500;
    Duration handshake_deadline = std::chrono::seconds{30};  // from the handshake's first turn to its end
    Duration idle_limit = std::chrono::minutes{30};          // since something authenticated was last heard
    // Datagrams of one session that are decrypted. Only what is authenticated counts: who forges a device's address
    // takes nothing from it. Default: no limit.
    Allowance datagrams = {};
    // So many beyond it within a second, and nothing is heard from the session's address for a second: poll_muted().
    unsigned mute_beyond = 2'000;
    std::size_t max_muted = 8;
    Connection::Config connection;
  };

  Listener(std::shared_ptr<const DtlsContext> context, Bytes cookie_secret, const Config& config, Random random);
  ~Listener() override;

  void handle_datagram(const Address& from, ByteView datagram, Instant now) override;
  void handle_timeout(Instant now) override;

  const Connection* find(SessionId session) const override;
  Connection* command(SessionId session) override;
  /// The address that the session's datagrams go to.
  std::optional<Address> address_of(SessionId session) const;
  /// Handshakes that begin from now on; what has begun goes on under the former context.
  void renew(std::shared_ptr<const DtlsContext> context);
  void close_all(Instant now) override;

  std::optional<Datagram> poll_datagram() override;
  std::optional<SessionEvent> poll_event() override;
  std::optional<std::vector<Address>> poll_muted() override;
  std::optional<Instant> next_deadline() const override;

  const SessionCounters& counters() const override;
  std::size_t sessions() const;
  std::size_t half_open() const override;
  std::size_t waiting() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace coap
