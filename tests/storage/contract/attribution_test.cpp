// Which instant a tick is, and whose a record is where that is known to some uncertainty only. TIME-1 to TIME-3.

#include <gmock/gmock.h>

#include "contract/tenant.hpp"

namespace wardlink::storage::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr auto committed = RecordResult::committed, duplicate = RecordResult::duplicate;
const std::string nurse = "urn:wardlink:client:nurse";

class AttributionContract : public ContractTest {
 protected:
  /// The start's clock showed `tick_ms` at that instant.
  void exchange(std::uint64_t tick_ms, Instant at, std::chrono::microseconds uncertainty = 10ms,
                std::uint64_t boot = 7) {
    writer->attach({device_a, boot, at - std::chrono::milliseconds{tick_ms}, uncertainty, {}, false, tick_ms});
  }
  std::string patient(const std::string& name, const std::string& ward = "icu") {
    return registry.create_patient(name, {}, ward).id;
  }
  void hand_over(Instant at) {
    registry.release({}, device_a, at, nurse);
    registry.assign({}, device_a, bob, at, nurse);
  }
  std::vector<std::uint64_t> readings_of(const std::string& who, const Scope& scope = {}) {
    std::vector<std::uint64_t> sequences;
    ReadingsQuery query;
    query.scope = scope;
    query.subject = {Subject::Kind::patient, who};
    for (const auto& row : records.readings(query)) sequences.push_back(row.sequence);
    return sequences;
  }
  std::vector<Instant> instants() {
    std::vector<Instant> all;
    ReadingsQuery query;
    query.subject = {Subject::Kind::device, device_a};
    for (const auto& row : records.readings(query)) all.push_back(row.measured_at);
    return all;
  }
  std::vector<AlarmCondition> alarms(const Scope& scope = {}, const Subject& of = {}) {
    AlarmsQuery query;
    query.scope = scope;
    query.subject = of;
    auto page = records.alarms(query);
    return {page.rbegin(), page.rend()};
  }
  /// Sets at each second of these, the sequence in seconds from 1.
  void measure(std::uint64_t first, std::uint64_t last) {
    std::vector<Record> batch;
    for (auto second = first; second <= last; ++second) batch.push_back(set(second, second * 1000, 70));
    append(batch);
  }

  const std::string ann = patient("Ann"), bob = patient("Bob", "east");
};
WARDLINK_FOR_ALL_STORES(AttributionContract);

// -- which instant ----------------------------------------------------------------------------------------------------

TEST_P(AttributionContract, AMovedClockDatesWhatComesFromThereOn) {
  append(set(1, 1000, 70));
  exchange(60'000, anchor + 120s);  // it slept for a minute
  append({set(2, 59'000, 70), set(3, 61'000, 70)});
  EXPECT_THAT(instants(), ElementsAre(anchor + 1s, anchor + 59s, anchor + 121s));
}

/// Each stream knows at once, whichever told of it.
TEST_P(AttributionContract, NoStreamKeepsAnAnchorOfItsOwn) {
  const auto other = records.open_writer();
  const auto session_of_other = other->attach({device_a, 7, anchor}).session;
  exchange(60'000, anchor + 120s);
  const std::vector<Record> alarms_of_other = {alarm(70, raised("hr-high"), session_of_other)};
  other->append(alarms_of_other);
  EXPECT_EQ(alarms().at(0).start, anchor + 130s);
}

TEST_P(AttributionContract, WhatIsSentAgainBehindAMoveKeepsItsInstant) {
  append({set(1, 70'000, 70), alarm(71, raised("hr-high")), run(1, 72'000, 10)});
  const auto before = tenant->rows();
  exchange(60'000, anchor + 120s);
  EXPECT_THAT(append({set(1, 70'000, 70), alarm(71, raised("hr-high")), run(1, 72'000, 10)}),
              ElementsAre(duplicate, duplicate, duplicate));
  EXPECT_EQ(tenant->rows().sets, before.sets);
  EXPECT_EQ(tenant->rows().alarms, before.alarms);
  EXPECT_EQ(tenant->rows().runs, before.runs);
}

TEST_P(AttributionContract, AnExchangeWhoseTickDoesNotRiseSaysNothing) {
  exchange(60'000, anchor + 60s);
  exchange(60'000, anchor + 3600s);
  exchange(59'000, anchor + 3600s);
  append(set(1, 61'000, 70));
  EXPECT_THAT(instants(), ElementsAre(anchor + 61s));
}

TEST_P(AttributionContract, AgainAndAgainItMoves) {
  exchange(100'000, anchor + 160s);
  exchange(200'000, anchor + 230s);
  exchange(300'000, anchor + 330s + 400ms);  // agrees
  append({set(1, 99'000, 70), set(2, 150'000, 70), set(3, 250'000, 70), set(4, 350'000, 70)});
  EXPECT_THAT(instants(), ElementsAre(anchor + 99s, anchor + 210s, anchor + 280s, anchor + 380s));
}

// -- whose ------------------------------------------------------------------------------------------------------------

TEST_P(AttributionContract, AtAHandoverOnlyWhatIsCertainIsSomebodys) {
  exchange(95'000, anchor + 95s, 1500ms);
  registry.assign({}, device_a, ann, anchor, nurse);
  hand_over(anchor + 100s);
  measure(95, 105);
  EXPECT_THAT(readings_of(ann), ElementsAre(95, 96, 97, 98));
  EXPECT_THAT(readings_of(bob), ElementsAre(102, 103, 104, 105));
}

TEST_P(AttributionContract, WhoWoreItIsJudgedAnewWhenAHandoverIsToldOfLater) {
  exchange(95'000, anchor + 95s, 1500ms);
  registry.assign({}, device_a, ann, anchor, nurse);
  measure(95, 105);
  EXPECT_THAT(readings_of(ann), SizeIs(11));
  hand_over(anchor + 100s);
  EXPECT_THAT(readings_of(ann), ElementsAre(95, 96, 97, 98));
  EXPECT_THAT(readings_of(bob), ElementsAre(102, 103, 104, 105));
}

/// TIME-2: a device slept, nobody knows when; a patient was given it meanwhile.
TEST_P(AttributionContract, BetweenTwoExchangesThatDifferATickMayBeAnywhereBetween) {
  registry.assign({}, device_a, ann, anchor, nurse);
  hand_over(anchor + 130s);
  measure(60, 100);  // before anybody knows
  exchange(101'000, anchor + 161s);
  measure(102, 103);
  EXPECT_THAT(readings_of(ann), ElementsAre(60, 61, 62, 63, 64, 65, 66, 67, 68, 69))
      << "even if it had slept before: 69 s, and a minute, is before the handover";
  EXPECT_THAT(readings_of(bob), ElementsAre(102, 103));
}

/// TIME-2: also what it drifted from the exchange before, until it slept, counts: at most 200 ppm of the hour.
TEST_P(AttributionContract, UntilItSleptAClockHasDriftedSinceTheExchangeBefore) {
  exchange(1'000, anchor + 1s);
  exchange(3600'000, anchor + 3660s);
  registry.assign({}, device_a, ann, anchor, nurse);
  hand_over(anchor + 3589s + 500ms);
  measure(3580, 3580);
  append({set(1, 3588'000, 70), set(2, 3590'000, 70), set(3, 3590'300, 70)});
  EXPECT_THAT(readings_of(ann), IsEmpty()) << "it may have slept before";
  EXPECT_THAT(readings_of(bob), ElementsAre(3)) << "0.7 s of drift";
}

TEST_P(AttributionContract, WornAndNotWornTwoSecondsAreIgnored) {
  exchange(95'000, anchor + 95s, 1990ms);
  registry.assign({}, device_a, ann, anchor + 100s, nurse);
  measure(95, 105);
  EXPECT_THAT(readings_of(ann), ElementsAre(100, 101, 102, 103, 104, 105));
}

TEST_P(AttributionContract, WornAndNotWornMoreCounts) {
  exchange(95'000, anchor + 95s, 3s);
  registry.assign({}, device_a, ann, anchor + 100s, nurse);
  measure(95, 107);
  EXPECT_THAT(readings_of(ann), ElementsAre(104, 105, 106, 107));
}

/// The gap between two wearers is shorter than the uncertainty.
TEST_P(AttributionContract, AShortGapDoesNotPartTwoWearers) {
  exchange(95'000, anchor + 95s, 1800ms);
  registry.assign({}, device_a, ann, anchor, nurse);
  registry.release({}, device_a, anchor + 100s, nurse);
  registry.assign({}, device_a, bob, anchor + 101s, nurse);
  measure(96, 105);
  EXPECT_THAT(readings_of(ann), ElementsAre(96, 97, 98, 99));
  EXPECT_THAT(readings_of(bob), ElementsAre(102, 103, 104, 105));
}

TEST_P(AttributionContract, OneWearerIsNeverInDoubt) {
  registry.assign({}, device_a, ann, anchor - 1h, nurse);
  measure(1, 5);
  exchange(6'000, anchor + 600s);
  measure(7, 9);
  EXPECT_THAT(readings_of(ann), SizeIs(8));
}

/// TIME-3. 5 of "what was seen": a start that was never heard of itself.
TEST_P(AttributionContract, DebtsOfAStartThatNeverCameAreNobodys) {
  registry.assign({}, device_a, ann, anchor, nurse);
  hand_over(anchor + 100s);
  const std::vector<AttachRequest> earlier = {{device_a, 3, anchor + 200s}};
  const auto lost = writer->at_boots(earlier).front();
  append({set(1, 1000, 70, lost), alarm(1, raised("hr-high"), lost)});
  EXPECT_THAT(readings_of(ann), IsEmpty());
  EXPECT_THAT(readings_of(bob), IsEmpty());
  ASSERT_THAT(alarms(), SizeIs(1));
  EXPECT_TRUE(alarms()[0].unattributed);
  EXPECT_EQ(alarms()[0].patient, "");
  // It comes itself, and says when.
  exchange(5'000, anchor + 50s, 10ms, 3);
  append(set(2, 6000, 70, lost));
  EXPECT_THAT(readings_of(ann), ElementsAre(2));
}

TEST_P(AttributionContract, AnAlarmThatIsNobodysIsShownToAllWhomItMayConcern) {
  exchange(95'000, anchor + 95s, 1500ms);
  registry.assign({}, device_a, ann, anchor, nurse);
  hand_over(anchor + 100s);
  append(alarm(100, raised("hr-high")));
  for (const char* ward : {"icu", "east"}) {
    const auto seen = alarms(Scope{{ward}});
    ASSERT_THAT(seen, SizeIs(1)) << ward;
    EXPECT_TRUE(seen[0].unattributed);
    EXPECT_EQ(seen[0].patient + seen[0].patient_name, "");
    EXPECT_FALSE(seen[0].end) << "no release ends it";
  }
  EXPECT_THAT(alarms(Scope{{"maternity"}}), IsEmpty());
  EXPECT_THAT(alarms({}, {Subject::Kind::patient, bob}), IsEmpty());
  // On the device's present tile.
  const auto tiles = records.latest(Scope{{"east"}}, {});
  ASSERT_THAT(tiles, SizeIs(1));
  EXPECT_EQ(tiles[0].patient, bob);
  EXPECT_THAT(tiles[0].alarms, SizeIs(1));
  // Nobody wears it: everybody sees it.
  registry.release({}, device_a, std::nullopt, nurse);
  EXPECT_THAT(alarms(Scope{{"maternity"}}), SizeIs(1));
}

TEST_P(AttributionContract, AStreamSeesWhatIsNobodysOfItsWard) {
  exchange(95'000, anchor + 95s, 1500ms);
  registry.assign({}, device_a, ann, anchor, nurse);
  hand_over(anchor + 100s);
  append({alarm(100, raised("hr-high")), set(1, 100'000, 70), run(1, 100'000, 10)});
  LiveFilter filter;
  filter.waveforms = true;
  const auto until = settled();
  for (const auto& [ward, count] : {std::pair{"icu", 3U}, {"east", 3U}, {"maternity", 0U}}) {
    filter.scope = {{ward}};
    auto events = live.live(filter, {}, until, 100).events;
    std::erase_if(events, [](const LiveEvent& event) { return event.at.kind == LiveKind::attribution; });
    EXPECT_THAT(events, SizeIs(count)) << ward;
    for (const auto& event : events) {
      EXPECT_TRUE(event.unattributed);
      EXPECT_EQ(event.patient, "");
      EXPECT_EQ(event.wards, (std::vector<std::string>{"east", "icu"}));
    }
  }
}

TEST_P(AttributionContract, AStreamSendsAnAlarmAgainWhoseWearerBecomesKnownOrDoubtful) {
  registry.assign({}, device_a, ann, anchor, nurse);
  exchange(95'000, anchor + 95s, 1500ms);
  append({alarm(97, raised("hr-high")), alarm(200, raised("spo2-low"))});
  const auto told = [&](std::uint64_t after) {
    std::vector<std::string> lines;
    for (const auto& event : live.live({}, {after}, settled(), 100).events)
      if (const auto* change = std::get_if<AlarmChange>(&event.body);
          change && change->kind == AlarmChange::Kind::reattributed)
        lines.push_back(change->alarm.code + (event.unattributed ? " nobody's" : " " + event.patient_name));
    return lines;
  };
  auto before = settled();
  hand_over(anchor + 96s);
  EXPECT_THAT(told(before), ElementsAre("hr-high nobody's")) << "the other is surely Bob's";
  before = settled();
  registry.release({}, device_a, anchor + 90s, nurse);
  EXPECT_THAT(told(before), ElementsAre("hr-high Bob")) << "Ann's no more, and 2 s of nobody's are ignored";
}

TEST_P(AttributionContract, AggregatesAndWaveformsLeaveOutWhatIsNobodys) {
  exchange(95'000, anchor + 95s, 1500ms);
  registry.assign({}, device_a, ann, anchor, nurse);
  hand_over(anchor + 100s);
  measure(95, 105);
  append({run(1, 97'000, 10), run(2, 100'500, 10), run(3, 103'000, 10)});
  for (const auto& [who, values, runs] : {std::tuple{ann, 4U, 1U}, {bob, 4U, 1U}}) {
    AggregatesQuery buckets;
    buckets.subject = {Subject::Kind::patient, who};
    buckets.start = anchor;
    buckets.end = anchor + 1h;
    buckets.bucket = 1h;
    const auto found = records.aggregates(buckets);
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].count, values);
    RunsQuery query;
    query.subject = {Subject::Kind::patient, who};
    query.stream = waveform_stream(1);
    query.start = anchor;
    query.end = anchor + 1h;
    EXPECT_THAT(records.runs(query), SizeIs(runs));
  }
}

/// Each agrees, and the clock is farther from what dates it each time: what is certain by them is not where it was put.
TEST_P(AttributionContract, WhereExchangesAgreeTheRecordsOwnInstantCountsToo) {
  registry.assign({}, device_a, ann, anchor, nurse);
  hand_over(anchor + 150s);
  exchange(100'000, anchor + 100s + 300ms);
  append(set(1, 149'900, 70));  // dated before the handover, and measured after it
  exchange(200'000, anchor + 200s + 450ms);
  EXPECT_THAT(readings_of(ann), IsEmpty());
  EXPECT_THAT(readings_of(bob), IsEmpty());
}

/// LIFE-1: what an exchange makes a released patient's ends as the release says.
TEST_P(AttributionContract, AnAlarmThatAnExchangeMakesAReleasedPatientsEnds) {
  registry.assign({}, device_a, ann, anchor, nurse);
  hand_over(anchor + 20'002s);
  auto onset = alarm(20'000, raised("hr-high"));  // the clock may have drifted by 4 s since
  onset.received_at = anchor + 21'000s;
  append(onset);
  EXPECT_TRUE(alarms().at(0).unattributed);
  EXPECT_FALSE(alarms().at(0).end);
  exchange(20'001'000, anchor + 20'001s);
  const auto of_ann = alarms({}, {Subject::Kind::patient, ann});
  ASSERT_THAT(of_ann, SizeIs(1));
  EXPECT_EQ(of_ann[0].end_cause, AlarmEndCause::released);
  EXPECT_THAT(alarms({}, {Subject::Kind::patient, bob}), SizeIs(1)) << "raised anew";
}

/// TIME-1: what is stated holds the truth: from what is known of the clock, whatever the record was dated by.
TEST_P(AttributionContract, EachInstantSaysWhatItMayBeWrongBy) {
  exchange(100'000, anchor + 100s, 20ms);
  append({set(1, 50'000, 70), set(2, 110'000, 70), alarm(120, raised("hr-high"))});
  exchange(200'000, anchor + 230s, 20ms);  // 30 s were slept since
  append(set(3, 200'000, 70));
  ReadingsQuery query;
  query.subject = {Subject::Kind::device, device_a};
  std::vector<std::optional<std::chrono::microseconds>> stated;
  for (const auto& row : records.readings(query)) stated.push_back(row.uncertainty);
  EXPECT_THAT(stated, ElementsAre(20ms + 10ms, 30s + 20ms + 18ms, 20ms));
  EXPECT_EQ(alarms().at(0).uncertainty, 30s + 20ms + 16ms) << "it may have slept before, and drifted since";
  const auto never = writer->at_boots(std::vector<AttachRequest>{{device_a, 3, anchor}}).front();
  append(set(1, 1000, 70, never));
  EXPECT_EQ(records.readings(query).at(0).uncertainty, std::nullopt);
}

/// TIME-5: so does what is shown as current, each value from its own tick.
TEST_P(AttributionContract, TheLatestSaysWhatItMayBeWrongBy) {
  exchange(100'000, anchor + 100s, 20ms);
  append({set(1, 50'000, 97, nullptr, 2), set(2, 110'000, 70)});
  const auto stated = [&] {
    std::vector<std::optional<std::chrono::microseconds>> of;
    const auto rows = records.latest({}, {Subject::Kind::device, device_a});
    for (const auto& value : rows.at(0).values) of.push_back(value.uncertainty);
    return of;
  };
  EXPECT_THAT(stated(), ElementsAre(20ms + 2ms, 20ms + 10ms));
  exchange(200'000, anchor + 230s, 20ms);  // 30 s were slept since
  EXPECT_THAT(stated(), ElementsAre(30s + 20ms + 18ms, 20ms + 10ms)) << "as the clock is known now";
  append(set(3, 200'000, 71));
  EXPECT_THAT(stated(), ElementsAre(20ms, 20ms + 10ms));
  const auto never = writer->at_boots(std::vector<AttachRequest>{{device_b, 3, anchor}}).front();
  append(set(1, 1000, 70, never));
  EXPECT_EQ(records.latest({}, {Subject::Kind::device, device_b}).at(0).values.at(0).uncertainty, std::nullopt);
  const auto hand = writer->attach({device_b, 99, Instant{}, {}, {}, true}).session;
  auto posted = set(1, static_cast<std::uint64_t>(received.time_since_epoch() / 1ms), 60, hand, 3);
  posted.stream = Stream::manual;
  append(posted);
  EXPECT_EQ(records.latest({}, {Subject::Kind::device, device_b}).at(0).values.at(1).uncertainty, 0ms);
}

/// LIFE-1: whoever wears the device now has it raised anew.
TEST_P(AttributionContract, AnAlarmThatIsNobodysIsRaisedAnewForWhoWearsTheDevice) {
  exchange(95'000, anchor + 95s, 1500ms);
  registry.assign({}, device_a, ann, anchor, nurse);
  append(alarm(99, raised("hr-high")));
  hand_over(anchor + 100s);
  const auto all = alarms();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_TRUE(all[0].unattributed);
  EXPECT_EQ(all[1].patient, bob);
  EXPECT_TRUE(all[1].origin);
}

}  // namespace
}  // namespace wardlink::storage::test
