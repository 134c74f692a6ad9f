// What the simulation's store in memory keeps of a seed, PostgreSQL keeps too: the same commits make the same rows, by
// a calendar that is wrong and is set.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>

#include "../storage/cluster.hpp"
#include "../storage/contract/postgres_rows.hpp"
#include "storage/postgres/postgres_store.hpp"
#include "world.hpp"

namespace wardlink::simulation {
namespace {

using storage::CommitKind;

/// Makes the commits of a run again, with PostgreSQL's own sessions.
class Replay {
 public:
  Replay(storage::PostgresStore& store, const std::string& connection)
      : registry_(store), writer_(store.open_writer()), sql_(connection) {
    sql_.ask(storage::test::virtual_calendar);
  }

  void make(const Commit& commit) {
    if (commit.kind == CommitKind::attach) {
      turn_to(commit.at);
      const auto attached = writer_->attach(commit.starts);
      for (const auto& one : attached) keep(one.session);
    } else if (commit.kind == CommitKind::at_boots) {
      for (const auto& session : writer_->at_boots(commit.starts)) keep(session);
    } else {
      auto records = commit.records;
      for (auto& record : records)
        if (record.session) record.session = sessions_.at({record.session->device, record.session->boot});
      writer_->append(records);
    }
  }

  /// Each store draws the ids of its patients.
  void make(RegistryCall call) {
    turn_to(call.made_at);
    const auto known = patients_.find(call.patient);
    if (known != patients_.end()) call.patient = known->second;
    const auto id = simulation::make(registry_, call).patient;
    if (!call.created.empty()) patients_[call.created] = id;
  }

 private:
  void turn_to(storage::Instant calendar) {
    sql_.ask("UPDATE virtual_calendar SET at = instant(" + std::to_string(calendar.time_since_epoch().count()) + ")");
  }
  void keep(const std::shared_ptr<const storage::Session>& session) {
    if (session) sessions_[{session->device, session->boot}] = session;
  }

  storage::RegistryStore& registry_;
  std::unique_ptr<storage::RecordWriter> writer_;
  storage::test::Sql sql_;
  std::map<std::string, std::string> patients_;  // by their ids in memory
  std::map<std::pair<std::string, std::uint64_t>, std::shared_ptr<const storage::Session>> sessions_;
};

std::uint64_t seeds() {
  const char* count = std::getenv("WARDLINK_SIMULATION_POSTGRES_SEEDS");
  return count == nullptr ? 10 : std::strtoull(count, nullptr, 10);
}

TEST(SimulationInPostgres, HasTheSameRows) {  // I2, I6
  std::uint64_t appended = 0;
  for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
    World world({.seed = seed, .length = std::chrono::minutes{5}});
    world.keep_log();
    world.play();  // simulation_seeds_test judges it: five minutes leave a ward too little time to heal
    const storage::test::ScratchDatabase database;
    storage::PostgresStore store({.connection = database.connection()});
    Replay replay(store, database.connection());
    for (const auto& call : world.database().log()) {
      std::visit([&](const auto& made) { replay.make(made); }, call);
      if (const auto* commit = std::get_if<Commit>(&call)) appended += commit->records.size();
    }
    const auto rows = storage::test::postgres_rows(database.connection());
    EXPECT_EQ(storage::test::difference(world.database().rows(), rows), "") << seed;
  }
  EXPECT_GT(appended, seeds() * 1000);
}

}  // namespace
}  // namespace wardlink::simulation
