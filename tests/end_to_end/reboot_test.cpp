// What a device journaled and could not deliver outlives it: the next start delivers it, under the start that made it.
// I1, I2

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>
#include <set>

#include "stack.hpp"
#include "wardlink/device.hpp"

namespace wardlink::testing {
namespace {

using Key = std::pair<std::uint64_t, std::uint64_t>;  // boot, sequence

/// The alarm records that lines of this type name.
std::set<Key> journaled(const std::string& journal, const std::string& type) {
  std::set<Key> keys;
  std::ifstream in(journal);
  for (std::string line; std::getline(in, line);) {
    const auto entry = nlohmann::json::parse(line);
    if (entry.at("type") == type) keys.emplace(entry.at("boot"), entry.at("seq"));
  }
  return keys;
}

/// Holds every commit of an alarm back for as long as it lives.
class AlarmLock {
 public:
  explicit AlarmLock(const std::string& database) : connection_(database), work_(connection_) {
    work_.exec("LOCK TABLE alarm_event IN SHARE ROW EXCLUSIVE MODE");
  }

 private:
  pqxx::connection connection_;
  pqxx::work work_;
};

Alarm coded(const std::string& code) {
  Alarm alarm;
  alarm.code = code;
  return alarm;
}

class Reboot : public ::testing::Test {
 protected:
  Reboot() { stack.make_pki("device", {"bed"}); }

  std::unique_ptr<Device> start() {
    DeviceOptions options;
    options.port = stack.ingest_port();
    options.credentials = stack.credentials("devices/bed");
    options.journal = open_file_journal(journal, stack.urn("bed"));
    options.audit = open_audit_book(book, stack.urn("bed"));
    auto device = std::make_unique<Device>(std::move(options));
    device->start();
    return device;
  }

  Stack stack;
  std::string journal = stack.path("bed.jsonl"), book = stack.path("bed.audit");
};

TEST_F(Reboot, DebtsAreDeliveredUnderTheirOwnBoot) {
  auto device = start();
  ASSERT_TRUE(eventually([&] { return device->status().connected; })) << device->status().last_problem;
  const auto first = device->boot();
  std::optional<AlarmLock> lock(stack.database());
  // The first arrives, and stands before the lock; the second waits on the device for the first one's ACK.
  ASSERT_TRUE(device->raise(coded("fall")));
  ASSERT_TRUE(eventually([&] {
    return stack.sql(
               "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
               "query ILIKE '%alarm_event%' AND pid <> pg_backend_pid()") != "0";
  }));
  ASSERT_TRUE(device->raise(coded("lead-off")));
  const std::set<Key> owed{{first, 1}, {first, 2}};
  EXPECT_EQ(journaled(journal, "alarm"), owed) << "they were on the disk when raise() returned";
  device.reset();
  EXPECT_TRUE(journaled(book, "ack").empty());
  std::ofstream(journal, std::ios::app) << R"({"type":"alarm","boot":12,"se)";  // it died as it wrote

  device = start();
  const auto second = device->boot();
  ASSERT_NE(first, second);
  EXPECT_EQ(device->status().alarms_inherited, 2u);
  ASSERT_TRUE(device->raise(coded("button")));
  ASSERT_TRUE(eventually([&] { return device->status().connected; })) << device->status().last_problem;
  EXPECT_EQ(device->status().alarms_acknowledged, 0u);
  EXPECT_EQ(stack.sql("SELECT count(*) FROM alarm_event"), "0");
  lock.reset();
  ASSERT_TRUE(eventually([&] { return device->status().alarms_owed == 0; }, std::chrono::seconds{120}));

  const auto rows = std::to_string(first) + "/1 fall," + std::to_string(first) + "/2 lead-off," +
                    std::to_string(second) + "/1 button";
  EXPECT_EQ(stack.sql("SELECT string_agg(boot_id || '/' || sequence || ' ' || code, ',' "
                      "ORDER BY boot_id = " +
                      std::to_string(second) + ", sequence) FROM alarm_event"),
            rows);
  EXPECT_EQ(stack.sql("SELECT count(*) FROM alarm_event JOIN device_boot USING (device_id, boot_id) "
                      "WHERE measured_at = anchor + tick_ms * interval '1 ms'"),
            "3");
  EXPECT_EQ(stack.sql("SELECT count(*) FROM quarantine"), "0");
  const std::set<Key> all{{first, 1}, {first, 2}, {second, 1}};
  EXPECT_TRUE(eventually([&] { return journaled(book, "ack") == all; }));
  EXPECT_TRUE(device->stop(std::chrono::seconds{60}));
  device.reset();
  EXPECT_TRUE(open_file_journal(journal, stack.urn("bed"))->owed().empty());
}

}  // namespace
}  // namespace wardlink::testing
