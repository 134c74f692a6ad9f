// What a store promises to whoever writes records. I1, I2, I4, I6.

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "contract/tenant.hpp"

namespace wardlink::storage::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr auto committed = RecordResult::committed;
constexpr auto duplicate = RecordResult::duplicate;
constexpr auto quarantined = RecordResult::quarantined;

class WriterContract : public ContractTest {
 protected:
  std::vector<ReadingRow> readings(const std::string& device = device_a) {
    ReadingsQuery query;
    query.subject = {Subject::Kind::device, device};
    return records.readings(query);
  }
  double latest() { return records.latest({}, {Subject::Kind::device, device_a}).at(0).values.at(0).value; }
};
WARDLINK_FOR_ALL_STORES(WriterContract);

TEST_P(WriterContract, TheSameRecordIsStoredOnceHoweverOftenItComes) {
  EXPECT_THAT(append({set(1, 1000, 72), set(2, 2000, 73)}), ElementsAre(committed, committed));
  EXPECT_THAT(append({set(1, 1000, 72), set(2, 2000, 73)}), ElementsAre(duplicate, duplicate));
  EXPECT_EQ(tenant->rows().sets.size(), 2U);
  EXPECT_TRUE(tenant->rows().quarantine.empty());
}

TEST_P(WriterContract, QualityAndReceptionMakeNoOtherRecord) {
  append(set(1, 1000, 72));
  auto again = set(1, 1000, 72, nullptr, 1, 1);
  again.received_at += 5s;
  EXPECT_EQ(append(again), duplicate);
  EXPECT_EQ(tenant->rows().sets.at(0).qualities, std::vector<std::uint16_t>{0});
  EXPECT_EQ(tenant->rows().sets.at(0).received_at, received);
}

TEST_P(WriterContract, ResultsComeInTheOrderOfTheRecords) {
  append(set(2, 2000, 73));
  auto foreign = set(9, 9000, 1);
  foreign.session = nullptr;
  EXPECT_THAT(append({set(3, 3000, 74), set(2, 2000, 73), foreign, set(1, 1000, 72), set(3, 3000, 74)}),
              ElementsAre(committed, duplicate, RecordResult::not_attached, committed, duplicate));
  EXPECT_EQ(tenant->rows().sets.size(), 3U);
  EXPECT_TRUE(append(std::vector<Record>()).empty());
}

TEST_P(WriterContract, NumbersBeyondTheDatabasesHoldUpNoOther) {
  const auto beyond = [&](std::uint64_t sequence) {
    auto record = set(1, 1000, 72);
    record.sequence = sequence;
    record.body = Unusable{"undecodable", "/vitals", "?"};
    return record;
  };
  EXPECT_THAT(append({set(1, 1000, 72), beyond(1ULL << 63), beyond((1ULL << 63) + 1), beyond(~0ULL)}),
              ElementsAre(committed, quarantined, quarantined, quarantined));
  EXPECT_EQ(tenant->rows().quarantine.size(), 1U);
}

TEST_P(WriterContract, OtherContentUnderAUsedKeyGoesToQuarantine) {
  append(set(1, 1000, 72));
  EXPECT_THAT(append({set(1, 1000, 71), set(2, 2000, 73)}), ElementsAre(quarantined, committed));
  EXPECT_EQ(readings().at(0).set.values, std::vector<double>{72});
  const auto rows = tenant->rows();
  ASSERT_EQ(rows.quarantine.size(), 1U);
  EXPECT_EQ(rows.quarantine[0].reason, "conflict");
  EXPECT_THAT(rows.quarantine[0].payload, testing::HasSubstr(R"("values":[71.0])"));
  ASSERT_EQ(rows.alarms.size(), 1U);
  EXPECT_EQ(rows.alarms[0].stream, Stream::storage);
  EXPECT_EQ(rows.alarms[0].fact.code, "quarantine");
  EXPECT_EQ(rows.alarms[0].fact.kind, AlarmKind::technical);
  EXPECT_EQ(rows.alarms[0].fact.priority, AlarmPriority::low);
  EXPECT_EQ(rows.alarms[0].measured_at, received);
  const auto audited = tenant->audited();
  ASSERT_EQ(audited.size(), 1U);
  EXPECT_EQ(audited[0].method, "quarantine");
  EXPECT_EQ(audited[0].subject, device_a);
  EXPECT_EQ(audited[0].reason, "conflict");
  EXPECT_FALSE(audited[0].granted);
}

TEST_P(WriterContract, TheSameSequenceAtAnotherTickIsAConflictOnWhicheverDay) {
  append(set(1, 1000, 72));
  EXPECT_EQ(append(set(1, 26ULL * 3600 * 1000, 72)), quarantined);
  EXPECT_EQ(tenant->rows().sets.size(), 1U);
}

TEST_P(WriterContract, TwoContentsUnderOneKeyInOneBatch) {
  EXPECT_THAT(append({set(1, 1000, 72), set(1, 1000, 80), set(1, 1000, 72)}),
              ElementsAre(committed, quarantined, duplicate));
  EXPECT_EQ(readings().at(0).set.values, std::vector<double>{72});
}

TEST_P(WriterContract, WhatRepeatsAConflictInItsBatchIsAConflictToo) {
  append(set(1, 1000, 72));
  EXPECT_THAT(append({set(1, 1000, 80), set(1, 1000, 72)}), ElementsAre(quarantined, quarantined));
}

TEST_P(WriterContract, ARetriedQuarantineIsOneRowAndOneAlarm) {
  append(set(1, 1000, 72));
  append(set(1, 1000, 71));
  append(set(1, 1000, 71));
  const auto rows = tenant->rows();
  ASSERT_EQ(rows.quarantine.size(), 1U);
  EXPECT_EQ(rows.quarantine[0].seen, 2U);
  EXPECT_EQ(rows.alarms.size(), 1U);
}

TEST_P(WriterContract, EachDeviceHasItsOwnQuarantineAlarm) {
  const auto later = attach(device_a, 8), other = attach(device_b);
  const Unusable why{"undecodable", "/vitals", "x"};
  append({{session, Stream::vitals, 0, 0, received, why},
          {later, Stream::vitals, 0, 0, received, why},
          {other, Stream::vitals, 0, 0, received, why}});
  EXPECT_EQ(tenant->rows().quarantine.size(), 3U);
  EXPECT_EQ(tenant->rows().alarms.size(), 2U);
}

TEST_P(WriterContract, UndecodablePayloadsAreKeptAsTheyCame) {
  const std::string payload("\x00\xff\x01", 3);
  const Record record{session, Stream::vitals, 0, 0, received, Unusable{"undecodable", "/vitals", payload}};
  EXPECT_THAT(append({record, record}), ElementsAre(quarantined, quarantined));
  const auto rows = tenant->rows();
  ASSERT_EQ(rows.quarantine.size(), 1U);
  EXPECT_EQ(rows.quarantine[0].payload, payload);
  EXPECT_EQ(rows.quarantine[0].reason, "undecodable");
  EXPECT_EQ(rows.quarantine[0].resource, "/vitals");
  EXPECT_EQ(rows.quarantine[0].seen, 2U);
}

TEST_P(WriterContract, ARecordThatTheStoreRefusesBlocksNoOther) {
  auto poison = alarm(2, raised("\xff\xfe"));  // no UTF-8
  EXPECT_THAT(append({set(1, 1000, 72), alarm(1, raised("hr-high")), poison, alarm(3, raised("spo2-low"))}),
              ElementsAre(committed, committed, quarantined, committed));
  const auto rows = tenant->rows();
  EXPECT_EQ(rows.alarms.size(), 3U);  // and that of the quarantine
  EXPECT_EQ(rows.quarantine.at(0).reason, "refused_by_database");
}

TEST_P(WriterContract, WhatIsNoNumberIsQuarantined) {
  EXPECT_THAT(append({set(1, 1000, std::nan("")), set(2, 2000, std::numeric_limits<double>::infinity()),
                      set(0, 3000, 72), set(3, 4000, 72)}),
              ElementsAre(quarantined, quarantined, quarantined, committed));
  EXPECT_EQ(tenant->rows().sets.size(), 1U);
}

TEST_P(WriterContract, WhatIsNotOfItsStreamIsQuarantined) {
  auto stray = set(1, 1000, 72);
  stray.stream = Stream::alarms;
  auto own = alarm(1, raised("hr-high"));
  own.stream = Stream::storage;
  EXPECT_THAT(append({stray, own}), ElementsAre(quarantined, quarantined));
  EXPECT_TRUE(tenant->rows().sets.empty());
}

TEST_P(WriterContract, EveryDoubleComesBackExactly) {
  const std::vector<double> values = {37.6,
                                      0.1,
                                      1e-300,
                                      std::numeric_limits<double>::denorm_min(),
                                      std::numeric_limits<double>::max(),
                                      std::numeric_limits<double>::lowest(),
                                      std::nextafter(37.6, 38),
                                      -0.0,
                                      9007199254740993.0};
  std::vector<Record> sets;
  for (std::size_t i = 0; i < values.size(); ++i) sets.push_back(set(i + 1, i, values[i]));
  append(sets);
  const auto stored = readings();
  ASSERT_EQ(stored.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(std::bit_cast<std::uint64_t>(stored[i].set.values[0]), std::bit_cast<std::uint64_t>(values[i]));
  EXPECT_EQ(latest(), values.back());
}

// TIME-5, OBS-02, I6
TEST_P(WriterContract, LatestIsTheHighestSequenceOfAStart) {
  append(set(2, 2000, 80));
  append(set(1, 3000, 60));
  EXPECT_EQ(latest(), 80);
  append({set(4, 1000, 81), set(3, 5000, 70)});
  EXPECT_EQ(latest(), 81);
  EXPECT_EQ(records.latest({}, {}).at(0).values.at(0).measured_at, anchor + 1000ms);
  EXPECT_EQ(tenant->rows().sets.size(), 4U);
}

// TIME-5: what comes late is no news of any sign.
TEST_P(WriterContract, WhatIsLateIsNeverLatest) {
  append(set(3, 3000, 80));
  append(set(2, 2000, 97, nullptr, 2));
  const auto row = records.latest({}, {}).at(0);
  ASSERT_EQ(row.values.size(), 1U);
  EXPECT_EQ(row.values[0].sign, 1);
}

// TIME-5: the device's clock jumps, goes back or stands still; what it says next is shown.
TEST_P(WriterContract, NoTickHoldsTheLatestBack) {
  append(set(1, 1000, 70));
  append(set(2, 1000 + 86'400'000, 71));  // a day ahead
  append(set(3, 2000, 72));
  EXPECT_EQ(latest(), 72);
  append({set(4, 2000, 73), set(5, 0, 74)});
  EXPECT_EQ(latest(), 74);
}

// TIME-5: of a newer start, whatever its anchor says.
TEST_P(WriterContract, NoClockOfAnEarlierStartHoldsTheLatestBack) {
  append(set(9, 9000 + 86'400'000, 70));
  const auto later = writer->attach({device_a, 8, anchor - 1h}).session;
  append(set(1, 1000, 80, later));
  EXPECT_EQ(latest(), 80);
  append(set(10, 10'000 + 86'400'000, 71));  // the earlier one's, which comes behind it
  EXPECT_EQ(latest(), 80);
}

// TIME-5: starts are in the order in which they registered, however they are told of.
TEST_P(WriterContract, AStartThatWasToldOfLateIsNeverTheLatest) {
  const auto now = writer->calendar();
  const auto shown = [&] { return records.latest({}, {Subject::Kind::device, device_b}).at(0).values.at(0).value; };
  append(set(1, 1000, 90, writer->attach({device_b, 9, anchor, {}, now - 1min}).session));
  append(set(5, 5000, 80, writer->attach({device_b, 8, anchor, {}, now - 2min}).session));
  EXPECT_EQ(shown(), 90);
  const std::vector<AttachRequest> debts{{device_b, 12, anchor}};
  append(set(6, 6000, 85, writer->at_boots(debts).front()));
  EXPECT_EQ(shown(), 90);
  // Named again on another stream it has the place that it had.
  append(set(2, 500, 91, writer->attach({device_b, 9, anchor, {}, now}).session));
  EXPECT_EQ(shown(), 91);
}

// TIME-5: until a start has registered, what was received last.
TEST_P(WriterContract, OfStartsWithoutAPlaceTheLastReceivedIsLatest) {
  const std::vector<AttachRequest> starts{{device_b, 4, anchor}, {device_b, 3, anchor + 1h}};
  const auto sessions = writer->at_boots(starts);
  const auto shown = [&] { return records.latest({}, {Subject::Kind::device, device_b}).at(0).values.at(0).value; };
  auto early = set(5, 5000, 60, sessions[1]), later = set(1, 1000, 61, sessions[0]);
  later.received_at += 1s;
  append({later, early});
  EXPECT_EQ(shown(), 61);
  auto last = set(6, 0, 62, sessions[1]);
  last.received_at += 2s;
  append(last);
  EXPECT_EQ(shown(), 62);
  append(set(1, 1000, 63, attach(device_b)));
  EXPECT_EQ(shown(), 63);
}

// TIME-5: of what the device sends and what people post the last received; neither takes the other's place.
TEST_P(WriterContract, WhatIsPostedByHandStandsBesideWhatTheDeviceSends) {
  const auto hand = writer->attach({device_a, 99, anchor, {}, {}, true}).session;
  auto posted = set(1, 7'200'000, 120, hand);  // claims to be measured much later
  posted.stream = Stream::manual;
  append(posted);
  EXPECT_EQ(latest(), 120);
  append(set(1, 1000, 70));  // received at the same instant: the device's
  EXPECT_EQ(latest(), 70);
  posted = set(2, 2000, 121, hand);
  posted.stream = Stream::manual;
  posted.received_at += 1ms;
  append(posted);
  EXPECT_EQ(latest(), 121);
  auto next = set(2, 2000, 71);
  next.received_at += 2ms;
  append(next);
  EXPECT_EQ(latest(), 71);
  EXPECT_EQ(tenant->rows().latest.size(), 2U);
}

// TIME-5: ages count from the store's calendar.
TEST_P(WriterContract, TheLatestSaysWhenItWasRead) {
  append(set(1, 1000, 70));
  const auto before = writer->calendar();
  const auto read = records.latest({}, {}).at(0).read_at;
  EXPECT_LE(before, read);
  EXPECT_LE(read, writer->calendar());
}

TEST_P(WriterContract, LateIsWhatComesBehindAHigherSequence) {
  append({set(2, 2000, 72), set(1, 1000, 71)});
  append({set(5, 5000, 75), set(4, 4000, 74)});
  append(set(3, 3000, 73));
  std::vector<bool> late;
  for (const auto& each : tenant->rows().sets) late.push_back(each.late);
  EXPECT_THAT(late, ElementsAre(false, false, true, false, false));
}

TEST_P(WriterContract, TwoDevicesMayUseTheSameKeys) {
  EXPECT_THAT(append({set(1, 1000, 72), set(1, 1000, 90, attach(device_b))}), ElementsAre(committed, committed));
  EXPECT_EQ(tenant->rows().sets.size(), 2U);
}

TEST_P(WriterContract, TwoWritersSeeEachOthersRecords) {
  append(set(1, 1000, 72));
  const auto other = records.open_writer();
  const std::vector<Record> same = {set(1, 1000, 72)};
  EXPECT_THAT(other->append(same), ElementsAre(duplicate));
  EXPECT_EQ(other->attach({device_a, 7, anchor}).watermarks.at(Stream::vitals), 1U);
}

TEST_P(WriterContract, TheFirstAnchorStays) {
  append(set(5, 1000, 72));
  const auto again = records.open_writer()->attach({device_a, 7, anchor + 2s, 1ms, {}, false, 2000});
  EXPECT_EQ(again.session->anchor, anchor);
  EXPECT_EQ(again.watermarks, (std::map<Stream, std::uint64_t>{{Stream::vitals, 5}}));
}

TEST_P(WriterContract, ADeviceThatArrivesTwiceInOneBatchHasTheFirstAnchorAndTheLastExchange) {
  const std::vector<AttachRequest> twice = {
      {device_b, 1, anchor, 1ms}, {device_b, 1, anchor + 1s, 1ms}, {device_b, 1, anchor + 2s, 1ms}};
  for (const auto& each : writer->attach(twice)) EXPECT_EQ(each.session->anchor, anchor);
  EXPECT_THAT(tenant->rows().starts.back().exchanges, ElementsAre(ClockExchange{0, anchor + 2s, 1ms, 0}));
}

TEST_P(WriterContract, EachOfManyHasItsOwnWatermarks) {
  const auto other = attach(device_b);
  append({set(3, 1000, 72), alarm(2, raised("hr-high")), set(9, 1000, 80, other), run(4, 1000, 10, other)});
  const std::vector<AttachRequest> both = {{device_b, 7, anchor}, {device_a, 7, anchor}, {device_a, 8, anchor}};
  const auto attached = writer->attach(both);
  EXPECT_EQ(attached[0].watermarks, (std::map<Stream, std::uint64_t>{{Stream::vitals, 9}, {waveform_stream(1), 4}}));
  EXPECT_EQ(attached[1].watermarks, (std::map<Stream, std::uint64_t>{{Stream::vitals, 3}, {Stream::alarms, 2}}));
  EXPECT_TRUE(attached[2].watermarks.empty());
}

TEST_P(WriterContract, WhatIsQuarantinedMovesNoWatermark) {
  append(set(4, 1000, std::nan("")));
  const auto watermarks = writer->attach({device_a, 7, anchor}).watermarks;
  EXPECT_EQ(watermarks, (std::map<Stream, std::uint64_t>{{Stream::storage, 1}}));
}

TEST_P(WriterContract, ADeviceThatIsRefusedTakesNoOtherAlong) {
  const std::vector<AttachRequest> three = {
      {device_b, 1, anchor}, {std::string(64, 'x'), 1, anchor}, {"urn:dev:os:32473-c", 1, anchor}};
  const auto attached = writer->attach(three);
  EXPECT_TRUE(attached[0].session);
  EXPECT_FALSE(attached[1].session);
  EXPECT_TRUE(attached[2].session);
  EXPECT_EQ(writer->at_boots(three)[1], nullptr);
}

TEST_P(WriterContract, AnEarlierStartIsDatedByTheFirstThatTellsOfIt) {
  const std::vector<AttachRequest> starts = {{device_a, 3, anchor - 1h}, {device_a, 7, anchor + 1h}};
  auto sessions = writer->at_boots(starts);
  EXPECT_EQ(sessions[0]->anchor, anchor - 1h);
  EXPECT_EQ(sessions[1]->anchor, anchor);
  EXPECT_EQ(sessions[0]->device_id, session->device_id);
  const std::vector<AttachRequest> again = {{device_a, 3, anchor}};
  EXPECT_EQ(writer->at_boots(again)[0]->anchor, anchor - 1h);
  EXPECT_EQ(append(set(1, 1000, 55, sessions[0])), committed);
  EXPECT_EQ(readings().at(0).measured_at, anchor - 1h + 1s);
  for (const auto& start : tenant->rows().starts)
    EXPECT_EQ(start.exchanges.size(), start.boot == 7 ? 1U : 0U) << "a debt is no exchange";
}

TEST_P(WriterContract, RunsAreIdempotentToo) {
  EXPECT_THAT(append({run(1, 0, 100), run(2, 1000, 100)}), ElementsAre(committed, committed));
  auto other = run(2, 1000, 100);
  std::get<WaveformRun>(other.body).scale = 0.002;
  EXPECT_THAT(append({run(1, 0, 100), other}), ElementsAre(duplicate, quarantined));
  EXPECT_EQ(tenant->rows().runs.size(), 2U);
}

TEST_P(WriterContract, WhatIsNoRunIsQuarantined) {
  auto odd = run(1, 0, 100);
  std::get<WaveformRun>(odd.body).samples.pop_back();
  auto fast = run(2, 0, 100);
  std::get<WaveformRun>(fast.body).rate_samples = 2'000'000;
  auto unknown = run(4, 0, 100);
  unknown.stream = waveform_stream(999);
  EXPECT_THAT(append({odd, fast, run(3, 0, 1001), unknown, run(5, 0, 1000)}),
              ElementsAre(quarantined, quarantined, quarantined, quarantined, committed));
}

TEST_P(WriterContract, TheAuditKeepsWhatItIsTold) {
  const std::string long_name(300, 'x');
  const std::vector<AuditFact> facts = {{.subject = "device", .method = "ingest.handshake", .reason = "no\0name"},
                                        {.subject = long_name,
                                         .method = "m",
                                         .granted = true,
                                         .resources = {"a", "b"},
                                         .reason = "",
                                         .address = "192.0.2.1",
                                         .count = 7}};
  EXPECT_TRUE(writer->audit(facts));
  const auto audited = tenant->audited();
  ASSERT_EQ(audited.size(), 2U);
  EXPECT_EQ(audited[0].method, "ingest.handshake");
  EXPECT_EQ(audited[1].subject, std::string(255, 'x'));
  EXPECT_THAT(audited[1].resources, ElementsAre("a", "b"));
  EXPECT_EQ(audited[1].address, "192.0.2.1");
  EXPECT_EQ(audited[1].count, 7U);
  EXPECT_TRUE(audited[1].granted);
}

}  // namespace
}  // namespace wardlink::storage::test
