#pragma once
// What one end shows and whom it trusts. PEM texts, not files: only an executable's configuration reads files.

#include <string>

namespace coap {

struct Credentials {
  std::string certificate_pem;  // this end's certificate, then its intermediates
  std::string private_key_pem;  // P-256
  std::string trusted_ca_pem;   // the authorities whose peers are let in
};

}  // namespace coap
