#pragma once
// The seam between CoAP and DTLS. Nothing above it keeps an SSL object or knows that there is one: a tenant may free it
// the moment the handshake completes. Tenants: DtlsChannel (dtls.hpp), and in tests one in memory and one that fails.

#include <cstdint>
#include <optional>
#include <string>

#include "coap/address.hpp"
#include "coap/close_reason.hpp"
#include "coap/instant.hpp"

namespace coap {

/// Who is at the other end: copied out of the certificate when the handshake completes, so it outlives the SSL object.
struct PeerIdentity {
  std::string uri;             // the SAN URI, e.g. urn:dev:os:32473-…, as names/urn.hpp spells it; empty for a server
  std::int64_t not_after = 0;  // of the chain, whichever ends first; seconds since 1970-01-01, UTC
  std::int64_t not_before = 0;  // likewise, whichever begins last
};

/// One end of one secure session: datagrams on one side, plaintext records on the other. Sans-I/O: whoever owns it
/// feeds it and drains it. Not thread-safe; one thread owns it. Drain after every handle_*, send and close:
/// poll_datagram until empty, poll_plaintext until empty.
class SecureChannel {
 public:
  enum class State : std::uint8_t { handshaking, open, closed };

  virtual ~SecureChannel() = default;

  /// Takes one datagram. True when something in it was authenticated (proof of life); what cannot be authenticated is
  /// dropped in silence (RFC 6347 §4.1.2.7) and counted.
  virtual bool handle_datagram(ByteView datagram, Instant now) = 0;
  /// Call at or after deadline(): retransmits a handshake flight (RFC 6347 §4.2.4).
  virtual void handle_timeout(Instant now) = 0;
  /// Seals one record. False when the channel is not open.
  virtual bool send(ByteView plaintext) = 0;
  /// Sends close_notify where open, and is closed afterwards.
  virtual void close() = 0;

  virtual std::optional<Bytes> poll_datagram() = 0;
  virtual std::optional<Bytes> poll_plaintext() = 0;

  virtual State state() const = 0;
  virtual std::optional<Instant> deadline() const = 0;
  /// Empty until open.
  virtual const PeerIdentity& peer() const = 0;
  virtual CloseReason close_reason() const = 0;
  /// The library's own words for close_reason(), for the operator; no secrets. May be empty.
  virtual std::string close_detail() const = 0;
};

}  // namespace coap
