// The stateless exchange in front of DTLS (RFC 6347 §4.2.1).

#include <gtest/gtest.h>

#include "../../coap/src/dtls_record.hpp"
#include "dtls_peers.hpp"

namespace coap {
namespace {

using testing::Client;
using testing::start;
using Kind = HelloCookie::Verdict::Kind;

const Address device{.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 9}, .port = 50'000};
const HelloCookie cookie{Bytes(32, 1)};

/// The first ClientHello of a client of ours, and the one that brings back the cookie of `reply`.
Bytes first_hello(Client& client) { return client.take().at(0); }
Bytes answer_to(Client& client, ByteView reply) {
  client.give(reply);
  return client.take().at(0);
}

constexpr std::size_t message_seq_at = dtls::record_header + 4;
constexpr std::size_t fragment_offset_at = dtls::record_header + 6;
constexpr std::size_t fragment_length_at = dtls::record_header + 9;
constexpr std::size_t version_at = dtls::record_header + dtls::handshake_header;

class HelloCookieTest : public ::testing::Test {
 protected:
  static inline const auto context = testing::client_context();
  Client client{context};
  const Bytes hello = first_hello(client);
};

TEST_F(HelloCookieTest, AChallengeThenGood) {  // DTLS-02
  const auto challenge = cookie.judge(device, hello, start);
  ASSERT_EQ(challenge.kind, Kind::challenge);
  const Bytes second = answer_to(client, challenge.reply);
  EXPECT_EQ(cookie.judge(device, second, start).kind, Kind::good);
}

TEST(HelloCookieHost, IsAnIpv4AddressOrAnIpv6NetworkUnderTheSecret) {  // DTLS-05
  const auto v4 = [](std::uint8_t last, std::uint16_t port) {
    return Address{.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last}, .port = port};
  };
  const auto v6 = [](std::uint8_t network, std::uint8_t last) {
    return Address{.ip = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, network, 0, 0, 0, 0, 0, 0, 0, last}, .port = 1};
  };
  EXPECT_EQ(cookie.host(v4(1, 1)), cookie.host(v4(1, 2)));
  EXPECT_NE(cookie.host(v4(1, 1)), cookie.host(v4(2, 1)));
  EXPECT_EQ(cookie.host(v6(1, 1)), cookie.host(v6(1, 2)));
  EXPECT_NE(cookie.host(v6(1, 1)), cookie.host(v6(2, 1)));
  EXPECT_NE(cookie.host(v4(1, 1)), HelloCookie(Bytes(32, 2)).host(v4(1, 1)));
}

TEST_F(HelloCookieTest, TheChallengeReadsAsTheRfcSays) {
  Bytes numbered = hello;
  numbered[10] = 5;  // record sequence number
  const Bytes reply = cookie.judge(device, numbered, start).reply;
  const Bytes head{22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 5, 0, 31};
  const Bytes message{3, 0, 0, 19, 0, 0, 0, 0, 0, 0, 0, 19, 0xfe, 0xff, 16};
  ASSERT_EQ(reply.size(), head.size() + message.size() + 16);
  EXPECT_EQ(Bytes(reply.begin(), reply.begin() + 13), head);
  EXPECT_EQ(Bytes(reply.begin() + 13, reply.begin() + 28), message);
}

TEST_F(HelloCookieTest, NoReplyIsLongerThanTheHello) {  // DTLS-01
  EXPECT_LE(cookie.judge(device, hello, start).reply.size(), hello.size());
  // The shortest ClientHello that the format allows.
  Bytes shortest{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 54, 1, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 42, 0xfe, 0xfd};
  shortest.resize(shortest.size() + 32, 0xaa);  // random
  for (const int byte : {0, 0, 0, 2, 0xc0, 0x2b, 1, 0}) shortest.push_back(static_cast<std::uint8_t>(byte));
  shortest[12] = static_cast<std::uint8_t>(shortest.size() - 13);
  shortest[16] = shortest[24] = static_cast<std::uint8_t>(shortest.size() - 25);
  const auto verdict = cookie.judge(device, shortest, start);
  ASSERT_EQ(verdict.kind, Kind::challenge);
  EXPECT_LE(verdict.reply.size(), shortest.size());
}

TEST_F(HelloCookieTest, ACookieIsBoundToItsAddressPortAndSecret) {  // DTLS-01
  const Bytes second = answer_to(client, cookie.judge(device, hello, start).reply);
  Address other = device;
  other.port++;
  EXPECT_EQ(cookie.judge(other, second, start).kind, Kind::challenge);
  other = device;
  other.ip[15]++;
  EXPECT_EQ(cookie.judge(other, second, start).kind, Kind::challenge);
  EXPECT_EQ(HelloCookie(Bytes(32, 2)).judge(device, second, start).kind, Kind::challenge);
  EXPECT_EQ(HelloCookie(Bytes(32, 1)).judge(device, second, start).kind, Kind::good) << "shards share the secret";
}

TEST_F(HelloCookieTest, ACookieIsGoodInItsSlotAndTheNext) {  // DTLS-02
  const Bytes second = answer_to(client, cookie.judge(device, hello, start).reply);
  EXPECT_EQ(cookie.judge(device, second, start + std::chrono::seconds{119}).kind, Kind::good);
  EXPECT_EQ(cookie.judge(device, second, start + std::chrono::seconds{120}).kind, Kind::challenge);
}

TEST_F(HelloCookieTest, EveryBitOfTheCookieCounts) {  // DTLS-02
  const Bytes second = answer_to(client, cookie.judge(device, hello, start).reply);
  const std::size_t cookie_at = version_at + 2 + 32 + 1 + 1;
  ASSERT_EQ(second[cookie_at - 1], 16);
  for (std::size_t bit = 0; bit < 128; ++bit) {
    Bytes forged = second;
    forged[cookie_at + bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    const auto verdict = cookie.judge(device, forged, start);
    ASSERT_EQ(verdict.kind, Kind::challenge) << "bit " << bit;
    ASSERT_LE(verdict.reply.size(), forged.size());
  }
}

TEST_F(HelloCookieTest, AFirstHelloWithAnOldCookieIsChallengedAgain) {
  Bytes second = answer_to(client, cookie.judge(device, hello, start).reply);
  second[message_seq_at + 1] = 0;
  EXPECT_EQ(cookie.judge(device, second, start).kind, Kind::challenge);
}

TEST_F(HelloCookieTest, AHelloThatComesTooLateInTheExchangeIsDropped) {
  Bytes second = answer_to(client, cookie.judge(device, hello, start).reply);
  for (const std::uint8_t challenges :
       std::array<std::uint8_t, 3>{1, 2, 8}) {  // of a server that was restarted on the way, or cookies grown old
    second[message_seq_at + 1] = challenges;
    EXPECT_EQ(cookie.judge(device, second, start).kind, Kind::good);
  }
  second[message_seq_at + 1] = 9;
  const auto verdict = cookie.judge(device, second, start);
  EXPECT_EQ(verdict.kind, Kind::drop);
  EXPECT_STREQ(verdict.why, "late_hello");
}

TEST_F(HelloCookieTest, IsOfTheWholePath) {  // NET-1
  const Bytes second = answer_to(client, cookie.judge(device, hello, start).reply);
  Address elsewhere = device;
  elsewhere.local[15] = 1;  // as if it had asked another address of ours
  EXPECT_EQ(cookie.judge(elsewhere, second, start).kind, Kind::challenge);
  elsewhere = device;
  elsewhere.scope = 2;  // the same link-local address on another link
  EXPECT_EQ(cookie.judge(elsewhere, second, start).kind, Kind::challenge);
  EXPECT_EQ(cookie.judge(device, second, start).kind, Kind::good);
}

TEST_F(HelloCookieTest, AFragmentedHelloIsDropped) {  // DTLS-03
  Bytes fragment = hello;
  fragment[fragment_length_at + 2]--;
  auto verdict = cookie.judge(device, fragment, start);
  EXPECT_EQ(verdict.kind, Kind::drop);
  EXPECT_STREQ(verdict.why, "fragmented");
  fragment = hello;
  fragment[fragment_offset_at + 2] = 1;
  verdict = cookie.judge(device, fragment, start);
  EXPECT_EQ(verdict.kind, Kind::drop);
  EXPECT_STREQ(verdict.why, "fragmented");
}

TEST_F(HelloCookieTest, EveryTruncationIsDropped) {  // DTLS-03
  for (std::size_t size = 0; size < hello.size(); ++size) {
    Bytes cut(hello.begin(), hello.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(cookie.judge(device, cut, start).kind, Kind::drop) << size;
    if (size < dtls::record_header) continue;
    cut[11] = static_cast<std::uint8_t>((size - dtls::record_header) >> 8);  // a whole record that holds half a hello
    cut[12] = static_cast<std::uint8_t>(size - dtls::record_header);
    EXPECT_EQ(cookie.judge(device, cut, start).kind, Kind::drop) << size;
  }
}

TEST_F(HelloCookieTest, NoChangedByteMakesAHelloGoodOrTheReplyLong) {  // DTLS-01, DTLS-03
  const Bytes second = answer_to(client, cookie.judge(device, hello, start).reply);
  for (std::size_t at = 0; at < hello.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0xff}) {
      Bytes changed = hello;
      changed[at] = static_cast<std::uint8_t>(value);
      const auto verdict = cookie.judge(device, changed, start);
      ASSERT_NE(verdict.kind, Kind::good);
      ASSERT_LE(verdict.reply.size(), changed.size());
    }
  }
}

TEST_F(HelloCookieTest, OtherRecordsAreNoHello) {
  for (const int type : {20, 21, 23, 25}) {
    Bytes other = hello;
    other[0] = static_cast<std::uint8_t>(type);
    EXPECT_STREQ(cookie.judge(device, other, start).why, "not_client_hello");
  }
  Bytes later = hello;
  later[4] = 1;  // epoch
  EXPECT_STREQ(cookie.judge(device, later, start).why, "not_client_hello");
  Bytes server_hello = hello;
  server_hello[13] = 2;
  EXPECT_STREQ(cookie.judge(device, server_hello, start).why, "not_client_hello");
  Bytes tls = hello;
  tls[version_at] = 3;
  EXPECT_STREQ(cookie.judge(device, tls, start).why, "malformed");
}

TEST_F(HelloCookieTest, LostChallengesCostNothingButTime) {  // DTLS-02
  testing::Server server(testing::server_context());
  for (int lost = 0; lost < 5; ++lost) {
    server.give(hello);
    ASSERT_EQ(server.take().size(), 1u);
  }
  server.give(hello);
  for (const Bytes& reply : server.take()) client.give(reply);
  testing::carry(client, server);
  EXPECT_TRUE(client.open());
  EXPECT_TRUE(server.open());
}

TEST(SecureRandom, FillsAllOfIt) {
  std::array<std::uint8_t, 64> first{}, second{};
  const Random random = secure_random();
  random(first);
  random(second);
  EXPECT_NE(first, second);
  EXPECT_NE(std::count(first.begin() + 32, first.end(), 0), 32);
}

}  // namespace
}  // namespace coap
