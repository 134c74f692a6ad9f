// A device built on libcoap, not on our SDK, through its whole life: registered, observed over its own session, stored,
// its observation ended, and gone. CONF-2 (in small), OBS_* reversed

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "places.hpp"
#include "stack.hpp"

namespace wardlink::testing {
namespace {

class Interop : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Devices, Interop, ::testing::Values("gnutls", "openssl"),
                         [](const auto& backend) { return std::string(backend.param); });

TEST_P(Interop, ALibcoapDeviceIsRegisteredObservedStoredCancelledAndGone) {
  const auto program = places::program("libcoap_device_") + GetParam();
  if (!std::filesystem::exists(program))
    GTEST_SKIP() << "built without libcoap3-dev: scripts/install-dependencies --with-tests brings it";
  Stack stack;
  stack.make_pki("device", {"bed"});
  const auto urn = stack.urn("bed");
  Process device({program, std::to_string(stack.ingest_port()), stack.pki() + "/devices/bed.pem",
                  stack.pki() + "/devices/bed.key", stack.pki() + "/service-ca.pem", urn},
                 stack.path("device.log"));
  const auto says = [&](const char* word) {
    return eventually([&] { return device.log().find(word) != std::string::npos || !device.running(); }) &&
           device.log().find(word) != std::string::npos;
  };
  ASSERT_TRUE(says("registered")) << device.log();
  EXPECT_EQ(stack.metric("wardlink_ingest_registrations_total{result=\"accepted\"}"), 1);
  ASSERT_TRUE(says("observed")) << device.log();

  // More than libcoap sends Non-confirmable in a row: the CON between them is acknowledged, else it would stop.
  ASSERT_TRUE(eventually([&] { return stack.readings("devices/" + urn).size() >= 12; })) << stack.ingest.log();
  EXPECT_GE(stack.metric("wardlink_ingest_notifications_total{resource=\"vitals\",type=\"non\"}"), 10);
  EXPECT_GE(stack.metric("wardlink_ingest_notifications_total{resource=\"vitals\",type=\"con\"}"), 1);
  for (const auto& set : stack.readings("devices/" + urn)) {
    ASSERT_EQ(set.readings_size(), 1);
    EXPECT_EQ(set.readings(0).sign(), "hr");
    EXPECT_EQ(set.readings(0).value(), 60 + static_cast<double>(set.sequence() % 40));
  }
  EXPECT_EQ(stack.sql("SELECT count(*) FROM quarantine"), "0");
  EXPECT_EQ(stack.metric_sum("wardlink_ingest_notifications_rejected_total"), 0);

  EXPECT_EQ(stack.metric("wardlink_ingest_observations_ended_total"), 0);
  device.signal(SIGUSR1);
  ASSERT_TRUE(says("withdrawn"));
  EXPECT_TRUE(eventually([&] { return stack.metric("wardlink_ingest_observations_ended_total") >= 1; }));
  EXPECT_EQ(stack.metric("wardlink_ingest_sessions"), 1) << "the session outlives its observation";

  device.signal(SIGTERM);
  EXPECT_EQ(device.wait(), 0) << device.log();
  EXPECT_TRUE(eventually([&] { return stack.metric("wardlink_ingest_sessions") == 0; }));
  EXPECT_EQ(stack.metric("wardlink_ingest_sessions_closed_total{reason=\"peer_closed\"}"), 1);
}

}  // namespace
}  // namespace wardlink::testing
