// What a tick means where the calendar was set while its start ran, and whose a record is then. TIME-1, TIME-2.

#include <gmock/gmock.h>

#include "contract/tenant.hpp"

namespace wardlink::storage::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;
using testing::Each;
using testing::Ge;
using testing::IsEmpty;
using testing::Le;
using testing::SizeIs;

const std::string nurse = "urn:wardlink:client:nurse";

/// The device's clock shows 0 as the test begins, and goes on; the calendar shows `received`.
class CalendarsContract : public ContractTest {
 protected:
  CalendarsContract() {
    tenant->stop_calendar(calendar);
    look();
  }
  void pass(microseconds time, microseconds set = {}) {
    clock += time;
    calendar += time + set;
    tenant->stop_calendar(calendar);
  }
  void look() {
    steps = records.look_at_calendar("host", [&] { return clock; }).steps;
  }
  /// Looked at right before and after.
  void set_calendar(microseconds by) {
    look();
    pass(1ms, by);
    look();
  }
  std::uint64_t tick() const { return static_cast<std::uint64_t>((clock - began) / 1ms); }
  AttachRequest reading(std::uint64_t tick_ms, microseconds uncertainty = 10ms) const {
    return {.device = device_a,
            .boot = boot,
            .anchor = calendar - std::chrono::milliseconds{tick_ms},
            .uncertainty = uncertainty,
            .registered_at = {},
            .by_hand = false,
            .tick_ms = tick_ms,
            .calendar = steps,
            .read_at_tick = {}};
  }
  void read(std::uint64_t tick_ms) { attached = writer->attach(reading(tick_ms)).session; }
  /// Another one, whose clock shows 0 now.
  void start() {
    ++boot;
    began = clock;
    read(0);
  }
  /// As storage does of a live session, where the calendar was set: nobody read its clock.
  void take_to_go_on(std::uint64_t tick_ms, std::uint64_t read_at_tick) {
    auto taken = reading(tick_ms);
    taken.read_at_tick = read_at_tick;
    writer->attach(taken);
  }
  /// Measured at these seconds of its clock; the sequence is the second.
  void measure(std::uint64_t first, std::uint64_t last) {
    std::vector<Record> batch;
    for (auto second = first; second <= last; ++second) {
      batch.push_back(set(second, second * 1000, 70, attached));
      batch.back().received_at = calendar;
      batch.back().shown_before = calendar + 24h;
    }
    append(batch);
  }
  std::vector<ReadingRow> of_device() {
    ReadingsQuery query;
    query.limit = 10'000;
    query.subject = {Subject::Kind::device, device_a};
    return records.readings(query);
  }
  std::set<std::uint64_t> of(const std::string& patient) {
    std::set<std::uint64_t> sequences;
    ReadingsQuery query;
    query.limit = 10'000;
    query.subject = {Subject::Kind::patient, patient};
    for (const auto& row : records.readings(query))
      if (row.boot == boot || row.boot == by_hand) sequences.insert(row.sequence);
    return sequences;
  }
  /// Of what was measured from the one second to the other.
  std::vector<microseconds> uncertainties(std::uint64_t first, std::uint64_t last) {
    std::vector<microseconds> all;
    for (const auto& row : of_device())
      if (row.boot == boot && first <= row.sequence && row.sequence <= last) all.push_back(row.uncertainty.value());
    EXPECT_THAT(all, SizeIs(last - first + 1));
    return all;
  }
  void hand_over(const std::string& to, Instant at) {
    registry.release({}, device_a, at, nurse);
    registry.assign({}, device_a, to, at, nurse);
  }

  static constexpr std::uint64_t by_hand = 99;
  std::uint64_t boot = 8;
  Instant calendar = received;
  Moment clock{3h}, began = clock;
  std::uint64_t steps = 0;
  std::shared_ptr<const Session> attached;
  const std::string ann = registry.create_patient("Ann", {}, "").id, bob = registry.create_patient("Bob", {}, "").id;
};
WARDLINK_FOR_ALL_STORES(CalendarsContract);

// -- how well a clock is known ----------------------------------------------------------------------------------------

/// Whatever was set, by whatever: what is measured well before, and well after, is known as well as the clock.
TEST_P(CalendarsContract, AStepIsBetweenTwoReadingsAsCertainAsTheClock) {
  for (const microseconds by : {microseconds{1h}, microseconds{-1h}, microseconds{-3s}}) {
    start();
    pass(60s);
    set_calendar(by);
    take_to_go_on(60'000, 0);
    pass(60s);
    read(tick());
    measure(1, 119);
    EXPECT_THAT(uncertainties(1, 59), Each(Le(100ms)));
    EXPECT_THAT(uncertainties(61, 119), Each(Le(100ms)));
    EXPECT_THAT(uncertainties(60, 60), Each(Ge(std::chrono::abs(by) - 100ms)));
  }
}

/// It stood, or was set, before the calendar was or after that: what lies between may be of either.
TEST_P(CalendarsContract, AJumpBetweenAStepAndTheNextReadingMayHaveBeenOnEitherSideOfIt) {
  for (const int jump : {240, -50}) {
    for (const microseconds by : {microseconds{-18s}, microseconds{18s}}) {
      start();
      pass(60s);
      set_calendar(by);
      take_to_go_on(60'000, 0);
      pass(60s);
      read(tick() + static_cast<std::uint64_t>(jump * 1000));
      measure(1, 65);
      EXPECT_THAT(uncertainties(1, 65), Each(Ge(std::chrono::seconds{std::abs(jump)} - 100ms)));
    }
  }
}

/// The calendar was set while the device slept: that its clock went on is refuted by what it shows after that.
TEST_P(CalendarsContract, WhatIsReadRefutesThatAClockWentOn) {
  read(0);
  pass(60s);
  set_calendar(1h);
  take_to_go_on(60'000, 0);
  pass(60s);
  read(30'000);  // it slept for 90 s
  pass(70s);
  measure(31, 99);
  for (const auto& row : of_device()) {
    EXPECT_EQ(row.measured_at, received + 1h + 90s + 1ms + std::chrono::seconds{row.sequence}) << row.sequence;
    EXPECT_LE(row.uncertainty.value(), 100ms);
  }
}

/// What is kept of a start's clock is told apart by tick and uncertainty.
TEST_P(CalendarsContract, AReadingIsKeptBesideWhatWasTakenToBeAtItsTick) {
  start();
  pass(60s);
  set_calendar(1h);
  take_to_go_on(60'000, 0);
  read(60'000);
  pass(60s);
  read(120'000);
  std::vector<microseconds> kept;
  for (const auto& row : tenant->rows().starts)
    if (row.boot == boot)
      for (const auto& each : row.exchanges) kept.push_back(each.uncertainty);
  EXPECT_THAT(kept, testing::ElementsAre(10ms, 10ms, 10ms + 1us, 10ms));
}

/// A start that is told of after the calendar was set began before: it is dated by what the calendar showed then.
TEST_P(CalendarsContract, AStartThatComesAfterAStepIsDatedByBothCalendars) {
  boot = 20;
  const auto before = calendar;
  const auto steps_before = steps;
  pass(300s);
  set_calendar(1h);
  auto first = reading(299'000);
  first.anchor = before;
  first.calendar = steps_before;
  first.read_at_tick = 600'000;
  writer->attach(first);
  take_to_go_on(300'000, 600'000);
  pass(300s);
  read(600'000);
  measure(1, 599);
  for (const auto& row : of_device()) {
    if (row.sequence >= 299 && row.sequence <= 301) continue;
    const auto at = before + std::chrono::seconds{row.sequence};
    EXPECT_LE(std::chrono::abs(row.measured_at - (row.sequence < 300 ? at : at + 1h)), 100ms) << row.sequence;
    EXPECT_LE(row.uncertainty.value(), 300ms) << row.sequence;
  }
}

/// It slept over the step: what its clock shows after that says nothing of the ticks that were read before it slept.
TEST_P(CalendarsContract, WhatIsCountedBackMovesNothingBeforeTheReadingOfBefore) {
  start();
  const auto before = calendar;
  pass(100s);
  read(100'000);
  pass(500s);
  set_calendar(1h);
  pass(500s);
  take_to_go_on(0, 150'000);
  read(150'000);
  measure(1, 99);
  for (const auto& row : of_device()) {
    if (row.boot != boot) continue;
    EXPECT_EQ(row.measured_at, before + std::chrono::seconds{row.sequence}) << row.sequence;
    EXPECT_LE(row.uncertainty.value(), 100ms) << row.sequence;
  }
}

/// By whoever knew more steps, before the database was put back: it counts by those that are known.
TEST_P(CalendarsContract, ACalendarOfTheFutureIsThePresentOne) {
  start();
  pass(1s);
  auto ahead = reading(1'000);
  ahead.calendar = steps + 5;
  attached = writer->attach(ahead).session;
  pass(59s);
  set_calendar(1h);
  take_to_go_on(60'000, 1'000);
  pass(60s);
  measure(70, 119);
  for (const auto& row : of_device())
    if (row.boot == boot) {
      EXPECT_LE(row.uncertainty.value(), 100ms) << row.sequence;
    }
}

/// While the calendar goes on: as well as the next value will be.
TEST_P(CalendarsContract, AClockIsKnownNowAsWellAsBeforeTheCalendarWasSet) {
  for (const microseconds by : {microseconds{1h}, microseconds{-1h}}) {
    start();
    pass(60s);
    set_calendar(by);
    take_to_go_on(60'000, 0);
    pass(60s);
    const auto known = registry.device_clock({}, device_a).uncertainty;
    ASSERT_TRUE(known);
    EXPECT_GE(*known, 10ms + 24ms);
    EXPECT_LE(*known, 200ms);
  }
}

/// What storage takes a clock to have gone on to says nothing of how well that is known.
TEST_P(CalendarsContract, WhatWasNotReadIsNotKnownBetter) {
  read(0);
  pass(60s);
  set_calendar(1h);
  take_to_go_on(60'000, 0);
  pass(60s);
  read(60'000);  // it slept for a minute, nobody knows when
  measure(1, 59);
  EXPECT_THAT(uncertainties(2, 59), Each(Ge(60s)));
}

/// A start that was read before is dated by the new calendar from the step on, also if nobody has read it since.
TEST_P(CalendarsContract, BehindTheLastReadingAStepIsInForce) {
  read(0);
  pass(60s);
  set_calendar(1h);
  take_to_go_on(60'000, 0);
  pass(60s);
  measure(10, 110);
  for (const auto& row : of_device()) {
    if (row.sequence == 60) continue;
    const auto at = received + std::chrono::seconds{row.sequence};
    EXPECT_EQ(row.measured_at, row.sequence < 60 ? at : at + 1h + 1ms) << row.sequence;
    EXPECT_LE(row.uncertainty.value(), 200ms) << row.sequence;
  }
}

// -- whose it is ------------------------------------------------------------------------------------------------------

/// It is written down by an instant that came twice: nobody knows which time it was.
TEST_P(CalendarsContract, AHandoverInInstantsThatCameTwiceWasAtEither) {
  registry.assign({}, device_a, ann, received - 1h, nurse);
  read(0);
  pass(120s);
  hand_over(bob, received + 110s);
  set_calendar(-60s);
  pass(120s);
  read(tick());
  measure(1, 239);
  const auto anns = of(ann), bobs = of(bob);
  for (std::uint64_t second = 1; second <= 239; ++second) {
    if (second == 110 || second == 120 || second == 170) continue;
    EXPECT_EQ(anns.contains(second), second < 110) << second;
    EXPECT_EQ(bobs.contains(second), second > 170) << second;
  }
  EXPECT_THAT(records.unattributed({}), SizeIs(1));
}

/// A year off by mistake, and put right: what it never showed while a start ran is not doubtful for that.
TEST_P(CalendarsContract, ACalendarThatWasAYearWrongForAMinuteLeavesThatMinuteInDoubt) {
  for (const microseconds wrong : {microseconds{-365 * 24h}, microseconds{365 * 24h}}) {
    registry.assign({}, device_a, ann, calendar - 1s, nurse);
    start();
    pass(600s);
    set_calendar(wrong);
    take_to_go_on(600'000, 0);
    pass(60s);
    set_calendar(-wrong);
    take_to_go_on(660'000, 0);
    pass(600s);
    hand_over(bob, calendar);
    pass(600s);
    read(tick());
    measure(1, 1859);
    const auto anns = of(ann), bobs = of(bob);
    for (std::uint64_t second = 1; second <= 1859; ++second) {
      if ((second >= 599 && second <= 661) || second == 1260) continue;
      EXPECT_EQ(anns.contains(second), second < 1260) << second;
      EXPECT_EQ(bobs.contains(second), second > 1260) << second;
    }
    registry.release({}, device_a, calendar, nurse);
    pass(1h);
  }
}

/// What was measured by a calendar that was ahead is not the next wearer's when the calendar comes to that: also where
/// another start has followed.
TEST_P(CalendarsContract, AStartOfACalendarThatWasAheadIsInDoubtWhereTheWearerChangesBeforeThat) {
  registry.assign({}, device_a, ann, calendar - 1s, nurse);
  pass(60s);
  set_calendar(10h);
  start();
  pass(600s);
  measure(1, 599);
  const auto ahead = boot;
  set_calendar(-10h);
  start();
  pass(2h);
  hand_over(bob, calendar);
  pass(1s);
  boot = ahead;
  EXPECT_THAT(of(bob), IsEmpty());
}

/// Release and assignment about a step back, a second apart: what lies between them in either calendar is nobody's.
TEST_P(CalendarsContract, TwoHandoversOfOneWearerEachAreTogetherInDoubt) {
  registry.assign({}, device_a, ann, calendar - 1h, nurse);
  start();
  pass(60s);
  registry.release({}, device_a, calendar - 2s, nurse);
  registry.assign({}, device_a, bob, calendar - 1s, nurse);
  set_calendar(-3s);
  take_to_go_on(tick(), 0);
  pass(60s);
  read(tick());
  measure(1, 119);
  const auto anns = of(ann);
  for (std::uint64_t second = 60; second <= 119; ++second) EXPECT_FALSE(anns.contains(second)) << second;
}

/// A record that is dated by its reception goes by the same.
TEST_P(CalendarsContract, WhatClaimsTheFutureIsInDoubtAfterAStepBackToo) {
  registry.assign({}, device_a, ann, calendar - 3h, nurse);
  pass(2h);
  hand_over(bob, calendar - 30min);
  set_calendar(-2h);
  start();
  pass(50min);
  auto ahead = set(1, tick() + 600'000, 70, attached);
  ahead.received_at = calendar;
  append(ahead);
  EXPECT_THAT(of(ann), IsEmpty());
}

/// The same, written down after the calendar was set: what was measured before it was is not the later wearer's.
TEST_P(CalendarsContract, AHandoverAfterAStepBackTakesNothingOfBefore) {
  registry.assign({}, device_a, ann, received - 1h, nurse);
  read(0);
  pass(120s);
  measure(1, 119);
  set_calendar(-60s);
  pass(10s);
  EXPECT_TRUE(of(ann).contains(100));
  hand_over(bob, calendar);
  const auto anns = of(ann), bobs = of(bob);
  for (std::uint64_t second = 71; second <= 119; ++second) EXPECT_FALSE(bobs.contains(second)) << second;
  for (std::uint64_t second = 1; second <= 69; ++second) EXPECT_TRUE(anns.contains(second)) << second;
}

/// Also of what is posted by the calendar's time.
TEST_P(CalendarsContract, WhatIsPostedForInstantsThatCameTwiceIsDoubtfulToo) {
  registry.assign({}, device_a, ann, received - 1h, nurse);
  pass(120s);
  hand_over(bob, received + 110s);
  set_calendar(-60s);
  pass(120s);
  const auto hand = writer->attach({device_a, by_hand, Instant{}, {}, {}, true}).session;
  std::uint64_t sequence = 0;
  for (const auto at : {received + 30s, received + 90s, received + 150s}) {
    auto posted = set(++sequence, static_cast<std::uint64_t>(at.time_since_epoch() / 1ms), 70, hand);
    posted.stream = Stream::manual;
    posted.received_at = calendar;
    append(posted);
  }
  EXPECT_EQ(of(ann), std::set<std::uint64_t>{1});
  EXPECT_EQ(of(bob), std::set<std::uint64_t>{3});
}

/// One wearer throughout is that wearer, however often an instant came; and none is doubtful where it was set ahead.
TEST_P(CalendarsContract, WithoutAHandoverNothingIsDoubtful) {
  registry.assign({}, device_a, ann, received - 1h, nurse);
  read(0);
  for (const microseconds by : {microseconds{-60s}, microseconds{1h}}) {
    pass(120s);
    set_calendar(by);
    pass(120s);
    read(tick());
  }
  measure(1, 479);
  EXPECT_THAT(of(ann), SizeIs(479));
  EXPECT_THAT(records.unattributed({}), IsEmpty());
}

}  // namespace
}  // namespace wardlink::storage::test
