#pragma once
// DTLS 1.2 on OpenSSL (RFC 6347): the secure channel's real tenant, and the stateless cookie in front of it.
// ECDHE-ECDSA on P-256 with AES-128-GCM or AES-128-CCM; mutual certificates; extended master secret demanded;
// renegotiation refused. OpenSSL stays inside four source files: dtls_context (who is let in with what), dtls_channel
// (one session), dtls_certificate (what a certificate must say) and hello_cookie.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "coap/address.hpp"
#include "coap/credentials.hpp"
#include "coap/instant.hpp"
#include "coap/result.hpp"
#include "coap/secure_channel.hpp"

namespace coap {

struct DtlsOptions {
  /// AES-128-CCM with an 8-byte tag: only for peers that know nothing better.
  bool allow_ccm_8 = false;
  /// Dates of certificates are compared with the host's calendar. False: with nothing, so that whoever owns the channel
  /// has to judge PeerIdentity::not_before and not_after.
  bool check_dates = true;
  /// Largest UDP payload of a handshake, bytes: IPv6's least MTU, 1280, less its headers.
  std::uint16_t mtu = 1232;
  /// Of a handshake flight; doubles up to 60 s (RFC 6347 §4.2.4.1). RFC 7925 §11 advises 9 s on slow networks.
  Duration first_retransmission = std::chrono::seconds{1};
  /// Takes a line of NSS's key log for each handshake: who has it can read the session. Heeded by debug builds only; no
  /// other build has the code. Called on the channel's thread.
  std::function<void(std::string_view line)> key_log;
};

/// Everything that many channels share: certificates parsed once, cipher list, verification. Immutable once made, so
/// it may be shared by threads.
class DtlsContext {
 public:
  /// A server that demands a client certificate with extended key usage clientAuth and a SAN URI. The error is one
  /// sentence for an administrator, naming which of the texts is at fault.
  static Result<std::shared_ptr<DtlsContext>, std::string> server(const Credentials&, const DtlsOptions& = {});
  /// A client that checks the chain, extended key usage serverAuth and that the certificate names `server_name` (DNS
  /// name or IP address).
  static Result<std::shared_ptr<DtlsContext>, std::string> client(const Credentials&, std::string server_name,
                                                                  const DtlsOptions& = {});
  ~DtlsContext();

  /// Client: a channel whose first flight is ready to be polled.
  std::unique_ptr<SecureChannel> connect(Instant now) const;
  /// Server: a channel for a ClientHello whose cookie has been found good; takes that datagram.
  std::unique_ptr<SecureChannel> accept(ByteView client_hello, Instant now) const;

  struct Impl;

 private:
  explicit DtlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The stateless exchange before anything is allocated (RFC 6347 §4.2.1). cookie = HMAC-SHA-256(secret, peer, our
/// address, slot of 60 s), truncated to 16 bytes; the secret is shared by all shards, this slot's and the last one's
/// cookies are good. No reply is longer than what it answers. Not thread-safe.
class HelloCookie {
 public:
  /// secret: 32 random bytes.
  explicit HelloCookie(Bytes secret);
  ~HelloCookie();

  struct Verdict {
    enum class Kind : std::uint8_t { challenge, good, drop } kind;
    Bytes reply;           // challenge: the HelloVerifyRequest to send
    const char* why = "";  // drop: not_client_hello, fragmented, malformed, late_hello
  };
  Verdict judge(const Address& from, ByteView datagram, Instant now) const;
  /// The same for all ports of an IPv4 address, and for all addresses of an IPv6 /64, since one host may use them all.
  /// Who lacks the secret cannot choose an address by it.
  std::uint64_t host(const Address& from) const;

 private:
  struct Hash;
  std::unique_ptr<Hash> hash_;
};

/// Whom the first certificate of a PEM text names. Empty when it cannot be read.
std::optional<PeerIdentity> certificate_identity(const std::string& certificate_pem);

/// RAND_bytes as a Random. Aborts the process when the generator fails: nothing safe can follow.
Random secure_random();

}  // namespace coap
