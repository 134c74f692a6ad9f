// Of ingests that are started on one port, one lives, and the others say why not. NET-1

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "places.hpp"
#include "process.hpp"

namespace wardlink::testing {
namespace {

using ::testing::HasSubstr;

/// A port of the loopback that was free a moment ago.
std::uint16_t free_port() {
  const int probe = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  socklen_t size = sizeof any;
  const bool bound = bind(probe, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0 &&
                     getsockname(probe, reinterpret_cast<sockaddr*>(&any), &size) == 0;
  close(probe);
  if (!bound) throw std::runtime_error("no port is free");
  return ntohs(any.sin6_port);
}

class SecondIngest : public ::testing::Test {
 protected:
  SecondIngest() { run({places::source("certs/make-pki"), "init", path("pki")}); }

  std::string path(const std::string& name) const { return folder.path() + "/" + name; }
  std::string pki(const std::string& name) const { return path("pki/" + name); }
  std::string ready(const std::string& name) const { return path(name + ".ready"); }
  bool serves(const std::string& name) const { return access(ready(name).c_str(), F_OK) == 0; }

  /// Storage is away, which hinders nobody to listen.
  Process start(const std::string& name, const std::string& listen, std::uint16_t port, unsigned shards = 2) const {
    return Process({places::program("wardlink-ingest"),
                    "--listen",
                    listen,
                    "--port",
                    std::to_string(port),
                    "--shards",
                    std::to_string(shards),
                    "--cert",
                    pki("ingest.pem"),
                    "--key",
                    pki("ingest.key"),
                    "--device-ca",
                    pki("device-ca.pem"),
                    "--storage",
                    "localhost:1",
                    "--storage-cert",
                    pki("ingest-client.pem"),
                    "--storage-key",
                    pki("ingest-client.key"),
                    "--storage-ca",
                    pki("service-ca.pem"),
                    "--metrics-port",
                    "0",
                    "--drain",
                    "1",
                    "--ready-file",
                    ready(name)},
                   path(name + ".log"));
  }

  /// One of the two serves, and the other has ended with one sentence.
  void expect_one(Process& a, Process& b, const std::string& round) {
    ASSERT_TRUE(eventually([&] { return (serves("a") && !b.running()) || (serves("b") && !a.running()); })) << round;
    Process& loser = serves("a") ? b : a;
    Process& winner = serves("a") ? a : b;
    EXPECT_TRUE(winner.running()) << round << winner.log();
    EXPECT_EQ(loser.wait(), 1) << round;
    EXPECT_THAT(loser.log(), HasSubstr("is in use by another program")) << round;
    EXPECT_EQ(std::ranges::count(loser.log(), '\n'), 1) << loser.log();
    EXPECT_NE(serves("a"), serves("b")) << round;
  }

  /// Without a chance to clean up, and nothing of it left for the next round.
  void end(Process& process, const std::string& name) const {
    if (process.running()) process.signal(SIGKILL);
    process.wait();
    unlink(ready(name).c_str());
    unlink(path(name + ".log").c_str());
  }

  TemporaryFolder folder;
};

TEST_F(SecondIngest, OfTwoStartedTogetherOneLives) {  // NET-1
  for (int pair = 0; pair < 20; ++pair) {
    const auto port = free_port();
    Process a = start("a", "::", port), b = start("b", "::", port);
    expect_one(a, b, "pair " + std::to_string(pair));
    end(a, "a");
    end(b, "b");
  }
}

TEST_F(SecondIngest, AnAddressIsTakenByWhoeverHasAllOfThem) {  // NET-1
  for (const auto& [first, second] : {std::pair{"127.0.0.1", "::"}, std::pair{"::", "127.0.0.1"},
                                      std::pair{"0.0.0.0", "::"}, std::pair{"127.0.0.1", "localhost"}}) {
    const auto port = free_port();
    Process a = start("a", first, port);
    ASSERT_TRUE(eventually([&] { return serves("a"); })) << a.log();
    Process b = start("b", second, port, 1);
    expect_one(a, b, std::string(first) + ", then " + second);
    EXPECT_TRUE(a.running());
    end(a, "a");
    end(b, "b");
  }
}

TEST_F(SecondIngest, WhoWasKilledIsFollowedAtOnce) {  // NET-1, DTLS-23
  const auto port = free_port();
  for (int round = 0; round < 3; ++round) {
    Process one = start("a", "::", port);
    ASSERT_TRUE(eventually([&] { return serves("a") || !one.running(); }));
    EXPECT_TRUE(serves("a")) << one.log();
    end(one, "a");
  }
}

}  // namespace
}  // namespace wardlink::testing
