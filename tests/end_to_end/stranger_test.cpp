// Strangers without a certificate, at the real ingest: on the address of a live session, and ten thousand of them at
// once.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <random>

#include "intruder.hpp"
#include "raw_device.hpp"
#include "stack.hpp"
#include "timed_ward.hpp"

namespace wardlink::testing {
namespace {

using Clock = std::chrono::steady_clock;

std::string set(int sequence) {
  return R"([{"n":"q","v":)" + std::to_string(sequence) + R"(},{"n":"tk","v":)" + std::to_string(sequence) +
         R"(},{"n":"hr","v":72}])";
}

// DTLS-12 (a), (b), (c), DTLS-18: whoever can write a live device's address on his datagrams takes nothing from it.
TEST(Stranger, OnALiveAddressCostsItsSessionNothing) {
  constexpr int kEach = 1000, kOwn = 50;  // of each forgery, and of its own words: no more than it may say at once
  Stack stack;
  stack.make_pki("device", {"live"});
  const auto credentials = stack.credentials("devices/live");
  const auto hello = client_hello(credentials);
  const auto urn = stack.urn("live");
  RawDevice device(stack.ingest_port(), credentials);
  ASSERT_TRUE(device.handshake());
  ASSERT_TRUE(device.register_as(urn, 7));

  std::mt19937 random(2026);
  const auto garbage = [&] {
    coap::Bytes bytes(1 + random() % 200);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    return bytes;
  };
  int cookies = 0;
  for (int i = 1; i <= kEach; ++i) {
    device.send_forged(hello);
    cookies += open_halfway(device.socket(), hello) ? 1 : 0;
    device.send_forged(forged_alert(i % 2 == 0));
    device.send_forged(garbage());
    device.send_forged(forged_record(static_cast<std::size_t>(i) % 100));
    if (i % (kEach / kOwn) == 0) device.send(device.notification(coap::Type::non, device.vitals, set(i)));
    // A question and its answer now and then: nobody loses what the other's buffer cannot hold.
    if (i % 50 == 0) {
      const auto alive = device.notification(coap::Type::con, device.vitals, set(kEach + i));
      device.send(alive);
      ASSERT_TRUE(device.answer_to(alive.id)) << "after " << i;
    }
  }
  EXPECT_EQ(cookies, kEach) << "each forged ClientHello with a cookie was one";
  const auto rows = std::to_string(kOwn + kEach / 50);
  EXPECT_TRUE(eventually([&] { return stack.sql("SELECT count(*) FROM measurement_set") == rows; }))
      << stack.sql("SELECT count(*) FROM measurement_set") << " of " << rows;
  EXPECT_EQ(stack.metric("wardlink_ingest_handshakes_total"), 1);
  EXPECT_EQ(stack.metric_sum("wardlink_ingest_sessions_closed_total"), 0);
}

// -- ten thousand -----------------------------------------------------------------------------------------------------

// DTLS-05, DTLS-19, DTLS-20: the memory of handshakes that nobody finishes is capped and comes back, and those who are
// in are heard meanwhile. How fast is printed, and judged by people: three times, since one time says little of a p99.
TEST(Stranger, TenThousandHalfwayInLeaveTheLiveDevicesAlone) {
  constexpr int kStrangers = 10'000;
  constexpr auto kPause = std::chrono::milliseconds{10};  // between two alarm records, and for ten strangers
  constexpr int kTicks = kStrangers / 10;
  constexpr long kCapKib = 2L * 500 * 90;  // two shards, Listener::Config::max_half_open of up to 90 KB
  Stack stack;
  constexpr std::size_t kDevices = 10;
  TimedWard ward(stack, kDevices);
  ASSERT_TRUE(eventually([&] { return ward.connected(); }));
  const auto hello = client_hello(stack.credentials("devices/device-0001"));
  const auto half_open = [&] { return stack.metric("wardlink_ingest_half_open"); };
  const auto resident = [&] { return stack.ingest.resident_kib(); };
  const auto paced = [&](const std::function<void()>& each) {
    auto next = Clock::now();
    for (int tick = 0; tick < kTicks; ++tick) {
      ward.act();
      each();
      next += kPause;
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
      if (left.count() > 0) poll(nullptr, 0, static_cast<int>(left.count()));  // the load's pace, not a wait
    }
    EXPECT_TRUE(eventually([&] { return ward.owed() == 0; }));
    return ward.stopwatch->take();
  };

  paced([] {});  // until everything has been touched once
  std::vector<double> ratios;
  for (int round = 1; round <= 3; ++round) {
    const auto before = resident();
    const auto quiet = paced([] {});
    long most = 0;
    double crowd = 0;
    int cookies = 0, tick = 0;
    const auto storm = paced([&] {
      for (int i = 0; i < 10; ++i) {
        const auto host = "127.0.1." + std::to_string(1 + cookies % 250);
        const int socket = connected_socket(stack.ingest_port(), 0, host.c_str());
        cookies += open_halfway(socket, hello) ? 1 : 0;
        close(socket);
      }
      if (++tick % 50 == 0) most = std::max(most, resident());
      if (tick % 250 == 0) crowd = std::max(crowd, half_open());
    });
    EXPECT_TRUE(eventually([&] { return half_open() == 0; })) << "freed after the deadline";
    const auto after = resident();

    ratios.push_back(quantile(storm, 0.99) / quantile(quiet, 0.99));
    std::cout << cookies << " strangers halfway in, at most " << crowd << " at once: ingest's memory " << before / 1024
              << " MiB before, at most " << most / 1024 << " MiB, " << after / 1024
              << " MiB after the deadline; alarm to ACK, p50 / p99: " << words(quiet) << " without them, "
              << words(storm) << " with them (" << storm.size() << " records)" << std::endl;
    EXPECT_EQ(cookies, kStrangers);
    EXPECT_GT(crowd, 500) << "the storm was no storm";
    EXPECT_LT(most - before, kCapKib);
    EXPECT_LT(after - before, kCapKib / 4) << "it comes back";
  }
  std::ranges::sort(ratios);
  std::cout << std::fixed << std::setprecision(2) << "p99 with them to p99 without them, median of three: " << ratios[1]
            << " (" << ratios[0] << " to " << ratios[2] << ")" << std::endl;
  EXPECT_LT(stack.metric("wardlink_ingest_datagrams_dropped_total{reason=\"crowded_out\"}"), 3 * kStrangers / 2)
      << "they were turned away before they cost anything";
  EXPECT_EQ(ward.handshakes(), kDevices) << "no live session was lost";
  EXPECT_EQ(stack.sql("SELECT count(*) FROM alarm_event WHERE stream = 2"), std::to_string(ward.alarms()));
}

}  // namespace
}  // namespace wardlink::testing
