#pragma once
// A certificate authority in memory: right and wrong certificates for the tests of the secure transport.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "coap/credentials.hpp"

namespace coap::testing {

/// In OpenSSL's notation, by name.
using Extensions = std::vector<std::pair<std::string, std::string>>;

/// What a certificate says. The defaults are a good device's.
struct CertificateSpec {
  std::string san = "URI:urn:dev:os:32473-0123456789abcdef";  // in OpenSSL's notation; empty: none
  std::vector<std::string> raw_uris;                          // SAN URIs byte by byte, in place of `san`
  std::string extended_key_usage = "clientAuth";              // empty: none
  std::string basic_constraints = "critical,CA:FALSE";
  std::string key_usage = "critical,digitalSignature";
  std::string curve = "P-256";  // or "RSA": 2,048 bits, "RSA-1024"
  bool explicit_curve = false;  // by its parameters, not its name
  std::string public_key_pem;   // a key of somebody else's, in place of `curve`; its private one is not known
  std::string comment;          // as long as is wished
  Extensions extensions = {};   // more of them
  std::string digest = "SHA256";
  long from_seconds = -3600;  // relative to now
  long to_seconds = 86'400;
  /// A device named by these bytes, whatever they are.
  static CertificateSpec named(std::vector<std::string> uris) {
    CertificateSpec spec;
    spec.raw_uris = std::move(uris);
    return spec;
  }
  static CertificateSpec server(std::string san = "DNS:localhost,IP:127.0.0.1");
};

struct Pair {
  std::string certificate_pem;
  std::string private_key_pem;  // empty where it is not known
};

/// A number of so many bits that nobody has factored nor will: what is made with it is never verified.
std::string rsa_public_key(int modulus_bits, int exponent_bits);
/// What goes over the wire of a certificate.
std::vector<std::uint8_t> der_of(const std::string& certificate_pem);

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);
  Pair issue(const CertificateSpec& spec) const;
  /// An authority below this one; with a comment and more extensions where they are given.
  TestAuthority subordinate(const std::string& name, std::string comment = {}, Extensions extensions = {},
                            long to_seconds = 86'400) const;
  /// With the authority's certificate and key at hand.
  static TestAuthority of(Pair own) { return TestAuthority(std::move(own)); }
  const std::string& certificate_pem() const { return own_.certificate_pem; }
  static Pair self_signed(const CertificateSpec& spec);

 private:
  explicit TestAuthority(Pair own) : own_(std::move(own)) {}
  Pair own_;
};

}  // namespace coap::testing
