// What the dearest datagrams cost that a peer can send: each no more than 50 ms of the thread's processor time,
// whatever is in it, through the cookie, the real channel and its answer. DTLS-09

#include <gtest/gtest.h>
#include <time.h>

#include <array>
#include <cstdio>
#include <numeric>
#include <random>

#include "../../coap/src/udp_socket.hpp"
#include "raw_handshake.hpp"

namespace coap {
namespace {

using namespace std::chrono_literals;
using testing::Authorities;
using testing::CertificateSpec;
using testing::ForeignClient;
using testing::Pair;
using testing::Piece;
using testing::RawHandshake;
using testing::Server;
using testing::server_context;
using testing::TestAuthority;
using testing::whole;
using Datagrams = std::vector<Bytes>;
using Cost = std::chrono::nanoseconds;

// Some 1 ms is usual. Sanitizers make what is not OpenSSL's up to four times as dear.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr Cost most = 4 * 50ms;
#else
constexpr Cost most = 50ms;
#endif
constexpr std::size_t largest_datagram = UdpSocket::largest_datagram;

/// Of this thread alone: neither waiting nor the load of others is in it.
Cost spent() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds{time.tv_sec} + Cost{time.tv_nsec};
}

/// As many records as fit go into each datagram.
Datagrams packed(const Datagrams& records) {
  Datagrams datagrams(1);
  for (const Bytes& record : records) {
    if (!datagrams.back().empty() && datagrams.back().size() + record.size() > largest_datagram)
      datagrams.emplace_back();
    datagrams.back().insert(datagrams.back().end(), record.begin(), record.end());
  }
  return datagrams;
}

Bytes noise(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  Bytes bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(generator());
  return bytes;
}

class DatagramCost : public ::testing::Test {
 protected:
  /// The dearest of them, each with what is answered to it.
  static Cost dearest(Server& server, const Datagrams& datagrams, Datagrams* answers = nullptr) {
    Cost most_of_all{};
    for (const Bytes& datagram : datagrams) {
      const auto before = spent();
      server.give(datagram);
      auto answer = server.take();
      most_of_all = std::max(most_of_all, spent() - before);
      if (answers != nullptr) std::ranges::move(answer, std::back_inserter(*answers));
    }
    return most_of_all;
  }

  /// What seems too dear is run twice more: what is not the datagram's own (a page that the machine fetches) does not
  /// come again.
  void expect_cheap(const std::string& what, const std::function<Cost()>& run) {
    Cost cost = run();
    for (int again = 0; again < 2 && cost > most; ++again) cost = std::min(cost, run());
    EXPECT_LE(cost, most) << what;
    RecordProperty(what, static_cast<int>(cost / 1us));
    std::printf("%7.3f ms  %s\n", std::chrono::duration<double, std::milli>(cost).count(), what.c_str());
  }

  /// To a server that waits for the client's last flight. `reason`: why it ends the handshake, where it does.
  void expect_cheap_flight(const std::string& what, const std::function<Datagrams(const RawHandshake&)>& make,
                           CloseReason reason = CloseReason::none) {
    expect_cheap(what, [&] {
      RawHandshake raw;
      const Cost cost = dearest(raw.server, packed(make(raw)));
      if (reason != CloseReason::none) {
        EXPECT_STREQ(to_string(raw.server.reason()), to_string(reason)) << what;
      }
      return cost;
    });
  }

  /// To one whose session stands.
  void expect_cheap_in_session(const std::string& what, const Datagrams& records) {
    expect_cheap(what, [&] {
      RawHandshake raw;
      raw.give(0, 5);
      EXPECT_TRUE(raw.server.open());
      return dearest(raw.server, packed(records));
    });
  }
};

// -- certificates -----------------------------------------------------------------------------------------------------

/// The Certificate message with these in it (RFC 5246 §7.4.2), in pieces of so many bytes.
Datagrams certificate_message(const RawHandshake& raw, const std::vector<Bytes>& certificates,
                              std::size_t piece = 1000) {
  const std::size_t size = std::accumulate(certificates.begin(), certificates.end(), std::size_t{0},
                                           [](std::size_t sum, const Bytes& der) { return sum + 3 + der.size(); });
  Piece message = whole(raw.certificate());
  message.bytes.clear();
  testing::add_number(message.bytes, size, 3);
  for (const Bytes& der : certificates) {
    testing::add_number(message.bytes, der.size(), 3);
    message.bytes.insert(message.bytes.end(), der.begin(), der.end());
  }
  message.length = static_cast<std::uint32_t>(message.bytes.size());
  Datagrams records;
  for (std::size_t at = 0; at < message.bytes.size(); at += piece)
    records.push_back(message.part(at, std::min(at + piece, message.bytes.size())).record());
  return records;
}

/// A chain of three below the root, and as many bytes of comment in each.
struct Chain {
  explicit Chain(std::size_t comment) {
    const auto& root = Authorities::get().devices;
    const auto upper = root.subordinate("upper", std::string(comment, 'u'));
    const auto lower = upper.subordinate("lower", std::string(comment, 'l'));
    CertificateSpec spec;
    spec.comment = std::string(comment, 'c');
    options.pair = lower.issue(spec);
    options.chain = {lower.certificate_pem(), upper.certificate_pem()};
  }
  ForeignClient::Options options;
};

TEST_F(DatagramCost, OfAHandshakeWithTheLongestChain) {
  for (const std::size_t comment : {std::size_t{0}, std::size_t{2000}}) {
    const Chain chain(comment);
    for (const bool together : {false, true}) {
      const std::string what = "a chain of depth three, comments of " + std::to_string(comment) + " bytes, " +
                               (together ? "whole flights in a datagram" : "a record a datagram");
      expect_cheap(what, [&] {
        Server server(server_context());
        ForeignClient client(chain.options);
        Cost cost{};
        for (auto flight = client.take(); !flight.empty(); flight = client.take()) {
          Datagrams answers;
          cost = std::max(cost, dearest(server, together ? packed(flight) : flight, &answers));
          for (const Bytes& answer : answers) client.give(answer);
        }
        EXPECT_TRUE(server.open() && client.open()) << what;
        return cost;
      });
    }
  }
}

Bytes issued(const std::function<void(CertificateSpec&)>& change) {
  CertificateSpec spec;
  change(spec);
  return testing::der_of(Authorities::get().devices.issue(spec).certificate_pem);
}

Bytes with_key(int modulus_bits, int exponent_bits) {
  const auto key = testing::rsa_public_key(modulus_bits, exponent_bits);
  return issued([&](auto& spec) { spec.public_key_pem = key; });
}

/// So many times the same words with another number.
std::string counted(int times, const std::string& before, const std::string& after = "") {
  std::string all;
  for (int i = 1; i <= times; ++i) all += (i > 1 ? "," : "") + before + std::to_string(i) + after;
  return all;
}

struct Wrong {
  const char* what;
  CloseReason reason;
  Bytes der;
};

/// They are signed by the authority itself: nothing of them is too foreign to be looked at. Those that pass are not the
/// certificate of the key that signs.
TEST_F(DatagramCost, OfACertificateBeyondTheLimits) {
  using R = CloseReason;
  const std::vector<Wrong> wrong{
      {"a certificate of 4 KiB and more", R::certificate_too_large,
       issued([](auto& spec) { spec.comment = std::string(4'000, 'x'); })},
      {"a certificate of 7 KiB", R::certificate_too_large,
       issued([](auto& spec) { spec.comment = std::string(7'000, 'x'); })},
      {"a certificate of 9 KiB", R::protocol, issued([](auto& spec) { spec.comment = std::string(9'000, 'x'); })},
      {"P-384", R::weak_key, issued([](auto& spec) { spec.curve = "P-384"; })},
      {"P-521", R::weak_key, issued([](auto& spec) { spec.curve = "P-521"; })},
      {"B-571", R::weak_key, issued([](auto& spec) { spec.curve = "B-571"; })},
      {"P-521 by its parameters", R::weak_key,
       issued([](auto& spec) { spec.curve = "P-521", spec.explicit_curve = true; })},
      {"B-571 by its parameters", R::weak_key,
       issued([](auto& spec) { spec.curve = "B-571", spec.explicit_curve = true; })},
      {"RSA of 3,072 bits with an exponent of as many", R::weak_key, with_key(3'072, 3'071)},
      {"RSA of 4,096 bits", R::weak_key, with_key(4'096, 64)},
      {"RSA of 8,192 bits", R::weak_key, with_key(8'192, 64)},
      {"RSA of 16,384 bits", R::weak_key, with_key(16'384, 64)},
      {"200 policies", R::protocol, issued([](auto& spec) {
         spec.extensions = {{"certificatePolicies", counted(200, "1.3.6.1.4.1.32473.")}};
       })},
      {"150 policies that stand for others", R::protocol, issued([](auto& spec) {
         spec.extensions = {{"certificatePolicies", "1.2.3.1"}, {"policyMappings", counted(150, "1.2.3.1:1.2.4.")}};
       })},
      {"an object identifier of 500 numbers", R::protocol, issued([](auto& spec) {
         std::string numbers = "1.3";
         for (int i = 0; i < 500; ++i) numbers += ".4294967295";
         spec.extensions = {{"certificatePolicies", numbers}};
       })},
      {"300 names", R::bad_identity, issued([](auto& spec) { spec.san = counted(300, "DNS:a"); })},
      {"150 URIs", R::bad_identity, issued([](auto& spec) { spec.san = counted(150, "URI:urn:dev:os:32473-"); })},
      {"100 constraints on names", R::authority_certificate, issued([](auto& spec) {
         spec.basic_constraints = "critical,CA:TRUE";
         spec.key_usage = "critical,digitalSignature,keyCertSign";
         spec.extensions = {{"nameConstraints", counted(100, "permitted;DNS:a", ".example")}};
       })},
  };
  for (const auto& [what, reason, der] : wrong) {
    const Datagrams one{der};
    expect_cheap_flight(
        what,
        [&](const RawHandshake& raw) {
          auto flight = certificate_message(raw, one);
          for (std::size_t at = 1; at < 5; ++at) flight.push_back(raw.fresh(at));
          return flight;
        },
        reason);
  }
}

/// Policies that each level maps to others (exponential where they are followed), below the authority itself.
TEST_F(DatagramCost, OfAChainFullOfPolicies) {
  CertificateSpec spec;
  spec.extensions = {{"certificatePolicies", counted(40, "1.2.3.")},
                     {"policyMappings", counted(40, "1.2.3.1:1.2.3.") + "," + counted(40, "1.2.3.2:1.2.3.")}};
  const auto upper = Authorities::get().devices.subordinate("upper", "", spec.extensions);
  const auto lower = upper.subordinate("lower", "", spec.extensions);
  const Datagrams chain{testing::der_of(lower.issue(spec).certificate_pem), testing::der_of(lower.certificate_pem()),
                        testing::der_of(upper.certificate_pem())};
  expect_cheap_flight("three levels of 40 policies",
                      [&](const RawHandshake& raw) { return certificate_message(raw, chain); });
}

/// Two names that have issued each other, again and again: each certificate has many that could be above it.
TEST_F(DatagramCost, OfACrowdOfIssuers) {
  const TestAuthority a("a"), b("b");
  Datagrams crowd{testing::der_of(a.issue({}).certificate_pem)};
  for (std::size_t size = crowd[0].size(); size < 7'400; size += crowd.back().size() + 3)
    crowd.push_back(
        testing::der_of((crowd.size() % 2 == 0 ? a.subordinate("b") : b.subordinate("a")).certificate_pem()));
  EXPECT_GE(crowd.size(), 15u);
  expect_cheap_flight(
      "a crowd of issuers", [&](const RawHandshake& raw) { return certificate_message(raw, crowd); },
      CloseReason::chain_too_long);
}

TEST_F(DatagramCost, OfCertificatesThatAreNone) {
  const Bytes good = issued([](auto&) {});
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Bytes spoilt = good;
    const Bytes chance = noise(8, seed);
    for (std::size_t i = 0; i < chance.size(); i += 2) spoilt[chance[i] * spoilt.size() / 256] = chance[i + 1];
    const Datagrams both{spoilt, noise(3'000, seed)};
    expect_cheap_flight("a spoilt certificate " + std::to_string(seed),
                        [&](const RawHandshake& raw) { return certificate_message(raw, both); });
  }
}

// -- pieces and garbage -----------------------------------------------------------------------------------------------

TEST_F(DatagramCost, OfAMessageInHundredsOfPieces) {
  const Datagrams good{issued([](auto& spec) { spec.comment = std::string(3'000, 'x'); })};
  for (const std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{8}})
    expect_cheap_flight("a certificate in pieces of " + std::to_string(size),
                        [&](const RawHandshake& raw) { return certificate_message(raw, good, size); });
  expect_cheap_flight("a certificate in pieces of 1, the last first", [&](const RawHandshake& raw) {
    auto pieces = certificate_message(raw, good, 1);
    std::ranges::reverse(pieces);
    return pieces;
  });
  expect_cheap_flight("the first pieces of many messages", [&](const RawHandshake& raw) {
    Datagrams records;
    for (std::uint16_t ahead = 0; ahead < 500; ++ahead)
      records.push_back(
          Piece{11, 1000, static_cast<std::uint16_t>(whole(raw.certificate()).message + ahead), 0, Bytes(1)}.record());
    return records;
  });
}

/// One record with as many messages of no length as fit, each with a number of its own.
Bytes empty_messages(std::uint16_t& number) {
  Bytes body;
  while (dtls::record_header + body.size() + dtls::handshake_header <= largest_datagram) {
    testing::add_number(body, 11, 1);
    testing::add_number(body, 0, 3);
    testing::add_number(body, ++number, 2);
    testing::add_number(body, 0, 6);  // offset and length of the piece
  }
  return testing::clear_record(dtls::ContentType::handshake, body);
}

TEST_F(DatagramCost, OfAllMessagesThatHaveNothingInThem) {
  expect_cheap_flight("hundreds of empty messages", [&](const RawHandshake&) {
    Datagrams records;
    for (int again = 0; again < 2; ++again)
      for (std::uint16_t number = 100; number < 65'000;) records.push_back(empty_messages(number));
    return records;
  });
}

TEST_F(DatagramCost, OfAFirstHello) {
  Piece hello{1, 0, 0, 0, {0xfe, 0xfd}};
  hello.bytes.resize(2 + 32);
  hello.bytes.insert(hello.bytes.end(), {0, 0});  // no session, no cookie
  testing::add_number(hello.bytes, 3'800, 2);     // of cipher suites
  hello.bytes.resize(hello.bytes.size() + 3'800, 0xc0);
  hello.bytes.insert(hello.bytes.end(), {1, 0});
  hello.length = static_cast<std::uint32_t>(hello.bytes.size());
  expect_cheap("a hello of 1,900 cipher suites", [&] {
    Server server(server_context());
    return dearest(server, {hello.record()});
  });
  expect_cheap("what is no hello", [&] {
    Server server(server_context());
    Datagrams all;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) all.push_back(noise(largest_datagram, seed));
    return dearest(server, all);
  });
}

/// As many records as fit of each kind: empty, in clear, and as if sealed.
Datagrams records_of(std::uint8_t type, std::uint16_t epoch, std::size_t size, std::uint64_t seed) {
  Datagrams records;
  for (std::uint64_t number = 0; number * (dtls::record_header + size) < largest_datagram; ++number) {
    Bytes record{type, 0xfe, 0xfd};
    testing::add_number(record, epoch, 2);
    testing::add_number(record, 1'000 + seed * 1'000 + number, 6);
    testing::add_number(record, size, 2);
    const Bytes body = noise(size, seed + number);
    record.insert(record.end(), body.begin(), body.end());
    records.push_back(std::move(record));
  }
  return records;
}

TEST_F(DatagramCost, OfGarbageInRecords) {
  for (const std::uint8_t type : Bytes{20, 21, 22, 23, 24, 99})
    for (const std::uint16_t epoch : std::array<std::uint16_t, 3>{0, 1, 2})
      for (const std::size_t size : std::array<std::size_t, 4>{0, 2, 40, 4'083}) {
        const auto records = records_of(type, epoch, size, 1);
        const std::string what = "type " + std::to_string(type) + ", epoch " + std::to_string(epoch) + ", " +
                                 std::to_string(records.size()) + " of " + std::to_string(size) + " bytes";
        expect_cheap_flight(what + " in a handshake", [&](const RawHandshake&) { return records; });
        expect_cheap_in_session(what + " in a session", records);
      }
}

}  // namespace
}  // namespace coap
