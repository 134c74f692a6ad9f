#pragma once
// A DTLS client that is not ours: the library as anybody might set it up, with bad manners on request. Sans-I/O.

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coap/address.hpp"
#include "test_authority.hpp"

namespace coap::testing {

class ForeignClient {
 public:
  struct Options {
    std::optional<Pair> pair;        // empty: shows no certificate
    std::vector<std::string> chain;  // PEM of intermediates
    std::string ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0";
    int newest_version = DTLS1_2_VERSION;
    bool extended_master_secret = true;
    SSL_SESSION* session = nullptr;  // offers to resume it
  };
  explicit ForeignClient(const Options& options);

  /// What it sends: one record a datagram.
  std::vector<Bytes> take();
  void give(ByteView datagram);
  bool open() const { return open_; }
  /// What the library said when the handshake failed.
  const std::string& failure() const { return failure_; }
  /// What it would resume by.
  SSL_SESSION* session() const { return SSL_get0_session(ssl_.get()); }
  bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  void write(const std::string& text);
  /// Begins a second handshake inside the session.
  void renegotiate();
  std::vector<std::string> read;

 private:
  void advance();
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
  bool open_ = false;
  std::string failure_;
};

}  // namespace coap::testing
