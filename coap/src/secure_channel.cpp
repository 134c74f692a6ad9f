#include "coap/secure_channel.hpp"

namespace coap {

const char* to_string(CloseReason reason) {
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
  return "unknown";
}

}  // namespace coap
