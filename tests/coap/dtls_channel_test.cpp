// Real handshakes in memory: who is let in, who is not and why, and what no stranger can do to a session.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "../../coap/src/dtls_record.hpp"
#include "dtls_peers.hpp"
#include "foreign_client.hpp"
#include "raw_handshake.hpp"

namespace coap {
namespace {

using namespace std::chrono_literals;
using testing::Authorities;
using testing::bytes;
using testing::carry;
using testing::CertificateSpec;
using testing::Client;
using testing::client_context;
using ::testing::ElementsAre;
using testing::ForeignClient;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Pair;
using testing::Server;
using testing::server_context;
using testing::start;
using testing::TestAuthority;

/// Two ends that have met.
struct Session {
  Client client{client_context()};
  Server server{server_context()};
  Session() { carry(client, server); }

  Bytes sealed(std::string_view words) {
    EXPECT_TRUE(client.channel->send(bytes(words)));
    return client.take().at(0);
  }
  bool lives() {
    server.give(sealed("alive"));
    return server.open() && server.read() == std::vector<std::string>{"alive"};
  }
};

TEST(DtlsChannel, OpensAndCarriesRecordsBothWays) {
  Session session;
  ASSERT_TRUE(session.client.open());
  ASSERT_TRUE(session.server.open());
  EXPECT_EQ(session.server.channel->peer().uri, "urn:dev:os:32473-0123456789abcdef");  // DTLS-13
  EXPECT_GT(session.server.channel->peer().not_after, 1'700'000'000);
  EXPECT_EQ(session.client.channel->peer().uri, "");
  EXPECT_EQ(session.server.channel->deadline(), std::nullopt);

  const Bytes up = session.sealed("up");
  EXPECT_TRUE(session.server.channel->handle_datagram(up, start));
  EXPECT_THAT(session.server.read(), ElementsAre("up"));
  ASSERT_TRUE(session.server.channel->send(bytes("down")));
  carry(session.client, session.server);
  EXPECT_THAT(session.client.read(), ElementsAre("down"));
}

TEST(DtlsChannel, TakesSeveralRecordsInOneDatagram) {
  Session session;
  Bytes both = session.sealed("one");
  const Bytes two = session.sealed("two");
  both.insert(both.end(), two.begin(), two.end());
  both.push_back(0xff);  // and something that is no record
  EXPECT_TRUE(session.server.channel->handle_datagram(both, start));
  EXPECT_THAT(session.server.read(), ElementsAre("one", "two"));
}

TEST(DtlsChannel, SendsOnlyWhatFitsOneDatagram) {
  Session session;
  EXPECT_TRUE(session.client.channel->send(Bytes(1'500, 'x')));
  carry(session.client, session.server);
  EXPECT_EQ(session.server.read().at(0).size(), 1'500u);
  EXPECT_FALSE(session.client.channel->send(Bytes(1'501, 'x')));
  EXPECT_FALSE(session.client.channel->send({}));
  Client early(client_context());
  EXPECT_FALSE(early.channel->send(bytes("too early")));
}

TEST(DtlsChannel, ReadsWhatOvertookTheFinished) {
  Client client(client_context());
  Server server(server_context());
  std::vector<Bytes> held;
  carry(client, server, [&](int, ByteView datagram) {
    ByteView rest = datagram;
    bool finished = false;
    while (const auto record = dtls::next_record(rest)) finished |= record->epoch == 1;
    if (finished && !server.open()) held.emplace_back(datagram.begin(), datagram.end());
    return held.empty();
  });
  ASSERT_EQ(held.size(), 1u);
  ASSERT_FALSE(server.open());
  server.give(held[0]);
  for (const Bytes& datagram : server.take()) client.give(datagram);
  ASSERT_TRUE(client.open() && server.open());
}

// -- who is refused ---------------------------------------------------------------------------------------------------

struct WrongDevice {
  const char* name;
  std::function<Pair()> pair;
  CloseReason reason;
};
void PrintTo(const WrongDevice& device, std::ostream* out) { *out << device.name; }
Pair device(const std::function<void(CertificateSpec&)>& change) {
  CertificateSpec spec;
  change(spec);
  return Authorities::get().devices.issue(spec);
}
std::vector<WrongDevice> wrong_devices() {
  return {
      {"OtherAuthority", [] { return TestAuthority("device authority").issue({}); }, CloseReason::unknown_authority},
      {"SelfSigned", [] { return TestAuthority::self_signed({}); }, CloseReason::self_signed},
      {"Expired", [] { return device([](auto& spec) { spec.to_seconds = -60; }); }, CloseReason::certificate_expired},
      {"NotYetValid", [] { return device([](auto& spec) { spec.from_seconds = 3600; }); },
       CloseReason::certificate_not_yet_valid},
      {"NoUsage", [] { return device([](auto& spec) { spec.extended_key_usage.clear(); }); },
       CloseReason::no_client_auth},
      {"OtherUsage", [] { return device([](auto& spec) { spec.extended_key_usage = "emailProtection"; }); },
       CloseReason::no_client_auth},
      {"NoDigitalSignature", [] { return device([](auto& spec) { spec.key_usage = "critical,keyAgreement"; }); },
       CloseReason::no_digital_signature},
      {"ServerUsage", [] { return device([](auto& spec) { spec.extended_key_usage = "serverAuth"; }); },
       CloseReason::server_certificate},
      {"ServersOwn", [] { return Authorities::get().services.issue(CertificateSpec::server()); },
       CloseReason::server_certificate},
      {"AnAuthorityItself",
       [] {
         return device([](auto& spec) {
           spec.basic_constraints = "critical,CA:TRUE";
           spec.key_usage = "critical,digitalSignature,keyCertSign";
         });
       },
       CloseReason::authority_certificate},
      {"NoName", [] { return device([](auto& spec) { spec.san.clear(); }); }, CloseReason::bad_identity},
      {"DnsName", [] { return device([](auto& spec) { spec.san = "DNS:wearable.example"; }); },
       CloseReason::bad_identity},
      {"NameOfAService", [] { return device([](auto& spec) { spec.san = "URI:urn:wardlink:client:admin"; }); },
       CloseReason::bad_identity},
      {"EmptyName", [] { return device([](auto& spec) { spec.san = "URI:urn:dev:"; }); }, CloseReason::bad_identity},
      {"LongName", [] { return device([](auto& spec) { spec.san = "URI:urn:dev:os:32473-" + std::string(47, 'a'); }); },
       CloseReason::bad_identity},
      {"NameWithASpace", [] { return device([](auto& spec) { spec.san = "URI:urn:dev:os:32473-a b"; }); },
       CloseReason::bad_identity},
      {"TwoNames",
       [] { return device([](auto& spec) { spec.san = "URI:urn:dev:os:32473-a,URI:urn:dev:os:32473-b"; }); },
       CloseReason::bad_identity},
      {"P384", [] { return device([](auto& spec) { spec.curve = "P-384"; }); }, CloseReason::weak_key},
      {"Rsa", [] { return device([](auto& spec) { spec.curve = "RSA"; }); }, CloseReason::weak_key},
      {"P192", [] { return device([](auto& spec) { spec.curve = "P-192"; }); }, CloseReason::weak_key},
      {"ShortRsa", [] { return device([](auto& spec) { spec.curve = "RSA-1024"; }); }, CloseReason::weak_key},
      {"P256ByItsParameters", [] { return device([](auto& spec) { spec.explicit_curve = true; }); },
       CloseReason::weak_key},
      {"Sha1", [] { return device([](auto& spec) { spec.digest = "SHA1"; }); }, CloseReason::weak_digest},
      {"Large", [] { return device([](auto& spec) { spec.comment = std::string(4'000, 'x'); }); },
       CloseReason::certificate_too_large},
  };
}

class WrongDeviceTest : public ::testing::TestWithParam<WrongDevice> {};

TEST_P(WrongDeviceTest, IsRefusedForItsOwnReasonAndTold) {  // DTLS-08, DTLS-09, DTLS-14
  Server server(server_context());
  ForeignClient client({.pair = GetParam().pair(), .chain = {}});
  carry(client, server);
  ASSERT_TRUE(server.channel);
  EXPECT_STREQ(to_string(server.reason()), to_string(GetParam().reason));
  EXPECT_EQ(server.channel->state(), SecureChannel::State::closed);
  EXPECT_FALSE(server.channel->close_detail().empty());
  EXPECT_EQ(server.channel->peer().uri, "");
  EXPECT_FALSE(client.open());
  EXPECT_THAT(client.failure(), HasSubstr("alert"));
}
INSTANTIATE_TEST_SUITE_P(Certificates, WrongDeviceTest, ::testing::ValuesIn(wrong_devices()),
                         [](const auto& chosen) { return std::string(chosen.param.name); });

TEST(DtlsChannel, RefusesADeviceWithoutACertificate) {  // DTLS-08
  Server server(server_context());
  ForeignClient client({.pair = {}, .chain = {}});
  carry(client, server);
  EXPECT_STREQ(to_string(server.reason()), "no_certificate");
  EXPECT_THAT(client.failure(), HasSubstr("alert"));
}

TEST(DtlsChannel, TellsOurOwnClientThatItWasRefused) {
  Server server(server_context());
  CertificateSpec expired;
  expired.to_seconds = -60;
  Client client(client_context(expired));
  carry(client, server);
  EXPECT_EQ(server.reason(), CloseReason::certificate_expired);
  EXPECT_EQ(client.reason(), CloseReason::peer_alert);
  EXPECT_THAT(client.channel->close_detail(), HasSubstr("expired"));
}

TEST(DtlsChannel, AGoodDeviceConnectsAfterManyBadOnes) {  // DTLS-08
  const auto context = server_context();
  const Pair foreign = TestAuthority("other").issue({});
  for (int i = 0; i < 50; ++i) {
    Server server(context);
    ForeignClient client({.pair = foreign, .chain = {}});
    carry(client, server);
    ASSERT_EQ(server.reason(), CloseReason::unknown_authority);
  }
  Server server(context);
  Client client(client_context());
  carry(client, server);
  EXPECT_TRUE(server.open());
}

TEST(DtlsChannel, TakesAChainOfDepthThreeAndNoLonger) {  // DTLS-09, DTLS-14, DTLS-24
  std::vector<TestAuthority> chain{Authorities::get().devices};
  for (int i = 0; i < 3; ++i) chain.push_back(chain.back().subordinate("level " + std::to_string(i)));
  for (const std::uint16_t mtu : {std::uint16_t{548}, std::uint16_t{1232}}) {
    Pair pair = chain[2].issue({});
    pair.certificate_pem += chain[2].certificate_pem() + chain[1].certificate_pem();
    DtlsOptions options;
    options.mtu = mtu;
    Client client(client_context(pair, options));
    Server server(server_context(options));
    std::size_t largest = 0;
    carry(client, server, [&](int, ByteView datagram) { return largest = std::max(largest, datagram.size()), true; });
    EXPECT_TRUE(server.open() && client.open()) << to_string(server.reason());
    EXPECT_LE(largest, mtu);
    EXPECT_GT(largest, mtu - 200u) << "fragments are cut far below the MTU";
  }
  Pair pair = chain[3].issue({});
  pair.certificate_pem += chain[3].certificate_pem() + chain[2].certificate_pem() + chain[1].certificate_pem();
  Client client(client_context(pair));
  Server server(server_context());
  carry(client, server);
  EXPECT_STREQ(to_string(server.reason()), "chain_too_long");
}

TEST(DtlsChannel, ADeviceChecksTheServer) {
  struct Case {
    CertificateSpec spec;
    const char* expected_name;
    CloseReason reason;
  };
  CertificateSpec expired = CertificateSpec::server(), client_usage = CertificateSpec::server();
  expired.to_seconds = -60;
  client_usage.extended_key_usage = "clientAuth";
  const std::vector<Case> cases{
      {CertificateSpec::server("DNS:ingest.example"), "ingest.example", CloseReason::none},
      {CertificateSpec::server("IP:127.0.0.1,IP:::1"), "127.0.0.1", CloseReason::none},
      {CertificateSpec::server("IP:127.0.0.1,IP:::1"), "::1", CloseReason::none},
      {CertificateSpec::server("DNS:ingest.example"), "other.example", CloseReason::wrong_server_name},
      {CertificateSpec::server("DNS:127.0.0.1"), "127.0.0.1", CloseReason::wrong_server_name},
      {CertificateSpec::server("URI:urn:dev:os:32473-a"), "leaf", CloseReason::wrong_server_name},  // its CN
      {expired, "localhost", CloseReason::certificate_expired},
      {client_usage, "localhost", CloseReason::no_client_auth},
  };
  const Pair device = Authorities::get().devices.issue({});
  for (const Case& each : cases) {
    Client client(client_context(device, {}, each.expected_name));
    Server server(server_context({}, each.spec));
    carry(client, server);
    EXPECT_STREQ(to_string(client.reason()), to_string(each.reason)) << each.spec.san << " as " << each.expected_name;
    EXPECT_EQ(client.open(), each.reason == CloseReason::none);
    EXPECT_EQ(server.open(), each.reason == CloseReason::none);
    if (each.reason != CloseReason::none) {
      EXPECT_EQ(server.reason(), CloseReason::peer_alert);
    }
  }
  Client client(testing::made(
      DtlsContext::client(testing::credentials(device, TestAuthority("x").certificate_pem()), "localhost")));
  Server server(server_context());
  carry(client, server);
  EXPECT_EQ(client.reason(), CloseReason::unknown_authority);
}

TEST(DtlsChannel, ADeviceMayLeaveDatesToItsOwner) {
  CertificateSpec over = CertificateSpec::server(), early = over;
  over.to_seconds = -60;
  early.from_seconds = 3600;
  DtlsOptions options;
  options.check_dates = false;
  const Pair device = Authorities::get().devices.issue({});
  const auto now = static_cast<std::int64_t>(std::time(nullptr));
  for (const auto& spec : {over, early, CertificateSpec::server()}) {
    Client client(client_context(device, options));
    Server server(server_context({}, spec));
    carry(client, server);
    ASSERT_TRUE(client.open()) << to_string(client.reason());
    const auto& peer = client.channel->peer();
    EXPECT_NEAR(static_cast<double>(peer.not_before), static_cast<double>(now + spec.from_seconds), 3600);
    EXPECT_NEAR(static_cast<double>(peer.not_after), static_cast<double>(now + spec.to_seconds), 3600);
  }
  for (const char* name : {"other.example", "127.0.0.2"}) {
    Client client(client_context(device, options, name));
    Server server(server_context({}, over));
    carry(client, server);
    EXPECT_EQ(client.reason(), CloseReason::wrong_server_name) << "all else is judged at once";
  }
  Client client(testing::made(
      DtlsContext::client(testing::credentials(device, TestAuthority("x").certificate_pem()), "localhost", options)));
  Server server(server_context({}, over));
  carry(client, server);
  EXPECT_EQ(client.reason(), CloseReason::unknown_authority);
}

// -- what is offered --------------------------------------------------------------------------------------------------

TEST(DtlsChannel, RefusesWhatIsOldOrWeak) {  // DTLS-17
  const Pair pair = Authorities::get().devices.issue({});
  ForeignClient::Options old{.pair = pair, .chain = {}, .ciphers = "ALL:@SECLEVEL=0", .newest_version = DTLS1_VERSION};
  ForeignClient::Options cbc{.pair = pair, .chain = {}, .ciphers = "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA"};
  ForeignClient::Options ccm_8{.pair = pair, .chain = {}, .ciphers = "ECDHE-ECDSA-AES128-CCM8"};
  ForeignClient::Options no_ems{.pair = pair, .chain = {}};
  no_ems.extended_master_secret = false;
  for (const auto& options : {old, cbc, ccm_8, no_ems}) {
    Server server(server_context());
    ForeignClient client(options);
    carry(client, server);
    EXPECT_FALSE(server.open()) << options.ciphers;
    ASSERT_TRUE(server.channel);
    EXPECT_STREQ(to_string(server.reason()), "protocol") << options.ciphers;
  }
}

TEST(DtlsChannel, SpeaksCcmToo) {
  Server server(server_context());
  ForeignClient client(
      {.pair = Authorities::get().devices.issue({}), .chain = {}, .ciphers = "ECDHE-ECDSA-AES128-CCM"});
  carry(client, server);
  ASSERT_TRUE(server.open());
  client.write("hello");
  carry(client, server);
  EXPECT_THAT(server.read(), ElementsAre("hello"));
}

/// Two ends that have met and use AES-128-CCM-8.
struct ShortTagSession {
  ForeignClient client{
      {.pair = Authorities::get().devices.issue({}), .chain = {}, .ciphers = "ECDHE-ECDSA-AES128-CCM8"}};
  Server server{server_context([] {
    DtlsOptions options;
    options.allow_ccm_8 = true;
    return options;
  }())};
  ShortTagSession() { carry(client, server); }
};

TEST(DtlsChannel, AShortTagEndsAfterTooManyForgeries) {  // DTLS-18
  ShortTagSession session;
  auto& [client, server] = session;
  ASSERT_TRUE(server.open());
  client.write("hello");
  Bytes forged = client.take().at(0);
  forged.back() ^= 1;
  for (int i = 0; i < 128; ++i) server.give(forged);
  EXPECT_TRUE(server.open());
  server.give(forged);
  EXPECT_FALSE(server.open());
}

TEST(DtlsChannel, ErrorsOfOthersAreNotTakenForItsOwn) {  // DTLS-10
  const auto blame = [] { ERR_raise(ERR_LIB_SSL, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE); };
  Client client(client_context());
  Server server(server_context());
  carry(client, server, [&](int, ByteView) { return blame(), true; });
  ASSERT_TRUE(client.open() && server.open());
  blame();
  ASSERT_TRUE(client.channel->send(bytes("up")));
  for (const Bytes& datagram : client.take()) {
    blame();
    server.give(datagram);
  }
  EXPECT_THAT(server.read(), ElementsAre("up"));
  EXPECT_TRUE(server.open());
  EXPECT_EQ(ERR_peek_error(), 0u) << "nor does it leave any";
}

TEST(DtlsChannel, DoesNotRenegotiate) {  // DTLS-17
  Server server(server_context());
  ForeignClient client({.pair = Authorities::get().devices.issue({}), .chain = {}});
  carry(client, server);
  ASSERT_TRUE(server.open());
  client.write("sealed before");
  const auto sealed = client.take();
  client.renegotiate();
  const auto hellos = client.take();
  ASSERT_FALSE(hellos.empty());
  for (const Bytes& hello : hellos) server.give(hello);
  EXPECT_TRUE(server.open());
  for (const Bytes& answer : server.take()) {
    ByteView rest = answer;
    while (const auto record = dtls::next_record(rest)) {
      EXPECT_EQ(record->type, 21) << "anything but the alert no_renegotiation";
      EXPECT_EQ(record->epoch, 1);
    }
  }
  for (const Bytes& record : sealed) server.give(record);
  EXPECT_THAT(server.read(), ElementsAre("sealed before")) << "the keys are the same";
  ASSERT_TRUE(server.channel->send(bytes("down")));
  EXPECT_EQ(server.take().at(0).at(4), 1) << "epoch";
}

TEST(DtlsContext, SaysInOneSentenceWhatIsAtFault) {
  const auto& authorities = Authorities::get();
  const Pair server = authorities.services.issue(CertificateSpec::server());
  const Credentials good = testing::credentials(server, authorities.devices.certificate_pem());
  const auto says = [](const Credentials& credentials) {
    auto context = DtlsContext::server(credentials);
    return context ? std::string("nothing") : context.error();
  };
  EXPECT_EQ(says(good), "nothing");
  Credentials bad = good;
  bad.certificate_pem = "nonsense";
  EXPECT_THAT(says(bad), HasSubstr("The certificate is not a PEM text"));
  bad = good;
  bad.certificate_pem.resize(bad.certificate_pem.size() / 2);
  EXPECT_THAT(says(bad), HasSubstr("The certificate is not a PEM text"));
  bad = good;
  bad.private_key_pem.clear();
  EXPECT_THAT(says(bad), HasSubstr("The private key is not an unencrypted PEM"));
  bad = good;
  bad.private_key_pem = authorities.services.issue(CertificateSpec::server()).private_key_pem;
  EXPECT_THAT(says(bad), HasSubstr("does not belong to the certificate"));
  CertificateSpec rsa = CertificateSpec::server();
  rsa.curve = "RSA";
  EXPECT_THAT(says(testing::credentials(authorities.services.issue(rsa), good.trusted_ca_pem)),
              HasSubstr("not on P-256"));
  bad = good;
  bad.trusted_ca_pem = "\n";
  EXPECT_THAT(says(bad), HasSubstr("The trusted authorities"));
  EXPECT_THAT(DtlsContext::client(good, "").error(), HasSubstr("server's name"));
}

// -- loss -------------------------------------------------------------------------------------------------------------

/// OpenSSL reads the clock itself, so a test can only wait for its timer: short ones, and no sleeping.
DtlsOptions impatient() {
  DtlsOptions options;
  options.first_retransmission = 20ms;
  return options;
}

template <class Done>
void wait_for_timers(Client& client, Server& server, Done done) {
  const auto give_up = std::chrono::steady_clock::now() + 60s;
  while (!done() && std::chrono::steady_clock::now() < give_up) {
    client.channel->handle_timeout(start);
    if (server.channel) server.channel->handle_timeout(start);
    carry(client, server);
  }
}

TEST(DtlsChannel, CompletesWhicheverDatagramIsLost) {  // DTLS-21
  const auto server_side = server_context(impatient());
  const auto client_side = client_context(CertificateSpec{}, impatient());
  constexpr int least = 6;  // two hellos, the challenge, three flights
  for (int lost = 0; lost < least; ++lost) {
    Client client(client_side);
    Server server(server_side);
    bool dropped = false;
    carry(client, server, [&](int number, ByteView) {
      dropped |= number == lost;
      return number != lost;
    });
    EXPECT_TRUE(dropped) << "a handshake has fewer than " << lost + 1 << " datagrams";
    wait_for_timers(client, server, [&] { return client.open() && server.open(); });
    EXPECT_TRUE(client.open() && server.open())
        << "datagram " << lost << " lost: " << to_string(client.reason()) << ", " << to_string(server.reason());
  }
}

TEST(DtlsChannel, RepeatsItsFlightWhenDueAndNotBefore) {  // DTLS-21
  Client patient(client_context());
  const Bytes first = patient.take().at(0);
  ASSERT_TRUE(patient.channel->deadline());
  EXPECT_GT(*patient.channel->deadline(), start + 500ms);
  EXPECT_LE(*patient.channel->deadline(), start + 1s);
  patient.channel->handle_timeout(start);
  EXPECT_THAT(patient.take(), IsEmpty());

  DtlsOptions options;
  options.first_retransmission = 500ms;
  Client hasty(client_context(CertificateSpec{}, options));
  const Bytes flight = hasty.take().at(0);
  std::vector<Bytes> repeated;
  const auto give_up = std::chrono::steady_clock::now() + 60s;
  while (repeated.empty() && std::chrono::steady_clock::now() < give_up) {
    hasty.channel->handle_timeout(start);
    repeated = hasty.take();
  }
  ASSERT_EQ(repeated.size(), 1u);
  EXPECT_EQ(Bytes(repeated[0].begin() + 13, repeated[0].end()), Bytes(flight.begin() + 13, flight.end()));
  ASSERT_TRUE(hasty.channel->deadline());
  EXPECT_GT(*hasty.channel->deadline(), start + 500ms) << "the wait has doubled";
}

TEST(DtlsChannel, GivesUpInTheEnd) {  // DTLS-20
  DtlsOptions options;
  options.first_retransmission = 1us;
  Client client(client_context(CertificateSpec{}, options));
  const auto give_up = std::chrono::steady_clock::now() + 60s;
  for (int i = 0; client.reason() == CloseReason::none && std::chrono::steady_clock::now() < give_up; ++i)
    client.channel->handle_timeout(start);
  EXPECT_EQ(client.reason(), CloseReason::handshake_deadline);
  EXPECT_EQ(client.channel->deadline(), std::nullopt);
}

// -- what a stranger sends --------------------------------------------------------------------------------------------

TEST(DtlsChannel, DropsReplayedRecords) {  // DTLS-06, SEC-ATK-2
  Session session;
  const Bytes record = session.sealed("once");
  session.server.give(record);
  EXPECT_FALSE(session.server.channel->handle_datagram(record, start));
  EXPECT_THAT(session.server.read(), ElementsAre("once"));
  EXPECT_TRUE(session.lives());
}

TEST(DtlsChannel, LivesThroughForgedRecords) {  // DTLS-18
  Session session;
  Bytes forged = session.sealed("real");
  session.server.give(forged);
  session.server.read();
  for (int i = 0; i < 1000; ++i) {
    forged[9] = static_cast<std::uint8_t>(i >> 8);  // sequence number: fresh to the replay window
    forged[10] = static_cast<std::uint8_t>(i);
    forged.back() = static_cast<std::uint8_t>(i);
    ASSERT_FALSE(session.server.channel->handle_datagram(forged, start));
  }
  EXPECT_THAT(session.server.read(), IsEmpty());
  EXPECT_THAT(session.server.take(), IsEmpty());
  EXPECT_TRUE(session.lives());
}

/// Looks like a record of the session, and is not.
Bytes forged_record(std::uint8_t type, std::uint16_t sequence, std::size_t length) {
  Bytes record{type, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0};
  testing::add_number(record, sequence, 2);
  testing::add_number(record, length, 2);
  record.resize(record.size() + length, 0x5a);
  return record;
}

/// Shorter than nonce and tag too: OpenSSL takes those for a fault of its own.
void expect_forgeries_of_any_length_dropped(SecureChannel& channel) {
  std::uint16_t sequence = 100;
  for (std::size_t length = 0; length <= 64; ++length)
    for (std::uint8_t type = 20; type <= 26; ++type) {
      EXPECT_FALSE(channel.handle_datagram(forged_record(type, ++sequence, length), start));
      ASSERT_EQ(channel.state(), SecureChannel::State::open) << length << " bytes of type " << int{type};
    }
}

TEST(DtlsChannel, AForgedRecordOfAnyLengthIsDropped) {  // DTLS-12, DTLS-18
  Session session;
  expect_forgeries_of_any_length_dropped(*session.server.channel);
  expect_forgeries_of_any_length_dropped(*session.client.channel);
  EXPECT_THAT(session.server.take(), IsEmpty());
  EXPECT_THAT(session.client.take(), IsEmpty());
  EXPECT_TRUE(session.lives());

  Server server(server_context());
  ForeignClient ccm({.pair = Authorities::get().devices.issue({}), .chain = {}, .ciphers = "ECDHE-ECDSA-AES128-CCM"});
  carry(ccm, server);
  ASSERT_TRUE(server.open());
  expect_forgeries_of_any_length_dropped(*server.channel);
}

TEST(DtlsChannel, AShortTagsRecordsMayBeShorter) {  // DTLS-18
  ShortTagSession session;
  auto& [client, server] = session;
  for (std::size_t length = 0; length <= 64; ++length) {
    server.give(forged_record(23, static_cast<std::uint16_t>(100 + length), length));
    ASSERT_TRUE(server.open()) << length;
  }
  client.write("x");  // 17 bytes with nonce and tag
  carry(client, server);
  EXPECT_THAT(server.read(), ElementsAre("x"));
}

TEST(DtlsChannel, AForgedRecordOfAnyLengthEndsNoHandshake) {  // DTLS-06, DTLS-18
  for (std::size_t length = 0; length <= 32; ++length) {
    Client client(client_context());
    Server server(server_context());
    carry(client, server, [&](int number, ByteView) {
      const auto forged = forged_record(22, static_cast<std::uint16_t>(100 + number), length);
      server.give(forged);
      client.give(forged);
      return true;
    });
    ASSERT_TRUE(client.open() && server.open()) << length;
  }
}

TEST(DtlsChannel, AForgedSequenceOrEpochMovesNoWindow) {  // DTLS-06
  Session session;
  for (const int epoch : {1, 2, 3, 0xffff}) {
    Bytes forged = session.sealed("real");
    forged[3] = static_cast<std::uint8_t>(epoch >> 8);
    forged[4] = static_cast<std::uint8_t>(epoch);
    std::fill(forged.begin() + 5, forged.begin() + 11, std::uint8_t{0xff});
    EXPECT_FALSE(session.server.channel->handle_datagram(forged, start));
    EXPECT_TRUE(session.lives()) << "epoch " << epoch;
  }
}

TEST(DtlsChannel, EveryFlippedBitIsNoticed) {
  Session session;
  const Bytes record = session.sealed("one vital sign");
  for (std::size_t bit = 0; bit < record.size() * 8; ++bit) {
    Bytes forged = record;
    forged[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    session.server.give(forged);
    ASSERT_THAT(session.server.read(), IsEmpty()) << "bit " << bit;
    ASSERT_TRUE(session.server.open()) << "bit " << bit;
  }
  session.server.give(record);
  EXPECT_THAT(session.server.read(), ElementsAre("one vital sign"));
}

TEST(DtlsChannel, NothingInClearTouchesAnOpenSession) {  // DTLS-11, DTLS-12
  Session session;
  const Bytes hello = Client(client_context()).take().at(0);
  const std::vector<Bytes> strange{
      hello,
      {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40},                                 // fatal alert
      {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 10, 0, 2, 1, 0},                                 // close_notify
      {20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 11, 0, 1, 1},                                    // ChangeCipherSpec
      {23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 12, 0, 3, 'f', 'o', 'o'},                        // data in clear
      {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 13, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},  // HelloRequest
      bytes("no record at all"),
      {},
  };
  for (const Bytes& datagram : strange) {
    EXPECT_FALSE(session.server.channel->handle_datagram(datagram, start));
    EXPECT_FALSE(session.client.channel->handle_datagram(datagram, start));
  }
  EXPECT_THAT(session.server.take(), IsEmpty());
  EXPECT_THAT(session.server.read(), IsEmpty());
  EXPECT_TRUE(session.lives());
  EXPECT_TRUE(session.client.open());
}

TEST(DtlsChannel, NothingOutOfTurnOpensASession) {  // DTLS-07, DTLS-11
  const std::vector<Bytes> strange{
      {20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 1},
      {23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 3, 'f', 'o', 'o'},
      {23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 'f', 'o', 'o'},
      // Finished, as the next message, in clear
      {22, 0xfe, 0xfd, 0, 0, 0,  0, 0, 0, 0, 9, 0, 24, 20, 0, 0,  12, 0, 2,
       0,  0,    0,    0, 0, 12, 1, 2, 3, 4, 5, 6, 7,  8,  9, 10, 11, 12},
  };
  for (const Bytes& datagram : strange) {
    Client client(client_context());
    Server server(server_context());
    server.give(client.take().at(0));
    client.give(server.take().at(0));
    server.give(client.take().at(0));
    ASSERT_TRUE(server.channel);
    EXPECT_FALSE(server.channel->handle_datagram(datagram, start));
    EXPECT_FALSE(server.open());
    EXPECT_THAT(server.read(), IsEmpty());
  }
}

TEST(DtlsChannel, EachMessageOfAFlightIsNeeded) {  // DTLS-07, DTLS-08
  // Certificate, ClientKeyExchange, CertificateVerify, ChangeCipherSpec, Finished: one record each from this client.
  for (std::size_t skipped = 0; skipped < 5; ++skipped) {
    Server server(server_context());
    ForeignClient client({.pair = Authorities::get().devices.issue({}), .chain = {}});
    for (int hello = 0; hello < 2; ++hello) {
      for (const Bytes& datagram : client.take()) server.give(datagram);
      for (const Bytes& datagram : server.take()) client.give(datagram);
    }
    const auto flight = client.take();
    ASSERT_EQ(flight.size(), 5u);
    for (std::size_t i = 0; i < flight.size(); ++i) {
      if (i != skipped) server.give(flight[i]);
    }
    EXPECT_FALSE(server.open()) << "message " << skipped;
    EXPECT_THAT(server.read(), IsEmpty());
  }
}

TEST(DtlsChannel, AnUnusableHelloClosesTheChannelAtOnce) {
  Bytes hello = Client(client_context()).take().at(0);  // without a cookie
  hello.resize(40);
  auto channel = server_context()->accept(hello, start);
  EXPECT_EQ(channel->state(), SecureChannel::State::closed);
  EXPECT_EQ(channel->close_reason(), CloseReason::protocol);
  EXPECT_FALSE(channel->handle_datagram(hello, start));
  channel->handle_timeout(start);
  channel->close();
}

// -- the end ----------------------------------------------------------------------------------------------------------

TEST(DtlsChannel, ClosesBothEnds) {
  Session session;
  session.client.channel->close();
  EXPECT_EQ(session.client.reason(), CloseReason::local);
  const auto notify = session.client.take();
  ASSERT_EQ(notify.size(), 1u);
  EXPECT_TRUE(session.server.channel->handle_datagram(notify[0], start));
  EXPECT_EQ(session.server.reason(), CloseReason::peer_closed);
  EXPECT_EQ(session.server.take().size(), 1u) << "close_notify is answered";
  EXPECT_FALSE(session.server.channel->send(bytes("too late")));
  session.server.channel->close();
  EXPECT_EQ(session.server.reason(), CloseReason::peer_closed);
}

}  // namespace
}  // namespace coap
