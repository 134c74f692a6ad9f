#include "alarm_limits.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wardlink {
namespace {

using Event = SequencedAlarm::Event;
using Side = AlarmLimit::Side;
using Transition = AlarmLimits::Transition;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

signs::SignId id(std::string_view wire) { return signs::find(wire)->id; }

/// One limit on heart rate unless said otherwise; ticks in seconds.
struct Bench {
  explicit Bench(double hysteresis = 0, std::uint64_t shortest_s = 0,
                 std::vector<AlarmLimit> bands = {{Side::high, id("hr"), 131}})
      : limits({std::move(bands), hysteresis, shortest_s * 1000}) {}

  std::vector<Transition> hr(std::uint64_t second, double value) {
    std::vector<Transition> out;
    limits.sample(id("hr"), second * 1000, value, second * 1000, out);
    return out;
  }
  /// Given long after it was measured, or by a counter that is not the device's clock.
  std::vector<Transition> hr_at(std::uint64_t clock_s, std::uint64_t second, double value) {
    std::vector<Transition> out;
    limits.sample(id("hr"), second * 1000, value, clock_s * 1000, out);
    return out;
  }
  std::vector<Transition> due(std::uint64_t second) {
    std::vector<Transition> out;
    limits.due(second * 1000, out);
    return out;
  }
  std::vector<Transition> conclude(std::uint64_t second) {
    std::vector<Transition> out;
    limits.conclude(second * 1000, second * 1000, out);
    return out;
  }
  AlarmLimits limits;
};

Transition raised(std::uint64_t second, double value, std::size_t limit = 0) {
  return {limit, Event::raised, second * 1000, value};
}
Transition ended(std::uint64_t second, double value, std::size_t limit = 0) {
  return {limit, Event::ended, second * 1000, value};
}

TEST(AlarmLimits, AreTheOutermostNews2BandsByDefault) {
  const auto limits = AlarmSettings{}.limits;
  ASSERT_EQ(limits.size(), 9u);
  const auto has = [&](std::string_view sign, Side side, double threshold) {
    return std::any_of(limits.begin(), limits.end(), [&](const AlarmLimit& l) {
      return l.sign == id(sign) && l.side == side && l.threshold == threshold && l.priority == AlarmPriority::high;
    });
  };
  EXPECT_TRUE(has("hr", Side::high, 131) && has("hr", Side::low, 40) && has("spo2", Side::low, 91));
  EXPECT_TRUE(has("rr", Side::high, 25) && has("rr", Side::low, 8));
  EXPECT_TRUE(has("temp", Side::high, 39.1) && has("temp", Side::low, 35.0));
  EXPECT_TRUE(has("sbp", Side::high, 220) && has("sbp", Side::low, 90));
}

TEST(AlarmLimits, RaiseAtTheThresholdAndEndAtTheFirstSampleOutside) {
  Bench bench;
  EXPECT_THAT(bench.hr(1, 130.999), IsEmpty());
  EXPECT_THAT(bench.hr(2, 131), ElementsAre(raised(2, 131)));
  EXPECT_THAT(bench.hr(3, 140), IsEmpty());
  EXPECT_THAT(bench.hr(4, 130.999), ElementsAre(ended(3, 140)));
  EXPECT_THAT(bench.hr(5, 130), IsEmpty());
}

TEST(AlarmLimits, ALowLimitIsTheMirrorImage) {
  Bench bench(0, 0, {{Side::low, id("hr"), 40}});
  EXPECT_THAT(bench.hr(1, 40.001), IsEmpty());
  EXPECT_THAT(bench.hr(2, 40), ElementsAre(raised(2, 40)));
  EXPECT_THAT(bench.hr(3, 40.001), ElementsAre(ended(2, 40)));
}

TEST(AlarmLimits, AMissingSampleNeitherOpensNorCloses) {
  Bench bench;
  bench.hr(1, 131);
  std::vector<Transition> out;
  bench.limits.sample(id("spo2"), 50'000, 97, 50'000, out);  // another sign: heart rate is missing in that set
  EXPECT_THAT(out, IsEmpty());
  EXPECT_THAT(bench.hr(100, 130), ElementsAre(ended(1, 131)));
}

TEST(AlarmLimits, HysteresisWidensTheBandWhileTheConditionStands) {
  Bench bench(0.1, 0, {{Side::high, id("hr"), 100}});
  EXPECT_THAT(bench.hr(1, 95), IsEmpty());  // inside the widened band, but nothing stands
  EXPECT_THAT(bench.hr(2, 100), ElementsAre(raised(2, 100)));
  EXPECT_THAT(bench.hr(3, 90), IsEmpty());  // 100·(1−0.1) is not below it
  EXPECT_THAT(bench.hr(4, 89.9), ElementsAre(ended(3, 90)));
}

TEST(AlarmLimits, HysteresisOfALowLimitIsAbove) {
  Bench bench(0.5, 0, {{Side::low, id("hr"), 40}});
  EXPECT_THAT(bench.hr(1, 40), ElementsAre(raised(1, 40)));
  EXPECT_THAT(bench.hr(2, 60), IsEmpty());
  EXPECT_THAT(bench.hr(3, 60.1), ElementsAre(ended(2, 60)));
}

TEST(AlarmLimits, AConditionContradictedBeforeTheShortestDurationNeverWas) {
  Bench bench(0, 10);
  EXPECT_THAT(bench.hr(0, 140), IsEmpty());
  EXPECT_THAT(bench.hr(9, 130), IsEmpty());
  EXPECT_THAT(bench.conclude(20), IsEmpty());
}

TEST(AlarmLimits, AConditionThatStoodLongEnoughIsRaisedWithItsOnset) {
  Bench bench(0, 10);
  bench.hr(0, 140);
  bench.hr(5, 150);
  EXPECT_THAT(bench.hr(10, 145), ElementsAre(raised(0, 140)));
  EXPECT_THAT(bench.hr(11, 100), ElementsAre(ended(10, 145)));
}

TEST(AlarmLimits, TheSampleThatEndsItMayAlsoBeWhatShowsThatItStood) {
  Bench bench(0, 10);
  bench.hr(0, 140);
  EXPECT_THAT(bench.hr(10, 100), ElementsAre(raised(0, 140), ended(0, 140)));
}

TEST(AlarmLimits, AreRaisedByTheClockBetweenSamples) {
  Bench bench(0, 10);
  EXPECT_EQ(bench.limits.due_in(3000), std::nullopt);
  bench.hr(3, 140);
  EXPECT_EQ(bench.limits.due_in(4000), 9000u);
  EXPECT_THAT(bench.due(12), IsEmpty());
  EXPECT_THAT(bench.due(13), ElementsAre(raised(3, 140)));
  EXPECT_THAT(bench.due(14), IsEmpty());
  EXPECT_EQ(bench.limits.due_in(14'000), std::nullopt);
}

TEST(AlarmLimits, AJumpAcrossEndsOneAlarmBeforeItRaisesTheOther) {
  Bench bench(0, 0, {{Side::high, id("hr"), 131}, {Side::low, id("hr"), 40}});
  bench.hr(1, 30);
  EXPECT_THAT(bench.hr(2, 150), ElementsAre(ended(1, 30, 1), raised(2, 150, 0)));
}

TEST(AlarmLimits, EndWithTheRecordingAtTheLastSampleInside) {
  Bench bench(0, 0);
  bench.hr(1, 131);
  bench.hr(2, 132);
  EXPECT_THAT(bench.conclude(60), ElementsAre(ended(2, 132)));
  EXPECT_THAT(bench.conclude(61), IsEmpty());
  EXPECT_THAT(bench.hr(62, 140), ElementsAre(raised(62, 140)));  // and may begin again
}

// -- ticks that do not rise -------------------------------------------------------------------------------------------

TEST(AlarmLimits, ALateNormalValueEndsNothing) {  // TIME-3
  Bench bench(0, 10);
  bench.hr(100, 140);
  EXPECT_THAT(bench.hr(110, 140), ElementsAre(raised(100, 140)));
  EXPECT_THAT(bench.hr_at(111, 60, 70), IsEmpty());
  EXPECT_THAT(bench.hr(112, 141), IsEmpty());
  for (std::uint64_t second = 113; second < 123; ++second) EXPECT_THAT(bench.hr(second, 70), IsEmpty()) << second;
  EXPECT_THAT(bench.hr(123, 70), ElementsAre(ended(112, 141))) << "10 s inside the normal band";
}

TEST(AlarmLimits, ALateNormalValueForgetsNothingThatIsPending) {  // TIME-3
  Bench bench(0, 10);
  for (std::uint64_t second = 100; second < 108; ++second) bench.hr(second, 140);
  EXPECT_THAT(bench.hr_at(108, 60, 70), IsEmpty());
  EXPECT_THAT(bench.hr(108, 140), IsEmpty()) << "how long since the last one, nobody knows";
  bench.hr(109, 140);
  bench.hr(110, 140);
  EXPECT_THAT(bench.hr(111, 140), ElementsAre(raised(100, 140)));
}

TEST(AlarmLimits, ALateValueBeyondTheLimitRaisesAtOnce) {  // TIME-3
  Bench bench(0, 10);
  EXPECT_THAT(bench.hr(100, 70), IsEmpty());
  EXPECT_THAT(bench.hr_at(101, 60, 140), ElementsAre(raised(60, 140)));
  EXPECT_THAT(bench.hr(102, 70), IsEmpty()) << "one value inside is not enough";
}

TEST(AlarmLimits, ACounterThatRestartsRaisesAtOnceAndEndsAfterTheShortestDuration) {  // TIME-2, TIME-3
  Bench bench(0, 10);
  bench.hr_at(1000, 1000, 70);
  EXPECT_THAT(bench.hr_at(1001, 0, 180), ElementsAre(raised(0, 180)));
  for (std::uint64_t second = 1; second <= 30; ++second)
    EXPECT_THAT(bench.hr_at(1001 + second, second, 180), IsEmpty());
  for (std::uint64_t second = 31; second < 41; ++second) EXPECT_THAT(bench.hr_at(1001 + second, second, 70), IsEmpty());
  EXPECT_THAT(bench.hr_at(1042, 41, 70), ElementsAre(ended(30, 180)));
  bench.hr_at(1043, 42, 180);  // and all is as it was
  EXPECT_THAT(bench.hr_at(1044, 43, 70), IsEmpty());
  EXPECT_THAT(bench.conclude(1044), IsEmpty());
}

TEST(AlarmLimits, ATickGivenTwiceEndsNothingAndInterruptsNothing) {  // TIME-3
  Bench bench(0, 3);
  bench.hr(1, 70);
  EXPECT_THAT(bench.hr(1, 140), ElementsAre(raised(1, 140)));
  EXPECT_THAT(bench.hr(1, 70), IsEmpty());
  for (std::uint64_t second = 2; second < 5; ++second) {
    EXPECT_THAT(bench.hr(second, 70), IsEmpty());
    EXPECT_THAT(bench.hr(second, 70), IsEmpty());
  }
  EXPECT_THAT(bench.hr(5, 70), ElementsAre(ended(1, 140)));
}

TEST(AlarmLimits, TheOnsetIsTheFirstValueGivenAndNoEndComesBeforeIt) {  // TIME-3
  Bench bench(0, 10);
  bench.hr(4'294'967, 140);
  EXPECT_THAT(bench.hr_at(4'294'968, 0, 150), ElementsAre(raised(4'294'967, 140)));
  bench.hr_at(4'294'969, 1, 150);
  EXPECT_THAT(bench.conclude(4'294'970), ElementsAre(ended(4'294'967, 140)));
}

TEST(AlarmLimits, LateValuesBetweenThoseOfNowHideNoAlarm) {  // TIME-3
  Bench bench(0, 10);
  std::vector<Transition> all;
  for (std::uint64_t second = 0; second < 5; ++second) {
    for (const auto& [tick, value] :
         {std::pair{1000 + second, 140.0}, {500 + 2 * second, 70.0}, {501 + 2 * second, 70.0}}) {
      const auto some = bench.hr_at(1000 + second, tick, value);
      all.insert(all.end(), some.begin(), some.end());
    }
  }
  EXPECT_THAT(all, ElementsAre(raised(1000, 140)));
}

TEST(AlarmLimits, TheClockCountsFromWhenTheLastOneWasGivenWhateverItsTick) {  // TIME-3
  Bench bench(0, 10);
  bench.hr_at(1000, 3, 140);
  EXPECT_EQ(bench.limits.due_in(1'001'000), 9000u);
  std::vector<Transition> out;
  bench.limits.sample(id("spo2"), 1'000'500, 97, 1'001'000, out);  // another sensor's tick
  EXPECT_THAT(bench.due(1009), IsEmpty());
  EXPECT_THAT(bench.due(1010), ElementsAre(raised(3, 140)));
}

TEST(AlarmLimits, TheClockCountsAfterALateValueButNotAfterOneThatContradicts) {  // TIME-3
  Bench bench(0, 10);
  bench.hr(100, 140);
  bench.hr_at(101, 60, 70);
  EXPECT_EQ(bench.limits.due_in(101'000), 10'000u);
  bench.hr(102, 70);
  EXPECT_EQ(bench.limits.due_in(102'000), std::nullopt);
  EXPECT_THAT(bench.due(200), IsEmpty());
}

TEST(AlarmLimits, AShortestDurationOf0EndsAtTheFirstTickThatRises) {  // TIME-3
  Bench bench;
  bench.hr(10, 131);
  EXPECT_THAT(bench.hr(9, 100), IsEmpty());
  EXPECT_THAT(bench.hr(11, 100), ElementsAre(ended(10, 131)));
  EXPECT_THAT(bench.hr(8, 140), ElementsAre(raised(8, 140)));
}

TEST(AlarmLimits, ADurationWithoutEndIsNeverDue) {
  AlarmLimits limits({{{Side::high, id("hr"), 131}}, 0, ~0ull});
  std::vector<Transition> out;
  limits.sample(id("hr"), 1000, 140, 1000, out);
  limits.due(~0ull >> 1, out);
  EXPECT_THAT(out, IsEmpty());
  EXPECT_EQ(limits.due_in(2000), ~0ull - 1000);
}

}  // namespace
}  // namespace wardlink
