// What a store tells of the clock of a device. TIME-1, TIME-2, TIME-5, TIME-6

#include <gmock/gmock.h>

#include "contract/tenant.hpp"

namespace wardlink::storage::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class DeviceClockContract : public ContractTest {
 protected:
  DeviceClockContract() { show(received); }
  void show(Instant at) { tenant->stop_calendar(now_ = at); }
  /// The device's clock is read as the calendar shows `at`.
  void read(std::uint64_t boot, std::uint64_t tick_ms, Instant at, microseconds uncertainty = 20ms) {
    writer->attach({urn, boot, at - std::chrono::milliseconds{tick_ms}, uncertainty, at, false, tick_ms});
  }
  /// It starts, and registers a second later.
  void start(std::uint64_t boot, Instant at) {
    show(at + 1s);
    read(boot, 1000, at + 1s);
  }
  DeviceClock clock(const Scope& scope = {}) { return registry.device_clock(scope, urn); }
  static std::vector<std::uint64_t> boots(const std::vector<StartClock>& starts) {
    std::vector<std::uint64_t> all;
    for (const auto& each : starts) all.push_back(each.boot);
    return all;
  }
  /// Of its present start, the newest first: since when, by how much, and a 'c' where the calendar was set.
  std::vector<std::string> steps(std::size_t of = 0) {
    std::vector<std::string> all;
    const auto start = clock().starts.at(of);
    for (const auto& each : start.steps)
      all.push_back(std::to_string((each.from - received) / 1s) + " by " + std::to_string(each.by / 1ms) +
                    (each.of_calendar ? " c" : ""));
    return all;
  }

  const std::string urn = "urn:dev:os:32473-c";  // none of the suite's
  Instant now_;
};
WARDLINK_FOR_ALL_STORES(DeviceClockContract);

TEST_P(DeviceClockContract, OfAStartThatRegistered) {
  start(3, received);
  show(received + 1h);
  read(3, 3'600'000, received + 1h + 300ms, 50ms);  // agrees
  show(received + 1h + 100s);
  const auto told = clock();
  EXPECT_EQ(told.urn, urn);
  EXPECT_EQ(told.read_at, now_);
  EXPECT_FALSE(told.more_starts);
  EXPECT_THAT(told.unplaced, IsEmpty());
  ASSERT_THAT(told.starts, SizeIs(1));
  const auto& present = told.starts[0];
  EXPECT_EQ(present.boot, 3U);
  EXPECT_NE(present.ordinal, 0U);
  EXPECT_EQ(present.registered_at, received + 1s);
  EXPECT_FALSE(present.never_dated);
  EXPECT_FALSE(present.believed);
  EXPECT_EQ(present.readings, 2U);
  EXPECT_EQ(present.last->at, received + 1h + 300ms);
  EXPECT_EQ(present.last->tick_ms, 3'600'000U);
  EXPECT_EQ(present.last->anchor, received + 300ms);
  EXPECT_EQ(present.last->uncertainty, 50ms);
  EXPECT_THAT(present.steps, IsEmpty());
  // It is dated by the first anchor still, which the last reading says is wrong by 300 ms; and 100 s have passed since.
  EXPECT_EQ(told.uncertainty, 300ms + 50ms + 20ms);
  EXPECT_THAT(told.day, ElementsAre(received + 1s));
  EXPECT_EQ(told.day_count, 1U);
}

// TIME-4: what it says of now is what a value of now will say.
TEST_P(DeviceClockContract, MeasuredNowIsAsTheValueSays) {
  start(3, received);
  for (const auto& [tick, at] : {std::pair(600'000U, received + 600s), std::pair(700'000U, received + 760s)}) {
    show(at);
    read(3, tick, at);
    for (const auto later : {0s, 90s}) {
      show(at + later);
      const auto stated = clock().uncertainty;
      const auto of = writer->at_boots(std::vector<AttachRequest>{{urn, 3, received}}).front();
      const auto sequence = static_cast<std::uint64_t>(tick / 1000 + later.count());
      Record value = set(sequence, tick + static_cast<std::uint64_t>(later / 1ms), 70, of);
      value.received_at = now_;
      append(value);
      EXPECT_EQ(stated, records.latest({}, {Subject::Kind::device, urn}).at(0).values.at(0).uncertainty);
      EXPECT_EQ(stated, 20ms + microseconds{later} / 5000);
    }
  }
}

// TIME-2: it slept for a minute, then its clock was set right again.
TEST_P(DeviceClockContract, EachReadingThatMovedIt) {
  start(3, received);
  read(3, 100'000, received + 100s + 60s);
  read(3, 200'000, received + 200s + 60s);  // agrees
  read(3, 300'000, received + 300s + 58s);
  EXPECT_THAT(steps(), ElementsAre("358 by -2000", "160 by 60000"));
  EXPECT_EQ(clock().starts.at(0).readings, 4U);
}

// TIME-6: a guess was moved by what was read at last, from its first tick on.
TEST_P(DeviceClockContract, ADebtIsNeverDatedUntilItsStartIsRead) {
  start(3, received);
  writer->at_boots(std::vector<AttachRequest>{{urn, 2, received - 10min}});
  const auto told = clock();
  EXPECT_THAT(boots(told.starts), ElementsAre(3));
  ASSERT_THAT(boots(told.unplaced), ElementsAre(2));
  EXPECT_TRUE(told.unplaced[0].never_dated);
  EXPECT_EQ(told.unplaced[0].registered_at, std::nullopt);
  EXPECT_EQ(told.unplaced[0].ordinal, 0U);
  EXPECT_EQ(told.unplaced[0].last, std::nullopt);
  EXPECT_EQ(told.day_count, 1U);
  read(2, 60'000, received + 2s);
  EXPECT_FALSE(clock().starts.at(0).never_dated);
  EXPECT_THAT(steps(), ElementsAre("-58 by 542000"));
}

TEST_P(DeviceClockContract, OfADeviceThatHasNotStarted) {
  registry.create_device(urn);
  auto told = clock();
  EXPECT_THAT(told.starts, IsEmpty());
  EXPECT_EQ(told.uncertainty, std::nullopt);
  writer->at_boots(std::vector<AttachRequest>{{urn, 2, received}});
  told = clock();
  EXPECT_THAT(boots(told.unplaced), ElementsAre(2));
  EXPECT_EQ(told.uncertainty, std::nullopt) << "of no start that runs";
}

/// A post by hand is of no start, whatever its ticks are.
TEST_P(DeviceClockContract, PostsByHandAreNoStarts) {
  writer->attach({urn, 91, Instant{}, {}, {}, true});
  writer->attach({urn, 92, received, 1s, {}, true, 1000});
  EXPECT_THAT(clock().starts, IsEmpty());
  EXPECT_THAT(clock().unplaced, IsEmpty());
}

TEST_P(DeviceClockContract, WhatWasToldOfLateHasNoPlace) {
  start(3, received);
  writer->attach({urn, 2, received - 1h, 20ms, received - 1h + 1s, false, 1000});
  const auto told = clock();
  EXPECT_THAT(boots(told.starts), ElementsAre(3));
  ASSERT_THAT(boots(told.unplaced), ElementsAre(2));
  EXPECT_EQ(told.unplaced[0].registered_at, received - 1h + 1s);
  EXPECT_FALSE(told.unplaced[0].never_dated);
}

TEST_P(DeviceClockContract, ThePresentStartFirstAndTwentyAtMost) {
  for (std::uint64_t boot = 1; boot <= 22; ++boot) start(boot, received + boot * 2h);
  const auto told = clock();
  ASSERT_THAT(told.starts, SizeIs(20));
  EXPECT_TRUE(told.more_starts);
  EXPECT_EQ(told.starts.front().boot, 22U);
  EXPECT_EQ(told.starts.back().boot, 3U);
  EXPECT_GT(told.starts[0].ordinal, told.starts[1].ordinal);
  EXPECT_EQ(told.day_count, 12U);
  ASSERT_THAT(told.day, SizeIs(12));
  EXPECT_EQ(told.day.front(), received + 44h + 1s);
  EXPECT_EQ(told.day.back(), received + 22h + 1s) << "to the second a day before would be too early";
}

TEST_P(DeviceClockContract, TwentyStepsAtMost) {
  start(3, received);
  for (std::uint64_t i = 1; i <= 25; ++i) {
    read(3, i * 10'000, received + i * 15s);
    const auto told = clock().starts.at(0);
    EXPECT_EQ(told.steps.size(), std::min<std::size_t>(i, 20));
    EXPECT_EQ(told.more_steps, i > 20);
    for (const auto& each : told.steps) EXPECT_EQ(each.by, 5s);
  }
}

// TIME-1: the calendar was set while the start ran; the next one began behind it.
TEST_P(DeviceClockContract, EachStepOfTheCalendarThatReachedAStart) {
  Moment clock_of_host{3h};
  const auto look = [&](std::chrono::seconds passed, std::chrono::seconds set) {
    clock_of_host += passed;
    show(now_ + passed + set);
    records.look_at_calendar("a", [&] { return clock_of_host; });
  };
  look(0s, 0s);
  start(1, received);
  clock_of_host += now_ - received;
  look(100s, 600s);
  start(2, received + 800s);
  clock_of_host += 100s;
  look(200s, -100s);
  look(300s, 50s);
  EXPECT_THAT(steps(1), ElementsAre("701 by 600000 c"));
  EXPECT_THAT(steps(0), ElementsAre("1251 by 50000 c", "901 by -100000 c"));
}

TEST_P(DeviceClockContract, IsAsMuchToSeeAsTheDevice) {
  start(3, received);
  const Scope icu = std::vector<std::string>{"icu"}, east = std::vector<std::string>{"east"};
  EXPECT_NO_THROW(clock(icu)) << "nobody wears it";
  const auto ann = registry.create_patient("Ann", {}, "icu").id;
  registry.assign({}, urn, ann, {}, "urn:wardlink:client:nurse");
  EXPECT_NO_THROW(clock(icu));
  EXPECT_EQ(kind_of([&] { clock(east); }), StoreError::Kind::not_found);
  EXPECT_EQ(kind_of([&] { registry.device_clock({}, "urn:dev:os:32473-none"); }), StoreError::Kind::not_found);
}

}  // namespace
}  // namespace wardlink::storage::test
