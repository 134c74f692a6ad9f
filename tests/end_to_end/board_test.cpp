// A board on the wall, on the client library: the API is killed five times and the database once while wearables raise
// alarms, and it has each record once, in order. I6

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <iostream>
#include <map>
#include <mutex>
#include <pqxx/pqxx>
#include <set>
#include <thread>

#include "places.hpp"
#include "stack.hpp"
#include "wardlink/client/watch.hpp"

namespace wardlink::testing {
namespace {

constexpr int kills = 5;

/// What a board has been told. Any thread.
struct Told {
  std::set<std::string> keys;
  std::size_t doubled = 0, out_of_order = 0, late = 0;
  int states = 0, losses = 0;
  bool complete = false;                         // the present state
  std::map<std::string, std::uint64_t> highest;  // sequence, by device, boot and stream

  void take(const client::WatchEvent& event) {
    if (std::holds_alternative<client::PresentState>(event)) ++states;
    if (std::holds_alternative<client::StreamLost>(event)) ++losses;
    if (const auto* response = std::get_if<v1::WatchResponse>(&event)) {
      if (response->heartbeat().present_state_complete()) complete = true;
      if (response->has_alarm_event()) take(response->alarm_event(), response->late());
    }
  }

 private:
  void take(const v1::AlarmEvent& event, bool is_late) {
    const auto stream =
        event.alarm().device() + " " + std::to_string(event.alarm().boot()) + " " + std::to_string(event.stream());
    if (!keys.insert(stream + " " + std::to_string(event.sequence())).second) ++doubled;
    auto& high = highest[stream];
    if (is_late) ++late;
    if (is_late != (event.sequence() <= high)) ++out_of_order;
    high = std::max(high, event.sequence());
  }
};

class Board {
 public:
  explicit Board(const Stack& stack)
      : connection_({.server = "localhost:" + std::to_string(stack.storage_port()),
                     .certificate = client::Pem::file(stack.pki() + "/clients/admin.pem"),
                     .key = client::Pem::file(stack.pki() + "/clients/admin.key"),
                     .authority = client::Pem::file(stack.pki() + "/service-ca.pem")}),
        watch_(connection_, {.service = client::WatchOptions::Service::alarms}),
        thread_([this] { run(); }) {}
  ~Board() {
    watch_.stop();
    thread_.join();
  }

  Told told() const {
    const std::lock_guard lock(mutex_);
    return told_;
  }

 private:
  void run() {
    try {
      while (const auto event = watch_.next()) {
        const std::lock_guard lock(mutex_);
        told_.take(*event);
      }
    } catch (const client::Error& error) {
      ADD_FAILURE() << error.what();
    }
  }

  client::Connection connection_;
  client::Watch watch_;
  mutable std::mutex mutex_;
  Told told_;  // protected by mutex_
  std::thread thread_;
};

std::set<std::string> stored_keys(const std::string& database) {
  pqxx::connection connection(database);
  pqxx::work work(connection);
  std::set<std::string> keys;
  for (const auto row : work.exec("SELECT concat_ws(' ', 'devices/' || urn, boot_id, stream, sequence)"
                                  "  FROM alarm_event JOIN device USING (device_id)")) {
    keys.insert(row[0].as<std::string>());
  }
  return keys;
}

void crash_database(const Stack& stack) {
  const auto pid = std::stoi(read_file(stack.path("postgres/data/postmaster.pid")));
  kill(pid, SIGQUIT);  // what pg_ctl stop -m immediate sends
  ASSERT_TRUE(eventually([&] { return kill(pid, 0) != 0; }));
  run({places::source("scripts/private-postgres"), "start", stack.path("postgres")});
}

TEST(Board, HasEachAlarmRecordOnceWhateverEnds) {
  Stack stack;
  Board board(stack);
  ASSERT_TRUE(eventually([&] { return board.told().complete; }));

  stack.make_pki("devices", {"3"});
  const auto journals = stack.path("journals");
  std::filesystem::create_directory(journals);
  Process ward({places::program("alarm_ward"), std::to_string(stack.ingest_port()), stack.pki(), journals, "3", "1"},
               stack.path("alarm_ward.log"));

  for (int round = 0; round <= kills; ++round) {
    ASSERT_TRUE(eventually([&, before = board.told()] { return board.told().keys.size() > before.keys.size() + 20; }))
        << round << " " << stack.api.log();
    if (round == kills) {
      crash_database(stack);  // a stream that has caught up waits for it; one that reads what was before is lost
      continue;
    }
    const auto losses = board.told().losses;
    stack.api.signal(SIGKILL);
    stack.api.wait();
    EXPECT_TRUE(eventually([&] { return board.told().losses > losses; })) << round;
    stack.start_api();
  }
  ASSERT_TRUE(eventually([&, before = board.told()] { return board.told().keys.size() > before.keys.size() + 20; }));
  ward.signal(SIGTERM);
  EXPECT_EQ(ward.wait(), 0) << ward.log();

  const auto stored = stored_keys(stack.database());
  EXPECT_TRUE(eventually([&] { return board.told().keys == stored; }));
  const auto told = board.told();
  std::cout << "stored " << stored.size() << ", told " << told.keys.size() << ", losses " << told.losses << ", late "
            << told.late << "\n";
  EXPECT_EQ(told.keys, stored);
  EXPECT_EQ(told.doubled, 0u);
  EXPECT_EQ(told.out_of_order, 0u);
  EXPECT_EQ(told.states, 1) << "it went on from its cursor each time";
}

}  // namespace
}  // namespace wardlink::testing
