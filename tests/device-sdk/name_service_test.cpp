// Devices whose name service hangs, or knows several addresses: getaddrinfo is this executable's own, all else is real.

#include "name_service.hpp"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "coap/udp_driver.hpp"
#include "loopback_gateway.hpp"
#include "wardlink/device.hpp"

namespace {

/// What getaddrinfo does with names; addresses it leaves to the system.
struct Names {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, std::vector<std::string>> known;
  std::set<std::string> hanging;
  int inside = 0, calls_before = 0;
  std::atomic<int> calls = 0;

  void hang(const std::string& name) {
    const std::lock_guard lock(mutex);
    hanging.insert(name);
    calls_before = calls;
  }
  void answer(const std::string& name, std::vector<std::string> addresses) {
    const std::lock_guard lock(mutex);
    known[name] = std::move(addresses);
    hanging.erase(name);
    changed.notify_all();
  }
  /// Since hang().
  void wait_for_a_call() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return calls > calls_before; });
  }
  void wait_for_the_last() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return inside == 0; });
  }
  std::vector<std::string> ask(const std::string& name) {
    std::unique_lock lock(mutex);
    ++inside;
    ++calls;
    changed.notify_all();
    // Whoever waits for it on the loop would wait for ever, and the test with it.
    if (!changed.wait_for(lock, std::chrono::seconds{60}, [&] { return !hanging.contains(name); }))
      ADD_FAILURE() << "the whole test waited for the name service";
    auto addresses = known[name];
    --inside;
    changed.notify_all();
    return addresses;
  }
} names;

using Lookup = int (*)(const char*, const char*, const addrinfo*, addrinfo**);

}  // namespace

extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* wanted, addrinfo** results) {
  static const auto real = reinterpret_cast<Lookup>(dlsym(RTLD_NEXT, "getaddrinfo"));
  if (host == nullptr || std::string(host).find(".test") == std::string::npos)
    return real(host, service, wanted, results);
  addrinfo** end = results;
  *results = nullptr;
  for (const auto& address : names.ask(host)) {
    if (real(address.c_str(), service, wanted, end) != 0) continue;
    while (*end != nullptr) end = &(*end)->ai_next;
  }
  return *results == nullptr ? EAI_NONAME : 0;
}

namespace wardlink {
namespace {

using testing::badge;
using ::testing::ElementsAre;
using testing::eventually;
using ::testing::HasSubstr;
using testing::LoopbackGateway;
using namespace std::chrono_literals;

const std::string kUrn = "urn:dev:os:32473-00000000000000ab";

bool has_ipv6() {
  coap::EventLoop loop;
  struct Nobody : coap::Endpoint {
    void handle_datagram(const coap::Address&, coap::ByteView, coap::Instant) override {}
    void handle_timeout(coap::Instant) override {}
    std::optional<coap::Datagram> poll_datagram() override { return std::nullopt; }
    std::optional<coap::Instant> next_deadline() const override { return std::nullopt; }
  } nobody;
  coap::UdpDriver::Config config;
  config.host = "::1";
  return static_cast<bool>(coap::UdpDriver::open(loop, config, nobody));
}

DeviceOptions options_to(const std::string& server, std::uint16_t port, const std::string& urn = kUrn) {
  DeviceOptions options;
  options.server = server;
  options.server_name = "localhost";
  options.port = port;
  options.credentials = badge(urn);
  options.alarms = {{{AlarmLimit::Side::high, signs::find("hr")->id, 131}}, 0, 0};
  return options;
}

class DeviceNames : public ::testing::Test {
 protected:
  DeviceNames() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wardlink-names-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    path_ = (folder_ / "bed-7.jsonl").string();
  }
  ~DeviceNames() override {
    names.answer("hangs.test", {"127.0.0.1"});
    names.wait_for_the_last();
    std::filesystem::remove_all(folder_);
  }

  /// Alarm lines in the journal's file.
  std::size_t written() const {
    std::ifstream file(path_);
    std::size_t count = 0;
    for (std::string line; std::getline(file, line);) count += line.starts_with(R"({"type":"alarm")");
    return count;
  }

  std::filesystem::path folder_;
  std::string path_;
};

TEST_F(DeviceNames, WhileTheNameServiceHangsAlarmsAreOnTheDiskWhenTheCallReturns) {  // DUR-2
  LoopbackGateway gateway;
  names.hang("hangs.test");
  auto options = options_to("hangs.test", gateway.port());
  options.journal = open_file_journal(path_, kUrn);
  Device device(std::move(options));
  device.start();
  names.wait_for_a_call();

  Alarm alarm;
  alarm.code = "fall";
  Refusal why = Refusal::full;
  const auto id = device.raise(alarm, &why);
  ASSERT_TRUE(id);
  EXPECT_EQ(why, Refusal::none);
  EXPECT_EQ(written(), 1u);
  EXPECT_EQ(device.end(*id), Refusal::none);
  EXPECT_EQ(written(), 2u);
  EXPECT_EQ(device.report({{{signs::find("hr")->id, 140}}, {}}), Refusal::none);
  EXPECT_EQ(written(), 3u);
  EXPECT_EQ(device.conclude(), Refusal::none);
  EXPECT_FALSE(device.status().connected);
  EXPECT_TRUE(eventually([&] { return device.status().last_problem.find("name service") != std::string::npos; }));

  names.answer("hangs.test", {"127.0.0.1"});
  EXPECT_TRUE(eventually([&] { return device.status().alarms_owed == 0; })) << device.status().last_problem;
  EXPECT_TRUE(device.stop(60s));
}

TEST_F(DeviceNames, OneThatHangsHoldsUpNoOtherDeviceAndNoStop) {  // DUR-2
  LoopbackGateway gateway;
  names.hang("hangs.test");
  const auto runtime = std::make_shared<Runtime>();
  auto hanging = options_to("hangs.test", gateway.port());
  hanging.runtime = runtime;
  Device waits(std::move(hanging));
  waits.start();
  names.wait_for_a_call();
  auto other = options_to("127.0.0.1", gateway.port(), kUrn + "2");
  other.runtime = runtime;
  Device device(std::move(other));
  device.start();
  EXPECT_TRUE(eventually([&] { return device.status().connected; })) << device.status().last_problem;
  EXPECT_TRUE(waits.stop());
  EXPECT_TRUE(device.stop());
}

TEST_F(DeviceNames, ADeviceMayGoWithItsRuntimeWhileTheNameServiceHangs) {  // DUR-2
  names.hang("hangs.test");
  for (int i = 0; i < 3; ++i) {
    Device device(options_to("hangs.test", 5684));
    device.start();
    names.wait_for_a_call();
  }
  names.answer("hangs.test", {"127.0.0.1"});  // to nobody
  names.wait_for_the_last();
}

TEST_F(DeviceNames, DevicesOfOneRuntimeAskOnceForOneName) {  // DUR-2
  names.hang("hangs.test");
  const int before = names.calls;
  const auto runtime = std::make_shared<Runtime>();
  LoopbackGateway gateway;
  std::vector<std::unique_ptr<Device>> devices;
  for (int i = 0; i < 8; ++i) {
    auto options = options_to("hangs.test", gateway.port(), kUrn + std::to_string(i));
    options.runtime = runtime;
    devices.push_back(std::make_unique<Device>(std::move(options)));
    devices.back()->start();
  }
  names.wait_for_a_call();
  EXPECT_EQ(names.calls, before + 1);
  names.answer("hangs.test", {"127.0.0.1"});
  for (auto& device : devices) {
    EXPECT_TRUE(eventually([&] { return device->status().connected; })) << device->status().last_problem;
  }
}

/// What "::1 localhost" in the hosts file does to a gateway that listens on 127.0.0.1 alone, and its like.
class SomeAddressesAreDead : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(SomeAddressesAreDead, TheDeviceConnectsAllTheSame) {  // NET-1
  LoopbackGateway gateway;
  names.answer("gateway.test", GetParam());
  Device device(options_to("gateway.test", gateway.port()));
  device.start();
  EXPECT_TRUE(eventually([&] { return device.status().connected; })) << device.status().last_problem;
  EXPECT_TRUE(device.stop(60s));
}
INSTANTIATE_TEST_SUITE_P(Lists, SomeAddressesAreDead,
                         ::testing::Values(std::vector<std::string>{"127.0.0.1"},
                                           std::vector<std::string>{"::1", "127.0.0.1"},
                                           std::vector<std::string>{"127.0.0.2", "127.0.0.1"},
                                           std::vector<std::string>{"2001:db8::1", "::1", "127.0.0.9", "127.0.0.1"}));

class OverIpv6 : public ::testing::TestWithParam<std::string> {};

TEST_P(OverIpv6, TheDeviceConnects) {  // NET-1
  if (!has_ipv6()) GTEST_SKIP() << "this host has no IPv6";
  LoopbackGateway gateway("::1");
  names.answer("v6.test", {"::1"});
  names.answer("both.test", {"127.0.0.1", "::1"});
  Device device(options_to(GetParam(), gateway.port()));
  device.start();
  EXPECT_TRUE(eventually([&] { return device.status().connected; })) << device.status().last_problem;
  EXPECT_EQ(device.report({{{signs::find("hr")->id, 140}}, {}}), Refusal::none);
  EXPECT_TRUE(device.stop(60s));
  EXPECT_TRUE(eventually([&] { return gateway.arrived().at(kUrn).alarms.size() == 1; }));
}
INSTANTIATE_TEST_SUITE_P(Servers, OverIpv6, ::testing::Values("::1", "v6.test", "both.test"));

// -- the service alone -----------------------------------------------------------------------------------------------

TEST(NameService, TellsWhatIsWrongWithAName) {
  std::mutex mutex;
  std::condition_variable changed;
  std::string error;
  NameService service(coap::resolve_all);
  service.look_up(&service, "unknown.test", 5684, [&](const NameService::Answer& found) {
    const std::lock_guard lock(mutex);
    error = found ? "found" : found.error();
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return !error.empty(); });
  EXPECT_THAT(error, HasSubstr("unknown.test is not known"));
}

TEST(NameService, AnOwnerThatIsForgottenHearsNothing) {
  names.hang("hangs.test");
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int> heard;
  NameService service(coap::resolve_all);
  int owners[2];
  for (int i = 0; i < 2; ++i) {
    service.look_up(&owners[i], "hangs.test", 5684, [&, i](const NameService::Answer&) {
      const std::lock_guard lock(mutex);
      heard.push_back(i);
      changed.notify_all();
    });
  }
  names.wait_for_a_call();
  service.forget(&owners[0]);
  names.answer("hangs.test", {"127.0.0.1"});
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return !heard.empty(); });
  EXPECT_THAT(heard, ElementsAre(1));
}

}  // namespace
}  // namespace wardlink
