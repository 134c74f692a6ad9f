#pragma once
// A certificate authority in memory: right and wrong certificates for the tests of the secure transport.

#include <string>
#include <vector>

#include "coap/credentials.hpp"

namespace coap::testing {

/// What a certificate says. The defaults are a good device's.
struct CertificateSpec {
  std::string san = "URI:urn:dev:os:32473-0123456789abcdef";  // in OpenSSL's notation; empty: none
  std::string extended_key_usage = "clientAuth";              // empty: none
  std::string basic_constraints = "critical,CA:FALSE";
  std::string key_usage = "critical,digitalSignature";
  std::string curve = "P-256";  // or "RSA": 2,048 bits, "RSA-1024"
  bool explicit_curve = false;  // by its parameters, not its name
  std::string comment;          // as long as is wished
  std::string digest = "SHA256";
  long from_seconds = -3600;  // relative to now
  long to_seconds = 86'400;
  static CertificateSpec server(std::string san = "DNS:localhost,IP:127.0.0.1");
};

struct Pair {
  std::string certificate_pem;
  std::string private_key_pem;
};

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);
  Pair issue(const CertificateSpec& spec) const;
  /// An authority below this one.
  TestAuthority subordinate(const std::string& name) const;
  const std::string& certificate_pem() const { return own_.certificate_pem; }
  static Pair self_signed(const CertificateSpec& spec);

 private:
  explicit TestAuthority(Pair own) : own_(std::move(own)) {}
  Pair own_;
};

}  // namespace coap::testing
