// 500 alarm records wait on a device while storage is away: they go in datagrams' worth, highest priority first, then
// oldest, and are all committed once. Vitals go on meanwhile. I1, I2, MSG-09

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <iostream>

#include "stack.hpp"
#include "udp_relay.hpp"
#include "wardlink/device.hpp"

namespace wardlink::testing {
namespace {

constexpr int kAlarms = 500;
/// docs/wire.md, "Transport", and what DTLS 1.2 with AES-GCM adds: header, explicit nonce, tag.
constexpr std::size_t kLongestDatagram = 1152 + 13 + 8 + 16;

Alarm alarm_of(int number) {
  Alarm alarm;
  alarm.kind = AlarmKind::technical;
  alarm.priority = static_cast<AlarmPriority>(1 + number % 3);
  alarm.code = "lead-off";
  return alarm;
}

TEST(AlarmBacklog, GoesInDatagramsWorthHighestPriorityFirst) {
  Stack stack;
  stack.make_pki("device", {"bed"});
  UdpRelay relay(stack.ingest_port());
  DeviceOptions options;
  options.port = relay.port();
  options.credentials = stack.credentials("devices/bed");
  Device device(options);
  device.start();
  ASSERT_TRUE(eventually([&] { return device.status().connected; })) << device.status().last_problem;
  ASSERT_TRUE(eventually([&] { return stack.sql("SELECT count(*) FROM device_boot") == "1"; }));
  relay.keep();

  stack.storage.signal(SIGKILL);
  stack.storage.wait();
  int sets = 0;
  for (int i = 0; i < kAlarms; ++i) {
    ASSERT_TRUE(device.raise(alarm_of(i))) << i;
    if (i % 10 == 0 && device.report({{{signs::find("hr")->id, 60.0 + i % 30}}, {}}) == Refusal::none) ++sets;
  }
  EXPECT_EQ(device.status().alarms_owed, std::uint64_t{kAlarms});
  ASSERT_TRUE(eventually([&] { return device.status().sets_sent == static_cast<std::uint64_t>(sets); }))
      << "vitals wait for alarms: " << device.status().sets_sent;
  ASSERT_TRUE(eventually([&] { return stack.metric("wardlink_ingest_sink_waiting{stream=\"vitals\"}") == sets; }));
  EXPECT_GT(stack.metric("wardlink_ingest_held_acks"), 0);
  EXPECT_EQ(device.status().alarms_acknowledged, 0u);
  EXPECT_EQ(stack.sql("SELECT count(*) FROM alarm_event"), "0");

  const auto back = "timestamptz '" + stack.sql("SELECT clock_timestamp()") + "'";
  stack.start_storage();
  ASSERT_TRUE(eventually([&] { return device.status().alarms_owed == 0; }, std::chrono::seconds{240}))
      << device.status().alarms_owed;
  EXPECT_EQ(device.status().handshakes, 1u);
  EXPECT_EQ(stack.sql("SELECT count(*) FROM alarm_event WHERE stream = 2"), std::to_string(kAlarms));
  EXPECT_EQ(stack.sql("SELECT count(*) FROM quarantine"), "0");
  EXPECT_TRUE(eventually([&] { return stack.sql("SELECT count(*) FROM measurement_set") == std::to_string(sets); }));

  // What one datagram brought was received at one instant. Some came before storage was back; then, in order, the rest.
  const auto after = " FROM alarm_event WHERE stream = 2 AND received_at > " + back;
  EXPECT_GT(std::stoi(stack.sql("SELECT count(*)" + after)), kAlarms / 2);
  EXPECT_GT(std::stoi(stack.sql("SELECT count(DISTINCT received_at)" + after)), 10);
  EXPECT_EQ(stack.sql("SELECT count(*) FROM (SELECT priority, sequence, lag(priority) OVER w AS before, "
                      "lag(sequence) OVER w AS number" +
                      after +
                      " WINDOW w AS (ORDER BY received_at, priority DESC, sequence)) x "
                      "WHERE priority > before OR (priority = before AND sequence < number)"),
            "0");
  std::size_t longest = 0;
  for (const auto& datagram : relay.captured()) longest = std::max(longest, datagram.size());
  EXPECT_LE(longest, kLongestDatagram);
  EXPECT_GT(longest, kLongestDatagram / 2) << "a datagram's worth is more than a record";
  EXPECT_TRUE(device.stop(std::chrono::seconds{60}));
}

}  // namespace
}  // namespace wardlink::testing
