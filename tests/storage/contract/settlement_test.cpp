// What is nobody's, as periods, and what people say of it. TIME-2, TIME-6, LIFE-3.

#include <gmock/gmock.h>

#include "contract/tenant.hpp"

namespace wardlink::storage::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;
using Kind = StoreError::Kind;

const std::string nurse = "urn:wardlink:client:nurse";
const Scope icu = std::vector<std::string>{"icu"}, east = std::vector<std::string>{"east"},
            north = std::vector<std::string>{"north"};

/// Ann hands the device over to Bob at 100 s, whose start is known to 1.5 s: of what is measured each second from 95 to
/// 105 that of 99 to 101 is nobody's.
class SettlementContract : public ContractTest {
 protected:
  SettlementContract() {
    registry.create_patient("Nora", {}, "north");
    writer->attach({device_a, 7, anchor, 1500ms, {}, false, 95'000});
    registry.assign({}, device_a, ann, anchor, nurse);
    registry.release({}, device_a, anchor + 100s, nurse);
    registry.assign({}, device_a, bob, anchor + 100s, nurse);
    measure(95, 105);
  }
  void measure(std::uint64_t first, std::uint64_t last) {
    std::vector<Record> batch;
    for (auto second = first; second <= last; ++second) batch.push_back(set(second, second * 1000, 70));
    append(batch);
  }
  std::vector<UnattributedPeriod> periods(const Scope& scope = {}, const Subject& of = {}, std::size_t limit = 1000) {
    std::vector<UnattributedPeriod> all;
    UnattributedQuery query{scope, of, {}, limit};
    for (;;) {
      auto page = records.unattributed(query);
      EXPECT_LE(page.size(), limit);
      std::ranges::move(page, std::back_inserter(all));
      if (!page.next) return all;
      query.after = page.next;
    }
  }
  std::vector<UnattributedPeriod> settle(const std::vector<PeriodKey>& keys, const std::string& patient,
                                         const Scope& scope = {}) {
    return records.settle(scope, keys, patient, nurse);
  }
  std::vector<std::uint64_t> readings_of(const std::string& who, const Scope& scope = {}) {
    std::vector<std::uint64_t> sequences;
    ReadingsQuery query;
    query.scope = scope;
    query.subject = {Subject::Kind::patient, who};
    for (const auto& row : records.readings(query)) sequences.push_back(row.sequence);
    return sequences;
  }
  std::uint64_t counted_of(const std::string& who) {
    AggregatesQuery query;
    query.subject = {Subject::Kind::patient, who};
    query.start = anchor, query.end = anchor + 200s, query.bucket = 200s;
    const auto rows = records.aggregates(query);
    return rows.empty() ? 0 : rows.front().count;
  }
  std::vector<std::uint64_t> runs_of(const std::string& who) {
    RunsQuery query;
    query.subject = {Subject::Kind::patient, who};
    query.stream = waveform_stream(1);
    query.start = anchor, query.end = anchor + 200s;
    std::vector<std::uint64_t> sequences;
    for (const auto& row : records.runs(query)) sequences.push_back(row.sequence);
    return sequences;
  }
  std::vector<AlarmCondition> alarms(const Subject& of = {}, const Scope& scope = {}) {
    AlarmsQuery query;
    query.scope = scope;
    query.subject = of;
    auto page = records.alarms(query);
    return {page.rbegin(), page.rend()};
  }
  Subject patient(const std::string& id) const { return {Subject::Kind::patient, id}; }

  const std::string ann = registry.create_patient("Ann", {}, "icu").id;
  const std::string bob = registry.create_patient("Bob", {}, "east").id;
  const std::string carl = registry.create_patient("Carl", {}, "icu").id;
  const PeriodKey all_of_it{device_a, 7, 99'000, 101'000};
};
WARDLINK_FOR_ALL_STORES(SettlementContract);

TEST_P(SettlementContract, WhatIsNobodysIsListedAsPeriods) {
  append({alarm(100, raised("hr-high")), run(1, 99'500, 10), run(2, 95'000, 10)});
  const auto found = periods();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].key, all_of_it);
  EXPECT_EQ(found[0].from, anchor + 99s);
  EXPECT_EQ(found[0].to, anchor + 101s);
  EXPECT_EQ(found[0].sets, 3u);
  EXPECT_EQ(found[0].runs, 1u);
  EXPECT_EQ(found[0].alarms, 1u);
  EXPECT_THAT(found[0].candidates, UnorderedElementsAre(Pair(ann, "Ann"), Pair(bob, "Bob")));
}

TEST_P(SettlementContract, EndsAreOfTheirOnsetsPeriod) {
  append({alarm(100, raised("hr-high")), alarm(101, ended("hr-high", 100)), alarm(99, ended("fall", 3))});
  EXPECT_EQ(periods().at(0).alarms, 2u) << "and one whose onset was never heard of";
}

TEST_P(SettlementContract, ItIsSeenByTheWardsOfTheCandidates) {
  EXPECT_THAT(periods(icu).at(0).candidates, ElementsAre(Pair(ann, "Ann"))) << "another ward's patient has no name";
  EXPECT_THAT(periods(east).at(0).candidates, ElementsAre(Pair(bob, "Bob")));
  EXPECT_THAT(periods(north), IsEmpty());
  EXPECT_THAT(periods({}, patient(ann)), SizeIs(1));
  EXPECT_THAT(periods({}, patient(carl)), IsEmpty());
  EXPECT_THAT(periods({}, {Subject::Kind::device, device_a}), SizeIs(1));
}

TEST_P(SettlementContract, SettledItIsTheWearersBefore) {
  append({run(1, 99'500, 10), run(2, 100'500, 10)});
  const auto settled = settle({all_of_it}, ann);
  ASSERT_THAT(settled, SizeIs(1));
  EXPECT_EQ(settled[0].sets, 3u);
  EXPECT_EQ(settled[0].runs, 2u);
  EXPECT_THAT(readings_of(ann), ElementsAre(95, 96, 97, 98, 99, 100, 101));
  EXPECT_THAT(readings_of(bob), ElementsAre(102, 103, 104, 105));
  EXPECT_THAT(readings_of(ann, icu), SizeIs(7));
  EXPECT_THAT(runs_of(ann), ElementsAre(1, 2));
  EXPECT_THAT(runs_of(bob), IsEmpty());
  EXPECT_EQ(counted_of(ann), 7u);
  EXPECT_EQ(counted_of(bob), 4u);
  EXPECT_THAT(periods(), IsEmpty());
}

TEST_P(SettlementContract, SettledItIsTheWearersBehind) {
  settle({all_of_it}, bob);
  EXPECT_THAT(readings_of(ann), ElementsAre(95, 96, 97, 98));
  EXPECT_THAT(readings_of(bob), ElementsAre(99, 100, 101, 102, 103, 104, 105));
  EXPECT_THAT(readings_of(bob, east), SizeIs(7));
  EXPECT_EQ(counted_of(bob), 7u);
}

TEST_P(SettlementContract, SettledItMayBeNobodysForGood) {
  settle({all_of_it}, "");
  EXPECT_THAT(readings_of(ann), ElementsAre(95, 96, 97, 98));
  EXPECT_THAT(readings_of(bob), ElementsAre(102, 103, 104, 105));
  EXPECT_THAT(periods(), IsEmpty());
}

TEST_P(SettlementContract, APartOfItMayBeSettled) {
  settle({{device_a, 7, 99'000, 99'500}}, ann);
  EXPECT_THAT(readings_of(ann), ElementsAre(95, 96, 97, 98, 99));
  ASSERT_THAT(periods(), SizeIs(1));
  EXPECT_EQ(periods()[0].key, (PeriodKey{device_a, 7, 100'000, 101'000}));
}

TEST_P(SettlementContract, TheLastWordCounts) {
  settle({all_of_it}, bob);
  settle({all_of_it}, ann);
  settle({all_of_it}, ann);
  EXPECT_THAT(readings_of(ann), SizeIs(7));
  settle({{device_a, 7, 100'000, 101'000}}, bob);
  EXPECT_THAT(readings_of(ann), ElementsAre(95, 96, 97, 98, 99));
  EXPECT_THAT(readings_of(bob), ElementsAre(100, 101, 102, 103, 104, 105));
}

/// What the clock tells for certain needs nobody's word, and no word stands against it.
TEST_P(SettlementContract, ACorrectedHandoverCountsMore) {
  settle({all_of_it}, ann);
  registry.release({}, device_a, anchor + 90s, nurse);
  registry.assign({}, device_a, bob, anchor + 90s, nurse);
  EXPECT_THAT(readings_of(ann), IsEmpty());
  EXPECT_THAT(readings_of(bob), SizeIs(11));
}

TEST_P(SettlementContract, WhatNobodyCanMeanIsRefused) {
  EXPECT_EQ(kind_of([&] { settle({all_of_it}, carl); }), Kind::precondition) << "never wore it";
  EXPECT_EQ(kind_of([&] { settle({{device_a, 7, 95'000, 98'000}}, ann); }), Kind::not_found) << "is Ann's already";
  EXPECT_EQ(kind_of([&] { settle({{device_a, 8, 99'000, 101'000}}, ann); }), Kind::not_found) << "no such start";
  EXPECT_EQ(kind_of([&] { settle({{device_b, 7, 99'000, 101'000}}, ann); }), Kind::not_found) << "no such device";
  EXPECT_EQ(kind_of([&] { settle({all_of_it}, counted_id()); }), Kind::not_found) << "no such patient";
  EXPECT_EQ(kind_of([&] { settle({all_of_it}, ann, east); }), Kind::not_found) << "not theirs to name";
  EXPECT_EQ(kind_of([&] { settle({all_of_it}, "", north); }), Kind::not_found) << "not theirs to see";
  EXPECT_EQ(kind_of([&] { settle({all_of_it, {device_a, 8, 1, 2}}, ann); }), Kind::not_found);
  EXPECT_THAT(periods(), SizeIs(1)) << "all or none";
}

TEST_P(SettlementContract, AnAlarmIsTheirsAndEndsWithTheirRelease) {  // LIFE-1
  append(alarm(100, raised("hr-high")));
  ASSERT_TRUE(alarms().at(0).unattributed);
  settle({all_of_it}, ann);
  const auto of_ann = alarms(patient(ann)), of_bob = alarms(patient(bob));
  ASSERT_THAT(of_ann, SizeIs(1));
  EXPECT_FALSE(of_ann[0].unattributed);
  EXPECT_EQ(of_ann[0].end_cause, AlarmEndCause::released);
  ASSERT_THAT(of_bob, SizeIs(1)) << "the device asserts it still";
  EXPECT_TRUE(of_bob[0].origin);
  EXPECT_FALSE(of_bob[0].end);
  EXPECT_THAT(alarms({}, north), IsEmpty());
  EXPECT_THAT(alarms({}, icu), SizeIs(1));
}

TEST_P(SettlementContract, StreamsSendAnAlarmAgain) {
  append({alarm(100, raised("hr-high")), alarm(101, raised("spo2-low")), alarm(102, ended("hr-high", 100))});
  const auto before = settled();
  settle({{device_a, 7, 99'000, 100'000}}, ann);
  const auto told = [&](const Scope& scope) {
    LiveFilter filter;
    filter.scope = scope;
    std::vector<LiveEvent> events;
    for (auto& event : live.live(filter, {before}, settled(), 100).events)
      if (event.at.kind == LiveKind::reattribution) events.push_back(std::move(event));
    return events;
  };
  const auto all = told({});
  ASSERT_THAT(all, SizeIs(1)) << "its end is part of it; the other was not settled";
  EXPECT_EQ(all[0].at.sequence, 100u);
  EXPECT_EQ(all[0].patient_name, "Ann");
  EXPECT_FALSE(all[0].unattributed);
  const auto& change = std::get<AlarmChange>(all[0].body);
  EXPECT_EQ(change.kind, AlarmChange::Kind::reattributed);
  EXPECT_EQ(change.alarm.code, "hr-high");
  EXPECT_THAT(told(icu), SizeIs(1));
  EXPECT_THAT(told(east), IsEmpty());
}

TEST_P(SettlementContract, AnAlarmOfThePresentWearerStands) {
  append({alarm(99, raised("hr-high")), alarm(101, raised("spo2-low"))});
  settle({all_of_it}, bob);
  std::vector<std::string> standing;
  for (const auto& each : alarms(patient(bob)))
    if (!each.end) standing.push_back(each.code);
  EXPECT_THAT(standing, UnorderedElementsAre("hr-high", "spo2-low")) << "each once";
  EXPECT_THAT(alarms(patient(ann)), IsEmpty());
  for (const auto& row : records.latest({}, {Subject::Kind::device, device_a})) EXPECT_THAT(row.alarms, SizeIs(2));
}

TEST_P(SettlementContract, TheLastValueIsShownWhereItIsTheWearers) {
  append(set(200, 100'500, 190, {}, 2));
  const auto shown = [&] {
    std::vector<std::uint16_t> signs;
    const auto rows = records.latest({}, {Subject::Kind::device, device_a});
    for (const auto& value : rows.at(0).values) signs.push_back(value.sign);
    return signs;
  };
  EXPECT_THAT(shown(), ElementsAre(1));
  settle({all_of_it}, bob);
  EXPECT_THAT(shown(), ElementsAre(1, 2));
  settle({all_of_it}, ann);
  EXPECT_THAT(shown(), ElementsAre(1));
}

/// TIME-6: only the debts of an earlier start tell of it.
TEST_P(SettlementContract, AStartThatWasNeverDatedIsSettledWhole) {
  const std::vector<AttachRequest> request = {{device_a, 3, anchor}};
  const auto debt = writer->at_boots(request).front();
  append({alarm(1, raised("fall"), debt), set(2, 5'000, 71, debt), set(900, 3600'000, 72, debt)});
  const auto found = periods();
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].key, (PeriodKey{device_a, 3, 1'000, 3600'000}));
  EXPECT_EQ(found[0].sets, 2u);
  EXPECT_EQ(found[0].alarms, 1u);
  settle({found[0].key, found[1].key}, ann);
  EXPECT_THAT(periods(), IsEmpty());
  EXPECT_THAT(readings_of(ann), SizeIs(9));
  EXPECT_EQ(alarms(patient(ann)).size(), 1u);
}

TEST_P(SettlementContract, ItIsListedPageByPage) {
  for (const std::string device : {"urn:dev:os:32473-c", "urn:dev:os:32473-d", "urn:dev:os:32473-e"}) {
    writer->attach({device, 1, anchor, 1500ms, {}, false, 95'000});
    registry.assign({}, device, ann, anchor, nurse);
    for (const auto& [at, to] : {std::pair{100s, bob}, {200s, ann}, {300s, carl}}) {
      registry.release({}, device, anchor + at, nurse);
      registry.assign({}, device, to, anchor + at, nurse);
    }
    const auto session_of = attach(device, 1);
    append({set(1, 100'000, 1, session_of), set(2, 200'000, 2, session_of), set(3, 250'000, 3, session_of),
            set(4, 300'000, 4, session_of)});
  }
  for (const std::size_t limit : {1, 2, 3, 4, 100}) {
    const auto found = periods({}, {}, limit);
    ASSERT_THAT(found, SizeIs(10)) << limit;
    for (std::size_t i = 1; i < found.size(); ++i)
      EXPECT_LT(std::tuple(found[i - 1].device_id, found[i - 1].key.boot, found[i - 1].key.first_tick_ms),
                std::tuple(found[i].device_id, found[i].key.boot, found[i].key.first_tick_ms));
  }
  EXPECT_THAT(periods(icu, {}, 2), SizeIs(10));
  EXPECT_THAT(periods({}, patient(carl), 2), SizeIs(3));
}

}  // namespace
}  // namespace wardlink::storage::test
