// What was stored before the exchanges of clocks were kept. TIME-2.

#include <gmock/gmock.h>

#include "cluster.hpp"
#include "storage/postgres/postgres_store.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;
using testing::SizeIs;

/// Ann wore the device for an hour, then Bob; a start of it ran meanwhile, and was told to be off once.
class AttributionOfBefore : public testing::Test {
 protected:
  AttributionOfBefore() {
    database.take_steps_before("014");
    sql.ask(
        "INSERT INTO device (urn) VALUES ('urn:dev:os:32473-a');"
        "INSERT INTO device_boot (device_id, boot_id, anchor) VALUES (1, 7, '2026-01-01 00:00+00');"
        "INSERT INTO clock_correction (device_id, boot_id, offset_micros) VALUES (1, 7, 250000);"
        "INSERT INTO measurement_set (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at, "
        "sign_ids,"
        "  sign_values, qualities)"
        " SELECT 1, 7, 1, s, s * 1000, timestamptz '2026-01-01 00:00+00' + s * interval '1 s', '2026-01-01 02:00+00',"
        "  '{1}', '{70}', '{0}' FROM generate_series(1, 7200) s;"
        "INSERT INTO patient (patient_id, display_name) SELECT ('00000000-0000-4000-8000-00000000000' || i)::uuid, i"
        " FROM generate_series(1, 2) i;"
        "INSERT INTO assignment VALUES (1, '00000000-0000-4000-8000-000000000001',"
        "  '[2026-01-01 00:00+00,2026-01-01 01:00+00)', '[2026-01-01,)', 'nurse');"
        "INSERT INTO assignment VALUES (1, '00000000-0000-4000-8000-000000000002', '[2026-01-01 01:00+00,)',"
        "  '[2026-01-01,)', 'nurse');"
        "SELECT 1");
  }
  std::size_t readings_of(PostgresStore& store, char patient) {
    ReadingsQuery query;
    query.subject = {Subject::Kind::patient, std::string("00000000-0000-4000-8000-00000000000") + patient};
    query.limit = 10'000;
    return store.readings(query).size();
  }

  const test::ScratchDatabase database;
  test::Sql sql{database.connection()};
};

TEST_F(AttributionOfBefore, StaysAsItWas) {
  PostgresStore store({.connection = database.connection()});
  EXPECT_EQ(readings_of(store, '1'), 3599U);
  EXPECT_EQ(readings_of(store, '2'), 3601U);
  store.release({}, "urn:dev:os:32473-a", Instant{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}} + 110min,
                "nurse");
  EXPECT_EQ(readings_of(store, '1'), 3599U);
  EXPECT_EQ(readings_of(store, '2'), 3000U);
}

/// The start runs on: what is exchanged now says nothing of what was before.
TEST_F(AttributionOfBefore, StaysAsItWasWhenTheStartTellsOfItsClock) {
  PostgresStore store({.connection = database.connection()});
  const Instant anchor{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
  const auto writer = store.open_writer();
  writer->attach({"urn:dev:os:32473-a", 7, anchor + 5s, 10ms, {}, false, 40 * 86'400'000ULL});
  EXPECT_EQ(readings_of(store, '1'), 3599U);
  EXPECT_EQ(readings_of(store, '2'), 3601U);
}

}  // namespace
}  // namespace wardlink::storage
