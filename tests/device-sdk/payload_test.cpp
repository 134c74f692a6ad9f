#include "payload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coap/senml.hpp"

namespace wardlink {
namespace {

signs::SignId id(std::string_view wire) { return signs::find(wire)->id; }

coap::senml::Pack decode(const coap::Bytes& bytes) {
  const auto pack = coap::senml::decode_cbor(bytes);
  EXPECT_TRUE(pack) << coap::senml::to_string(pack.error());
  return pack ? *pack : coap::senml::Pack{};
}

std::string text_of(const coap::senml::Record& record) {
  if (const auto* number = std::get_if<double>(&record.value))
    return record.name + "=" + ::testing::PrintToString(*number);
  if (const auto* text = std::get_if<std::string>(&record.value)) return record.name + "=" + *text;
  return record.name;
}

std::vector<std::string> texts(const coap::Bytes& bytes) {
  std::vector<std::string> all;
  for (const auto& record : decode(bytes)) all.push_back(text_of(record));
  return all;
}

std::vector<SequencedSet> sets(std::size_t count) {
  std::vector<SequencedSet> all;
  for (std::size_t i = 1; i <= count; ++i) {
    all.push_back({i, 1000 * i, {{id("hr"), 94}, {id("spo2"), 97}, {id("rr"), 25}, {id("temp"), 37.6}}});
  }
  return all;
}

constexpr std::uint64_t kBoot = 4711;

std::vector<OwedAlarm> alarms(std::size_t count) {
  std::vector<OwedAlarm> all;
  for (std::size_t i = 1; i <= count; ++i) {
    Alarm alarm;
    alarm.code = "rr-low";
    alarm.sign = id("rr");
    alarm.value = 7;
    alarm.limit = 8;
    all.push_back({kBoot, {i, 1000 * i, SequencedAlarm::Event::raised, 0, alarm}});
  }
  return all;
}

TEST(Payload, NoSetIsAnEmptyArray) {
  const auto fitted = payload::vitals({});
  EXPECT_EQ(fitted.bytes, coap::Bytes{0x80});
  EXPECT_EQ(fitted.count, 0u);
}

TEST(Payload, ASetOpensWithItsNumberAndTick) {
  const auto fitted = payload::vitals(sets(1));
  EXPECT_THAT(texts(fitted.bytes), ::testing::ElementsAre("q=1", "tk=1000", "hr=94", "spo2=97", "rr=25", "temp=37.6"));
  EXPECT_LE(fitted.bytes.size(), 64u);
}

TEST(Payload, ARunIsItsNumberItsTickItsScaleAndBigEndianSamples) {
  const std::vector<SequencedRun> runs{{7, 12000, {-145, signs::kMissingSample, 1204}}};
  const auto fitted = payload::waveform({"ecg", {256, 3}, 0.001, -0.5}, runs);
  EXPECT_THAT(texts(fitted.bytes),
              ::testing::ElementsAre("q=7", "tk=12000", "rate=256", "per=3", "scale=0.001", "off=-0.5", "ecg"));
  EXPECT_EQ(std::get<coap::Bytes>(decode(fitted.bytes).back().value),
            (coap::Bytes{0xff, 0x6f, 0x80, 0x00, 0x04, 0xb4}));
}

TEST(Payload, AWholeRateAndNoOffsetAreLeftOut) {
  const auto fitted = payload::waveform({"ppg", {125, 1}, 0.0001, 0}, std::vector<SequencedRun>{{1, 0, {0}}});
  EXPECT_THAT(texts(fitted.bytes), ::testing::ElementsAre("q=1", "tk=0", "rate=125", "scale=0.0001", "ppg"));
}

TEST(Payload, TheLongestRunFitsAloneWhateverStandsAroundIt) {
  const std::uint64_t most = (1ull << 53) - 1;
  const std::vector<SequencedRun> runs{{most, most, std::vector<std::int16_t>(460, -1)}};
  const auto fitted = payload::waveform({"resp", {1'000'000, 999'999}, 1.0 / 3, 2.0 / 3}, runs);
  EXPECT_EQ(fitted.count, 1u);
  EXPECT_LE(fitted.bytes.size(), payload::kMax);
}

TEST(Payload, ShortRunsShareADatagram) {
  const std::vector<SequencedRun> runs(5, {1, 0, std::vector<std::int16_t>(100)});
  EXPECT_EQ(payload::waveform({"resp", {25, 1}, 0.001, 0}, runs).count, 4u);
  EXPECT_EQ(payload::waveform({"resp", {25, 1}, 0.001, 0}, {}).bytes, coap::Bytes{0x80});
}

TEST(Payload, HoldsAsManyWholeSetsAsFit) {
  const auto many = sets(100);
  const auto fitted = payload::vitals(many);
  EXPECT_LE(fitted.bytes.size(), payload::kMax);
  EXPECT_GE(fitted.count, 15u);
  EXPECT_EQ(decode(fitted.bytes).size(), fitted.count * 6);
  const auto one = payload::vitals(std::span(many).subspan(fitted.count, 1));
  EXPECT_GT(fitted.bytes.size() + one.bytes.size() - 1, payload::kMax);  // one more would not have fitted
}

TEST(Payload, TheLargestSetFitsAlone) {
  std::vector<SequencedSet> one{{(1ull << 53) - 1, (1ull << 53) - 1, {}}};
  for (const auto& sign : signs::catalogue()) {
    if (one[0].readings.size() < 16) one[0].readings.push_back({sign.id, 1.0 / 3.0});
  }
  EXPECT_EQ(payload::vitals(one).count, 1u);
}

TEST(Payload, NothingOwedIsTheHeartbeat) {
  EXPECT_THAT(texts(payload::alarms(0, {}, kBoot).bytes), ::testing::ElementsAre("owed=0"));
}

TEST(Payload, TheClockStandsBehindWhatIsOwed) {  // TIME-4
  EXPECT_THAT(texts(payload::alarms(0, {}, kBoot, 12'000).bytes), ::testing::ElementsAre("owed=0", "tk=12000"));
  const auto all = texts(payload::alarms(1, alarms(1), kBoot, 12'000).bytes);
  EXPECT_THAT(std::vector(all.begin(), all.begin() + 4),
              ::testing::ElementsAre("owed=1", "tk=12000", "q=1", "tk=1000"));
  constexpr std::uint64_t highest = (1ull << 53) - 1;
  EXPECT_LE(payload::alarms(1024, alarms(50), kBoot, highest).bytes.size(), payload::kMax);
}

TEST(Payload, ARaisedRecordInTheOrderOfTheContract) {
  const auto fitted = payload::alarms(5, alarms(1), kBoot);
  EXPECT_THAT(texts(fitted.bytes), ::testing::ElementsAre("owed=5", "q=1", "tk=1000", "ev=raised", "kind=phys",
                                                          "prio=3", "code=rr-low", "lim=8", "rr=7"));
}

TEST(Payload, ARecordOfAnEarlierStartNamesItsBoot) {
  auto two = alarms(2);
  two[0].boot = 9000;
  const auto all = texts(payload::alarms(2, two, kBoot).bytes);
  EXPECT_THAT(std::vector(all.begin(), all.begin() + 5),
              ::testing::ElementsAre("owed=2", "q=1", "tk=1000", "boot=9000", "ev=raised"));
  EXPECT_THAT(std::vector(all.begin() + 10, all.end()),
              ::testing::Not(::testing::Contains(::testing::HasSubstr("boot"))));
}

TEST(Payload, AnEndedRecordNamesItsOnset) {
  auto one = alarms(1);
  one[0].record.event = SequencedAlarm::Event::ended;
  one[0].record.onset_sequence = 9;
  one[0].record.alarm.kind = AlarmKind::technical;
  one[0].record.alarm.priority = AlarmPriority::low;
  one[0].record.alarm.sign.reset();
  one[0].record.alarm.limit.reset();
  EXPECT_THAT(
      texts(payload::alarms(1, one, kBoot).bytes),
      ::testing::ElementsAre("owed=1", "q=1", "tk=1000", "ev=ended", "on=9", "kind=tech", "prio=1", "code=rr-low"));
}

TEST(Payload, SaysHowManyAreOwedAlsoWhereTheyDoNotFit) {
  const auto fitted = payload::alarms(1024, alarms(50), kBoot);
  EXPECT_LE(fitted.bytes.size(), payload::kMax);
  EXPECT_GE(fitted.count, 8u);
  EXPECT_LT(fitted.count, 50u);
  EXPECT_EQ(texts(fitted.bytes)[0], "owed=1024");
}

}  // namespace
}  // namespace wardlink
