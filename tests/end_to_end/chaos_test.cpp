// Whatever dies, stops or freezes under load and on a lossy network: every alarm record that a device wrote down has
// exactly one row, and no ACK left before its COMMIT. I1, I2, I5, I8
//
// WARDLINK_CHAOS_ROUNDS: how often each fault strikes (default 20, some 25 minutes). The seeds are fixed.

#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>
#include <filesystem>
#include <iostream>
#include <random>
#include <sstream>

#include "alarm_books.hpp"
#include "places.hpp"
#include "stack.hpp"
#include "udp_relay.hpp"

namespace wardlink::testing {
namespace {

constexpr int kDevices = 20;

class Chaos : public ::testing::Test {
 protected:
  void SetUp() override {
    stack.make_pki("devices", {std::to_string(kDevices)});
    std::filesystem::create_directory(stack.path("journals"));
    start_ward();
  }

  void start_ward() {
    ward = Process({places::program("alarm_ward"), std::to_string(relay.port()), stack.pki(), stack.path("journals"),
                    std::to_string(kDevices), std::to_string(++wards)},
                   stack.path("alarm_ward.log"));
  }

  pid_t postmaster() const { return std::stoi(read_file(stack.path("postgres/data/postmaster.pid"))); }

  /// The server and every backend of its.
  std::vector<pid_t> postgres() const {
    std::vector<pid_t> all{postmaster()};
    const auto number = std::to_string(all.front());
    std::istringstream children(read_file("/proc/" + number + "/task/" + number + "/children"));
    for (pid_t child = 0; children >> child;) all.push_back(child);
    return all;
  }

  void freeze(const std::vector<pid_t>& pids) {
    for (const auto pid : pids) kill(pid, SIGSTOP);
    pause(std::uniform_int_distribution<>(5'000, 20'000)(random));
    for (const auto pid : pids) kill(pid, SIGCONT);
  }

  /// Lets the load run: a fault strikes at no chosen moment.
  static void pause(int milliseconds) { poll(nullptr, 0, milliseconds); }

  void strike(const std::string& fault) {
    pause(std::uniform_int_distribution<>(500, 2'500)(random));
    strikes[now_us()] = fault;
    if (fault == "kill storage") {
      stack.storage.signal(SIGKILL);
      stack.storage.wait();
      stack.start_storage();
    } else if (fault == "kill api") {
      stack.api.signal(SIGKILL);
      stack.api.wait();
      stack.start_api();
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
      if (!eventually([&] { return kill(pid, 0) != 0; })) throw std::runtime_error("PostgreSQL does not crash");
      run({places::source("scripts/private-postgres"), "start", stack.path("postgres")});
    } else if (fault == "freeze storage") {
      freeze({stack.storage.pid()});
    } else if (fault == "freeze api") {
      freeze({stack.api.pid()});
    } else if (fault == "freeze ingest") {
      freeze({stack.ingest.pid()});
    } else if (fault == "freeze devices") {
      freeze({ward.pid()});
    } else {
      freeze(postgres());
    }
  }

  static std::int64_t now_us() {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(since).count();
  }

  /// For each fault the ACKs that came between its strikes and the ones that followed.
  void print_table(const AlarmBooks& books) const {
    struct Outcome {
      int strikes = 0, compared = 0, early = 0;
    };
    std::map<std::string, Outcome> outcomes;
    for (const auto& [at, fault] : strikes) ++outcomes[fault].strikes;
    for (const auto& ack : books.compared) {
      const auto next = strikes.upper_bound(ack.at_us);
      auto& outcome = outcomes[next == strikes.begin() ? "before any" : std::prev(next)->second];
      ++outcome.compared;
      outcome.early += ack.early ? 1 : 0;
    }
    std::printf("%-16s %8s %14s %20s\n", "fault", "strikes", "ACKs compared", "before their COMMIT");
    for (const auto& [fault, outcome] : outcomes) {
      std::printf("%-16s %8d %14d %20d\n", fault.c_str(), outcome.strikes, outcome.compared, outcome.early);
    }
    std::fflush(stdout);
  }

  Stack stack;
  UdpRelay relay{
      stack.ingest_port(),
      {.loss = 0.1, .duplication = 0.02, .reordering = 0.05, .delay = std::chrono::milliseconds{50}, .seed = 1}};
  std::mt19937_64 random{1};
  int wards = 0;
  std::map<std::int64_t, std::string> strikes;  // by the time at which they began, µs since 1970-01-01 UTC
  Process ward;
};

TEST_F(Chaos, EveryAlarmThatWasWrittenDownHasExactlyOneRow) {
  const char* told = std::getenv("WARDLINK_CHAOS_ROUNDS");
  const int rounds = told != nullptr ? std::atoi(told) : 20;
  for (int round = 1; round <= rounds; ++round) {
    for (const auto* fault : {"kill storage", "kill api", "kill ingest", "kill devices", "crash postgres",
                              "freeze storage", "freeze api", "freeze ingest", "freeze devices", "freeze postgres"}) {
      std::cout << "round " << round << ": " << fault << std::endl;
      strike(fault);
    }
  }
  ward.signal(SIGTERM);
  const auto code = ward.wait();
  EXPECT_EQ(code, 0) << ward.log();

  const auto books = compare_books(stack, stack.path("journals"));
  print_table(books);
  std::cout << books << ", datagrams lost on the way " << relay.lost() << std::endl;
  EXPECT_EQ(books.missing, 0u);
  EXPECT_EQ(books.doubled, 0u);
  EXPECT_EQ(books.early, 0u) << "an ACK left before its COMMIT";
  EXPECT_GT(books.compared.size(), 100u) << "the load was no load";
}

}  // namespace
}  // namespace wardlink::testing
