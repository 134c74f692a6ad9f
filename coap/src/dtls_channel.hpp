#pragma once
// The secure channel's real tenant: one DTLS 1.2 session on one SSL object. DtlsContext makes it.

#include <openssl/types.h>

#include <memory>
#include <vector>

#include "coap/dtls.hpp"
#include "coap/secure_channel.hpp"
#include "dtls_certificate.hpp"
#include "dtls_record.hpp"
#include "handshake_budget.hpp"

namespace coap::dtls {

struct FreeSsl {
  void operator()(SSL* ssl) const;
};

class Channel final : public SecureChannel {
 public:
  /// Takes a fresh SSL of the context's, in neither role yet. Null (no memory): the channel is closed from the start.
  Channel(std::unique_ptr<SSL, FreeSsl> ssl, const DtlsOptions& options);
  ~Channel() override;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Exactly one of these follows the constructor.
  void start_client(Instant now);
  void start_server(ByteView hello, Instant now);

  bool handle_datagram(ByteView datagram, Instant now) override;
  void handle_timeout(Instant now) override;
  bool send(ByteView plaintext) override;
  void close() override;
  std::optional<Bytes> poll_datagram() override;
  std::optional<Bytes> poll_plaintext() override;
  State state() const override { return state_; }
  std::optional<Instant> deadline() const override { return deadline_; }
  const PeerIdentity& peer() const override { return peer_; }
  CloseReason close_reason() const override { return reason_; }
  std::string close_detail() const override { return detail_; }

  // -- for OpenSSL's callbacks --------------------------------------------------------------------------------------
  /// The record that waits, moved into `to`; 0 when there is none.
  std::size_t read_record(std::span<std::uint8_t> to);
  void write_datagram(ByteView datagram);
  /// Microseconds to wait for an answer; 0 asks for the first.
  unsigned next_retransmission(unsigned last) const;
  /// The verification of the peer's chain arrived at one of its certificates, or at a fault. False ends it.
  bool verify(bool ok, X509_STORE_CTX* store);
  /// Client: what the ServerHello holds.
  void saw_extension(int type);
  /// Server: an answer to the ClientHello's extensions; false ends the handshake with a fatal handshake_failure.
  bool judge_hello();

 private:
  bool attach(const DtlsOptions& options);
  bool listen(const Record& hello);
  bool catch_up(const Record& hello);
  void lower_mtu();
  bool handle_record(ByteView record);
  bool may_be_sealed(const Record& record) const;
  bool has_short_tag() const;
  bool advance_handshake();
  bool complete_handshake();
  bool read_plaintexts();
  void end_by(int result);
  void end(CloseReason reason, std::string detail);
  void say_goodbye();
  void arm(Instant now);
  void count_forgery();

  std::unique_ptr<SSL, FreeSsl> ssl_;
  State state_ = State::handshaking;
  HandshakeBudget budget_;
  ByteView incoming_;  // one record, while OpenSSL is being called
  std::vector<Bytes> datagrams_, plaintexts_;
  std::optional<Instant> deadline_;
  Duration first_retransmission_;
  std::uint16_t mtu_;
  std::uint64_t first_sequence_ = 0;     // added to record sequence numbers in clear (catch_up)
  bool extended_master_secret_ = false;  // client: the ServerHello grants it
  Refusal refusal_;
  PeerIdentity peer_;
  CloseReason reason_ = CloseReason::none;
  std::string detail_;
  int forgeries_left_ = -1;  // negative: not limited
};

/// SSL_CTX_set_verify's callback.
int verify_callback(int ok, X509_STORE_CTX* store);
/// SSL_CTX_set_client_hello_cb's: no session without the extended master secret, and the client is told at once
/// (RFC 7627 §5.2).
int client_hello_callback(SSL* ssl, int* alert, void*);

}  // namespace coap::dtls
