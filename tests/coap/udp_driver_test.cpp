// The driver on real sockets of this machine's loopback, ports picked by the kernel.

#include "coap/udp_driver.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include "coap/listener.hpp"
#include "dtls_peers.hpp"

namespace coap {
namespace {

using namespace std::chrono_literals;
using testing::bytes;
using ::testing::HasSubstr;

Address loopback(std::uint16_t port) {
  return {.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}, .port = port};
}

/// Says back what it hears, and notes it.
struct Echo : Endpoint {
  void handle_datagram(const Address& from, ByteView datagram, Instant) override {
    heard.push_back({from, Bytes(datagram.begin(), datagram.end())});
    if (answers) out.push_back({from, Bytes(datagram.begin(), datagram.end())});
    if (on_datagram) on_datagram();
  }
  void handle_timeout(Instant now) override {
    timeouts.push_back(now);
    deadline.reset();
    if (on_timeout) on_timeout();
  }
  std::optional<Datagram> poll_datagram() override {
    if (out.empty()) return std::nullopt;
    Datagram first = std::move(out.front());
    out.erase(out.begin());
    return first;
  }
  std::optional<Instant> next_deadline() const override { return deadline; }
  std::optional<std::vector<Address>> poll_muted() override { return std::exchange(muted, std::nullopt); }

  std::optional<std::vector<Address>> muted;
  bool answers = true;
  std::vector<Datagram> heard, out;
  std::vector<Instant> timeouts;
  std::optional<Instant> deadline;
  std::function<void()> on_datagram, on_timeout;
};

UdpDriver::Config local(const std::string& host = "127.0.0.1", std::uint16_t port = 0) {
  UdpDriver::Config config;
  config.host = host;
  config.port = port;
  return config;
}

std::unique_ptr<UdpDriver> opened(EventLoop& loop, Endpoint& endpoint, const UdpDriver::Config& config = local()) {
  auto driver = UdpDriver::open(loop, config, endpoint);
  if (!driver) throw std::runtime_error(driver.error());
  return std::move(*driver);
}

TEST(UdpDriver, CarriesMoreThanABatchBothWays) {
  EventLoop loop;
  Echo server, client;
  client.answers = false;
  const auto listening = opened(loop, server);
  const auto calling = opened(loop, client);
  constexpr std::size_t count = 100;
  for (std::size_t i = 0; i < count; ++i) client.out.push_back({loopback(listening->port()), Bytes(i, 'x')});
  client.on_datagram = [&] {
    if (client.heard.size() == count) loop.stop();
  };
  calling->wake();
  loop.run();
  ASSERT_EQ(server.heard.size(), count);
  EXPECT_EQ(server.heard[0].to, loopback(calling->port()));
  std::size_t total = 0;
  for (const Datagram& datagram : client.heard) total += datagram.bytes.size();
  EXPECT_EQ(total, count * (count - 1) / 2);
  EXPECT_EQ(listening->kernel_drops(), 0u);
  EXPECT_EQ(calling->send_drops(), 0u);
}

TEST(UdpDriver, TheWildcardTakesIPv4AndIPv6) {
  EventLoop loop;
  Echo server, client;
  client.answers = false;
  const auto listening = opened(loop, server, local("::"));
  const auto calling = opened(loop, client, local("::"));
  std::vector<Address> ways{loopback(listening->port())};
  Echo probe;
  const bool has_ipv6 = static_cast<bool>(UdpDriver::open(loop, local("::1"), probe));
  if (has_ipv6) ways.push_back({.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, .port = listening->port()});
  for (const Address& way : ways) client.out.push_back({way, bytes("hello")});
  client.on_datagram = [&] {
    if (client.heard.size() == ways.size()) loop.stop();
  };
  calling->wake();
  loop.run();
  for (std::size_t i = 0; i < ways.size(); ++i) EXPECT_EQ(client.heard[i].to, ways[i]);
}

// FAIR-1: the kernel drops what comes from an address that is muted, by each family of socket, and nothing else.
TEST(UdpDriver, WhatComesFromAMutedAddressIsDroppedByTheKernel) {
  for (const char* host : {"127.0.0.1", "::", "::1"}) {
    EventLoop loop;
    Echo server;
    auto listening = UdpDriver::open(loop, local(host), server);
    if (!listening) continue;  // a machine without IPv6
    const bool is_v6 = std::string(host) == "::1";
    Address to = loopback((*listening)->port());
    if (is_v6) to.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    std::vector<std::unique_ptr<Echo>> clients;
    std::vector<std::unique_ptr<UdpDriver>> calling;
    std::vector<Address> from;
    for (int i = 0; i < 9; ++i) {
      clients.push_back(std::make_unique<Echo>());
      calling.push_back(opened(loop, *clients.back(), local(is_v6 ? "::1" : "127.0.0.1")));
      from.push_back(to);
      from.back().port = calling.back()->port();
    }
    auto foreign = from;  // of another host, and the same ports
    for (auto& each : foreign) each.ip[15] = 7;
    using Addresses = std::vector<Address>;
    const std::vector<Addresses> muted{
        {}, {from.begin(), from.begin() + 8}, {from[1]}, {foreign.begin(), foreign.begin() + 8}, {}};
    std::vector<Addresses> heard(muted.size());
    std::vector<std::uint64_t> drops;
    std::size_t round = 0;
    const auto say = [&] {
      server.muted = muted[round];
      (*listening)->wake();
      for (std::size_t i = 0; i < clients.size(); ++i) {
        clients[i]->out.push_back({to, bytes("hello")});
        calling[i]->wake();
      }
    };
    server.answers = false;
    server.on_datagram = [&] {
      heard[round].push_back(server.heard.back().to);
      if (server.heard.back().to != from.back()) return;  // the last is never muted
      drops.push_back((*listening)->muted_drops());
      if (++round < muted.size())
        loop.post(say);
      else
        loop.stop();
    };
    loop.post(say);
    loop.run();
    EXPECT_EQ(heard[0], from) << host;
    EXPECT_EQ(heard[1], Addresses{from[8]}) << host;
    EXPECT_THAT(heard[2], ::testing::SizeIs(8)) << host;
    EXPECT_EQ(heard[3], from) << host;
    EXPECT_EQ(heard[4], from) << host;
    EXPECT_THAT(drops, ::testing::ElementsAre(0, 8, 9, 9, 9));
    EXPECT_EQ((*listening)->kernel_drops(), 0u) << "no reader was too slow";
  }
}

TEST(UdpDriver, RingsAtTheDeadlineAndNotBefore) {
  EventLoop loop;
  Echo endpoint;
  const Instant due = EventLoop::now() + 30ms;
  endpoint.deadline = due;
  endpoint.on_timeout = [&] { loop.stop(); };
  const auto driver = opened(loop, endpoint);
  loop.run();
  ASSERT_EQ(endpoint.timeouts.size(), 1u);
  EXPECT_GE(endpoint.timeouts[0], due);
}

TEST(UdpDriver, AnEarlierDeadlineRingsFirstAndALaterOneIsNotForgotten) {
  EventLoop loop;
  Echo endpoint;
  endpoint.deadline = EventLoop::now() + 1h;
  const auto driver = opened(loop, endpoint);
  Instant second{};
  endpoint.on_timeout = [&] {
    if (endpoint.timeouts.size() == 2) return loop.stop();
    endpoint.deadline = second = EventLoop::now() + 20ms;
  };
  loop.post([&] {
    endpoint.deadline = EventLoop::now() + 10ms;
    driver->wake();
  });
  loop.run();
  ASSERT_EQ(endpoint.timeouts.size(), 2u);
  EXPECT_GE(endpoint.timeouts[1], second);
}

TEST(UdpDriver, APostponedDeadlineDoesNotRingEarly) {
  EventLoop loop;
  Echo endpoint;
  endpoint.deadline = EventLoop::now() + 5ms;
  const auto driver = opened(loop, endpoint);
  const Instant later = EventLoop::now() + 40ms;
  endpoint.deadline = later;
  driver->wake();
  endpoint.on_timeout = [&] { loop.stop(); };
  loop.run();
  ASSERT_EQ(endpoint.timeouts.size(), 1u);
  EXPECT_GE(endpoint.timeouts[0], later);
}

TEST(UdpDriver, SaysInOneSentenceThatAPortIsTaken) {
  EventLoop loop;
  Echo first, second;
  const auto driver = opened(loop, first);
  const auto refused = UdpDriver::open(loop, local("127.0.0.1", driver->port()), second);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), "UDP port " + std::to_string(driver->port()) +
                                 " on 127.0.0.1 is in use by another program: stop it or choose another with --port.");
  const auto foreign = UdpDriver::open(loop, local("192.0.2.1"), second);
  ASSERT_FALSE(foreign);
  EXPECT_THAT(foreign.error(), HasSubstr("This machine has no address 192.0.2.1"));
  const auto nonsense = UdpDriver::open(loop, local("no such host!"), second);
  ASSERT_FALSE(nonsense);
  EXPECT_THAT(nonsense.error(), HasSubstr("no such host!"));
}

TEST(UdpDriver, ShardsShareAPort) {
  EventLoop loop;
  Echo first, second;
  auto config = local();
  config.sharing = UdpDriver::Sharing::first;
  const auto one = opened(loop, first, config);
  config.port = one->port();
  config.sharing = UdpDriver::Sharing::joins;
  const auto two = opened(loop, second, config);
  EXPECT_EQ(one->port(), two->port());
}

TEST(UdpDriver, ShardsShareWhatArrives) {  // the first one too, which lets the others in behind its own bind
  EventLoop loop;
  Echo first, second, client;
  first.answers = second.answers = client.answers = false;
  auto config = local();
  config.sharing = UdpDriver::Sharing::first;
  const auto one = opened(loop, first, config);
  config.port = one->port();
  config.sharing = UdpDriver::Sharing::joins;
  const auto two = opened(loop, second, config);
  constexpr std::size_t callers = 64;
  std::vector<std::unique_ptr<UdpDriver>> calling;  // the kernel chooses by the caller's port
  first.on_datagram = second.on_datagram = [&] {
    if (first.heard.size() + second.heard.size() == callers) loop.stop();
  };
  for (std::size_t i = 0; i < callers; ++i) {
    client.out.push_back({loopback(one->port()), bytes("hello")});
    calling.push_back(opened(loop, client));
  }
  loop.run();
  EXPECT_FALSE(first.heard.empty());
  EXPECT_FALSE(second.heard.empty());
}

/// Where the first program listens, and where the second would.
using Pair = std::pair<std::string, std::string>;
class TakenPortTest : public ::testing::TestWithParam<std::pair<Pair, UdpDriver::Sharing>> {};

TEST_P(TakenPortTest, IsNotSharedWithASecondProgram) {  // NET-1
  EventLoop loop;
  Echo first, second;
  auto config = local(GetParam().first.first);
  config.sharing = UdpDriver::Sharing::first;
  const auto one = opened(loop, first, config);
  config.port = one->port();
  config.sharing = UdpDriver::Sharing::joins;
  const auto shard = opened(loop, first, config);
  config.host = GetParam().first.second;
  config.sharing = GetParam().second;
  const auto refused = UdpDriver::open(loop, config, second);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), HasSubstr("is in use by another program"));
}

std::vector<std::pair<Pair, UdpDriver::Sharing>> takers() {
  std::vector<std::pair<Pair, UdpDriver::Sharing>> all;
  for (const Pair& hosts : {Pair{"127.0.0.1", "127.0.0.1"}, Pair{"127.0.0.1", "0.0.0.0"}, Pair{"0.0.0.0", "127.0.0.1"},
                            Pair{"::", "::"}, Pair{"::", "127.0.0.1"}, Pair{"127.0.0.1", "::"}, Pair{"0.0.0.0", "::"},
                            Pair{"::", "0.0.0.0"}, Pair{"127.0.0.1", "localhost"}, Pair{"::", "localhost"}})
    for (const auto sharing : {UdpDriver::Sharing::none, UdpDriver::Sharing::first}) all.push_back({hosts, sharing});
  return all;
}
INSTANTIATE_TEST_SUITE_P(Hosts, TakenPortTest, ::testing::ValuesIn(takers()));

TEST(UdpDriver, AnswersFromTheAddressThatWasAsked) {  // NET-1
  for (const char* listens : {"::", "0.0.0.0"}) {
    for (const std::uint8_t last : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}}) {
      EventLoop loop;
      Echo server, client;
      auto config = local(listens);
      config.tells_local = true;
      const auto listening = opened(loop, server, config);
      client.answers = false;
      client.on_datagram = [&] { loop.stop(); };
      Address asked = loopback(listening->port());
      asked.ip[15] = last;
      client.out.push_back({asked, bytes("who are you")});
      const auto calling = opened(loop, client, local("0.0.0.0"));
      loop.run();
      EXPECT_EQ(to_string(client.heard.at(0).to), to_string(asked)) << listens;
      EXPECT_EQ(server.heard.at(0).to.local, asked.ip) << listens;
      EXPECT_EQ(listening->send_drops(), 0u);
    }
  }
}

/// A socket that hears of each change of an IPv6 address of this network (rtnetlink(7)).
int listen_for_addresses() {
  const int file = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  sockaddr_nl name{};
  name.nl_family = AF_NETLINK;
  name.nl_groups = RTMGRP_IPV6_IFADDR;
  if (bind(file, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) return file;
  close(file);
  return -1;
}

/// An address that was just added is tentative until the kernel has come to it, and what is sent to it is lost.
bool wait_until_it_can_be_bound(int changes, const in6_addr& address, int interface) {
  sockaddr_in6 one{};
  one.sin6_family = AF_INET6;
  one.sin6_addr = address;
  one.sin6_scope_id = static_cast<std::uint32_t>(interface);
  const int file = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  std::array<char, 4096> change;
  bool bound = false;
  while (file >= 0 && !(bound = bind(file, reinterpret_cast<const sockaddr*>(&one), sizeof one) == 0) &&
         errno == EADDRNOTAVAIL && recv(changes, change.data(), change.size(), 0) > 0) {
  }
  close(file);
  return bound;
}

/// Makes the calling thread's network one of its own, with these addresses on its loopback. False: it may not.
bool enter_network_of_its_own(const std::vector<std::string>& ipv6) {
  if (unshare(CLONE_NEWNET) != 0) return false;
  const int control = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), changes = listen_for_addresses();
  ifreq up{};
  std::strcpy(up.ifr_name, "lo");
  bool done = ioctl(control, SIOCGIFFLAGS, &up) == 0;
  up.ifr_flags |= IFF_UP | IFF_RUNNING;
  done = done && ioctl(control, SIOCSIFFLAGS, &up) == 0;
  for (const std::string& text : ipv6) {
    struct {
      in6_addr address;
      std::uint32_t prefix;
      int interface;
    } request{{}, text.starts_with("fe80") ? 64u : 128u, static_cast<int>(if_nametoindex("lo"))};
    done = done && inet_pton(AF_INET6, text.c_str(), &request.address) == 1 &&
           ioctl(control, SIOCSIFADDR, &request) == 0 &&
           wait_until_it_can_be_bound(changes, request.address, request.interface);
  }
  close(control);
  close(changes);
  return done;
}

/// "[fd00::2]:…" for each address that is asked: where the answer came from, without the port.
std::vector<std::string> answerers(const std::vector<std::string>& asked) {
  std::vector<std::string> from;
  for (const std::string& host : asked) {
    EventLoop loop;
    Echo server, client;
    auto config = local("::");
    config.tells_local = true;
    const auto listening = opened(loop, server, config);
    client.answers = false;
    client.on_datagram = [&] { loop.stop(); };
    client.deadline = EventLoop::now() + 5s;  // where no answer is heard
    client.on_timeout = [&] { loop.stop(); };
    const auto calling = opened(loop, client, local("::"));
    client.out.push_back({*resolve(host, listening->port()), bytes("who are you")});
    calling->wake();
    if (calling->send_drops() == 0) loop.run();
    for (const Datagram& datagram : client.heard)
      from.push_back(datagram.to == *resolve(host, listening->port()) ? host : to_string(datagram.to));
  }
  return from;
}

TEST(UdpDriver, AnswersOverIPv6FromTheAddressThatWasAsked) {  // NET-1; link-local too, which has a scope
  bool may = false;
  std::vector<std::string> from;
  const std::vector<std::string> asked{"::1",       "fd00::2",   "fd00::3",  "fe80::4%lo",
                                       "fe80::5%1", "127.0.0.2", "127.0.0.1"};
  std::thread([&] {
    may = enter_network_of_its_own({"fd00::2", "fd00::3", "fe80::4", "fe80::5"});
    if (may) from = answerers(asked);
  }).join();
  if (!may) GTEST_SKIP() << "no network namespace can be made here";
  EXPECT_EQ(from, asked);
}

TEST(UdpDriver, TellsNoLocalAddressWhereThereIsOneOnly) {
  EventLoop loop;
  Echo server, client;
  client.answers = false;
  auto config = local();
  config.tells_local = true;
  const auto listening = opened(loop, server, config);
  client.on_datagram = [&] { loop.stop(); };
  client.out.push_back({loopback(listening->port()), bytes("hello")});
  const auto calling = opened(loop, client);
  loop.run();
  EXPECT_EQ(server.heard.at(0).to, loopback(calling->port()));
}

TEST(UdpDriver, CountsWhatTheKernelDrops) {
  EventLoop loop;
  Echo server, client;
  server.answers = false;
  auto config = local();
  config.receive_buffer = 4096;
  const auto listening = opened(loop, server, config);
  const auto calling = opened(loop, client);
  for (int i = 0; i < 200; ++i) client.out.push_back({loopback(listening->port()), Bytes(1000, 'x')});
  calling->wake();  // nobody reads meanwhile: the loop does not run yet
  EXPECT_GT(listening->kernel_drops(), 0u) << "known though no later datagram has arrived";
  const std::uint64_t dropped = listening->kernel_drops();
  server.on_datagram = [&] {
    if (server.heard.size() == 200 - dropped) loop.stop();
  };
  loop.run();
  EXPECT_EQ(server.heard.size() + dropped, 200u);
}

TEST(UdpDriver, CountsWhatItCannotSend) {
  EventLoop loop;
  Echo client, server;
  const auto listening = opened(loop, server);
  const auto calling = opened(loop, client);
  client.out.push_back({loopback(listening->port()), Bytes(70'000, 'x')});  // larger than UDP
  client.out.push_back({{.ip = {0x20, 0x01}, .port = 9}, bytes("IPv6 from an IPv4 socket")});
  client.out.push_back({loopback(listening->port()), bytes("after them")});
  server.on_datagram = [&] { loop.stop(); };
  calling->wake();
  loop.run();
  EXPECT_EQ(calling->send_drops(), 2u);
  EXPECT_EQ(server.heard.at(0).bytes, bytes("after them"));
}

TEST(UdpDriver, MayBeDestroyedWhileItWaits) {
  EventLoop loop;
  Echo endpoint;
  endpoint.deadline = EventLoop::now() + 1ms;
  auto driver = opened(loop, endpoint);
  loop.post([&] { driver.reset(); });
  loop.post([&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(driver, nullptr);
}

TEST(EventLoop, RunsPostedWorkInOrderOnItsThread) {
  EventLoop loop;
  std::vector<int> order;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) loop.post([&order, i] { order.push_back(i); });
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  other.join();
  ASSERT_EQ(order.size(), 100u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(Resolve, KnowsAddressesAndNames) {
  const auto v4 = resolve("127.0.0.1", 5684);
  ASSERT_TRUE(v4);
  EXPECT_EQ(*v4, loopback(5684));
  const auto v6 = resolve("::1", 5684);
  ASSERT_TRUE(v6);
  EXPECT_EQ(to_string(*v6), "[::1]:5684");
  EXPECT_TRUE(resolve("localhost", 1));
  const auto unknown = resolve("no such host!", 1);
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error(), HasSubstr("no such host!"));
}

TEST(Resolve, KeepsAllOfAnAddress) {  // NET-1
  for (const char* host : {"10.1.2.3", "2001:db8::1", "fe80::1%1", "::1"}) {
    const auto address = resolve(host, 5684);
    ASSERT_TRUE(address) << host;
    const std::string text = to_string(*address);
    const auto bare = text.substr(text.front() == '[', text.rfind(':') - (text.front() == '[' ? 2 : 0));
    EXPECT_EQ(bare, host);
    EXPECT_EQ(*resolve(bare, 5684), *address);
  }
  EXPECT_EQ(resolve("fe80::1%1", 1)->scope, 1u);
  EXPECT_EQ(*resolve("::ffff:127.0.0.1", 1), loopback(1));
  EXPECT_NE(*resolve("fe80::1%1", 1), *resolve("fe80::1", 1));
  EXPECT_NE(std::hash<Address>{}(*resolve("fe80::1%1", 1)), std::hash<Address>{}(*resolve("fe80::1", 1)));
}

}  // namespace
}  // namespace coap
