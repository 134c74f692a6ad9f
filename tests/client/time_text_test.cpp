#include "client/time_text.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace wardlink::command_line {
namespace {

using namespace std::chrono_literals;

class TimeText : public testing::Test {
 protected:
  TimeText() { set_zone("UTC"); }
  static void set_zone(const char* zone) {
    ::setenv("TZ", zone, 1);
    ::tzset();
  }
  static std::int64_t micros(const std::string& text) {
    const auto instant = parse_time(text, Instant{1'000'000s});
    return instant ? instant->time_since_epoch().count() : -1;
  }
};

TEST_F(TimeText, ReadsRfc3339) {
  EXPECT_EQ(micros("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(micros("1970-01-02T00:00:00.5Z"), 86'400'500'000);
  EXPECT_EQ(micros("1970-01-01T02:30:00+02:30"), 0);
  EXPECT_EQ(micros("1969-12-31T19:00:01-05:00"), 1'000'000);
  EXPECT_EQ(micros("2024-02-29 12:00:00Z"), 1'709'208'000'000'000);
}

TEST_F(TimeText, TakesATimeWithoutZoneAsLocal) {
  set_zone("XYZ-2");  // two hours east
  EXPECT_EQ(micros("1970-01-01T03:00:00"), 3'600'000'000);
}

TEST_F(TimeText, ReadsHowLongAgo) {
  EXPECT_EQ(micros("now"), 1'000'000'000'000);
  EXPECT_EQ(micros("-90s"), 999'910'000'000);
  EXPECT_EQ(micros("-1h30m"), 994'600'000'000);
  EXPECT_EQ(micros("-1w2d"), 222'400'000'000);
}

TEST_F(TimeText, RefusesWhatIsNoTime) {
  for (const char* text : {"", "-", "-1", "-1x", "-30m1h", "-1h1h", "1h", "yesterday", "2024-02-30T00:00:00Z",
                           "2024-02-29", "2024-02-29T24:00:00Z", "2024-02-29T12:00:00.Z", "2024-02-29T12:00:00+0100",
                           "2024-02-29T12:00:00Zz", "24-02-29T12:00:00Z", "-9999999999999999999s"}) {
    EXPECT_EQ(micros(text), -1) << text;
  }
}

TEST_F(TimeText, WritesBothZones) {
  const Instant instant{1'709'208'000'123'456us};
  EXPECT_EQ(to_text(instant, Zone::utc), "2024-02-29T12:00:00Z");
  EXPECT_EQ(to_text(instant, Zone::utc, 3), "2024-02-29T12:00:00.123Z");
  set_zone("XYZ+3:30");
  EXPECT_EQ(to_text(instant, Zone::local, 6), "2024-02-29T08:30:00.123456-03:30");
  EXPECT_EQ(to_text(Instant{-1us}, Zone::utc, 6), "1969-12-31T23:59:59.999999Z");
}

TEST_F(TimeText, SaysAnAgeInItsLargestUnit) {
  const Instant now{10'000'000s};
  EXPECT_EQ(age_text(now, now), "0s");
  EXPECT_EQ(age_text(now - 59s, now), "59s");
  EXPECT_EQ(age_text(now - 119s, now), "1m");
  EXPECT_EQ(age_text(now - 47h, now), "47h");
  EXPECT_EQ(age_text(now - 49h, now), "2d");
  EXPECT_EQ(age_text(now + 90s, now), "0s");  // TIME-5
}

TEST_F(TimeText, SurvivesTheProtobufTimestamp) {
  for (const auto micros : {0us, -1us, 1'709'208'000'123'456us}) {
    EXPECT_EQ(from_proto(to_proto(Instant{micros})), Instant{micros});
  }
  EXPECT_EQ(to_proto(Instant{-1us}).seconds(), -1);
  EXPECT_EQ(to_proto(Instant{-1us}).nanos(), 999'999'000);
}

}  // namespace
}  // namespace wardlink::command_line
