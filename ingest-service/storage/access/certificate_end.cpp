#include "storage/access/certificate_end.hpp"

#include <grpc/grpc_security_constants.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>

namespace wardlink::storage {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};

}  // namespace

std::chrono::system_clock::time_point end_of_certificate(const grpc::AuthContext& peer) {
  constexpr auto unknown = std::chrono::system_clock::time_point::min();
  const auto found = peer.FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (found.empty()) return unknown;
  const std::unique_ptr<BIO, Free> text(BIO_new_mem_buf(found.front().data(), static_cast<int>(found.front().size())));
  if (!text) return unknown;
  const std::unique_ptr<X509, Free> certificate(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
  std::tm end{};
  const bool read = certificate && ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) == 1;
  ERR_clear_error();
  return read ? std::chrono::system_clock::from_time_t(timegm(&end)) : unknown;
}

}  // namespace wardlink::storage
