// Handshakes against the odds: a server that is restarted on the way, a path with a small MTU, a peer without the
// extended master secret. DTLS-02, DTLS-23, DTLS-24

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <functional>

#include "../../coap/src/dtls_record.hpp"
#include "coap/listener.hpp"
#include "dtls_peers.hpp"
#include "foreign_client.hpp"
#include "raw_handshake.hpp"

namespace coap::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// -- a server that is restarted ---------------------------------------------------------------------------------------

const Address client_address{.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}, .port = 40'000};

/// A listener as a process has it: with a secret of its own.
class Process {
 public:
  explicit Process(std::uint8_t secret)
      : listener_(server_context(), Bytes(32, secret), Listener::Config{}, secure_random()) {}

  void give(ByteView datagram) {
    listener_.handle_datagram(client_address, datagram, now);
    for (auto due = listener_.next_deadline(); due && *due <= now; due = listener_.next_deadline())
      listener_.handle_timeout(now);
  }
  std::vector<Bytes> take() {
    std::vector<Bytes> out;
    while (auto datagram = listener_.poll_datagram()) out.push_back(std::move(datagram->bytes));
    return out;
  }
  std::size_t sessions() const { return listener_.sessions(); }
  std::uint64_t challenges() const { return listener_.counters().challenges; }

  Instant now = start;

 private:
  Listener listener_;
};

/// The hello with the cookie, which the next process does not know.
template <class AnyClient>
void challenge(AnyClient& client, Process& process) {
  for (const Bytes& datagram : client.take()) process.give(datagram);
  for (const Bytes& datagram : process.take()) client.give(datagram);
}

ForeignClient foreign_client() { return ForeignClient({.pair = Authorities::get().devices.issue({}), .chain = {}}); }

TEST(Restart, OursComesThroughInTheSameHandshake) {  // DTLS-23, DTLS-02
  for (std::uint8_t restarts = 0; restarts <= 7; ++restarts) {
    Client client(client_context());
    for (std::uint8_t i = 0; i < restarts; ++i) {
      Process before(i);
      challenge(client, before);
    }
    Process server(99);
    carry(client, server);
    EXPECT_TRUE(client.open()) << int{restarts} << " restarts";
    EXPECT_EQ(server.sessions(), 1u);
    EXPECT_EQ(server.challenges(), 1u);
  }
}

TEST(Restart, AForeignClientToo) {  // DTLS-23
  for (std::uint8_t restarts = 1; restarts <= 3; ++restarts) {
    ForeignClient client = foreign_client();
    for (std::uint8_t i = 0; i < restarts; ++i) {
      Process before(i);
      challenge(client, before);
    }
    Process server(99);
    carry(client, server);
    EXPECT_TRUE(client.open()) << int{restarts} << " restarts: " << client.failure();
    EXPECT_EQ(server.sessions(), 1u);
  }
}

TEST(Restart, ACookieThatGrewOldIsNoDeadEnd) {  // DTLS-02
  Client client(client_context());
  Process server(1);
  challenge(client, server);
  server.now += 5min;
  carry(client, server);
  EXPECT_TRUE(client.open());
  EXPECT_EQ(server.challenges(), 2u);
}

DtlsOptions impatient() {  // the library's timers run by its own clock
  DtlsOptions options;
  options.first_retransmission = 20ms;
  return options;
}

template <class AnyServer>
void wait_for_timers(Client& client, AnyServer& server, const std::function<void()>& expire,
                     const std::function<bool(int, ByteView)>& passes, const std::function<bool()>& done) {
  const auto give_up = std::chrono::steady_clock::now() + 20s;
  while (!done() && std::chrono::steady_clock::now() < give_up) {
    client.channel->handle_timeout(start);
    expire();
    carry(client, server, passes, 1'000);
  }
}

/// Of a datagram's first record (RFC 6347 §4.1): 48 bits behind the epoch.
std::uint64_t record_number(ByteView datagram) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : datagram.subspan(5, 6)) number = number << 8 | byte;
  return number;
}

TEST(Restart, SurvivesRepetitionsOnBothSides) {  // DTLS-02, DTLS-21: record numbers do not repeat
  std::uint64_t seen = 0;
  Client client(client_context(CertificateSpec{}, impatient()));
  {
    Process before(1);
    std::vector<Bytes> hellos = client.take();
    const auto give_up = std::chrono::steady_clock::now() + 20s;
    while (hellos.size() < 3 && std::chrono::steady_clock::now() < give_up) {  // lost, and repeated
      client.channel->handle_timeout(start);
      for (Bytes& more : client.take()) hellos.push_back(std::move(more));
    }
    before.give(hellos.back());
    for (const Bytes& datagram : before.take()) {
      seen = record_number(datagram);
      client.give(datagram);
    }
  }
  Process server(2);
  int from_server = 0;
  const auto loses_the_first_flight = [&](int, ByteView datagram) {
    const bool flight = datagram[0] == 22 && datagram[13] == 2;  // a ServerHello
    if (flight) {
      EXPECT_GT(record_number(datagram), seen) << "the client takes it for a repetition";
    }
    return !flight || ++from_server > 1;
  };
  carry(client, server, loses_the_first_flight);
  EXPECT_FALSE(client.open());
  wait_for_timers(
      client, server, [&] { server.give(Bytes{0}); }, loses_the_first_flight, [&] { return client.open(); });
  EXPECT_TRUE(client.open());
}

// -- a small path -----------------------------------------------------------------------------------------------------

struct Way {
  std::size_t mtu;  // UDP payload
  bool chain;       // both ends show an intermediate too
};

class PathTest : public ::testing::TestWithParam<Way> {};

/// A device and a server whose flights are as long as they may become.
Credentials credentials_of(const TestAuthority& root, const CertificateSpec& spec, bool chain,
                           const std::string& trust) {
  if (!chain) return credentials(root.issue(spec), trust);
  const TestAuthority below = root.subordinate("below", std::string(600, 'x'));
  const Pair pair = below.issue(spec);
  return {pair.certificate_pem + below.certificate_pem(), pair.private_key_pem, trust};
}

TEST_P(PathTest, CarriesAHandshakeBothWays) {  // DTLS-24; RFC 6347 §4.1.1.1
  const auto& authorities = Authorities::get();
  const auto device = credentials_of(authorities.devices, {}, GetParam().chain, authorities.services.certificate_pem());
  const auto service = credentials_of(authorities.services, CertificateSpec::server(), GetParam().chain,
                                      authorities.devices.certificate_pem());
  Client client(made(DtlsContext::client(device, "localhost", impatient())));
  Server server(made(DtlsContext::server(service, impatient())));
  std::size_t largest = 0;
  const auto passes = [&](int, ByteView datagram) {
    if (datagram.size() > GetParam().mtu) return false;
    largest = std::max(largest, datagram.size());
    return true;
  };
  carry(client, server, passes);
  const auto expire = [&] {
    if (server.channel) server.channel->handle_timeout(start);
  };
  wait_for_timers(client, server, expire, passes, [&] { return client.open() && server.open(); });
  EXPECT_TRUE(client.open() && server.open()) << to_string(client.reason()) << ", " << to_string(server.reason());
  EXPECT_GT(largest, GetParam().mtu / 2) << "pieces no smaller than need be";
}

std::vector<Way> ways() {
  std::vector<Way> all;
  for (const std::size_t mtu : {472, 500, 548, 600, 1232, 1280})
    for (const bool chain : {false, true}) all.push_back({mtu, chain});
  return all;
}
INSTANTIATE_TEST_SUITE_P(Mtus, PathTest, ::testing::ValuesIn(ways()), [](const auto& chosen) {
  return std::to_string(chosen.param.mtu) + (chosen.param.chain ? "Chain" : "Leaf");
});

TEST(Path, AWideOneIsUsedWhole) {  // nothing is lost: nothing gets smaller
  const auto& authorities = Authorities::get();
  Client client(made(DtlsContext::client(
      credentials_of(authorities.devices, {}, true, authorities.services.certificate_pem()), "localhost")));
  Server server(server_context());
  std::size_t largest = 0;
  carry(client, server, [&](int, ByteView datagram) {
    largest = std::max(largest, datagram.size());
    return true;
  });
  EXPECT_TRUE(client.open() && server.open());
  EXPECT_GT(largest, 1'000u);
  EXPECT_LE(largest, 1'232u);
}

// -- the extended master secret ---------------------------------------------------------------------------------------

constexpr std::array<std::uint8_t, 2> handshake_failure{2, 40};  // fatal; RFC 5246 §7.2

bool is_handshake_failure(ByteView datagram) {
  const auto record = dtls::next_record(datagram);
  return record && record->type == 21 && std::ranges::equal(record->body, handshake_failure);
}

TEST(ExtendedMasterSecret, AClientWithoutItIsToldBeforeAServerHello) {  // DTLS-17; RFC 7627 §5.2
  ForeignClient::Options options{.pair = Authorities::get().devices.issue({}), .chain = {}};
  options.extended_master_secret = false;
  ForeignClient client(options);
  Server server(server_context());
  for (const Bytes& datagram : client.take()) server.give(datagram);
  for (const Bytes& datagram : server.take()) client.give(datagram);
  for (const Bytes& datagram : client.take()) server.give(datagram);
  const auto answer = server.take();
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_TRUE(is_handshake_failure(answer[0]));
  EXPECT_STREQ(to_string(server.reason()), "protocol");
  EXPECT_THAT(server.channel->close_detail(), HasSubstr("extended master secret"));
  client.give(answer[0]);
  EXPECT_THAT(client.failure(), HasSubstr("handshake failure"));
}

TEST(ExtendedMasterSecret, ARestartedServerTellsTheSame) {  // DTLS-17
  ForeignClient::Options options{.pair = Authorities::get().devices.issue({}), .chain = {}};
  options.extended_master_secret = false;
  ForeignClient client(options);
  Process before(1), server(2);
  challenge(client, before);
  carry(client, server);
  EXPECT_THAT(client.failure(), HasSubstr("handshake failure"));
  EXPECT_EQ(server.sessions(), 0u);
}

/// A server of anybody's that does not know it.
class OldServer {
 public:
  explicit OldServer(bool knows_it) : context_(SSL_CTX_new(DTLS_server_method()), SSL_CTX_free) {
    const Pair pair = Authorities::get().services.issue(CertificateSpec::server());
    const auto bio = [](const std::string& text) {
      return BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
    };
    BIO* certificate = bio(pair.certificate_pem);
    BIO* key = bio(pair.private_key_pem);
    X509* leaf = PEM_read_bio_X509(certificate, nullptr, nullptr, nullptr);
    EVP_PKEY* secret = PEM_read_bio_PrivateKey(key, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(context_.get(), leaf);
    SSL_CTX_use_PrivateKey(context_.get(), secret);
    SSL_CTX_set_options(context_.get(), SSL_OP_NO_QUERY_MTU | (knows_it ? 0 : SSL_OP_NO_EXTENDED_MASTER_SECRET));
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
    X509_free(leaf);
    EVP_PKEY_free(secret);
    BIO_free(certificate);
    BIO_free(key);
    ssl_.reset(SSL_new(context_.get()));
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in_, -1);
    SSL_set_bio(ssl_.get(), in_, out_);
    SSL_set_mtu(ssl_.get(), 1200);
    SSL_set_accept_state(ssl_.get());
  }
  void give(ByteView datagram) {
    while (const auto record = dtls::next_record(datagram)) {
      BIO_write(in_, record->bytes.data(), static_cast<int>(record->bytes.size()));
      ERR_clear_error();
      open = SSL_do_handshake(ssl_.get()) == 1;
      if (ERR_peek_last_error() != 0) failure = ERR_reason_error_string(ERR_peek_last_error());
    }
  }
  std::vector<Bytes> take() {
    Bytes all(static_cast<std::size_t>(BIO_pending(out_)));
    if (!all.empty()) BIO_read(out_, all.data(), static_cast<int>(all.size()));
    if (all.empty()) return {};
    return {all};
  }
  bool open = false;
  std::string failure;

 private:
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, SSL_free};
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
};

TEST(ExtendedMasterSecret, AServerWithoutItIsToldByOurs) {  // DTLS-17; RFC 7627 §5.2
  for (const bool knows_it : {true, false}) {
    OldServer server(knows_it);
    Client client(client_context());
    bool told = false;
    carry(client, server, [&](int, ByteView datagram) {
      told = told || is_handshake_failure(datagram);
      return true;
    });
    EXPECT_EQ(server.open, knows_it) << server.failure;
    EXPECT_EQ(client.open(), knows_it);
    EXPECT_EQ(told, !knows_it);
    if (knows_it) continue;
    EXPECT_THAT(server.failure, HasSubstr("handshake failure"));
    EXPECT_STREQ(to_string(client.reason()), "protocol");
    EXPECT_THAT(client.channel->close_detail(), HasSubstr("extended master secret"));
  }
}

// -- a session that is offered again ----------------------------------------------------------------------------------

TEST(Resumption, IsNeverAgreedTo) {  // DTLS-16: a resumed session would skip the chain and its dates
  const Pair pair = Authorities::get().devices.issue({});
  ForeignClient first({.pair = pair, .chain = {}});
  Server server(server_context());
  carry(first, server);
  ASSERT_TRUE(server.open());
  ForeignClient again({.pair = pair, .chain = {}, .session = first.session()});
  Server same(server_context());
  carry(again, same);
  EXPECT_TRUE(same.open());
  EXPECT_FALSE(again.resumed());

  CertificateSpec gone;
  gone.to_seconds = -60;
  ForeignClient expired({.pair = Authorities::get().devices.issue(gone), .chain = {}, .session = first.session()});
  Server strict(server_context());
  carry(expired, strict);
  EXPECT_STREQ(to_string(strict.reason()), "certificate_expired");
}

// -- a hello in pieces ------------------------------------------------------------------------------------------------

TEST(FragmentedHello, IsCountedAndNotAnswered) {  // DTLS-03: as docs/wire.md says
  Client client(client_context());
  const Piece hello = whole(client.take().at(0));
  Listener listener(server_context(), Bytes(32, 1), Listener::Config{}, secure_random());
  const std::size_t half = hello.bytes.size() / 2;
  listener.handle_datagram(client_address, hello.part(0, half).record(), start);
  listener.handle_datagram(client_address, hello.part(half, hello.bytes.size()).record(), start);
  EXPECT_EQ(listener.counters().fragmented_hello, 2u);
  EXPECT_EQ(listener.counters().bad_hello, 0u);
  EXPECT_FALSE(listener.poll_datagram());
  EXPECT_EQ(listener.waiting(), 0u);
}

}  // namespace
}  // namespace coap::testing
