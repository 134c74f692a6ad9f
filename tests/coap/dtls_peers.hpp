#pragma once
// Two ends of real DTLS in memory: one authority for devices, one for services, a server behind its cookie.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "coap/dtls.hpp"
#include "test_authority.hpp"

namespace coap::testing {

inline std::string text(ByteView bytes) { return {bytes.begin(), bytes.end()}; }
inline Bytes bytes(std::string_view words) { return {words.begin(), words.end()}; }

/// Both authorities, made once a process: keys take time.
struct Authorities {
  TestAuthority devices{"device authority"};
  TestAuthority services{"service authority"};
  static const Authorities& get() {
    static const Authorities authorities;
    return authorities;
  }
};

inline Credentials credentials(const Pair& pair, const std::string& trusted) {
  return {pair.certificate_pem, pair.private_key_pem, trusted};
}

/// A context, or the test stops with its sentence.
inline std::shared_ptr<DtlsContext> made(Result<std::shared_ptr<DtlsContext>, std::string> result) {
  if (!result) throw std::runtime_error(result.error());
  return *result;
}

inline std::shared_ptr<DtlsContext> server_context(const DtlsOptions& options = {},
                                                   const CertificateSpec& spec = CertificateSpec::server()) {
  const auto& authorities = Authorities::get();
  return made(DtlsContext::server(credentials(authorities.services.issue(spec), authorities.devices.certificate_pem()),
                                  options));
}

inline std::shared_ptr<DtlsContext> client_context(const Pair& pair, const DtlsOptions& options = {},
                                                   const std::string& server_name = "localhost") {
  return made(
      DtlsContext::client(credentials(pair, Authorities::get().services.certificate_pem()), server_name, options));
}

inline std::shared_ptr<DtlsContext> client_context(const CertificateSpec& spec = {}, const DtlsOptions& options = {}) {
  return client_context(Authorities::get().devices.issue(spec), options);
}

inline constexpr Instant start{std::chrono::hours{1}};

/// A server for one client: the cookie, then a channel.
class Server {
 public:
  explicit Server(std::shared_ptr<DtlsContext> context) : context_(std::move(context)), cookie_(Bytes(32, 7)) {}

  void give(ByteView datagram, Instant now = start) {
    if (channel) {
      channel->handle_datagram(datagram, now);
      return;
    }
    auto verdict = cookie_.judge({.ip = {}, .port = 40'000}, datagram, now);
    if (verdict.kind == HelloCookie::Verdict::Kind::challenge) replies_.push_back(std::move(verdict.reply));
    if (verdict.kind == HelloCookie::Verdict::Kind::good) channel = context_->accept(datagram, now);
  }
  std::vector<Bytes> take() {
    std::vector<Bytes> out = std::exchange(replies_, {});
    while (channel) {
      auto datagram = channel->poll_datagram();
      if (!datagram) break;
      out.push_back(std::move(*datagram));
    }
    return out;
  }
  bool open() const { return channel && channel->state() == SecureChannel::State::open; }
  CloseReason reason() const { return channel ? channel->close_reason() : CloseReason::none; }
  std::vector<std::string> read() {
    std::vector<std::string> texts;
    while (auto plaintext = channel->poll_plaintext()) texts.push_back(text(*plaintext));
    return texts;
  }

  std::unique_ptr<SecureChannel> channel;

 private:
  std::shared_ptr<DtlsContext> context_;
  HelloCookie cookie_;
  std::vector<Bytes> replies_;
};

/// A client of ours, with the same verbs.
class Client {
 public:
  explicit Client(const std::shared_ptr<DtlsContext>& context) : channel(context->connect(start)) {}
  void give(ByteView datagram, Instant now = start) { channel->handle_datagram(datagram, now); }
  std::vector<Bytes> take() {
    std::vector<Bytes> out;
    while (auto datagram = channel->poll_datagram()) out.push_back(std::move(*datagram));
    return out;
  }
  bool open() const { return channel->state() == SecureChannel::State::open; }
  CloseReason reason() const { return channel->close_reason(); }
  std::vector<std::string> read() {
    std::vector<std::string> texts;
    while (auto plaintext = channel->poll_plaintext()) texts.push_back(text(*plaintext));
    return texts;
  }

  std::unique_ptr<SecureChannel> channel;
};

/// Carries datagrams both ways until nothing moves. `passes` sees each datagram, numbered from 0; false loses it.
template <class A, class B>
int carry(A& client, B& server, const std::function<bool(int, ByteView)>& passes = {}, int number = 0) {
  for (bool moved = true; moved;) {
    moved = false;
    for (const Bytes& datagram : client.take()) {
      moved = true;
      if (!passes || passes(number, datagram)) server.give(datagram);
      ++number;
    }
    for (const Bytes& datagram : server.take()) {
      moved = true;
      if (!passes || passes(number, datagram)) client.give(datagram);
      ++number;
    }
  }
  return number;
}

}  // namespace coap::testing
