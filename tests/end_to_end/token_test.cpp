// Every observation token is checked, by the real ingest, against what it issued in that session. OBS-06, OBS-11,
// OBS-12

#include <gtest/gtest.h>

#include "raw_device.hpp"
#include "stack.hpp"

namespace wardlink::testing {
namespace {

using coap::Type;

const std::string kSet = R"([{"n":"q","v":1},{"n":"tk","v":1000},{"n":"hr","v":72}])";

class TokenTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { stack = new Stack; }
  static void TearDownTestSuite() {
    delete stack;
    stack = nullptr;
  }

  /// A registered device under a certificate of its own.
  std::unique_ptr<RawDevice> connect(const std::string& label) {
    stack->make_pki("device", {label});
    urn = stack->urn(label);
    auto device = std::make_unique<RawDevice>(stack->ingest_port(), stack->credentials("devices/" + label));
    EXPECT_TRUE(device->handshake());
    EXPECT_TRUE(device->register_as(urn, 7));
    return device;
  }

  double rejected(const std::string& reason) {
    return stack->metric("wardlink_ingest_notifications_rejected_total{reason=\"" + reason + "\"}");
  }

  /// The session still works: a good set arrives and is stored.
  void expect_alive(RawDevice& device, int sequence) {
    device.send(device.notification(
        Type::non, device.vitals,
        R"([{"n":"q","v":)" + std::to_string(sequence) + R"(},{"n":"tk","v":2000},{"n":"hr","v":73}])"));
    EXPECT_TRUE(eventually([&] { return stack->readings("devices/" + urn).size() == 1; }));
  }

  static inline Stack* stack = nullptr;
  std::string urn;
};

TEST_F(TokenTest, ATokenNeverIssuedIsResetAndCounted) {
  const auto device = connect("unknown");
  for (const auto type : {Type::con, Type::non}) {
    const auto before = rejected("unknown");
    const auto evil = device->notification(type, coap::Token{coap::Bytes{9, 9, 9, 9}}, kSet);
    device->send(evil);
    const auto answer = device->answer_to(evil.id);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->type, Type::rst);
    EXPECT_TRUE(eventually([&] { return rejected("unknown") == before + 1; }));
  }
  EXPECT_EQ(rejected("retired"), 0);
  EXPECT_TRUE(stack->readings("devices/" + urn).empty());
  expect_alive(*device, 5);
}

TEST_F(TokenTest, ATokenOfACancelledObservationIsResetAndCounted) {
  const auto device = connect("retired");
  const auto before_unknown = rejected("unknown");
  // The device itself ends the observation: an error notification (RFC 7641 §4.2).
  coap::Message gone;
  gone.type = Type::con;
  gone.code = coap::code::not_found;
  gone.id = 1;
  gone.token = device->vitals;
  device->send(gone);
  ASSERT_EQ(device->answer_to(1)->type, Type::ack);
  const auto late = device->notification(Type::non, device->vitals, kSet);
  device->send(late);
  const auto answer = device->answer_to(late.id);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->type, Type::rst);
  EXPECT_TRUE(eventually([&] { return rejected("retired") == 1; }));
  EXPECT_EQ(rejected("unknown"), before_unknown);
  EXPECT_TRUE(stack->readings("devices/" + urn).empty());
  // Ingest observes again under a token never used before; then the session works as before.
  std::optional<coap::Message> again;
  while ((again = device->receive(std::chrono::seconds{60})) && again->code != coap::code::get) continue;
  ASSERT_TRUE(again);
  EXPECT_NE(again->token, device->vitals);
  device->vitals = again->token;
  auto first = device->notification(Type::ack, device->vitals, "[]");
  first.id = again->id;
  device->send(first);
  expect_alive(*device, 6);
}

TEST_F(TokenTest, AnotherSessionsTokenIsUnknown) {  // OBS-12
  const auto a = connect("session-a");
  const auto token_of_a = a->vitals;
  const auto b = connect("session-b");
  const auto before = rejected("unknown");
  const auto stolen = b->notification(Type::non, token_of_a, kSet);
  b->send(stolen);
  ASSERT_EQ(b->answer_to(stolen.id)->type, Type::rst);
  EXPECT_TRUE(eventually([&] { return rejected("unknown") == before + 1; }));
  EXPECT_TRUE(stack->readings("devices/" + urn).empty());
}

TEST_F(TokenTest, AlarmRecordsUnderTheTokenOfVitalsAreQuarantinedAndAcknowledged) {
  const auto device = connect("quarantine");
  const auto wrong = device->notification(
      Type::con, device->vitals,
      R"([{"n":"owed","v":1},{"n":"q","v":1},{"n":"tk","v":5},{"n":"ev","vs":"raised"},{"n":"kind","vs":"phys"},)"
      R"({"n":"prio","v":3},{"n":"code","vs":"hr-high"},{"n":"lim","v":131},{"n":"hr","v":140}])");
  device->send(wrong);
  const auto answer = device->answer_to(wrong.id);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->type, Type::ack);
  const auto in_quarantine = "SELECT count(*) FROM quarantine q JOIN device d USING (device_id) WHERE d.urn = '" + urn +
                             "' AND q.reason = 'wrong_resource'";
  EXPECT_TRUE(eventually([&] { return stack->sql(in_quarantine) == "1"; }));
  EXPECT_TRUE(eventually([&] {
    const auto alarms = stack->alarms("devices/" + urn);
    return alarms.size() == 1 && alarms[0].kind() == v1::ALARM_KIND_TECHNICAL;
  })) << "quarantine raises a technical alarm, and the alarm record itself is no alarm";
  EXPECT_TRUE(stack->readings("devices/" + urn).empty());
  expect_alive(*device, 9);
}

TEST_F(TokenTest, ARegistrationUnderAnotherNameIsForbidden) {  // DTLS-13
  stack->make_pki("device", {"liar"});
  RawDevice device(stack->ingest_port(), stack->credentials("devices/liar"));
  ASSERT_TRUE(device.handshake());
  EXPECT_FALSE(device.register_as("urn:dev:os:32473-0000000000000000", 7));
  EXPECT_TRUE(eventually([&] {
    return stack->sql("SELECT count(*) FROM audit WHERE subject = '" + stack->urn("liar") +
                      "' AND outcome = 'refused'") != "0";
  }));
}

}  // namespace
}  // namespace wardlink::testing
