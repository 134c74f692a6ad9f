#pragma once
// What a peer's certificate must say beyond a valid chain, and what is kept of it. Knows X.509, nothing of sessions.

#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "coap/result.hpp"
#include "coap/secure_channel.hpp"

namespace coap::dtls {

struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Certificate = std::unique_ptr<X509, FreeCertificate>;
using PrivateKey = std::unique_ptr<EVP_PKEY, FreeKey>;

/// Who shows the certificate that is judged.
enum class PeerRole : std::uint8_t { device, server };

struct Refusal {
  CloseReason reason = CloseReason::none;
  std::string detail;
  int verify_error = X509_V_OK;  // decides which alert the peer is sent
};

/// A refusal that the library's chain check came to (X509_V_ERR_…, at `depth` of the chain; 0 is the leaf).
Refusal refusal_of(int verify_error, int depth, X509* leaf, PeerRole role);

/// No certificate of a chain is larger than 4,096 bytes: what a stranger shows is parsed and verified before it is
/// known (null: there is none).
Refusal judge_size(X509* certificate);

/// What the library does not ask of a leaf: extended key usage present, digitalSignature, no authority, P-256; of a
/// device, one SAN URI, which is a name (names/urn.hpp) urn:dev:…. Reason `none` when all is well.
Refusal judge_leaf(X509* leaf, PeerRole role);

PeerIdentity identity_of(X509* leaf);
/// The earliest notAfter of a chain, but no later than `end`; seconds since 1970, UTC. Null: `end`.
std::int64_t earliest_end(const STACK_OF(X509) * chain, std::int64_t end);
/// The latest notBefore of a chain; likewise. Null: 0.
std::int64_t latest_begin(const STACK_OF(X509) * chain);

/// True for an elliptic-curve key on P-256.
bool is_p256(EVP_PKEY* key);

/// Every certificate of a PEM text, in order. Empty when there is none or one cannot be read.
std::vector<Certificate> read_certificates(const std::string& pem);
/// Null when it cannot be read, or is encrypted.
PrivateKey read_private_key(const std::string& pem);

}  // namespace coap::dtls
