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

#include "coap/connection.hpp"
#include "coap/dtls.hpp"

namespace coap {

/// Unique within a listener, never issued twice.
enum class SessionId : std::uint64_t {};

struct ListenerEvent {
  SessionId session;
  Event event;                  // Opened first; Closed last. Closed without Opened: a handshake that was refused
  Address address;              // for the audit; never an identity
  ConnectionCounters counters;  // of its connection so far: after Closed there is no other way to them
};

/// Monotonic counts since the listener was made.
struct ListenerCounters {
  std::uint64_t datagrams_in = 0, datagrams_out = 0;
  std::uint64_t challenges = 0;         // HelloVerifyRequests sent
  std::uint64_t no_session = 0;         // neither a ClientHello nor of a session, or after close_all()
  std::uint64_t unauthenticated = 0;    // records for a session that it could not authenticate: forged or replayed
  std::uint64_t bad_hello = 0;          // malformed ClientHello
  std::uint64_t fragmented_hello = 0;   // ClientHello in pieces, which has no answer
  std::uint64_t over_rate = 0;          // of sessions that had sent more than Config::datagrams; not decrypted
  std::uint64_t hellos_dropped = 0;     // good ones too many or too soon: answered when they are repeated
  std::uint64_t handshakes = 0;         // completed
  std::uint64_t handshakes_failed = 0;  // refused, given up or begun again: each told by Closed without Opened
  std::uint64_t sessions_closed = 0;
};

class Listener {
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
  ~Listener();

  void handle_datagram(const Address& from, ByteView datagram, Instant now);
  void handle_timeout(Instant now);

  /// The session's connection, to command it; nullptr when it is gone. What the command makes is drained by the next
  /// poll_datagram and poll_event of the listener.
  Connection* find(SessionId session);
  /// The address that the session's datagrams go to.
  std::optional<Address> address_of(SessionId session) const;
  /// Handshakes that begin from now on; what has begun goes on under the former context.
  void renew(std::shared_ptr<const DtlsContext> context);
  /// close_notify to all. From then on nobody is heard or answered (`no_session`): who comes back at once must not
  /// begin with a listener that is about to go, whose end he would not hear of.
  void close_all(Instant now);

  std::optional<Datagram> poll_datagram();
  /// Where it has changed since the last call: addresses of sessions that send so much more than they may that even
  /// reading it costs the others time. Whoever forges a device's address mutes it only while that device itself has
  /// used up what it may send.
  std::optional<std::vector<Address>> poll_muted();
  std::optional<ListenerEvent> poll_event();
  std::optional<Instant> next_deadline() const;

  const ListenerCounters& counters() const;
  std::size_t sessions() const;
  std::size_t half_open() const;
  /// ClientHellos whose turn has not come.
  std::size_t waiting() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace coap
