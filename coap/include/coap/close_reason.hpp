#pragma once
// Why a secure session is not there, or no longer.

#include <cstdint>

namespace coap {

/// Why a handshake ended without a session, or a session ended. Each has its own counter and its own word in the audit.
enum class CloseReason : std::uint8_t {
  none,
  local,               // this side closed
  peer_closed,         // close_notify
  peer_alert,          // fatal alert from the peer
  superseded,          // a newer session of the same peer took its place
  idle,                // nothing heard for the idle limit
  peer_silent,         // retransmissions and a ping unanswered
  handshake_deadline,  // the handshake did not finish in time
  displaced,           // too many handshakes were under way, and this one was the oldest
  no_certificate,
  unknown_authority,  // unknown CA, chain incomplete
  self_signed,
  certificate_expired,
  certificate_not_yet_valid,
  no_client_auth,         // extended key usage lacks what this side demands
  server_certificate,     // a server's certificate used by a device
  no_digital_signature,   // key usage lacks it
  authority_certificate,  // CA:TRUE: an authority's, used by a device
  weak_key,               // not P-256 by name
  weak_digest,            // a signature with SHA-1 or worse
  certificate_too_large,
  chain_too_long,     // depth > 3
  bad_identity,       // not one SAN URI of the form demanded
  wrong_server_name,  // client side: the certificate does not name the server that was asked for
  protocol,           // anything else that OpenSSL refuses
};

/// snake_case, for counters and audit; empty for what is none of them.
constexpr const char* to_string(CloseReason reason) {
  switch (reason) {
    case CloseReason::none:
      return "none";
    case CloseReason::local:
      return "local";
    case CloseReason::peer_closed:
      return "peer_closed";
    case CloseReason::peer_alert:
      return "peer_alert";
    case CloseReason::superseded:
      return "superseded";
    case CloseReason::idle:
      return "idle";
    case CloseReason::peer_silent:
      return "peer_silent";
    case CloseReason::handshake_deadline:
      return "handshake_deadline";
    case CloseReason::displaced:
      return "displaced";
    case CloseReason::no_certificate:
      return "no_certificate";
    case CloseReason::unknown_authority:
      return "unknown_authority";
    case CloseReason::self_signed:
      return "self_signed";
    case CloseReason::certificate_expired:
      return "certificate_expired";
    case CloseReason::certificate_not_yet_valid:
      return "certificate_not_yet_valid";
    case CloseReason::no_client_auth:
      return "no_client_auth";
    case CloseReason::server_certificate:
      return "server_certificate";
    case CloseReason::no_digital_signature:
      return "no_digital_signature";
    case CloseReason::authority_certificate:
      return "authority_certificate";
    case CloseReason::weak_key:
      return "weak_key";
    case CloseReason::weak_digest:
      return "weak_digest";
    case CloseReason::certificate_too_large:
      return "certificate_too_large";
    case CloseReason::chain_too_long:
      return "chain_too_long";
    case CloseReason::bad_identity:
      return "bad_identity";
    case CloseReason::wrong_server_name:
      return "wrong_server_name";
    case CloseReason::protocol:
      return "protocol";
  }
  return "";
}

}  // namespace coap
