// At most one audit line a minute for each thing, and nothing goes uncounted.

#include "ingest/session/audit_tally.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wardlink::ingest {
namespace {

using std::chrono::seconds;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr coap::Instant start{};
const AuditTally::Key unknown{"notify", "unknown", ""};
const AuditTally::Key retired{"notify", "retired", ""};

TEST(AuditTally, TheFirstIsToldAtOnceTheRestAtTheMinutesEnd) {
  AuditTally tally;
  EXPECT_EQ(tally.note(unknown, start), (AuditTally::Line{unknown, 1}));
  EXPECT_EQ(tally.note(unknown, start + seconds{1}), std::nullopt);
  EXPECT_EQ(tally.note(unknown, start + seconds{59}), std::nullopt);
  EXPECT_EQ(tally.note(retired, start + seconds{2}), (AuditTally::Line{retired, 1}));
  EXPECT_THAT(tally.due(start + seconds{59}), IsEmpty());
  EXPECT_EQ(tally.next_deadline(), start + seconds{60});
  EXPECT_THAT(tally.due(start + seconds{60}), ::testing::ElementsAre(AuditTally::Line{unknown, 2}));
  EXPECT_EQ(tally.note(unknown, start + seconds{61}), std::nullopt);  // that line opened the next minute
}

TEST(AuditTally, AQuietMinuteClosesTheCase) {
  AuditTally tally;
  ASSERT_TRUE(tally.note(unknown, start));
  EXPECT_THAT(tally.due(start + seconds{60}), IsEmpty());
  EXPECT_EQ(tally.next_deadline(), std::nullopt);
  EXPECT_TRUE(tally.note(unknown, start + seconds{61}));
}

TEST(AuditTally, TheRestIsToldAtTheEnd) {
  AuditTally tally;
  ASSERT_TRUE(tally.note(unknown, start));
  ASSERT_FALSE(tally.note(unknown, start));
  EXPECT_THAT(tally.rest(), ::testing::ElementsAre(AuditTally::Line{unknown, 1}));
  EXPECT_THAT(tally.rest(), IsEmpty());
}

TEST(AuditTally, IsBoundedAndStillCountsAll) {
  AuditTally tally(2);
  std::uint64_t told = 0;
  for (int i = 0; i < 10; ++i)
    if (const auto line = tally.note({"handshake", "no_certificate", std::to_string(i)}, start)) told += line->second;
  for (const auto& [key, count] : tally.due(start + seconds{60})) told += count;
  EXPECT_EQ(told, 10u);
}

}  // namespace
}  // namespace wardlink::ingest
