#include "dtls_channel.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "client_hello.hpp"
#include "dtls_record.hpp"

namespace coap::dtls {
namespace {

constexpr std::size_t largest_plaintext = 1500;  // one UDP datagram without fragments; the write buffer holds 2,048
constexpr std::size_t largest_record_plaintext = 16'384;        // RFC 5246 §6.2.1
constexpr int ccm_8_forgery_limit = 128;                        // RFC 9147 §4.5.3: an 8-byte tag bears no more
constexpr std::size_t explicit_nonce = 8;                       // RFC 5288 §3, RFC 6655 §3
constexpr std::size_t tag = 16, short_tag = 8;                  // the same, and RFC 6655 §4
constexpr std::array<std::uint16_t, 2> smaller_mtus{548, 256};  // UDP payload: of IPv4's 576 bytes; OpenSSL's least
constexpr std::uint16_t least_mtu_of_a_hello = 548;             // in one piece, or the server will not hear it
constexpr unsigned longest_retransmission_us = 60'000'000;      // RFC 6347 §4.2.4.1

Channel* channel_of(const SSL* ssl) { return ssl == nullptr ? nullptr : static_cast<Channel*>(SSL_get_app_data(ssl)); }

int bio_write(BIO* bio, const char* data, int size) {
  static_cast<Channel*>(BIO_get_data(bio))
      ->write_datagram({reinterpret_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size)});
  return size;
}

int bio_read(BIO* bio, char* to, int size) {
  BIO_clear_retry_flags(bio);
  const std::size_t got = static_cast<Channel*>(BIO_get_data(bio))
                              ->read_record({reinterpret_cast<std::uint8_t*>(to), static_cast<std::size_t>(size)});
  if (got > 0) return static_cast<int>(got);
  BIO_set_retry_read(bio);
  return -1;
}

/// Without an answer to the MTU's overhead OpenSSL cuts a handshake into fragments of 256 bytes.
long bio_control(BIO*, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP:
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
      return 1;
    default:  // the overhead too: the MTU that is set counts UDP payload
      return 0;
  }
}

/// One write is one datagram, one read is one record.
BIO_METHOD* datagram_bio() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams in memory");
    if (made != nullptr && BIO_meth_set_write(made, bio_write) == 1 && BIO_meth_set_read(made, bio_read) == 1 &&
        BIO_meth_set_ctrl(made, bio_control) == 1) {
      return made;
    }
    BIO_meth_free(made);
    return static_cast<BIO_METHOD*>(nullptr);
  }();
  return method;
}

unsigned timer_callback(SSL* ssl, unsigned last) {
  const Channel* channel = channel_of(ssl);
  return channel == nullptr ? 1'000'000 : channel->next_retransmission(last);
}

void extension_callback(SSL* ssl, int, int type, const unsigned char*, int, void*) {
  if (Channel* channel = channel_of(ssl)) channel->saw_extension(type);
}

/// RFC 7627 §5.2, §5.3.
Refusal no_extended_master_secret() {
  return {CloseReason::protocol, "the peer does not offer the extended master secret",
          X509_V_ERR_APPLICATION_VERIFICATION};
}

struct FreeAddress {
  void operator()(BIO_ADDR* address) const { BIO_ADDR_free(address); }
};

}  // namespace

void FreeSsl::operator()(SSL* ssl) const { SSL_free(ssl); }

int verify_callback(int ok, X509_STORE_CTX* store) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  Channel* channel = channel_of(ssl);
  return channel != nullptr && channel->verify(ok != 0, store) ? 1 : 0;
}

int client_hello_callback(SSL* ssl, int* alert, void*) {
  Channel* channel = channel_of(ssl);
  if (channel != nullptr && channel->judge_hello()) return SSL_CLIENT_HELLO_SUCCESS;
  *alert = SSL_AD_HANDSHAKE_FAILURE;
  return SSL_CLIENT_HELLO_ERROR;
}

Channel::Channel(std::unique_ptr<SSL, FreeSsl> ssl, const DtlsOptions& options)
    : ssl_(std::move(ssl)), first_retransmission_(options.first_retransmission), mtu_(options.mtu) {
  if (!attach(options)) end(CloseReason::protocol, "no memory for a session");
}

Channel::~Channel() = default;

bool Channel::attach(const DtlsOptions& options) {
  if (!ssl_ || datagram_bio() == nullptr) return false;
  BIO* bio = BIO_new(datagram_bio());
  if (bio == nullptr) return false;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);  // owns it from here on
  DTLS_set_timer_cb(ssl_.get(), timer_callback);
  return SSL_set_app_data(ssl_.get(), this) == 1 && SSL_set_mtu(ssl_.get(), options.mtu) != 0;
}

void Channel::start_client(Instant now) {
  if (state_ == State::closed) return;
  SSL_set_connect_state(ssl_.get());
  if (SSL_set_tlsext_debug_callback(ssl_.get(), extension_callback) == 1) {
    advance_handshake();
  } else {
    end(CloseReason::protocol, "the ServerHello could not be looked at");
  }
  arm(now);
}

void Channel::start_server(ByteView hello, Instant now) {
  if (state_ == State::closed) return;
  SSL_set_accept_state(ssl_.get());
  const auto record = next_record(hello);
  const bool whole = record && record->body.size() >= handshake_header;
  if (whole && (message_number(*record) <= 1 ? listen(*record) : catch_up(*record))) {
    advance_handshake();
    incoming_ = {};
  } else {
    ERR_clear_error();
    end(CloseReason::protocol, "the ClientHello cannot be used");
  }
  arm(now);
}

/// A fresh server stalls on a ClientHello with message_seq 1 unless DTLSv1_listen has seen that datagram; the cookie
/// callback there agrees to all, since HelloCookie has judged it.
bool Channel::listen(const Record& hello) {
  const std::unique_ptr<BIO_ADDR, FreeAddress> nobody(BIO_ADDR_new());
  incoming_ = hello.bytes;
  ERR_clear_error();
  const bool taken = nobody && DTLSv1_listen(ssl_.get(), nobody.get()) == 1;
  incoming_ = {};
  return taken;
}

/// The hello of a client that was challenged more than once: its messages have numbers that DTLSv1_listen does not
/// know, and each number goes into the Finished. So the library is led through the same exchange: as many hellos
/// without a cookie, whose challenges the client has long had, and then the real one.
bool Channel::catch_up(const Record& hello) {
  const unsigned challenges = message_number(hello);
  SSL_set_options(ssl_.get(), SSL_OP_COOKIE_EXCHANGE);
  for (unsigned number = 0; number < challenges; ++number) {
    const auto earlier = without_cookie(hello, number);
    if (!earlier) return false;
    incoming_ = *earlier;
    ERR_clear_error();
    const bool challenged = SSL_get_error(ssl_.get(), SSL_do_handshake(ssl_.get())) == SSL_ERROR_WANT_READ;
    incoming_ = {};
    datagrams_.clear();
    if (!challenged) return false;
  }
  // The challenges that the client has had bore its own record numbers, all below this one's.
  const std::uint64_t sequence = read_uint(hello.sequence);
  first_sequence_ = sequence > challenges ? sequence - challenges : 0;
  incoming_ = hello.bytes;
  return true;
}

bool Channel::handle_datagram(ByteView datagram, Instant now) {
  bool authenticated = false;
  while (state_ != State::closed) {
    const auto record = next_record(datagram);
    if (!record) break;
    // Nothing in clear may touch a session that stands (RFC 6347 §4.2.8). The peer's repeated last flight is answered
    // by its Finished, which is of epoch 1.
    if (state_ == State::open && record->epoch == 0) continue;
    if (state_ == State::handshaking && !budget_.admits(*record)) continue;
    if (record->epoch > 0 && !may_be_sealed(*record)) continue;
    if (handle_record(record->bytes)) authenticated = true;
  }
  arm(now);
  return authenticated;
}

/// Nobody has sealed what has no room for nonce and tag. OpenSSL 3.0 would take it for a fault of its own, and end the
/// session that it should be dropped for (RFC 6347 §4.1.2.7).
bool Channel::may_be_sealed(const Record& record) const {
  return record.body.size() >= explicit_nonce + (has_short_tag() ? short_tag : tag);
}

/// AES-128-CCM-8, agreed on or being agreed on.
bool Channel::has_short_tag() const {
  const bool open = state_ == State::open;
  const SSL_CIPHER* cipher = open ? SSL_get_current_cipher(ssl_.get()) : SSL_get_pending_cipher(ssl_.get());
  return cipher != nullptr && SSL_CIPHER_get_protocol_id(cipher) == 0xc0ae;
}

bool Channel::handle_record(ByteView record) {
  incoming_ = record;
  bool authenticated = false;
  if (state_ == State::handshaking) {
    authenticated = advance_handshake();
  } else {
    authenticated = read_plaintexts();
    if (!authenticated) count_forgery();
  }
  incoming_ = {};
  return authenticated;
}

/// True when the handshake has completed.
bool Channel::advance_handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return complete_handshake();
  end_by(result);
  return false;
}

bool Channel::complete_handshake() {
  const Certificate leaf(SSL_get1_peer_certificate(ssl_.get()));
  if (!leaf || SSL_get_verify_result(ssl_.get()) != X509_V_OK) {
    end(CloseReason::no_certificate, "the handshake ended without a verified certificate");
    return false;
  }
  if (SSL_get_extms_support(ssl_.get()) != 1) {  // has been refused before it comes to this
    say_goodbye();
    end(CloseReason::protocol, no_extended_master_secret().detail);
    return false;
  }
  peer_ = identity_of(leaf.get());
  peer_.not_after = earliest_end(SSL_get0_verified_chain(ssl_.get()), peer_.not_after);
  peer_.not_before = latest_begin(SSL_get0_verified_chain(ssl_.get()));
  state_ = State::open;
  if (has_short_tag()) forgeries_left_ = ccm_8_forgery_limit;
  read_plaintexts();
  return true;
}

/// True when something was authenticated: a plaintext, an alert, or a repeated Finished (which is answered).
bool Channel::read_plaintexts() {
  std::array<std::uint8_t, largest_record_plaintext> buffer;
  const std::size_t datagrams_before = datagrams_.size();
  bool authenticated = false;
  while (true) {
    ERR_clear_error();
    std::size_t size = 0;
    const int result = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &size);
    if (result != 1) {
      end_by(result);
      break;
    }
    authenticated = true;
    plaintexts_.emplace_back(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size));
  }
  return authenticated || state_ == State::closed || datagrams_.size() > datagrams_before;
}

void Channel::handle_timeout(Instant now) {
  if (state_ == State::handshaking) {
    lower_mtu();
    ERR_clear_error();
    if (DTLSv1_handle_timeout(ssl_.get()) < 0)
      end(CloseReason::handshake_deadline, "no answer to any repetition of a handshake flight");
    ERR_clear_error();
  }
  arm(now);
}

/// A flight that went unanswered may have been too large for the path: the next try is in smaller pieces
/// (RFC 6347 §4.1.1.1). The library's own clock says whether there is a next try.
void Channel::lower_mtu() {
  timeval left{};
  if (DTLSv1_get_timeout(ssl_.get(), &left) != 1 || left.tv_sec != 0 || left.tv_usec != 0) return;
  const bool unanswered_hello = SSL_get_state(ssl_.get()) == TLS_ST_CW_CLNT_HELLO;
  for (const std::uint16_t mtu : smaller_mtus) {
    if (mtu >= mtu_ || (unanswered_hello && mtu < least_mtu_of_a_hello)) continue;
    if (SSL_set_mtu(ssl_.get(), mtu) != 0) mtu_ = mtu;
    return;
  }
}

bool Channel::send(ByteView plaintext) {
  if (state_ != State::open || plaintext.empty() || plaintext.size() > largest_plaintext) return false;
  ERR_clear_error();
  std::size_t written = 0;
  if (SSL_write_ex(ssl_.get(), plaintext.data(), plaintext.size(), &written) == 1) return true;
  ERR_clear_error();
  return false;
}

void Channel::close() {
  if (state_ == State::closed) return;
  if (state_ == State::open) say_goodbye();
  end(CloseReason::local, {});
}

std::optional<Bytes> Channel::poll_datagram() {
  if (datagrams_.empty()) return std::nullopt;
  Bytes first = std::move(datagrams_.front());
  datagrams_.erase(datagrams_.begin());
  return first;
}

std::optional<Bytes> Channel::poll_plaintext() {
  if (plaintexts_.empty()) return std::nullopt;
  Bytes first = std::move(plaintexts_.front());
  plaintexts_.erase(plaintexts_.begin());
  return first;
}

std::size_t Channel::read_record(std::span<std::uint8_t> to) {
  const ByteView record = std::exchange(incoming_, {});
  if (record.size() > to.size()) return 0;
  std::copy(record.begin(), record.end(), to.begin());
  return record.size();
}

void Channel::write_datagram(ByteView datagram) {
  Bytes& made = datagrams_.emplace_back(datagram.begin(), datagram.end());
  if (first_sequence_ == 0) return;
  while (const auto record = next_record(datagram)) {
    if (record->epoch != 0) continue;
    const std::size_t at = made.size() - datagram.size() - record->bytes.size();
    put_uint(made, at + 5, read_uint(record->sequence) + first_sequence_, 6);
  }
}

void Channel::saw_extension(int type) {
  if (type == TLSEXT_TYPE_extended_master_secret) extended_master_secret_ = true;
}

bool Channel::judge_hello() {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl_.get(), TLSEXT_TYPE_extended_master_secret, &data, &size) == 1) return true;
  refusal_ = no_extended_master_secret();
  return false;
}

unsigned Channel::next_retransmission(unsigned last) const {
  if (last == 0) return static_cast<unsigned>(first_retransmission_.count());
  return std::min(2 * last, longest_retransmission_us);
}

bool Channel::verify(bool ok, X509_STORE_CTX* store) {
  const int depth = X509_STORE_CTX_get_error_depth(store);
  const auto role = SSL_is_server(ssl_.get()) == 1 ? PeerRole::device : PeerRole::server;
  X509* leaf = X509_STORE_CTX_get0_cert(store);
  Refusal refusal;
  if (role == PeerRole::server && !extended_master_secret_) refusal = no_extended_master_secret();
  if (refusal.reason == CloseReason::none) refusal = judge_size(X509_STORE_CTX_get_current_cert(store));
  if (refusal.reason == CloseReason::none && !ok)
    refusal = refusal_of(X509_STORE_CTX_get_error(store), depth, leaf, role);
  else if (refusal.reason == CloseReason::none && depth == 0)
    refusal = judge_leaf(leaf, role);
  if (refusal.reason == CloseReason::none) return true;
  if (refusal_.reason == CloseReason::none) refusal_ = refusal;
  X509_STORE_CTX_set_error(store, refusal.verify_error);
  return false;
}

/// Ends the session by what a call of OpenSSL's returned; waiting for the next record is no end.
void Channel::end_by(int result) {
  const int kind = SSL_get_error(ssl_.get(), result);
  if (kind == SSL_ERROR_WANT_READ) return;
  const unsigned long error = ERR_peek_last_error();
  const char* words = ERR_reason_error_string(error);
  const std::string detail = words == nullptr ? "" : words;
  ERR_clear_error();
  const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
  if (kind == SSL_ERROR_ZERO_RETURN) {
    if (state_ == State::open) say_goodbye();  // RFC 5246 §7.2.1
    end(CloseReason::peer_closed, {});
  } else if (refusal_.reason != CloseReason::none) {
    end(refusal_.reason, refusal_.detail);
  } else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    end(CloseReason::no_certificate, detail);
  } else if (reason == SSL_R_READ_TIMEOUT_EXPIRED) {
    end(CloseReason::handshake_deadline, "no answer to any repetition of a handshake flight");
  } else if (reason >= SSL_AD_REASON_OFFSET) {
    end(CloseReason::peer_alert, detail);
  } else {
    end(CloseReason::protocol, detail);
  }
}

void Channel::end(CloseReason reason, std::string detail) {
  state_ = State::closed;
  reason_ = reason;
  detail_ = std::move(detail);
  deadline_.reset();
  ssl_.reset();  // tens of kilobytes
}

/// close_notify; what it returns tells of the peer's, which is not waited for.
void Channel::say_goodbye() {
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

/// OpenSSL reads the clock itself and tells what is left; only a handshake repeats.
void Channel::arm(Instant now) {
  deadline_.reset();
  if (state_ != State::handshaking) return;
  timeval left{};
  if (DTLSv1_get_timeout(ssl_.get(), &left) != 1) return;
  deadline_ = now + std::chrono::seconds{left.tv_sec} + std::chrono::microseconds{left.tv_usec};
}

void Channel::count_forgery() {
  if (state_ != State::open || forgeries_left_ < 0) return;
  if (--forgeries_left_ >= 0) return;
  say_goodbye();
  end(CloseReason::protocol, "too many records that fail an 8-byte tag");
}

}  // namespace coap::dtls
