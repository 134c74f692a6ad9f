#pragma once
// The secure sessions of one endpoint, however they come about. Tenants: Listener (listener.hpp), over DTLS; in tests
// one in memory. Sans-I/O, one thread. Drain after every handle_*, command() and close_all(): poll_event until empty,
// poll_datagram until empty.

#include <cstdint>
#include <optional>
#include <vector>

#include "coap/connection.hpp"

namespace coap {

/// Unique within an endpoint, never issued twice.
enum class SessionId : std::uint64_t {};

struct SessionEvent {
  SessionId session;
  Event event;                  // Opened first; Closed last. Closed without Opened: a handshake that was refused
  Address address;              // for the audit; never an identity
  ConnectionCounters counters;  // of its connection so far: after Closed there is no other way to them
};

/// Monotonic counts since the endpoint was made.
struct SessionCounters {
  std::uint64_t datagrams_in = 0, datagrams_out = 0;
  std::uint64_t challenges = 0;         // HelloVerifyRequests sent
  std::uint64_t no_session = 0;         // neither a ClientHello nor of a session, or after close_all()
  std::uint64_t unauthenticated = 0;    // records for a session that it could not authenticate: forged or replayed
  std::uint64_t bad_hello = 0;          // malformed ClientHello
  std::uint64_t fragmented_hello = 0;   // ClientHello in pieces, which has no answer
  std::uint64_t over_rate = 0;          // of sessions that had sent more than they may; not decrypted
  std::uint64_t hellos_dropped = 0;     // good ones too many or too soon: answered when they are repeated
  std::uint64_t handshakes = 0;         // completed
  std::uint64_t handshakes_failed = 0;  // refused, given up or begun again: each told by Closed without Opened
  std::uint64_t sessions_closed = 0;
};

class Sessions {
 public:
  virtual ~Sessions() = default;

  virtual void handle_datagram(const Address& from, ByteView datagram, Instant now) = 0;
  virtual void handle_timeout(Instant now) = 0;

  /// The session's connection, to look at; nullptr when it is gone.
  virtual const Connection* find(SessionId session) const = 0;
  /// The same to command it. What the command makes is drained by the next poll_datagram and poll_event.
  virtual Connection* command(SessionId session) = 0;
  /// close_notify to all. From then on nobody is heard or answered (`no_session`): who comes back at once must not
  /// begin with an endpoint that is about to go, whose end he would not hear of.
  virtual void close_all(Instant now) = 0;

  virtual std::optional<Datagram> poll_datagram() = 0;
  virtual std::optional<SessionEvent> poll_event() = 0;
  /// Where it has changed since the last call: addresses of sessions that send so much more than they may that even
  /// reading it costs the others time. Whoever forges a device's address mutes it only while that device itself has
  /// used up what it may send.
  virtual std::optional<std::vector<Address>> poll_muted() = 0;
  virtual std::optional<Instant> next_deadline() const = 0;

  virtual const SessionCounters& counters() const = 0;
  /// Handshakes under way.
  virtual std::size_t half_open() const = 0;
  /// ClientHellos whose turn has not come.
  virtual std::size_t waiting() const = 0;
};

}  // namespace coap
