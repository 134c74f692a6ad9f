// Storage is away and comes back: no session is lost, no handshake is made, what is owed is delivered, and ingest's
// memory stays within its stated buffer. I1, I8, MSG-07, DTLS-23
//
// WARDLINK_OUTAGE_SECONDS: how long it is away (default 300: ACKs outlast their retransmissions).

#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "places.hpp"
#include "stack.hpp"

namespace wardlink::testing {
namespace {

constexpr int kDevices = 200;

TEST(Outage, OfStorageCostsNoSessionAndNoAlarm) {
  const char* told = std::getenv("WARDLINK_OUTAGE_SECONDS");
  const int seconds = told != nullptr ? std::atoi(told) : 300;
  Stack stack;
  stack.make_pki("devices", {std::to_string(kDevices)});
  std::filesystem::create_directory(stack.path("journals"));
  Process ward({places::program("alarm_ward"), std::to_string(stack.ingest_port()), stack.pki(), stack.path("journals"),
                std::to_string(kDevices), "1"},
               stack.path("alarm_ward.log"));
  const auto handshakes = [&] { return stack.metric("wardlink_ingest_handshakes_total"); };
  const auto closed = [&] { return stack.metric_sum("wardlink_ingest_sessions_closed_total"); };
  ASSERT_TRUE(eventually([&] { return stack.metric("wardlink_ingest_sessions") == kDevices; }));
  ASSERT_TRUE(eventually([&] { return stack.sql("SELECT count(DISTINCT device_id) FROM alarm_event") == "200"; }));

  const auto before = stack.ingest.resident_kib();
  const auto handshakes_before = handshakes(), closed_before = closed();
  stack.storage.signal(SIGKILL);
  stack.storage.wait();
  const auto rows = std::stoll(stack.sql("SELECT count(*) FROM alarm_event"));
  long most = 0;
  for (int second = 0; second < seconds; ++second) {  // its length is the fault, not a wait for something
    poll(nullptr, 0, 1000);
    most = std::max(most, stack.ingest.resident_kib());
  }
  EXPECT_EQ(handshakes(), handshakes_before) << "a held ACK is not a dead gateway";
  EXPECT_EQ(closed(), closed_before);

  const auto back = std::chrono::steady_clock::now();
  stack.start_storage();
  ward.signal(SIGTERM);  // no new alarms: what is owed must be delivered
  EXPECT_EQ(ward.wait(), 0) << ward.log();
  const auto delivered = std::chrono::steady_clock::now() - back;

  std::cout << "storage away for " << seconds << " s with " << kDevices << " devices: handshakes "
            << handshakes() - handshakes_before << ", all alarms acknowledged "
            << std::chrono::duration<double>(delivered).count() << " s after its return, "
            << std::stoll(stack.sql("SELECT count(*) FROM alarm_event")) - rows
            << " of them since it went, ingest's memory " << before / 1024 << " MiB before and at most " << most / 1024
            << " MiB meanwhile, sets shed " << stack.metric_sum("wardlink_ingest_shed_total") << std::endl;
  std::int64_t journaled = 0;
  for (const auto& file : std::filesystem::directory_iterator(stack.path("journals"))) {
    if (file.path().extension() != ".jsonl") continue;  // the audit book
    std::ifstream in(file.path());
    for (std::string line; std::getline(in, line);) journaled += line.find("\"type\":\"alarm\"") != std::string::npos;
  }
  EXPECT_EQ(stack.sql("SELECT count(*) FROM alarm_event WHERE stream = 2"), std::to_string(journaled));
  // The stated buffer: 65,536 sets a shard of at most about 400 bytes each.
  EXPECT_LT(most, before + before / 10 + 2L * 65'536 * 400 / 1024);
}

}  // namespace
}  // namespace wardlink::testing
