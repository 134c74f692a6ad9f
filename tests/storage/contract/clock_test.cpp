// Nothing is measured after it was received. TIME-1, TIME-2, TIME-5.

#include <gmock/gmock.h>

#include <algorithm>

#include "contract/tenant.hpp"

namespace wardlink::storage::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto committed = RecordResult::committed;
constexpr auto duplicate = RecordResult::duplicate;

class ClockContract : public ContractTest {
 protected:
  /// A tick so long after the reception, by the session's anchor.
  std::uint64_t ahead(std::chrono::milliseconds span) const {
    return static_cast<std::uint64_t>((received - anchor + span) / 1ms);
  }
  std::shared_ptr<const Session> attach_within(std::chrono::microseconds uncertainty) {
    return writer->attach({device_a, 7, anchor, uncertainty}).session;
  }
  std::vector<ReadingRow> readings() {
    ReadingsQuery query;
    query.subject = {Subject::Kind::device, device_a};
    return records.readings(query);
  }
  /// Those that storage raised for a clock, by boot.
  std::vector<std::uint64_t> clock_alarms() {
    std::vector<std::uint64_t> boots;
    for (const auto& row : tenant->rows().alarms)
      if (row.fact.code == "clock") boots.push_back(row.boot);
    return boots;
  }
};
WARDLINK_FOR_ALL_STORES(ClockContract);

// TIME-2
TEST_P(ClockContract, WhatClaimsToBeMeasuredLaterIsDatedByItsReception) {
  EXPECT_THAT(append({set(1, ahead(1s), 70), set(2, ahead(1001ms), 71), set(3, ahead(24h), 72), set(4, 1000, 73)}),
              ElementsAre(committed, committed, committed, committed));
  const auto rows = tenant->rows().sets;
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].measured_at, received + 1s);
  EXPECT_FALSE(rows[0].clock_jump);
  EXPECT_EQ(rows[1].measured_at, received);
  EXPECT_EQ(rows[1].clock_jump, 1001ms);
  EXPECT_EQ(rows[2].measured_at, received);
  EXPECT_EQ(rows[2].clock_jump, 24h);
  EXPECT_EQ(rows[2].tick_ms, ahead(24h));
  EXPECT_EQ(rows[3].measured_at, anchor + 1s);
  EXPECT_FALSE(rows[3].clock_jump);
}

// TIME-2: a clock may be wrong by what is known of it; an exchange that says nothing excuses nothing.
TEST_P(ClockContract, WithinTheUncertaintyOfItsClockItIsBelieved) {
  append({set(1, ahead(6s), 70, attach_within(5s)), set(2, ahead(6001ms), 71, attach_within(5s)),
          set(3, ahead(30min), 72, attach_within(1h))});
  std::vector<bool> flagged;
  for (const auto& row : tenant->rows().sets) flagged.push_back(row.clock_jump.has_value());
  EXPECT_THAT(flagged, ElementsAre(false, true, true));
}

// TIME-2: whatever the number.
TEST_P(ClockContract, NoTickIsRefused) {
  const auto ann = registry.create_patient("Ann", {}, "").id, bob = registry.create_patient("Bob", {}, "").id;
  registry.assign({}, device_a, ann, received - 10min, "nurse");
  writer->attach({device_a, 7, anchor, 10ms, {}, false, 1000});
  for (const std::uint64_t tick : {1ULL << 45, 1ULL << 48, (1ULL << 53) - 1, (1ULL << 63) - 1}) {
    const auto sequence = tick % 101 + 1;
    EXPECT_EQ(append(set(sequence, tick, 70)), committed) << tick;
    EXPECT_EQ(append(set(sequence, tick, 70)), duplicate) << tick;
    auto onset = alarm(sequence, raised("hr-high"));
    onset.tick_ms = tick;
    EXPECT_EQ(append(onset), committed) << tick;
    auto samples = run(sequence, tick, 100);
    EXPECT_EQ(append(samples), committed) << tick;
  }
  const auto rows = tenant->rows();
  for (const auto& row : rows.sets) EXPECT_EQ(row.measured_at, received);
  for (const auto& row : rows.alarms) EXPECT_EQ(row.measured_at, received);
  for (const auto& row : rows.runs) EXPECT_EQ(row.measured_at, received);
  EXPECT_TRUE(rows.quarantine.empty());
  registry.release({}, device_a, received - 1min, "nurse");
  registry.assign({}, device_a, bob, received - 1min, "nurse");
  EXPECT_EQ(records.unattributed({}).size(), 1u) << "measured at any time, by either";
  writer->attach({device_a, 7, anchor, 10ms, {}, false, 2000});
}

// TIME-1: an absolute time of a client whose calendar is ahead; its ticks are the calendar's.
TEST_P(ClockContract, WhatIsPostedForTomorrowIsDatedByItsReception) {
  const auto hand = writer->attach({device_a, 99, Instant{}, {}, {}, true}).session;
  auto posted = set(1, static_cast<std::uint64_t>((received.time_since_epoch() + 24h) / 1ms), 70, hand);
  posted.stream = Stream::manual;
  EXPECT_EQ(append(posted), committed);
  EXPECT_EQ(tenant->rows().sets.at(0).measured_at, received);
  EXPECT_THAT(clock_alarms(), ElementsAre(99));
}

// TIME-2: the first one of a start raises it, of whatever kind, and it comes once.
TEST_P(ClockContract, OneAlarmAStart) {
  append({set(1, 1000, 70), set(2, ahead(1s), 71)});
  EXPECT_THAT(clock_alarms(), IsEmpty());
  append({set(3, ahead(1h), 72), set(4, ahead(1h), 73), run(1, ahead(1h), 100)});
  append(set(5, ahead(2h), 74));
  EXPECT_THAT(clock_alarms(), ElementsAre(7));
  const auto later = attach(device_a, 8);
  auto onset = alarm(1, raised("hr-high"), later);
  onset.tick_ms = ahead(1h);
  append(onset);
  append(onset);
  EXPECT_THAT(clock_alarms(), ElementsAre(7, 8));
  for (const auto& condition : records.alarms({})) {
    if (condition.code != "clock") continue;
    EXPECT_EQ(condition.kind, AlarmKind::technical);
    EXPECT_EQ(condition.priority, AlarmPriority::medium);
    EXPECT_EQ(condition.start, received);
    EXPECT_EQ(condition.stream, Stream::storage);
    EXPECT_FALSE(condition.clock_jump);
  }
}

// TIME-2: it keeps the instant that it has.
TEST_P(ClockContract, AResendChangesNothing) {
  append(set(1, ahead(1h), 70));
  auto again = set(1, ahead(1h), 70);
  again.received_at += 2h;
  EXPECT_EQ(append(again), duplicate);
  EXPECT_EQ(tenant->rows().sets.at(0).measured_at, received);
  EXPECT_THAT(clock_alarms(), ElementsAre(7));
}

// TIME-2: whoever reads it is told.
TEST_P(ClockContract, TheFlagIsShown) {
  auto onset = alarm(1, raised("hr-high"));
  onset.tick_ms = ahead(3h);
  append({set(1, ahead(1h), 70), onset, run(1, ahead(2h), 100)});
  EXPECT_EQ(readings().at(0).clock_jump, 1h);
  RunsQuery runs;
  runs.subject = {Subject::Kind::device, device_a};
  runs.stream = waveform_stream(1);
  runs.start = received;
  runs.end = received + 1s;
  EXPECT_EQ(records.runs(runs).at(0).clock_jump, 2h);
  const auto conditions = records.alarms({});
  const auto shown = std::ranges::find(conditions, "hr-high", &AlarmCondition::code);
  ASSERT_NE(shown, conditions.end());
  EXPECT_EQ(shown->clock_jump, 3h);
  const auto latest = records.latest({}, {}).at(0).values.at(0);
  EXPECT_EQ(latest.measured_at, received);
  EXPECT_EQ(latest.clock_jump, 1h);
}

// TIME-5: of what the device said last, whatever was said before.
TEST_P(ClockContract, TheFlagIsOfTheValueThatIsShown) {
  append({set(1, ahead(1h), 70), set(2, 1000, 97, nullptr, 2)});
  append({set(3, 2000, 71), set(4, ahead(2h), 98, nullptr, 2)});
  const auto values = records.latest({}, {}).at(0).values;
  EXPECT_EQ(values.at(0).clock_jump, std::nullopt);
  EXPECT_EQ(values.at(1).clock_jump, 2h);
}

// TIME-2, TIME-5: it is never the next wearer's.
TEST_P(ClockContract, AWildTickIsNobodyElses) {
  const auto ann = registry.create_patient("Ann", {}, "").id, bob = registry.create_patient("Bob", {}, "").id;
  registry.assign({}, device_a, ann, anchor - 48h, "nurse");
  append(set(1, ahead(24h), 70));
  registry.release({}, device_a, received + 1min, "nurse");
  registry.assign({}, device_a, bob, received + 2min, "nurse");
  EXPECT_THAT(records.latest({}, {Subject::Kind::patient, bob}).at(0).values, IsEmpty());
  ReadingsQuery query;
  query.subject = {Subject::Kind::patient, ann};
  EXPECT_EQ(records.readings(query).size(), 1U);
}

// TIME-6: neither is refused, nor overflows.
TEST_P(ClockContract, DebtsOfANeverDatedStartAreThereAtTheirReceptionWhateverTheirTicks) {
  const auto ann = registry.create_patient("Ann", {}, "").id;
  registry.assign({}, device_a, ann, anchor - 48h, "nurse");
  const auto never = writer->at_boots(std::vector<AttachRequest>{{device_a, 3, received - 1s}}).front();
  std::uint64_t sequence = 0;
  for (const std::uint64_t tick :
       {std::uint64_t{1000}, std::uint64_t{600'000}, std::uint64_t{1} << 53, ~std::uint64_t{0} >> 1}) {
    auto debt = alarm(++sequence, raised("hr-high"), never);
    debt.tick_ms = tick;
    EXPECT_EQ(append(debt), committed);
  }
  const auto conditions = records.alarms({});
  EXPECT_EQ(conditions.size(), 4U) << "and no alarm of its clock";
  for (const auto& each : conditions) {
    EXPECT_TRUE(each.unattributed);
    EXPECT_EQ(each.at(), received);
    EXPECT_FALSE(each.clock_jump);
  }
}

// TIME-2: it may have waited since before the handover.
TEST_P(ClockContract, WhatClaimsTheFutureNearAHandoverIsNobodys) {
  const auto ann = registry.create_patient("Ann", {}, "").id, bob = registry.create_patient("Bob", {}, "").id;
  registry.assign({}, device_a, ann, anchor, "nurse");
  registry.release({}, device_a, received - 1min, "nurse");
  registry.assign({}, device_a, bob, received - 1min, "nurse");
  append(set(1, ahead(3h), 70));
  for (const auto& who : {ann, bob}) {
    ReadingsQuery query;
    query.subject = {Subject::Kind::patient, who};
    EXPECT_THAT(records.readings(query), IsEmpty());
  }
}

}  // namespace
}  // namespace wardlink::storage::test
