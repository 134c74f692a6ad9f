#include "problem.hpp"

namespace wardlink {
namespace {

const char* sentence(coap::CloseReason reason) {
  using coap::CloseReason;
  switch (reason) {
    case CloseReason::none:
    case CloseReason::protocol:
      return "The secure session failed";
    case CloseReason::local:
      return "This device closed the session";
    case CloseReason::peer_closed:
      return "The gateway closed the session";
    case CloseReason::peer_alert:
      return "The gateway refused this device";
    case CloseReason::superseded:
      return "A newer session with this device's certificate took over";
    case CloseReason::idle:
      return "Nothing was heard for too long";
    case CloseReason::peer_silent:
      return "The gateway does not answer any more";
    case CloseReason::handshake_deadline:
    case CloseReason::displaced:
      return "The gateway did not complete the connection in time";
    case CloseReason::no_certificate:
      return "The gateway showed no certificate";
    case CloseReason::unknown_authority:
    case CloseReason::self_signed:
      return "The gateway's certificate comes from an authority that this device does not trust";
    case CloseReason::certificate_expired:
      return "The gateway's certificate has expired";
    case CloseReason::certificate_not_yet_valid:
      return "The gateway's certificate is not valid yet: is this host's clock right?";
    case CloseReason::no_client_auth:
    case CloseReason::server_certificate:
    case CloseReason::no_digital_signature:
    case CloseReason::authority_certificate:
      return "The gateway's certificate is not one for a server";
    case CloseReason::weak_key:
      return "The gateway's certificate uses a key that is too weak";
    case CloseReason::weak_digest:
      return "The gateway's certificate is signed with a digest that is too weak";
    case CloseReason::certificate_too_large:
      return "A certificate of the gateway's is larger than 4,096 bytes";
    case CloseReason::chain_too_long:
      return "The gateway's certificate chain is too long";
    case CloseReason::bad_identity:
      return "The gateway's certificate names nobody";
    case CloseReason::wrong_server_name:
      return "The gateway's certificate names another server";
  }
  return "The secure session failed";
}

}  // namespace

std::string describe(coap::CloseReason reason, const std::string& detail) {
  const std::string words = sentence(reason);
  return detail.empty() ? words + "." : words + " (" + detail + ").";
}

}  // namespace wardlink
