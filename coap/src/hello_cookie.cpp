// The stateless cookie (RFC 6347 §4.2.1) and the random source.

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdlib>

#include "client_hello.hpp"
#include "coap/dtls.hpp"
#include "dtls_record.hpp"

namespace coap {
namespace {

using Verdict = HelloCookie::Verdict;

constexpr std::size_t cookie_size = 16;
using Cookie = std::array<std::uint8_t, cookie_size>;

constexpr Duration slot_length = std::chrono::seconds{60};

void append(Bytes& to, ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

template <std::size_t N>
std::array<std::uint8_t, N> big_endian(std::uint64_t value) {
  std::array<std::uint8_t, N> bytes;
  for (std::size_t i = 0; i < N; ++i) bytes[i] = static_cast<std::uint8_t>(value >> (8 * (N - 1 - i)));
  return bytes;
}

std::uint64_t slot_of(Instant now) { return static_cast<std::uint64_t>(now.time_since_epoch() / slot_length); }

/// Walks through a ClientHello; every read is checked.
class Cursor {
 public:
  explicit Cursor(ByteView bytes) : rest_(bytes) {}

  std::optional<ByteView> take(std::size_t size) {
    if (rest_.size() < size) return std::nullopt;
    const ByteView taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  /// A vector with its length in front.
  std::optional<ByteView> take_vector(std::size_t length_size) {
    const auto length = take(length_size);
    if (!length) return std::nullopt;
    return take(dtls::read_uint(*length));
  }
  bool at_end() const { return rest_.empty(); }

 private:
  ByteView rest_;
};

struct Hello {
  ByteView record_sequence;
  std::uint16_t message_seq = 0;
  ByteView cookie;
};

/// The fields that the cookie needs; `why` says what is wrong where there is no Hello.
std::optional<Hello> read_hello(ByteView datagram, const char*& why) {
  ByteView rest = datagram;
  const auto record = dtls::next_record(rest);
  why = "malformed";
  if (!record) return std::nullopt;
  if (!record->is_client_hello()) {
    why = "not_client_hello";
    return std::nullopt;
  }
  if (record->body.size() < dtls::handshake_header) return std::nullopt;
  const std::uint64_t length = dtls::read_uint(record->body.subspan(1, 3));
  const std::uint64_t fragment_offset = dtls::read_uint(record->body.subspan(6, 3));
  const std::uint64_t fragment_length = dtls::read_uint(record->body.subspan(9, 3));
  if (fragment_offset != 0 || fragment_length != length) {
    why = "fragmented";  // to put it together would take memory before the address is proven
    return std::nullopt;
  }
  if (record->body.size() != dtls::handshake_header + length) return std::nullopt;

  Cursor cursor(record->body.subspan(dtls::handshake_header));
  const auto version = cursor.take(2);
  const auto random = cursor.take(32);
  const auto session_id = cursor.take_vector(1);
  const auto cookie = cursor.take_vector(1);
  const auto suites = cursor.take_vector(2);
  const auto compressions = cursor.take_vector(1);
  if (!version || !random || !session_id || !cookie || !suites || !compressions) return std::nullopt;
  if ((*version)[0] != 0xfe || session_id->size() > 32 || suites->empty() || suites->size() % 2 != 0 ||
      compressions->empty()) {
    return std::nullopt;
  }
  if (!cursor.at_end() && (!cursor.take_vector(2) || !cursor.at_end())) return std::nullopt;  // extensions
  return Hello{.record_sequence = record->sequence,
               .message_seq = static_cast<std::uint16_t>(dtls::read_uint(record->body.subspan(4, 2))),
               .cookie = *cookie};
}

/// The record sequence number is the ClientHello's, so that answering again never repeats one; message_seq counts this
/// side's messages as the client counts its own (RFC 6347 §4.2.1, §4.2.2). Both versions are DTLS 1.0's by the RFC's
/// advice.
Bytes hello_verify_request(const Hello& hello, const Cookie& cookie) {
  constexpr std::uint64_t body_size = 2 + 1 + cookie_size;
  Bytes reply{static_cast<std::uint8_t>(dtls::ContentType::handshake), 0xfe, 0xff, 0, 0};
  append(reply, hello.record_sequence);
  append(reply, big_endian<2>(dtls::handshake_header + body_size));
  reply.push_back(dtls::hello_verify_request);
  append(reply, big_endian<3>(body_size));
  append(reply, big_endian<2>(hello.message_seq));
  append(reply, big_endian<3>(0));
  append(reply, big_endian<3>(body_size));
  append(reply, ByteView{std::array<std::uint8_t, 3>{0xfe, 0xff, cookie_size}});
  append(reply, cookie);
  return reply;
}

}  // namespace

/// Keyed once: to fetch the algorithm and to set the key cost several times what a hash does.
struct HelloCookie::Hash {
  explicit Hash(ByteView secret) {
    assert(secret.size() >= 32);
    const std::unique_ptr<EVP_MAC, Free> hmac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
    must(hmac != nullptr);
    context.reset(EVP_MAC_CTX_new(hmac.get()));
    std::string digest = "SHA256";
    const std::array<OSSL_PARAM, 2> parameters{
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0), OSSL_PARAM_construct_end()};
    must(context && EVP_MAC_init(context.get(), secret.data(), secret.size(), parameters.data()) == 1);
  }

  Cookie of(ByteView text) {
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> mac;
    std::size_t size = 0;
    must(EVP_MAC_init(context.get(), nullptr, 0, nullptr) == 1);  // under the same key
    must(EVP_MAC_update(context.get(), text.data(), text.size()) == 1);
    must(EVP_MAC_final(context.get(), mac.data(), &size, mac.size()) == 1 && size >= cookie_size);
    Cookie cookie;
    std::copy_n(mac.begin(), cookie_size, cookie.begin());
    return cookie;
  }
  Cookie cookie(const Address& from, std::uint64_t slot) {
    Bytes text(from.ip.begin(), from.ip.end());
    append(text, big_endian<2>(from.port));
    append(text, big_endian<4>(from.scope));
    append(text, from.local);
    append(text, big_endian<8>(slot));
    return of(text);
  }

  struct Free {
    void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
    void operator()(EVP_MAC_CTX* one) const { EVP_MAC_CTX_free(one); }
  };
  /// A cookie that anybody can guess would open the door.
  static void must(bool done) {
    if (!done) std::abort();
  }
  std::unique_ptr<EVP_MAC_CTX, Free> context;
};

HelloCookie::HelloCookie(Bytes secret) : hash_(std::make_unique<Hash>(secret)) {
  OPENSSL_cleanse(secret.data(), secret.size());
}

HelloCookie::~HelloCookie() = default;

Verdict HelloCookie::judge(const Address& from, ByteView datagram, Instant now) const {
  const char* why = "";
  const auto hello = read_hello(datagram, why);
  if (!hello) return {.kind = Verdict::Kind::drop, .reply = {}, .why = why};

  const std::uint64_t slot = slot_of(now);
  const Cookie current = hash_->cookie(from, slot);
  // A ClientHello that opens the exchange is always answered with a challenge, also where it brings an old cookie: its
  // sender counts messages from 0, and behind a HelloVerifyRequest they count from 1.
  if (hello->message_seq > 0 && hello->cookie.size() == cookie_size) {
    const Cookie previous = hash_->cookie(from, slot - 1);
    const bool good = CRYPTO_memcmp(hello->cookie.data(), current.data(), cookie_size) == 0 ||
                      CRYPTO_memcmp(hello->cookie.data(), previous.data(), cookie_size) == 0;
    // A client that was challenged more than once has numbered its hellos on; each number costs a step (Channel).
    if (good && hello->message_seq > dtls::most_challenges)
      return {.kind = Verdict::Kind::drop, .reply = {}, .why = "late_hello"};
    if (good) return {.kind = Verdict::Kind::good, .reply = {}, .why = ""};
  }
  Bytes reply = hello_verify_request(*hello, current);
  assert(reply.size() <= datagram.size());  // RFC 6347 §4.2.1: no amplification
  return {.kind = Verdict::Kind::challenge, .reply = std::move(reply), .why = ""};
}

std::uint64_t HelloCookie::host(const Address& from) const {
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool v4 = std::equal(mapped.begin(), mapped.end(), from.ip.begin());
  // Shorter than what a cookie is made of: no cookie tells anything of it.
  const Cookie hash = hash_->of(ByteView(from.ip).first(v4 ? 16 : 8));
  return dtls::read_uint(ByteView(hash).first(8));
}

Random secure_random() {
  return [](std::span<std::uint8_t> bytes) {
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) std::abort();
  };
}

}  // namespace coap
