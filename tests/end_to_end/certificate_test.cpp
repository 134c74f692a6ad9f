// Wrong certificates are refused by the real ingest, each with its own counter and audit reason, and a good device
// beside them notices nothing. DTLS-14

#include <gtest/gtest.h>

#include <csignal>

#include "places.hpp"
#include "raw_device.hpp"
#include "stack.hpp"

namespace wardlink::testing {
namespace {

using coap::Type;

class CertificateTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    stack = new Stack;
    stack->make_pki("device", {"good"});
    good = std::make_unique<RawDevice>(stack->ingest_port(), stack->credentials("devices/good"));
    ASSERT_TRUE(good->handshake());
    ASSERT_TRUE(good->register_as(stack->urn("good"), 7));
  }
  static void TearDownTestSuite() {
    good.reset();
    delete stack;
    stack = nullptr;
  }

  double refused(const std::string& reason) {
    return stack->metric("wardlink_ingest_handshakes_refused_total{reason=\"" + reason + "\"}");
  }

  std::string audited(const std::string& reason) {
    return stack->sql(
        "SELECT coalesce(sum(count), 0)::text FROM audit WHERE method = 'ingest.handshake' AND outcome = 'refused'" +
        (" AND reason = '" + reason + "'"));
  }

  /// What `attempt` does must be refused once, for `reason`, while the good device goes on.
  template <class Attempt>
  void expect_refused(const std::string& reason, Attempt attempt) {
    const auto before = refused(reason);
    const auto before_all = stack->metric_sum("wardlink_ingest_handshakes_refused_total");
    attempt();
    EXPECT_TRUE(eventually([&] { return refused(reason) == before + 1; })) << reason << '\n' << stack->ingest.log();
    EXPECT_EQ(stack->metric_sum("wardlink_ingest_handshakes_refused_total"), before_all + 1) << "and for no other";
    // The audit tells the first at once, and what repeats it within the minute together at its end.
    EXPECT_TRUE(eventually([&] { return audited(reason) != "0"; })) << reason;
    ++sequence;
    good->send(good->notification(Type::non, good->vitals,
                                  R"([{"n":"q","v":)" + std::to_string(sequence) + R"(},{"n":"tk","v":)" +
                                      std::to_string(sequence * 1000) + R"(},{"n":"hr","v":72}])"));
    EXPECT_TRUE(eventually([&] {
      return stack->readings("devices/" + stack->urn("good")).size() == static_cast<std::size_t>(sequence);
    })) << "the good device was disturbed";
  }

  void expect_certificate_refused(const std::string& reason, const std::string& name) {
    expect_refused(reason, [&] {
      RawDevice device(stack->ingest_port(), stack->credentials(name));
      // In DTLS 1.2 the client's certificate is judged before its handshake ends: it never gets a session.
      EXPECT_FALSE(device.handshake());
    });
  }

  static inline Stack* stack = nullptr;
  static inline std::unique_ptr<RawDevice> good;
  static inline int sequence = 0;
};

TEST_F(CertificateTest, OfAnotherAuthority) {
  run({places::source("certs/make-pki"), "init", stack->path("other")});
  stack->make_pki("device", {"foreign", "--ca", stack->path("other")});
  expect_certificate_refused("unknown_authority", "devices/foreign");
}

TEST_F(CertificateTest, Expired) {
  stack->make_pki("device", {"expired", "--expired"});
  expect_certificate_refused("certificate_expired", "devices/expired");
}

TEST_F(CertificateTest, NotYetValid) {
  stack->make_pki("device", {"early", "--not-yet-valid"});
  expect_certificate_refused("certificate_not_yet_valid", "devices/early");
}

TEST_F(CertificateTest, WithoutClientAuthentication) {
  stack->make_pki("device", {"useless", "--eku", "none"});
  expect_certificate_refused("no_client_auth", "devices/useless");
}

TEST_F(CertificateTest, AServersCertificateUsedByADevice) {
  stack->make_pki("device", {"server", "--eku", "server"});
  expect_certificate_refused("server_certificate", "devices/server");
  expect_certificate_refused("server_certificate", "ingest");
}

TEST_F(CertificateTest, None) {
  expect_refused("no_certificate", [&] {
    Process client({"timeout", "120", "openssl", "s_client", "-dtls1_2", "-connect",
                    "127.0.0.1:" + std::to_string(stack->ingest_port())},
                   stack->path("s_client.log"));
    client.wait();
  });
}

}  // namespace
}  // namespace wardlink::testing
