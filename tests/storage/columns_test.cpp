// Statements that are made of columns, and rows that become them.

#include "storage/postgres/link/columns.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/postgres/kinds/kind.hpp"

namespace wardlink::storage::postgres {
namespace {

using testing::ElementsAre;

struct Visit {
  std::uint64_t room;
  std::optional<double> dose;
  std::string note;
  std::vector<std::uint16_t> signs;
  Instant at;
  bool late;
};

const Columns<Visit> columns({column<Visit>("room", [](const Visit& row) { return row.room; }),
                              column<Visit>("dose", [](const Visit& row) { return row.dose; }),
                              column<Visit>("note", [](const Visit& row) { return row.note; }),
                              column<Visit>("signs", [](const Visit& row) { return row.signs; }),
                              column<Visit>("at", [](const Visit& row) { return row.at; }),
                              column<Visit>("late", [](const Visit& row) { return row.late; })});

TEST(Columns, NamesAndTypesStandInTheStatementAsTheyAreSaid) {
  EXPECT_EQ(columns.names(), "room, dose, note, signs, at, late");
  EXPECT_EQ(columns.rows(),
            "unnest($1::bigint[], $2::float8[], $3::text[], $4::text[], $5::bigint[], $6::boolean[])"
            " k(room, dose, note, signs, at, late)");
  EXPECT_EQ(columns.values(), "k.room, k.dose, k.note, k.signs::smallint[], instant(k.at), k.late");
  EXPECT_EQ(columns.fields(), "x.room, x.dose, x.note, x.signs, micros(x.at), x.late");
}

TEST(Columns, RowsAreAnArrayAColumn) {
  const Instant at{std::chrono::microseconds{5}};
  const std::vector<Visit> rows{{1, 0.1, R"(a "b")", {1, 2}, at, true}, {2, std::nullopt, "", {}, at, false}};
  EXPECT_THAT(columns.arrays(rows),
              ElementsAre("{1,2}", "{0.1,NULL}", R"({"a \"b\"",""})", R"({"{1,2}","{}"})", "{5,5}", "{t,f}"));
}

TEST(Columns, AKindsStatementsAreMadeOfItsColumns) {
  EXPECT_EQ(
      sets().insert().text,
      "INSERT INTO measurement_set (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at,"
      " sign_ids, sign_values, qualities, late, clock_jump_micros) SELECT k.device_id, k.boot_id, k.stream, "
      "k.sequence, k.tick_ms,"
      " instant(k.measured_at), instant(k.received_at), k.sign_ids::smallint[], k.sign_values::float8[],"
      " k.qualities::smallint[], k.late, k.clock_jump_micros FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], "
      "$4::bigint[],"
      " $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::boolean[], $12::bigint[])"
      " k(device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at, sign_ids, sign_values,"
      " qualities, late, clock_jump_micros) ON CONFLICT DO NOTHING RETURNING device_id, boot_id, stream, sequence");
  EXPECT_EQ(sets().find().text,
            "SELECT x.device_id, x.boot_id, x.stream, x.sequence, x.tick_ms, x.sign_ids, x.sign_values, x.qualities"
            " FROM stored_sets($1, $2, $3, $4) x");
}

}  // namespace
}  // namespace wardlink::storage::postgres
