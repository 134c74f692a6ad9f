// What a store promises of alarms: onsets and ends, who has seen which, and whose they are.

#include <gmock/gmock.h>

#include <limits>

#include "contract/tenant.hpp"

namespace wardlink::storage::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr auto committed = RecordResult::committed;
const std::string nurse = "urn:wardlink:client:nurse", doctor = "urn:wardlink:client:doctor";

class AlarmContract : public ContractTest {
 protected:
  std::vector<AlarmCondition> alarms(AlarmsQuery query = {}) {
    std::vector<AlarmCondition> all;
    for (;;) {
      auto page = records.alarms(query);
      std::ranges::move(page, std::back_inserter(all));
      if (!page.next) return all;
      query.after = page.next;
    }
  }
  static std::vector<std::uint64_t> sequences(const std::vector<AlarmCondition>& alarms) {
    std::vector<std::uint64_t> all;
    for (const auto& each : alarms) all.push_back(each.sequence);
    return all;
  }
  AlarmKey key(std::uint64_t sequence, const std::string& device = device_a) const {
    return {device, 7, Stream::alarms, sequence};
  }
  std::string ward_patient(const std::string& name, const std::string& ward) {
    return registry.create_patient(name, {}, ward).id;
  }
};
WARDLINK_FOR_ALL_STORES(AlarmContract);

TEST_P(AlarmContract, OnsetAndEndAreOneCondition) {
  append({alarm(1, raised("hr-high")), alarm(2, raised("spo2-low")), alarm(3, ended("hr-high", 1))});
  const auto all = alarms();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].code, "spo2-low");
  EXPECT_FALSE(all[0].end);
  EXPECT_EQ(all[0].state(), AlarmState::raised);
  EXPECT_EQ(all[1].code, "hr-high");
  EXPECT_EQ(all[1].start, anchor + 1s);
  EXPECT_EQ(all[1].end, anchor + 3s);
  EXPECT_EQ(all[1].start_tick_ms, 1000U);
  EXPECT_EQ(all[1].end_tick_ms, 3000U);
  EXPECT_EQ(all[1].value, 140.0);
  EXPECT_EQ(all[1].limit, 130.0);
  EXPECT_EQ(all[1].state(), AlarmState::ended);
  EXPECT_EQ(all[1].device, device_a);
  EXPECT_EQ(all[1].received_at, received);
  AlarmsQuery open;
  open.open_only = true;
  EXPECT_THAT(sequences(alarms(open)), ElementsAre(2));
}

TEST_P(AlarmContract, AnEndWhoseOnsetWasNeverHeardOfIsACondition) {
  append({alarm(2, ended("hr-high", 1)), alarm(4, ended("rr-low", 0))});
  auto all = alarms();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_FALSE(all[1].start);
  EXPECT_EQ(all[1].end, anchor + 2s);
  EXPECT_FALSE(all[1].value);
  // The onset comes late: the two become one.
  append(alarm(1, raised("hr-high")));
  all = alarms();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].start, anchor + 1s);
  EXPECT_EQ(all[1].end, anchor + 2s);
}

TEST_P(AlarmContract, TheFirstEndBySequenceCounts) {
  append({alarm(1, raised("hr-high")), alarm(5, ended("hr-high", 1))});
  append(alarm(3, ended("hr-high", 1)));
  const auto all = alarms();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].end, anchor + 3s);
}

TEST_P(AlarmContract, AnEndIsOfItsOwnStartAndStreamAlone) {
  const auto later = writer->at_boots(std::vector<AttachRequest>{{device_a, 8, anchor}}).front();
  auto manual = alarm(3, ended("hr-high", 1));
  manual.stream = Stream::manual;
  append({alarm(1, raised("hr-high")), alarm(2, ended("hr-high", 1), later), manual});
  AlarmsQuery open;
  open.open_only = true;
  EXPECT_THAT(sequences(alarms(open)), ElementsAre(1));
  EXPECT_EQ(alarms().size(), 3U);
}

TEST_P(AlarmContract, WhatIsQuarantinedOpensAndEndsNothing) {
  append({alarm(1, raised("hr-high")), alarm(2, raised("spo2-low"))});
  EXPECT_THAT(append({alarm(2, ended("hr-high", 1)), alarm(3, AlarmFact{})}),
              ElementsAre(RecordResult::quarantined, RecordResult::quarantined));
  AlarmsQuery open;
  open.open_only = true;
  EXPECT_THAT(sequences(alarms(open)), testing::UnorderedElementsAre(1, 2, 1)) << "the last is the quarantine's own";
}

// LIFE-2
TEST_P(AlarmContract, AQuarantinedOneIsAsLoudAsItWouldHaveBeen) {
  const auto raised_by = [&](std::vector<Record> batch) {
    append(std::move(batch));
    std::vector<AlarmPriority> priorities;
    AlarmsQuery unseen;
    unseen.states = {static_cast<std::uint16_t>(AlarmState::raised)};
    for (const auto& each : alarms(unseen))
      if (each.code == "quarantine") priorities.push_back(each.priority);
    std::ranges::sort(priorities);
    return priorities;
  };
  const auto acknowledge_all = [&] {
    std::vector<AlarmKey> keys;
    for (const auto& each : alarms())
      if (each.stream == Stream::storage) keys.push_back({each.device, each.boot, each.stream, each.sequence});
    records.acknowledge({}, keys, nurse);
  };
  const auto conflict = [&](AlarmPriority priority, const char* code) { return alarm(1, raised(code, priority)); };
  constexpr auto low = AlarmPriority::low, medium = AlarmPriority::medium, high = AlarmPriority::high;
  append(alarm(1, raised("hr-high")));
  EXPECT_THAT(raised_by({conflict(low, "a")}), ElementsAre(low));
  EXPECT_THAT(raised_by({conflict(low, "b")}), ElementsAre(low)) << "one as high stands";
  EXPECT_THAT(raised_by({conflict(high, "c"), conflict(medium, "d")}), ElementsAre(low, high));
  EXPECT_THAT(raised_by({conflict(medium, "e"), conflict(high, "f")}), ElementsAre(low, high));
  acknowledge_all();
  EXPECT_THAT(raised_by({conflict(medium, "g")}), ElementsAre(medium))
      << "what was seen hides nothing that comes later";
  EXPECT_THAT(raised_by({conflict(low, "h")}), ElementsAre(medium));
  auto unreadable = alarm(9, {});
  unreadable.body = Unusable{"undecodable", "", "?"};
  EXPECT_THAT(raised_by({unreadable}), ElementsAre(medium, high));
  acknowledge_all();
  EXPECT_THAT(raised_by({set(1, 1, std::numeric_limits<double>::quiet_NaN())}), ElementsAre(low)) << "no alarm at all";
  auto unknown = alarm(10, {});
  unknown.stream = Stream::vitals;
  unknown.body = Unusable{"wrong_stream", "alarms", "?"};
  EXPECT_THAT(raised_by({unknown}), ElementsAre(low, high));
  // Of another start of the same device: one stands. Of another device: none.
  const auto of = [&](const std::string& device, std::uint64_t boot) {
    auto record = alarm(1, AlarmFact{}, attach(device, boot));
    record.body = Unusable{"undecodable", "", "?"};
    return record;
  };
  EXPECT_THAT(raised_by({of(device_a, 8)}), ElementsAre(low, high));
  EXPECT_THAT(raised_by({of(device_b, 7)}), ElementsAre(low, high, high));
  acknowledge_all();
  EXPECT_THAT(raised_by({of(device_a, 9), of(device_b, 9), of(device_a, 8)}), ElementsAre(high, high));
}

// LIFE-2
TEST_P(AlarmContract, WhatStandsForOneWearerHidesNothingFromAnother) {
  const auto ann = ward_patient("Ann", "icu"), bob = ward_patient("Bob", "maternity");
  registry.assign({}, device_a, ann, anchor, nurse);
  registry.release({}, device_a, anchor + 20s, nurse);
  registry.assign({}, device_a, bob, anchor + 40s, nurse);
  const auto received_after = [&](std::chrono::seconds time, std::uint64_t sequence, const char* code) {
    auto record = alarm(sequence, {});
    record.body = Unusable{"undecodable", "", code};
    record.received_at = anchor + time;
    return record;
  };
  append({received_after(10s, 1, "a"), received_after(11s, 2, "b")});
  append({received_after(50s, 3, "c"), received_after(12s, 4, "d"), received_after(30s, 5, "e")});
  append({received_after(51s, 6, "f"), received_after(31s, 7, "g")});
  const auto all = alarms();
  ASSERT_THAT(all, testing::SizeIs(3));
  EXPECT_EQ(all[0].patient_name, "Bob");
  EXPECT_EQ(all[1].patient_name, "");
  EXPECT_EQ(all[2].patient_name, "Ann");
  for (const auto& each : all) EXPECT_EQ(each.priority, AlarmPriority::high);
}

// LIFE-2
TEST_P(AlarmContract, ALowQuarantineThenAHighOneThenNoneUntilItIsSeen) {
  for (const auto low : {AlarmPriority::low, AlarmPriority::medium}) {
    const auto of = attach("urn:dev:os:32473-" + std::to_string(static_cast<int>(low)));
    append(alarm(1, raised("hr-high"), of));
    const auto raised_after = [&](AlarmPriority priority, const std::string& code) {
      append(alarm(1, raised(code, priority), of));
      AlarmsQuery query;
      query.subject = {Subject::Kind::device, of->device};
      std::vector<AlarmPriority> priorities;
      for (const auto& each : alarms(query))
        if (each.code == "quarantine") priorities.push_back(each.priority);
      std::ranges::sort(priorities);
      return priorities;
    };
    constexpr auto high = AlarmPriority::high;
    EXPECT_THAT(raised_after(low, "a"), ElementsAre(low));
    EXPECT_THAT(raised_after(high, "b"), ElementsAre(low, high));
    EXPECT_THAT(raised_after(high, "c"), ElementsAre(low, high));
    records.acknowledge({}, {{of->device, 7, Stream::storage, 2}}, nurse);
    EXPECT_THAT(raised_after(low, "d"), ElementsAre(low, high)) << "the first stands";
    EXPECT_THAT(raised_after(high, "e"), ElementsAre(low, high, high));
    EXPECT_THAT(raised_after(high, "f"), ElementsAre(low, high, high));
  }
}

TEST_P(AlarmContract, AreIdempotentToo) {
  EXPECT_EQ(append(alarm(1, raised("hr-high"))), committed);
  EXPECT_THAT(append({alarm(1, raised("hr-high")), alarm(1, raised("hr-low"))}),
              ElementsAre(RecordResult::duplicate, RecordResult::quarantined));
}

TEST_P(AlarmContract, ArePagedNewestFirst) {
  const auto other = attach(device_b);
  std::vector<Record> all;
  for (std::uint64_t i = 1; i <= 9; ++i) {
    all.push_back(alarm(i, raised("hr-high")));
    all.back().tick_ms = i / 3 * 1000;
    all.push_back(alarm(i, raised("hr-high"), other));
  }
  append(all);
  AlarmsQuery query;
  query.limit = 4;
  const auto found = alarms(query);
  ASSERT_EQ(found.size(), 18U);
  for (std::size_t i = 1; i < found.size(); ++i) {
    const auto place = [](const AlarmCondition& a) {
      return std::tuple(a.at(), a.device_id, a.boot, a.stream, a.sequence);
    };
    EXPECT_GT(place(found[i - 1]), place(found[i]));
  }
}

TEST_P(AlarmContract, AreFilteredByStateSubjectAndTime) {
  append({alarm(1, raised("hr-high")), alarm(2, raised("spo2-low")), alarm(3, ended("hr-high", 1)),
          alarm(4, raised("rr-low"))});
  records.acknowledge({}, {key(1), key(2)}, nurse);
  const auto of_states = [&](std::vector<std::uint16_t> states) {
    AlarmsQuery query;
    query.states = std::move(states);
    return sequences(alarms(query));
  };
  EXPECT_THAT(of_states({1}), ElementsAre(4));
  EXPECT_THAT(of_states({2}), ElementsAre());
  EXPECT_THAT(of_states({3}), ElementsAre(2));
  EXPECT_THAT(of_states({4, 1}), ElementsAre(4, 1));
  AlarmsQuery bounded;
  bounded.start = anchor + 2s;
  bounded.end = anchor + 4s;
  EXPECT_THAT(sequences(alarms(bounded)), ElementsAre(2));
  AlarmsQuery unknown;
  unknown.subject = {Subject::Kind::device, device_b};
  EXPECT_EQ(kind_of([&] { alarms(unknown); }), StoreError::Kind::not_found);
  attach(device_b);
  EXPECT_TRUE(alarms(unknown).empty());
}

TEST_P(AlarmContract, BelongToWhoWoreTheDeviceAtTheirOnset) {
  const auto ann = ward_patient("Ann", "icu"), bob = ward_patient("Bob", "");
  registry.assign({}, device_a, ann, anchor + 10s, nurse);
  registry.release({}, device_a, anchor + 20s, nurse);
  registry.assign({}, device_a, bob, anchor + 30s, nurse);
  append({alarm(15, raised("hr-high")), alarm(25, raised("hr-high")), alarm(35, raised("hr-high")),
          alarm(36, ended("hr-high", 15))});
  const auto all = alarms();
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].patient_name, "Bob");
  EXPECT_EQ(all[1].patient_name, "Bob") << "what the device asserts, raised anew";
  EXPECT_EQ(all[2].patient_name, "");
  EXPECT_EQ(all[3].patient_name, "Ann");
  AlarmsQuery of_ann;
  of_ann.subject = {Subject::Kind::patient, ann};
  EXPECT_THAT(sequences(alarms(of_ann)), ElementsAre(15));
  AlarmsQuery of_icu;
  of_icu.scope = std::vector<std::string>{"icu"};
  EXPECT_THAT(sequences(alarms(of_icu)), ElementsAre(15));
  // It was Bob from the start: the alarm moves with the correction.
  registry.release({}, device_a, anchor + 10s, nurse);
  registry.assign({}, device_a, bob, anchor + 10s, nurse);
  EXPECT_TRUE(alarms(of_ann).empty());
  EXPECT_TRUE(alarms(of_icu).empty());
}

TEST_P(AlarmContract, AreAcknowledgedOnceAndTheFirstStays) {
  append({alarm(1, raised("hr-high")), alarm(2, raised("spo2-low"))});
  const auto first = records.acknowledge({}, {key(2), key(1)}, nurse);
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first[0].sequence, 2U);
  EXPECT_EQ(first[0].acknowledged_by, nurse);
  ASSERT_TRUE(first[0].acknowledged_at);
  const auto second = records.acknowledge({}, {key(1), key(1)}, doctor);
  ASSERT_EQ(second.size(), 2U);
  EXPECT_EQ(second[0].acknowledged_by, nurse);
  EXPECT_EQ(second[0].acknowledged_at, first[1].acknowledged_at);
  EXPECT_EQ(second[0].state(), AlarmState::acknowledged);
}

TEST_P(AlarmContract, AreAcknowledgedAllOrNone) {
  append({alarm(1, raised("hr-high")), alarm(2, ended("hr-high", 1))});
  const auto refused = [&](const AlarmKey& bad, const Scope& scope = {}) {
    EXPECT_EQ(kind_of([&] { records.acknowledge(scope, {key(1), bad}, nurse); }), StoreError::Kind::not_found);
  };
  refused(key(9));
  refused(key(2));  // an end with its onset is no condition of its own
  refused(key(1, device_b));
  refused(key(1), std::vector<std::string>{"icu"});
  EXPECT_FALSE(alarms().at(0).acknowledged_at);
  registry.assign({}, device_a, ward_patient("Ann", "icu"), anchor, nurse);
  EXPECT_EQ(records.acknowledge(std::vector<std::string>{"icu"}, {key(1)}, nurse).at(0).patient_name, "Ann");
}

TEST_P(AlarmContract, AnAcknowledgementOutlivesThatTheOnsetComesBehindItsEnd) {
  append(alarm(2, ended("hr-high", 1)));
  const auto of_end = records.acknowledge({}, {key(2)}, nurse).at(0);
  EXPECT_EQ(of_end.state(), AlarmState::ended_acknowledged);
  append(alarm(1, raised("hr-high")));
  const auto all = alarms();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].sequence, 1U);
  EXPECT_EQ(all[0].acknowledged_at, of_end.acknowledged_at);
  EXPECT_EQ(records.acknowledge({}, {key(1)}, doctor).at(0).acknowledged_by, nurse);
}

TEST_P(AlarmContract, TheLatestShowsTheOpenOnesHighestFirst) {
  append({alarm(1, raised("a", AlarmPriority::low)), alarm(2, raised("b", AlarmPriority::high)),
          alarm(3, raised("c", AlarmPriority::medium)), alarm(4, raised("d", AlarmPriority::high)),
          alarm(5, raised("e", AlarmPriority::high)), alarm(6, ended("e", 5))});
  const auto row = records.latest({}, {}).at(0);
  EXPECT_THAT(sequences(row.alarms), ElementsAre(4, 2, 3, 1));
  EXPECT_EQ(row.open_alarms, 4U);
  std::vector<Record> many;
  for (std::uint64_t i = 10; i < 160; ++i) many.push_back(alarm(i, raised("f", AlarmPriority::low)));
  append(many);
  EXPECT_EQ(records.latest({}, {}).at(0).alarms.size(), 100U);
  EXPECT_EQ(records.latest({}, {}).at(0).open_alarms, 154U);
}

TEST_P(AlarmContract, NothingIsWrongWithANewStore) { EXPECT_TRUE(records.system_alarms({}).empty()); }

}  // namespace
}  // namespace wardlink::storage::test
