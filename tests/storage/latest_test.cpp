// What a database of before has as the latest values. TIME-5.

#include <gtest/gtest.h>

#include "cluster.hpp"
#include "storage/postgres/postgres_store.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;

constexpr const char* device = "urn:dev:os:32473-1";

/// Device 1: hr is of the start in use, with a tick that ran ahead; spo2 of an earlier start, as far ahead; temp was
/// posted by hand. Nothing is known of an order of device 2's starts.
class LatestOfBefore : public testing::Test {
 protected:
  LatestOfBefore() {
    database.take_steps_before("015");
    sql.ask(
        "INSERT INTO device (urn) SELECT 'urn:dev:os:32473-' || i FROM generate_series(1, 2) i;"
        "INSERT INTO device_boot (device_id, boot_id, anchor)"
        " SELECT d, b, '2026-01-01' FROM generate_series(1, 2) d, generate_series(7, 9) b;"
        "INSERT INTO registered_start (device_id, boot_id, registered_at) VALUES (1, 7, '2026-01-01'), (1, 8, "
        "'2026-01-02');"
        "INSERT INTO measurement_set"
        " (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at, sign_ids, sign_values, qualities)"
        " VALUES (1, 8, 1, 5, 0, '2027-01-01', '2026-01-02', '{1}', '{70}', '{0}'),"
        " (1, 7, 1, 5, 0, '2027-01-01', '2026-01-01', '{2}', '{97}', '{0}'),"
        " (1, 9, 3, 1, 0, '2026-01-03', '2026-01-03', '{3}', '{37}', '{0}');"
        "INSERT INTO latest (device_id, sign_id, value, quality, measured_at, received_at, boot_id, sequence)"
        " VALUES (1, 1, 70, 0, '2027-01-01', '2026-01-02', 8, 5), (1, 2, 97, 0, '2027-01-01', '2026-01-01', 7, 5),"
        " (1, 3, 37, 0, '2026-01-03', '2026-01-03', 9, 1), (2, 1, 60, 0, '2027-01-01', '2026-01-01', 7, 5);"
        "SELECT 1");
    store.emplace(PostgresStore::Config{.connection = database.connection()});
    writer = store->open_writer();
  }

  void say(const std::string& urn, std::uint64_t boot, std::uint64_t sequence, std::uint16_t sign, double value) {
    const Instant anchor{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
    const auto session = writer->attach({urn, boot, anchor}).session;
    const Record record{session, Stream::vitals, sequence, 1000, anchor + 1h, MeasurementSet{{sign}, {value}, {0}}};
    EXPECT_EQ(writer->append(std::vector{record}).front(), RecordResult::committed);
  }

  std::string shown(const std::string& urn = device) {
    std::string values;
    const auto row = store->latest({}, {Subject::Kind::device, urn}).at(0);
    for (const auto& each : row.values)
      values += std::to_string(each.sign) + "=" + std::to_string(static_cast<int>(each.value)) + " ";
    return values;
  }

  const test::ScratchDatabase database;
  test::Sql sql{database.connection()};
  std::optional<PostgresStore> store;
  std::unique_ptr<RecordWriter> writer;
};

TEST_F(LatestOfBefore, IsCarriedOver) {
  EXPECT_EQ(shown(), "1=70 2=97 3=37 ");
  EXPECT_EQ(sql.ask("SELECT string_agg(concat_ws(' ', sign_id, manual, ordinal), ',' ORDER BY sign_id) FROM latest"
                    " WHERE device_id = 1"),
            "1 f 2,2 f 1,3 t 0");
}

// TIME-5: the tick of a set that is gone is not known, nor what its instant may be wrong by.
TEST_F(LatestOfBefore, KeepsTheTicksThatAreStillThere) {
  EXPECT_EQ(sql.ask("SELECT string_agg(concat_ws(' ', device_id, sign_id, tick_ms, clock_jump_micros), ','"
                    " ORDER BY device_id, sign_id) FROM latest"),
            "1 1 0,1 2 0,1 3 0,2 1");
  const auto values = store->latest({}, {Subject::Kind::device, "urn:dev:os:32473-2"}).at(0).values;
  EXPECT_EQ(values.at(0).uncertainty, std::nullopt);
}

TEST_F(LatestOfBefore, HoldsNothingBack) {
  say(device, 8, 6, 1, 71);
  say(device, 8, 7, 2, 98);
  say(device, 8, 8, 3, 38);
  EXPECT_EQ(shown(), "1=71 2=98 3=37 ");  // what was posted by hand was received last
  EXPECT_EQ(sql.ask("SELECT count(*) FROM latest WHERE device_id = 1 AND sign_id = 3"), "2");
  say("urn:dev:os:32473-2", 8, 1, 1, 61);  // registers only now
  EXPECT_EQ(shown("urn:dev:os:32473-2"), "1=61 ");
}

}  // namespace
}  // namespace wardlink::storage
