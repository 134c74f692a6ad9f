// When a calendar counts as set, and what is said of it. TIME-1

#include "storage/rules/calendar_step.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;
using testing::HasSubstr;

constexpr Instant noon{std::chrono::seconds{1'764'000'000}};

/// Readings, one after the other, each compared with what is kept.
struct Readings {
  CalendarReading kept{noon, Moment{1h}};
  Instant calendar = noon;
  Moment clock{1h};

  /// Both clocks go on, the calendar is set besides.
  std::optional<CalendarStep> then(microseconds time, microseconds set = {}, microseconds uncertainty = {}) {
    clock += time;
    calendar += time + set;
    const auto compared = compare(kept, {calendar, clock, uncertainty});
    kept = compared.kept;
    return compared.step;
  }
};

TEST(CalendarStep, OneOfMoreThanASecondIsFoundAtOnce) {
  for (const microseconds set :
       {microseconds{1'010ms}, microseconds{-1'010ms}, microseconds{40h}, microseconds{-40h}}) {
    Readings readings;
    const auto step = readings.then(10s, set);
    ASSERT_TRUE(step) << set.count();
    EXPECT_EQ(step->jump(), set);
    EXPECT_EQ(step->since, 10s);
    EXPECT_EQ(step->shown, readings.calendar);
    EXPECT_FALSE(readings.then(10s)) << "once";
  }
}

TEST(CalendarStep, SmallOnesAddUp) {
  for (const microseconds each : {600ms, -600ms, 50ms, -50ms, 999ms, -20ms}) {
    Readings readings;
    microseconds sum{};
    std::optional<CalendarStep> step;
    for (int i = 0; i < 100 && !step; ++i) step = readings.then(10s, each), sum += each;
    ASSERT_TRUE(step) << each.count();
    EXPECT_LE(std::chrono::abs(sum), 2s) << "as soon as they are one";
    EXPECT_GT(std::chrono::abs(step->jump()), 1s);
  }
}

/// 500 ppm is as fast as NTP slews, and more than two hosts' clocks go apart.
TEST(CalendarStep, ASlewIsNone) {
  for (const int ppm : {500, -500, 100}) {
    Readings readings;
    for (int i = 0; i < 10'000; ++i) ASSERT_FALSE(readings.then(10s, microseconds{10 * ppm}));  // 50 s in all
    EXPECT_TRUE(readings.then(10s, ppm > 0 ? 1'100ms : -1'100ms)) << "and hides none";
  }
}

TEST(CalendarStep, ASmallOneAndItsReverseAreNone) {
  Readings readings;
  for (int i = 0; i < 1'000; ++i) ASSERT_FALSE(readings.then(10s, i % 2 == 0 ? 800ms : -800ms));
}

/// The longer nobody looked, the more may be drift.
TEST(CalendarStep, TimeWithoutALookWidensWhatIsDrift) {
  Readings readings;
  EXPECT_FALSE(readings.then(1h, 2s));
  EXPECT_TRUE(readings.then(1h, 4s));
  EXPECT_TRUE(readings.then(std::chrono::days{10}, 8min));
}

/// A reading that was waited for says the less, and is forgotten once there is a better one.
TEST(CalendarStep, WhatAReadingMayBeOffIsNone) {
  Readings readings;
  EXPECT_FALSE(readings.then(10s, 3s, 3s));
  EXPECT_FALSE(readings.then(10s, -3s, 1ms));
  EXPECT_TRUE(readings.then(10s, 3s, 1ms));
  Readings begun_badly{.kept = {noon, Moment{1h}, 5s}};
  EXPECT_FALSE(begun_badly.then(10s, 4s, 1ms));
  EXPECT_TRUE(begun_badly.then(10s, -1'200ms, 1ms));
}

TEST(CalendarStep, SaysByHowMuchAndWhoWoreWhat) {
  const CalendarStep back{noon + 1h, noon, 10s};
  EXPECT_EQ(
      detail_of(back, {}, 0),
      "The database's calendar was set back by 3600 s: instants from 2025-11-24T15:59:50Z to 2025-11-24T17:00:00Z "
      "may mean either; set it right, and see who wore what then (no assignment began or ended).");
  const std::vector<AssignmentRow> one{{"urn:dev:os:32473-a", "ann", noon, {}, noon, "nurse"}};
  const CalendarStep forward{noon, noon + 1'050ms, 10s};
  EXPECT_THAT(detail_of(forward, one, 1), HasSubstr("forward by 1.050 s"));
  EXPECT_THAT(detail_of(forward, one, 1), HasSubstr("then: devices/urn:dev:os:32473-a on patients/ann."));
  EXPECT_THAT(detail_of(forward, one, 4), HasSubstr("patients/ann, and 3 more."));
}

}  // namespace
}  // namespace wardlink::storage
