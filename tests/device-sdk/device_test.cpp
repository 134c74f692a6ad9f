// The facade over real DTLS on loopback: threads, lifetimes, and that nothing is lost between them.

#include "wardlink/device.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "loopback_gateway.hpp"

namespace wardlink {
namespace {

using testing::badge;
using testing::eventually;
using ::testing::HasSubstr;
using testing::LoopbackGateway;
using namespace std::chrono_literals;

const std::string kUrn = "urn:dev:os:32473-00000000000000aa";

DeviceOptions options_to(std::uint16_t port, const std::string& urn = kUrn) {
  DeviceOptions options;
  options.server = "127.0.0.1";
  options.server_name = "localhost";
  options.port = port;
  options.credentials = badge(urn);
  options.alarms = {{}, 0, 0};
  options.set_capacity = 100'000;
  options.alarm_capacity = 100'000;
  return options;
}

MeasurementSet hr(double value) { return {{{signs::find("hr")->id, value}}, {}}; }

TEST(Device, IsNamedByItsCertificateAndHasABootBelow2To53) {
  const Device device(options_to(1));
  EXPECT_EQ(device.name(), kUrn);
  EXPECT_LT(device.boot(), 1ull << 53);
  EXPECT_NE(device.boot(), Device(options_to(1)).boot());
}

TEST(Device, SaysWhatIsWrongWithItsOptions) {
  const auto problem = [](auto change) -> std::string {
    auto options = options_to(1);
    change(options);
    try {
      Device device(std::move(options));
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_THAT(problem([](DeviceOptions& o) { o.credentials.certificate_pem = "x"; }), HasSubstr("certificate"));
  EXPECT_THAT(problem([](DeviceOptions& o) { o.credentials.private_key_pem = "x"; }), HasSubstr("key"));
  EXPECT_THAT(problem([](DeviceOptions& o) { o.credentials = badge("urn:dev:" + std::string(60, 'x')); }),
              HasSubstr("63 bytes"));
  EXPECT_THAT(problem([](DeviceOptions& o) { o.alarms.hysteresis = 0.6; }), HasSubstr("hysteresis"));
  EXPECT_THAT(problem([](DeviceOptions& o) {
                o.alarms.limits = {{AlarmLimit::Side::high, 999, 1}};
              }),
              HasSubstr("catalogue"));
  EXPECT_THAT(problem([](DeviceOptions& o) { o.alarm_capacity = 1; }), HasSubstr("alarm_capacity"));
  EXPECT_THAT(problem([](DeviceOptions& o) { o.set_capacity = 0; }), HasSubstr("set_capacity"));
  EXPECT_EQ(problem([](DeviceOptions&) {}), "none");
  EXPECT_EQ(problem([](DeviceOptions& o) { o.alarm_capacity = 2, o.set_capacity = 1; }), "none");
}

TEST(Device, TakesNothingUnlessItRuns) {
  LoopbackGateway gateway;
  Device device(options_to(gateway.port()));
  EXPECT_EQ(device.report(hr(70)), Refusal::stopped);
  device.start();
  EXPECT_EQ(device.report(hr(70)), Refusal::none);
  EXPECT_TRUE(device.stop(60s));
  EXPECT_EQ(device.report(hr(70)), Refusal::stopped);
  EXPECT_FALSE(device.raise({}));
  EXPECT_TRUE(device.stop());  // once more does no harm
}

TEST(Device, BringsWhatManyThreadsReport) {
  constexpr int kThreads = 4, kEach = 250;
  LoopbackGateway gateway;
  Device device(options_to(gateway.port()));
  device.start();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        EXPECT_EQ(device.report(hr(60 + i % 40)), Refusal::none);
        if (i % 50 != 0) continue;
        Alarm alarm;
        alarm.code = "button";
        const auto id = device.raise(alarm);
        ASSERT_TRUE(id);
        EXPECT_EQ(device.end(*id), Refusal::none);
        device.status();
        device.conclude();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(device.stop(60s));

  const auto status = device.status();
  EXPECT_EQ(status.sets_generated, static_cast<std::uint64_t>(kThreads * kEach));
  EXPECT_EQ(status.sets_sent, status.sets_generated);
  EXPECT_EQ(status.alarms_acknowledged, 2u * kThreads * kEach / 50);
  EXPECT_EQ(status.handshakes, 1u);
  const auto arrived = gateway.arrived().at(kUrn);
  EXPECT_EQ(arrived.alarms.size(), status.alarms_generated);
  // The last notification is Non-confirmable and may still be on its way.
  EXPECT_TRUE(eventually([&] { return gateway.arrived().at(kUrn).sets.size() == kThreads * kEach; }));
  EXPECT_EQ(gateway.arrived().at(kUrn).repeated_sets, 0u);
}

TEST(Device, ManyShareOneRuntime) {
  LoopbackGateway gateway;
  const auto runtime = std::make_shared<Runtime>();
  std::vector<std::unique_ptr<Device>> devices;
  for (int i = 0; i < 8; ++i) {
    auto options = options_to(gateway.port(), kUrn + std::to_string(i));
    options.runtime = runtime;
    devices.push_back(std::make_unique<Device>(std::move(options)));
    devices.back()->start();
    devices.back()->report(hr(70 + i));
  }
  for (auto& device : devices) EXPECT_TRUE(device->stop(60s));
  EXPECT_TRUE(eventually([&] {
    const auto arrived = gateway.arrived();
    return arrived.size() == 8 &&
           std::ranges::all_of(arrived, [](const auto& one) { return one.second.sets.contains(1); });
  }));
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(gateway.arrived().at(kUrn + std::to_string(i)).sets.at(1).at("hr"), 70 + i);
  }
}

TEST(Device, MayGoWhileItConnects) {
  LoopbackGateway gateway;
  for (int i = 0; i < 5; ++i) {
    Device device(options_to(gateway.port()));
    device.start();
    device.report(hr(70));
  }
  Device never_started(options_to(gateway.port()));
}

TEST(Device, LeavesWhatNobodyTook) {
  Device device(options_to(1));  // nobody there
  device.start();
  device.report(hr(70));
  EXPECT_FALSE(device.stop(1ms));
  EXPECT_EQ(device.status().sets_waiting, 1u);
  EXPECT_FALSE(device.status().connected);
}

TEST(Device, DoesNotTalkToAServerOfAnotherName) {
  LoopbackGateway gateway;
  auto options = options_to(gateway.port());
  options.server_name = "ingest.example";
  Device device(std::move(options));
  device.start();
  EXPECT_TRUE(eventually([&] {
    return device.status().last_problem.find("names another server") != std::string::npos;
  })) << device.status().last_problem;
  EXPECT_TRUE(gateway.arrived().empty());
}

/// To this host the gateway's certificate begins in two hours: so does one of today to a device in 1970, only later.
TEST(Device, NeedsNoCalendar) {
  constexpr long kLater = 3 * 3600;
  auto certificate = coap::testing::CertificateSpec::server();
  certificate.from_seconds += kLater;
  LoopbackGateway gateway("127.0.0.1", certificate, kLater);
  Device device(options_to(gateway.port()));
  device.start();
  EXPECT_TRUE(eventually([&] { return device.status().connected; })) << device.status().last_problem;

  auto options = options_to(gateway.port());
  options.calendar_is_right = true;
  Device other(std::move(options));
  other.start();
  EXPECT_TRUE(eventually([&] { return !other.status().last_problem.empty(); }));
  EXPECT_THAT(other.status().last_problem, HasSubstr("not valid yet"));
}

TEST(Device, LeavesAGatewayWhoseCertificateIsOverByItsOwnWord) {
  LoopbackGateway gateway("127.0.0.1", coap::testing::CertificateSpec::server(), 10L * 86'400);
  Device device(options_to(gateway.port()));
  device.start();
  EXPECT_TRUE(eventually([&] { return !device.status().last_problem.empty(); }));
  EXPECT_THAT(device.status().last_problem, HasSubstr("has expired"));
  EXPECT_FALSE(device.status().connected);
}

}  // namespace
}  // namespace wardlink
