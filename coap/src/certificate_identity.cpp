#include "coap/dtls.hpp"
#include "dtls_certificate.hpp"

namespace coap {

std::optional<PeerIdentity> certificate_identity(const std::string& certificate_pem) {
  const auto certificates = dtls::read_certificates(certificate_pem);
  if (certificates.empty()) return std::nullopt;
  return dtls::identity_of(certificates.front().get());
}

}  // namespace coap
