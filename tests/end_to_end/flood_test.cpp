// One device with a valid certificate floods ingest beside honest ones: it is held to its allowances, and nothing of
// the others' is lost. FAIR-1, I1, I3

#include "flood.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <fstream>
#include <iostream>
#include <limits>
#include <sstream>

#include "timed_ward.hpp"

namespace wardlink::testing {
namespace {

constexpr std::size_t kDevices = 8;
constexpr long kMostMoreKib = 64L * 1024;  // what ingest's memory may grow by

/// Bytes that the kernel holds for whoever reads this UDP port.
std::uint64_t unread_bytes(std::uint16_t port) {
  std::uint64_t bytes = 0;
  for (const char* table : {"/proc/net/udp", "/proc/net/udp6"}) {
    std::ifstream lines(table);
    lines.ignore(std::numeric_limits<std::streamsize>::max(), '\n');  // the headings
    for (std::string line; std::getline(lines, line);) {
      std::string slot, local, remote, state, queues;
      std::istringstream(line) >> slot >> local >> remote >> state >> queues;
      if (std::stoul(local.substr(local.find(':') + 1), nullptr, 16) != port) continue;
      bytes += std::stoull(queues.substr(queues.find(':') + 1), nullptr, 16);
    }
  }
  return bytes;
}

class FloodTest : public ::testing::TestWithParam<Flood> {
 protected:
  static void SetUpTestSuite() {
    stack = new Stack;
    stack->make_pki("device", {"greedy"});
    ward = new TimedWard(*stack, kDevices);
  }
  static void TearDownTestSuite() {
    delete ward;
    delete stack;
  }
  static std::string of_the_others(const std::string& table, const std::string& which = "true") {
    return stack->sql("SELECT count(*) FROM " + table + " JOIN device USING (device_id) WHERE urn <> '" +
                      stack->urn("greedy") + "' AND " + which);
  }
  static double over(const std::string& reason) {
    return stack->metric("wardlink_ingest_messages_over_total{reason=\"" + reason + "\"}");
  }

  static Stack* stack;
  static TimedWard* ward;
};
Stack* FloodTest::stack = nullptr;
TimedWard* FloodTest::ward = nullptr;

TEST_P(FloodTest, TakesNothingFromTheOthers) {
  ASSERT_TRUE(eventually([] { return ward->connected(); }));
  const auto before = stack->ingest.resident_kib();
  const auto unread = [] { return stack->metric("wardlink_ingest_datagrams_dropped_total{reason=\"session_rate\"}"); };
  const auto dropped = [] { return stack->metric_sum("wardlink_ingest_kernel_drops"); };  // on a busy machine
  const auto not_taken_before = over("notifications") + unread() + dropped();
  const auto quarantined_before = std::stoi(stack->sql("SELECT count(*) FROM quarantine"));
  constexpr unsigned kASecond = 1500;
  std::uint64_t sent = 0;
  long most = before;
  const auto begun = std::chrono::steady_clock::now();
  {
    FloodingDevice greedy(*stack, "greedy", GetParam(), kASecond, false);
    for (int tick = 0; tick < 200; ++tick) {
      ward->act();
      ward->report();
      if (tick % 20 == 0) most = std::max(most, stack->ingest.resident_kib());
      poll(nullptr, 0, 10);  // the load's pace, not a wait
    }
    EXPECT_TRUE(eventually([&] { return greedy.sent() >= 2 * kASecond; }));
    sent = greedy.sent();
  }
  // What ingest reads late, it judges by the allowance of that time.
  EXPECT_TRUE(eventually([] { return unread_bytes(stack->ingest_port()) == 0; }));
  const std::chrono::duration<double> lasted = std::chrono::steady_clock::now() - begun;
  const double allowed = 256 + 20 * lasted.count();
  EXPECT_TRUE(eventually([] { return ward->owed() == 0; }));
  EXPECT_EQ(of_the_others("alarm_event", "stream = 2"), std::to_string(ward->alarms()));
  EXPECT_TRUE(eventually([&] {
    return std::stod(of_the_others("measurement_set")) + dropped() >= static_cast<double>(ward->sets());
  })) << of_the_others("measurement_set")
      << " of " << ward->sets();
  // The greedy one's own readings may wait for too long. The others' wait behind nobody, and were counted above.
  EXPECT_EQ(
      stack->metric_sum("wardlink_ingest_shed_total") - stack->metric("wardlink_ingest_shed_total{reason=\"waited\"}"),
      0);
  EXPECT_EQ(stack->metric("wardlink_ingest_alarms_refused_total{reason=\"queue_full\"}"), 0);
  EXPECT_EQ(ward->handshakes(), kDevices) << "nobody lost its session";

  const auto not_taken = [&] { return over("notifications") + unread() + dropped() - not_taken_before; };
  EXPECT_TRUE(eventually([&] { return not_taken() >= static_cast<double>(sent) - allowed - 10; }))
      << not_taken() << " of " << sent;
  EXPECT_LE(std::stoi(stack->sql("SELECT count(*) FROM quarantine")) - quarantined_before, 32 + 2 * lasted.count() + 1);
  EXPECT_LE(stack->metric("wardlink_ingest_held_acks"), 64);
  EXPECT_LT(most - before, kMostMoreKib);
  std::cout << sent << " notifications in " << lasted.count() << " s; ingest's memory " << before / 1024
            << " MiB, at most " << most / 1024 << " MiB" << std::endl;
}

std::string name_of(const ::testing::TestParamInfo<Flood>& one) {
  if (one.param == Flood::one_alarm) return "OneAlarm";
  return one.param == Flood::undecodable ? "Undecodable" : "Sets";
}

INSTANTIATE_TEST_SUITE_P(Kinds, FloodTest, ::testing::Values(Flood::one_alarm, Flood::undecodable, Flood::sets),
                         name_of);

}  // namespace
}  // namespace wardlink::testing
