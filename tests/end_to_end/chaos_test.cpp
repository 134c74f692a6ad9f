// Whatever dies, stops or freezes under load and on a lossy network: every alarm record that a device wrote down has
// exactly one row, and no ACK left before its COMMIT. I1, I2, I5, I8
//
// WARDLINK_CHAOS_ROUNDS: how often each fault strikes (default 1). The seeds are fixed.

#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>
#include <random>
#include <set>

#include "stack.hpp"
#include "udp_relay.hpp"

namespace wardlink::testing {
namespace {

constexpr int kDevices = 20;

using Key = std::tuple<std::string, std::uint64_t, std::uint64_t>;  // device's label, boot, sequence

struct Journaled {
  std::set<Key> generated;
  std::map<Key, std::int64_t> acknowledged_us;
};

Journaled read_journals(const std::string& folder) {
  Journaled all;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const auto label = file.path().stem().string();
    std::ifstream in(file.path());
    for (std::string line; std::getline(in, line);) {
      const auto entry = nlohmann::json::parse(line, nullptr, false);
      if (!entry.is_object()) continue;  // a line that a kill cut off
      const auto type = entry.value("type", "");
      if (type == "alarm") all.generated.insert({label, entry.at("boot"), entry.at("seq")});
      if (type == "ack") all.acknowledged_us[{label, entry.at("boot"), entry.at("seq")}] = entry.at("at_us");
    }
  }
  return all;
}

class Chaos : public ::testing::Test {
 protected:
  void SetUp() override {
    stack.make_pki("devices", {std::to_string(kDevices)});
    for (int i = 1; i <= kDevices; ++i) {
      auto number = std::to_string(i);
      const auto label = "device-" + std::string(4 - number.size(), '0') + number;
      labels[stack.urn(label)] = label;
    }
    std::filesystem::create_directory(stack.path("journals"));
    start_ward();
  }

  void start_ward() {
    ward = Process({WARDLINK_BIN_DIR "/alarm_ward", std::to_string(relay.port()), stack.pki(), stack.path("journals"),
                    std::to_string(kDevices), std::to_string(++wards)},
                   stack.path("alarm_ward.log"));
  }

  pid_t postmaster() const { return std::stoi(read_file(stack.path("postgres/data/postmaster.pid"))); }

  void freeze(pid_t pid) {
    kill(pid, SIGSTOP);
    pause(std::uniform_int_distribution<>(5'000, 8'000)(random));
    kill(pid, SIGCONT);
  }

  /// Lets the load run: a fault strikes at no chosen moment.
  static void pause(int milliseconds) { poll(nullptr, 0, milliseconds); }

  void strike(const std::string& fault) {
    pause(std::uniform_int_distribution<>(500, 2'500)(random));
    if (fault == "kill storage") {
      stack.storage.signal(SIGKILL);
      stack.storage.wait();
      stack.start_storage();
    } else if (fault == "kill ingest") {
      stack.ingest.signal(SIGKILL);
      stack.ingest.wait();
      stack.start_ingest();
    } else if (fault == "kill devices") {
      ward.signal(SIGKILL);
      ward.wait();
      start_ward();
    } else if (fault == "crash postgres") {
      const auto pid = postmaster();
      kill(pid, SIGQUIT);  // what pg_ctl stop -m immediate sends
      eventually([&] { return kill(pid, 0) != 0; });
      run({std::string(WARDLINK_SOURCE_DIR) + "/scripts/private-postgres", "start", stack.path("postgres")});
    } else if (fault == "freeze storage") {
      freeze(stack.storage.pid());
    } else if (fault == "freeze ingest") {
      freeze(stack.ingest.pid());
    } else if (fault == "freeze devices") {
      freeze(ward.pid());
    } else {
      freeze(postmaster());
    }
  }

  /// Every row by its key: how often it is there, and when it was committed, µs since 1970-01-01 UTC.
  std::map<Key, std::pair<int, std::int64_t>> rows() const {
    pqxx::connection connection(stack.database());
    pqxx::work work(connection);
    std::map<Key, std::pair<int, std::int64_t>> all;
    for (const auto& row : work.exec("SELECT d.urn, a.boot_id, a.sequence, "
                                     "floor(extract(epoch FROM pg_xact_commit_timestamp(a.xmin)) * 1000000)::bigint "
                                     "FROM alarm_event a JOIN device d USING (device_id) WHERE a.stream = 2")) {
      auto& one = all[{labels.at(row[0].as<std::string>()), row[1].as<std::uint64_t>(), row[2].as<std::uint64_t>()}];
      ++one.first;
      one.second = row[3].as<std::int64_t>();
    }
    return all;
  }

  Stack stack;
  UdpRelay relay{
      stack.ingest_port(),
      {.loss = 0.1, .duplication = 0.02, .reordering = 0.05, .delay = std::chrono::milliseconds{50}, .seed = 1}};
  std::map<std::string, std::string> labels;  // by URN
  std::mt19937_64 random{1};
  int wards = 0;
  Process ward;
};

TEST_F(Chaos, EveryAlarmThatWasWrittenDownHasExactlyOneRow) {
  const char* told = std::getenv("WARDLINK_CHAOS_ROUNDS");
  const int rounds = told != nullptr ? std::atoi(told) : 1;
  for (int round = 1; round <= rounds; ++round) {
    for (const auto* fault : {"kill storage", "kill ingest", "kill devices", "crash postgres", "freeze storage",
                              "freeze ingest", "freeze devices", "freeze postgres"}) {
      std::cout << "round " << round << ": " << fault << std::endl;
      strike(fault);
    }
  }
  ward.signal(SIGTERM);
  const auto code = ward.wait();
  EXPECT_EQ(code, 0) << ward.log();

  const auto journaled = read_journals(stack.path("journals"));
  const auto stored = rows();
  int missing = 0, doubled = 0, early = 0, compared = 0;
  for (const auto& key : journaled.generated) missing += stored.contains(key) ? 0 : 1;
  for (const auto& [key, row] : stored) doubled += row.first == 1 ? 0 : 1;
  for (const auto& [key, at] : journaled.acknowledged_us) {
    const auto row = stored.find(key);
    if (row == stored.end()) continue;  // counted as missing, or written down by a line that a kill cut off
    ++compared;
    early += at < row->second.second ? 1 : 0;
  }
  std::cout << "alarm records written down " << journaled.generated.size() << ", rows " << stored.size()
            << ", ACKs compared with their COMMIT " << compared << ", datagrams lost on the way " << relay.lost()
            << std::endl;
  EXPECT_EQ(missing, 0);
  EXPECT_EQ(doubled, 0);
  EXPECT_EQ(early, 0) << "an ACK left before its COMMIT";
  EXPECT_GT(compared, 100) << "the load was no load";
}

}  // namespace
}  // namespace wardlink::testing
