// An alarm that cannot be taken ends in quarantine, in the audit and as a technical alarm, is acknowledged, and blocks
// nothing: what comes with it and after it is committed and acknowledged. I5, DTLS-13

#include <gtest/gtest.h>

#include "raw_device.hpp"
#include "stack.hpp"

namespace wardlink::testing {
namespace {

using coap::Type;

std::string raised(int sequence, const std::string& code, const std::string& limit = "131") {
  return R"({"n":"q","v":)" + std::to_string(sequence) + R"(},{"n":"tk","v":5},{"n":"ev","vs":"raised"},)" +
         R"({"n":"kind","vs":"phys"},{"n":"prio","v":3},{"n":"code","vs":")" + code + R"("},{"n":"lim","v":)" + limit +
         R"(},{"n":"hr","v":140})";
}

std::string owed(const std::vector<std::string>& records) {
  std::string text = R"([{"n":"owed","v":)" + std::to_string(records.size()) + "}";
  for (const auto& record : records) text += "," + record;
  return text + "]";
}

class PoisonAlarm : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { stack = new Stack; }
  static void TearDownTestSuite() {
    delete stack;
    stack = nullptr;
  }

  void connect(const std::string& label) {
    stack->make_pki("device", {label});
    urn = stack->urn(label);
    device = std::make_unique<RawDevice>(stack->ingest_port(), stack->credentials("devices/" + label));
    ASSERT_TRUE(device->handshake());
    ASSERT_TRUE(device->register_as(urn, 7));
  }

  coap::Message alarms(const std::string& json) { return device->notification(Type::con, device->alarms, json); }

  /// Sent and acknowledged.
  void deliver(const coap::Message& message) {
    device->send(message);
    const auto answer = device->answer_to(message.id);
    ASSERT_TRUE(answer) << "an ACK was held for what can never be committed";
    EXPECT_EQ(answer->type, Type::ack);
    EXPECT_EQ(answer->code, coap::code::empty);
  }

  std::string of_device(const std::string& what, const std::string& condition) const {
    return stack->sql("SELECT " + what + " JOIN device d USING (device_id) WHERE d.urn = '" + urn + "' AND " +
                      condition);
  }

  /// Durable by the time of its ACK: nothing to wait for.
  void expect_quarantined(const std::string& reason) const {
    EXPECT_EQ(of_device("count(*) FROM quarantine q", "q.reason = '" + reason + "'"), "1");
    EXPECT_EQ(stack->sql("SELECT count(*) FROM audit WHERE subject = '" + urn +
                         "' AND method = 'quarantine' AND outcome = 'refused' AND reason = '" + reason + "'"),
              "1");
    int technical = 0;
    for (const auto& alarm : stack->alarms("devices/" + urn)) {
      if (alarm.kind() != v1::ALARM_KIND_TECHNICAL) continue;
      ++technical;
      EXPECT_EQ(alarm.code(), "quarantine");
    }
    EXPECT_EQ(technical, 1) << "one that a clinician sees; more of them would only tire who has to look";
  }

  /// The codes of what the device itself raised, in the order of its sequence.
  std::string committed() const {
    return of_device("string_agg(code, ' ' ORDER BY sequence) FROM alarm_event a", "a.stream = 2");
  }

  /// Nothing stands in the way of the next one.
  void expect_open_way(int sequence) {
    deliver(alarms(owed({raised(sequence, "afterwards")})));
    EXPECT_TRUE(committed().ends_with("afterwards")) << committed();
    EXPECT_EQ(stack->metric("wardlink_ingest_held_acks"), 0);
    EXPECT_EQ(stack->metric("wardlink_ingest_sink_waiting{stream=\"alarms\"}"), 0);
  }

  static inline Stack* stack = nullptr;
  std::string urn;
  std::unique_ptr<RawDevice> device;
};

TEST_F(PoisonAlarm, Undecodable) {
  connect("undecodable");
  auto poison = alarms(owed({raised(1, "lost")}));
  poison.payload.resize(poison.payload.size() - 3);
  deliver(poison);
  expect_quarantined("undecodable");
  EXPECT_EQ(of_device("length(payload) FROM quarantine q", "true"), std::to_string(poison.payload.size()))
      << "kept as it came";
  expect_open_way(2);
}

TEST_F(PoisonAlarm, ForeignName) {
  connect("foreign");
  deliver(alarms(R"([{"bn":"urn:dev:os:32473-0000000000000000:","n":"owed","v":1},)" + raised(1, "theirs") + "]"));
  expect_quarantined("foreign_name");
  EXPECT_EQ(stack->sql("SELECT count(*) FROM device WHERE urn = 'urn:dev:os:32473-0000000000000000'"), "0");
  expect_open_way(2);
  EXPECT_EQ(committed(), "afterwards");
}

TEST_F(PoisonAlarm, ForeignNameBehindAGoodOne) {
  connect("foreign-behind");
  auto theirs = raised(2, "theirs");
  theirs.insert(1, R"("bn":"urn:dev:os:32473-0000000000000000:",)");
  deliver(alarms(owed({raised(1, "ours"), theirs})));
  expect_quarantined("foreign_name");
  EXPECT_EQ(committed(), "ours") << "its ACK has left";
  expect_open_way(3);
}

TEST_F(PoisonAlarm, NoAlarmRecord) {
  connect("no-record");
  auto bad = raised(2, "bad");
  bad.replace(bad.find("phys"), 4, "what");
  deliver(alarms(owed({raised(1, "before"), bad, raised(3, "behind")})));
  expect_quarantined("bad_alarm");
  EXPECT_EQ(committed(), "before behind");
  expect_open_way(4);
}

TEST_F(PoisonAlarm, OtherContentUnderAUsedKey) {
  connect("used-key");
  deliver(alarms(owed({raised(1, "first")})));
  deliver(alarms(owed({raised(2, "before"), raised(1, "second"), raised(3, "behind")})));
  expect_quarantined("conflict");
  EXPECT_EQ(committed(), "first before behind");
  expect_open_way(4);
}

TEST_F(PoisonAlarm, TwoContentsUnderOneKeyInOnePayload) {
  connect("key-twice");
  deliver(alarms(owed({raised(1, "first"), raised(1, "first", "132"), raised(2, "behind")})));
  expect_quarantined("conflict");
  EXPECT_EQ(committed(), "first behind");
  expect_open_way(3);
}

}  // namespace
}  // namespace wardlink::testing
