// wardlink-storage is two processes, and a third that keeps them running: what becomes of the others when one ends, and
// whom each lets in. ISO-1, GRPC-01, NET-1.

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "alarm_books.hpp"
#include "places.hpp"
#include "stack.hpp"

namespace wardlink::testing {
namespace {

constexpr int kDevices = 3;
constexpr std::chrono::seconds kLimit{60};  // bounds a failing test

/// One stack for all tests; each leaves it running as it was.
Stack& stack() {
  static Stack one;
  return one;
}

bool gone(pid_t pid) { return kill(pid, 0) != 0; }

std::size_t times(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

/// wardlink-storage --healthcheck, of the API or of ingest's port.
bool is_well(const std::string& serve, std::uint16_t port) {
  const bool ingest = serve == "ingest";
  const auto name = stack().pki() + (ingest ? "/ingest-client" : "/clients/admin");
  Process asked({places::program("wardlink-storage"), "--healthcheck", "--serve", serve,
                 ingest ? "--listen-ingest" : "--listen", "localhost:" + std::to_string(port), "--cert", name + ".pem",
                 "--key", name + ".key", "--ca", stack().pki() + "/service-ca.pem"},
                stack().path("healthcheck.log"));
  return asked.wait() == 0;
}

/// --serve all on the stack's database.
class Supervised : public ::testing::Test {
 protected:
  static Process start(const std::string& listen = "127.0.0.1:0", const std::string& listen_ingest = "127.0.0.1:0") {
    const auto ready = stack().path("all.ready");
    std::filesystem::remove(ready);
    std::filesystem::remove(stack().path("all.log"));
    return Process({places::program("wardlink-storage"),
                    "--listen",
                    listen,
                    "--listen-ingest=" + listen_ingest,
                    "--metrics-port",
                    "0",
                    "--metrics-port-ingest",
                    "0",
                    "--database",
                    stack().database(),
                    "--cert",
                    stack().pki() + "/storage.pem",
                    "--key",
                    stack().pki() + "/storage.key",
                    "--ca",
                    stack().pki() + "/service-ca.pem",
                    "--people-ca",
                    stack().pki() + "/people-ca.pem",
                    "--ready-file",
                    ready},
                   stack().path("all.log"));
  }
  static bool is_ready() {
    return eventually([] { return std::filesystem::exists(stack().path("all.ready")); });
  }
  static std::uint16_t port(const char* name) {
    return nlohmann::json::parse(read_file(stack().path("all.ready"))).at(name);
  }
};

TEST_F(Supervised, WhatEndsIsStartedAgainOnItsPort) {
  auto all = start();
  ASSERT_TRUE(is_ready()) << all.log();
  const auto api = port("port"), ingest = port("ingest_port");
  EXPECT_TRUE(is_well("api", api) && is_well("ingest", ingest)) << all.log();
  for (std::size_t which = 0; which < 2; ++which) {
    const auto before = children_of(all.pid());
    ASSERT_EQ(before.size(), 2u);
    const auto told = times(all.log(), "serving ");
    kill(before[which], SIGKILL);
    ASSERT_TRUE(eventually([&] { return times(all.log(), "serving ") == told + 1; }, kLimit)) << all.log();
    const auto after = children_of(all.pid());
    EXPECT_EQ(after.size(), 2u);
    EXPECT_NE(std::ranges::find(after, before[1 - which]), after.end()) << "the other one went on";
    EXPECT_TRUE(is_well("api", api) && is_well("ingest", ingest)) << all.log();
  }
}

TEST_F(Supervised, WhoSaysThatItServesHasWrittenItsReadyFile) {
  for (const std::string serve : {"ingest", "api"}) {
    const auto name = stack().pki() + "/storage", suffix = std::string(serve == "ingest" ? "-ingest" : "");
    Process half(
        {places::program("wardlink-storage"), "--serve", serve, "--listen" + suffix, "127.0.0.1:0",
         "--metrics-port" + suffix, "0", "--database", stack().database(), "--cert", name + ".pem", "--key",
         name + ".key", "--ca", stack().pki() + "/service-ca.pem", "--ready-file", stack().path("no/such/folder")},
        stack().path(serve + "-unready.log"));
    EXPECT_EQ(half.wait(), 1) << half.log();
    EXPECT_EQ(times(half.log(), "cannot be written"), 1u) << half.log();
    EXPECT_EQ(times(half.log(), "serving"), 0u) << half.log();
  }
}

TEST_F(Supervised, AReloadAndTheEndReachBoth) {
  auto all = start();
  ASSERT_TRUE(is_ready()) << all.log();
  all.signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return times(all.log(), "certificates were read again: ") == 2; })) << all.log();
  const auto both = children_of(all.pid());
  all.signal(SIGTERM);
  EXPECT_EQ(all.wait(), 0) << all.log();
  EXPECT_TRUE(gone(both.at(0)) && gone(both.at(1)));
  EXPECT_EQ(times(all.log(), "stopping"), 2u);
}

constexpr const char* cannot_listen = "wardlink-storage: Cannot listen on 127.0.0.1:";

TEST_F(Supervised, AnIngestThatCannotStartEndsAllWithItsSentence) {
  auto all = start("127.0.0.1:0", "127.0.0.1:" + std::to_string(stack().storage_ingest_port()));
  ASSERT_TRUE(eventually([&] { return !all.running(); }, kLimit)) << all.log();
  EXPECT_EQ(all.wait(), 1);
  EXPECT_EQ(times(all.log(), cannot_listen), 1u) << all.log();
}

// ISO-1: a host starts again, and the API's port is taken, or a setting of the API's is wrong: alarms are stored.
TEST_F(Supervised, AnApiThatCannotStartSaysSoAndIsTriedAgain) {
  auto all = start("127.0.0.1:" + std::to_string(stack().storage_port()));
  const std::string serving = "serving ingest on port ";
  ASSERT_TRUE(eventually(
      [&] { return times(all.log(), cannot_listen) >= 2 && times(all.log(), serving) == 1 && all.running(); }, kLimit))
      << all.log();
  EXPECT_GE(times(all.log(), "--serve api ended with exit code 1; it is started again in "), 1u);
  EXPECT_FALSE(std::filesystem::exists(stack().path("all.ready")));
  const auto log = all.log();
  EXPECT_TRUE(is_well("ingest", static_cast<std::uint16_t>(std::stoi(log.substr(log.find(serving) + serving.size())))));
  const auto both = children_of(all.pid());
  all.signal(SIGTERM);
  all.wait();
  for (const auto pid : both) EXPECT_TRUE(gone(pid));
}

TEST_F(Supervised, ChildrenEndWithTheirSupervisor) {
  auto all = start();
  ASSERT_TRUE(is_ready()) << all.log();
  const auto both = children_of(all.pid());
  all.signal(SIGKILL);
  all.wait();
  EXPECT_TRUE(eventually([&] { return gone(both.at(0)) && gone(both.at(1)); }, kLimit));
}

// ISO-1, I1: the API dies again and again, and what takes the records a few times; alarms go on.
// ISO-1: who makes a process grow takes nothing else down with it.
TEST(Processes, OneThatGrowsTooLargeEnds) {
  const auto log = stack().path("large.log");
  Process large({places::program("wardlink-storage"), "--serve", "api", "--listen", "127.0.0.1:0", "--metrics-port",
                 "0", "--max-memory", "1", "--database", stack().database(), "--cert", stack().pki() + "/storage.pem",
                 "--key", stack().pki() + "/storage.key", "--ca", stack().pki() + "/service-ca.pem"},
                log);
  EXPECT_EQ(large.wait(), 1);
  EXPECT_NE(read_file(log).find("more than --max-memory, 1"), std::string::npos) << read_file(log);
}

TEST(Processes, AlarmsGoOnWhateverEnds) {
  stack().make_pki("devices", {std::to_string(kDevices)});
  const auto journals = stack().path("journals");
  std::filesystem::create_directory(journals);
  Process ward({places::program("alarm_ward"), std::to_string(stack().ingest_port()), stack().pki(), journals,
                std::to_string(kDevices), "1"},
               stack().path("alarm_ward.log"));
  const auto rows = [] { return std::stoll(stack().sql("SELECT count(*) FROM alarm_event")); };
  for (int round = 0; round < 6; ++round) {
    const auto before = rows();
    auto& victim = round % 3 == 2 ? stack().storage : stack().api;
    victim.signal(SIGKILL);
    victim.wait();
    // Without the API they are committed; without the other, once it is back.
    if (round % 3 == 2) stack().start_storage();
    EXPECT_TRUE(eventually([&] { return rows() > before; })) << round;
    if (round % 3 != 2) stack().start_api();
  }
  ward.signal(SIGTERM);
  EXPECT_EQ(ward.wait(), 0) << ward.log();
  const auto books = compare_books(stack(), journals);
  EXPECT_EQ(books.missing, 0u);
  EXPECT_EQ(books.doubled, 0u);
  EXPECT_EQ(books.early, 0u) << "an ACK left before its COMMIT";
  EXPECT_GT(books.compared.size(), 20u) << "the load was no load";
}

TEST(Processes, AnIngestThatStillNamesTheApiIsToldWhereToGo) {
  const auto& pki = stack().pki();
  Process ingest({places::program("wardlink-ingest"),
                  "--listen",
                  "127.0.0.1",
                  "--port",
                  "0",
                  "--shards",
                  "1",
                  "--cert",
                  pki + "/ingest.pem",
                  "--key",
                  pki + "/ingest.key",
                  "--device-ca",
                  pki + "/device-ca.pem",
                  "--storage",
                  "localhost:" + std::to_string(stack().storage_port()),
                  "--storage-cert",
                  pki + "/ingest-client.pem",
                  "--storage-key",
                  pki + "/ingest-client.key",
                  "--storage-ca",
                  pki + "/service-ca.pem",
                  "--metrics-port",
                  "0"},
                 stack().path("elsewhere.log"));
  EXPECT_TRUE(eventually([&] {
    return ingest.log().find("streams from ingest go to the one of --serve ingest, 50052") != std::string::npos;
  })) << ingest.log();
}

/// A proxy that nobody answers at, under every name that a program might look for.
class DeadProxy {
 public:
  DeadProxy() {
    for (const auto* name : names) setenv(name, "http://127.0.0.1:1", 1);
  }
  ~DeadProxy() {
    for (const auto* name : names) unsetenv(name);
  }
  DeadProxy(const DeadProxy&) = delete;
  DeadProxy& operator=(const DeadProxy&) = delete;

 private:
  static constexpr const char* names[] = {"http_proxy",  "https_proxy", "grpc_proxy", "all_proxy",
                                          "HTTPS_PROXY", "HTTP_PROXY",  "ALL_PROXY"};
};

// NET-1: each program that opens a gRPC channel: ingest, both health checks, the client.
TEST(Processes, AProxyOfTheEnvironmentIsNeverUsed) {
  const DeadProxy dead;
  stack().ingest.signal(SIGTERM);
  EXPECT_EQ(stack().ingest.wait(), 0);
  stack().start_ingest();
  EXPECT_TRUE(
      eventually([] { return stack().metric_sum("wardlink_ingest_sink_connected") == 4; }, std::chrono::seconds{60}))
      << stack().ingest.log();
  EXPECT_TRUE(is_well("api", stack().storage_port()));
  EXPECT_TRUE(is_well("ingest", stack().storage_ingest_port()));
  EXPECT_NO_THROW(stack().client({"vitals", "latest"}));
  EXPECT_EQ(Process({places::program("wardlink-ingest"), "--healthcheck", "--ready-file", stack().path("ingest.ready"),
                     "--metrics-port", "0"},
                    stack().path("ingest-health.log"))
                .wait(),
            0);
}

}  // namespace
}  // namespace wardlink::testing
