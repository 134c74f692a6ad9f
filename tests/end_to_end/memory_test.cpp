// Storage without a database, to try things: the whole way from a wearable to the client, on a store in memory.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "places.hpp"
#include "process.hpp"

namespace wardlink::testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

class InMemory : public ::testing::Test {
 protected:
  InMemory() {
    run({places::source("certs/make-pki"), "init", path("pki")});
    run({places::source("certs/make-pki"), "devices", path("pki"), "1"});
  }

  std::string path(const std::string& name) const { return folder.path() + "/" + name; }
  std::string pki(const std::string& name) const { return path("pki/" + name); }

  static Words joined(Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  Process start(const std::string& name, const Words& arguments) const {
    std::filesystem::remove(path(name + ".ready"));
    return Process(
        joined({places::program("wardlink-" + name)}, joined(arguments, {"--ready-file", path(name + ".ready")})),
        path(name + ".log"));
  }
  nlohmann::json ready(Process& process, const std::string& name) const {
    const auto file = path(name + ".ready");
    const bool there = eventually([&] { return std::filesystem::exists(file) || !process.running(); });
    if (!there || !std::filesystem::exists(file)) throw std::runtime_error("not ready: " + process.log());
    return nlohmann::json::parse(read_file(file));
  }

  Process start_storage(const Words& more, const std::string& database = "memory:") const {
    return start("storage", joined({"--database", database, "--cert", pki("storage.pem"), "--key", pki("storage.key"),
                                    "--ca", pki("service-ca.pem"), "--grant", "urn:wardlink:service:ingest=ingest",
                                    "--grant", "urn:wardlink:client:admin=admin"},
                                   more));
  }
  Process start_both_ports() const {
    return start_storage({"--people-ca", pki("people-ca.pem"), "--listen", "127.0.0.1:0", "--listen-ingest",
                          "127.0.0.1:0", "--metrics-port", "0", "--metrics-port-ingest", "0"});
  }
  Process start_ingest(int storage_port) const {
    return start("ingest", {"--listen",       "127.0.0.1",
                            "--port",         "0",
                            "--shards",       "1",
                            "--cert",         pki("ingest.pem"),
                            "--key",          pki("ingest.key"),
                            "--device-ca",    pki("device-ca.pem"),
                            "--storage",      "localhost:" + std::to_string(storage_port),
                            "--storage-cert", pki("ingest-client.pem"),
                            "--storage-key",  pki("ingest-client.key"),
                            "--storage-ca",   pki("service-ca.pem"),
                            "--metrics-port", "0"});
  }
  /// What it prints, also where it fails.
  std::string client(int port, const Words& arguments) const {
    try {
      return run(joined({places::program("wardlink"), "--server", "localhost:" + std::to_string(port), "--cert",
                         pki("clients/admin.pem"), "--key", pki("clients/admin.key"), "--ca", pki("service-ca.pem")},
                        arguments));
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  }

  TemporaryFolder folder;
};

TEST_F(InMemory, OneProcessServesBothPortsAndKeepsNothing) {
  Process storage = start_both_ports();
  const auto ports = ready(storage, "storage");
  const int api = ports.at("port");
  EXPECT_THAT(storage.log(), HasSubstr("nothing is kept"));
  EXPECT_TRUE(children_of(storage.pid()).empty());
  Process ingest = start_ingest(ports.at("ingest_port"));
  const Process ward(
      {places::program("wardlink-ward"), "--server", "localhost", "--port",
       std::to_string(ready(ingest, "ingest").at("port").get<int>()), "--pki", path("pki"), "--devices", "1"},
      path("ward.log"));
  EXPECT_TRUE(eventually([&] { return client(api, {"vitals", "latest"}).find("urn:dev:") != std::string::npos; }));
  client(api, {"patients", "create", "Bed 1"});
  EXPECT_THAT(client(api, {"patients", "list"}), HasSubstr("Bed 1"));
  storage.signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return storage.log().find("certificates were read again") != std::string::npos; }));
  storage.signal(SIGTERM);
  EXPECT_EQ(storage.wait(), 0) << storage.log();

  Process again = start_both_ports();
  EXPECT_THAT(client(ready(again, "storage").at("port"), {"patients", "list"}), HasSubstr("No patient yet"));
}

TEST_F(InMemory, ItIsForOneProcess) {
  for (const auto* half : {"ingest", "api"}) {
    Process storage = start_storage({"--serve", half});
    EXPECT_NE(storage.wait(), 0);
    EXPECT_THAT(storage.log(), HasSubstr("--database memory: is kept by one process"));
    EXPECT_THAT(storage.log(), EndsWith(std::string("--serve ") + half + ".\n"));
  }
}

// What is wrong in how the database is named is told at once, and a password in it is not.
TEST_F(InMemory, WhatIsNoDatabaseIsRefused) {
  for (const auto* wrong : {"memory", "secret", "host=/run dbname", "dbnme=wardlink", "postgresql://[::1/wardlink"}) {
    for (const auto* serve : {"all", "ingest", "api"}) {
      Process storage = start_storage({"--serve", serve}, wrong);
      ASSERT_TRUE(eventually([&] { return !storage.running(); }, std::chrono::seconds{60})) << wrong;
      EXPECT_EQ(storage.wait(), 1) << wrong;
      EXPECT_THAT(storage.log(), HasSubstr("--database is neither how PostgreSQL is reached")) << wrong;
      EXPECT_THAT(storage.log(), Not(HasSubstr("secret")));
    }
  }
}

TEST_F(InMemory, WhoSaysThatItServesHasWrittenItsReadyFile) {
  std::filesystem::create_directory(path("storage.ready.new"));  // so that it cannot be written
  Process storage = start_both_ports();
  EXPECT_EQ(storage.wait(), 1);
  EXPECT_THAT(storage.log(), HasSubstr("cannot be written"));
  EXPECT_THAT(storage.log(), Not(HasSubstr("serving")));
  std::filesystem::create_directory(path("ingest.ready.new"));
  Process ingest = start_ingest(1);
  EXPECT_EQ(ingest.wait(), 1);
  EXPECT_THAT(ingest.log(), HasSubstr("cannot be written"));
  EXPECT_THAT(ingest.log(), Not(HasSubstr("listening")));
}

}  // namespace
}  // namespace wardlink::testing
