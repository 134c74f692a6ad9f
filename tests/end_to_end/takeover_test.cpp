// A device has one session, on whichever shard: the newest. DTLS-12, I4

#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "raw_device.hpp"
#include "stack.hpp"

namespace wardlink::testing {
namespace {

using coap::Type;

class Takeover : public ::testing::Test {
 protected:
  Takeover() {
    stack.make_pki("device", {"bed"});
    urn = stack.urn("bed");
    credentials = stack.credentials("devices/bed");
  }

  std::unique_ptr<RawDevice> start(std::uint16_t local_port = 0) const {
    return std::make_unique<RawDevice>(stack.ingest_port(), credentials, local_port);
  }

  double metric(const std::string& name) const { return stack.metric("wardlink_ingest_" + name); }
  double superseded() const { return metric("sessions_closed_total{reason=\"superseded\"}"); }
  std::string boots() const {
    return stack.sql("SELECT string_agg(boot_id::text, ' ' ORDER BY boot_id) FROM measurement_set");
  }

  /// A set goes the whole way, under the boot that the session registered with.
  void expect_heard(RawDevice& device, const std::string& boots_then) {
    device.send(
        device.notification(Type::non, device.vitals, R"([{"n":"q","v":1},{"n":"tk","v":1},{"n":"hr","v":72}])"));
    EXPECT_TRUE(eventually([&] { return boots() == boots_then; })) << boots();
  }

  Stack stack;
  std::string urn;
  coap::Credentials credentials;
};

TEST_F(Takeover, ARebootOnTheSameAddressAndPortCostsOneHandshake) {
  auto first = start();
  ASSERT_TRUE(first->handshake());
  ASSERT_TRUE(first->register_as(urn, 7));
  expect_heard(*first, "7");
  const auto port = first->local_port();
  const auto old_token = first->vitals;
  first->vanish();
  const auto handshakes = metric("handshakes_total"), challenges = metric("challenges_total");
  ASSERT_EQ(metric("sessions"), 1);

  const auto second = start(port);
  ASSERT_TRUE(second->handshake()) << "the dead session stands in the way";
  ASSERT_TRUE(second->register_as(urn, 8));
  EXPECT_EQ(metric("handshakes_total"), handshakes + 1);
  EXPECT_GE(metric("challenges_total"), challenges + 1) << "its first hello was answered";
  EXPECT_EQ(metric("sessions"), 1);
  EXPECT_EQ(superseded(), 1);
  const auto stale = second->notification(Type::con, old_token, "[]");
  second->send(stale);
  const auto answer = second->answer_to(stale.id);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->type, Type::rst) << "a token of the dead session";
  expect_heard(*second, "7 8");
}

TEST_F(Takeover, OfManySessionsFromManyPortsTheNewestIsObserved) {
  constexpr int kSessions = 12;  // the kernel spreads ports over both shards: some takeovers cross them
  std::unique_ptr<RawDevice> older;
  for (int i = 1; i <= kSessions; ++i) {
    auto newer = start();
    ASSERT_TRUE(newer->handshake());
    ASSERT_TRUE(newer->register_as(urn, static_cast<std::uint64_t>(i))) << i;
    if (older) {
      while (const auto message = older->receive()) {
        const bool again = message->token == older->vitals || message->token == older->alarms;  // a retransmission
        EXPECT_TRUE(again || message->code != coap::code::get) << "observed again";
      }
      EXPECT_TRUE(older->closed()) << i;
    }
    older = std::move(newer);
  }
  EXPECT_EQ(metric("sessions"), 1);
  EXPECT_EQ(superseded(), kSessions - 1);
  EXPECT_EQ(metric("observations_total"), 2 * kSessions) << "each session's two resources, once";
  expect_heard(*older, std::to_string(kSessions));
}

TEST_F(Takeover, OfTwoSessionsAtOnceOneIsLeft) {
  for (std::uint64_t round = 1; round <= 8; ++round) {
    std::array devices{start(), start()};
    std::array<bool, 2> registered{};
    std::array<std::thread, 2> threads;
    for (std::size_t i = 0; i < 2; ++i) {
      threads[i] = std::thread(
          [&, i] { registered[i] = devices[i]->handshake() && devices[i]->register_as(urn, 2 * round + i); });
    }
    for (auto& thread : threads) thread.join();
    ASSERT_TRUE(eventually([&] { return metric("sessions") == 1; })) << metric("sessions");
    std::size_t open = 0, winner = 0;
    const bool told = eventually([&] {
      open = 0;
      for (std::size_t i = 0; i < 2; ++i) {
        if (registered[i]) devices[i]->receive(std::chrono::milliseconds{100});  // reads that it was closed, if it was
        if (devices[i]->closed()) continue;
        ++open;
        winner = i;
      }
      return open < 2;
    });
    ASSERT_TRUE(told && open == 1) << open << " in round " << round;
    ASSERT_TRUE(registered[winner]);
    const auto stored = boots();
    expect_heard(*devices[winner], stored + (stored.empty() ? "" : " ") + std::to_string(2 * round + winner));
  }
}

}  // namespace
}  // namespace wardlink::testing
