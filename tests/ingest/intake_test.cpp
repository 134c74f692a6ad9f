// Payloads in, facts out: what a device says and what becomes of what it should not say.

#include "ingest/payload/intake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <string_view>

#include "coap/option.hpp"
#include "coap/senml.hpp"

namespace wardlink::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view device = "urn:dev:os:32473-7f3a9c51d2e804b6";

std::vector<Fact> take_json(Resource resource, std::string_view json) {
  return take(resource, device, coap::content_format::senml_json,
              {reinterpret_cast<const std::uint8_t*>(json.data()), json.size()});
}

std::vector<Fact> vitals(std::string_view json) { return take_json(Resource::vitals, json); }
std::vector<Fact> alarms(std::string_view json) { return take_json(Resource::alarms, json); }

const SignValues& signs_of(const Fact& fact) { return std::get<SignValues>(fact.body); }
const AlarmFact& alarm_of(const Fact& fact) { return std::get<AlarmFact>(fact.body); }

/// The one fact is quarantined for that reason, raw.
void expect_quarantined(const std::vector<Fact>& facts, QuarantineReason reason, std::string_view payload,
                        const char* resource = "/vitals") {
  ASSERT_THAT(facts, SizeIs(1));
  const auto* quarantined = std::get_if<Quarantined>(&facts[0].body);
  ASSERT_NE(quarantined, nullptr);
  EXPECT_STREQ(to_string(quarantined->reason), to_string(reason));
  EXPECT_EQ(quarantined->resource, resource);
  EXPECT_EQ(std::string(quarantined->payload.begin(), quarantined->payload.end()), payload);
  EXPECT_EQ(facts[0].sequence, 0u);
}

// -- measurement sets -------------------------------------------------------------------------------------------------

TEST(Intake, OneSetIsOneFact) {
  const auto facts = vitals(R"([{"n":"q","v":7},{"n":"tk","v":12000},{"n":"hr","v":72},{"n":"temp","v":37.6}])");
  ASSERT_THAT(facts, SizeIs(1));
  EXPECT_EQ(facts[0].stream, Stream::vitals);
  EXPECT_EQ(facts[0].sequence, 7u);
  EXPECT_EQ(facts[0].tick_ms, 12000u);
  EXPECT_THAT(signs_of(facts[0]).values, ElementsAre(SignValue{1, 72.0, false}, SignValue{4, 37.6, false}));
}

TEST(Intake, CborOfTheWirePageArrivesAsTheSameDoubles) {
  // docs/wire.md, "vitals answer": 37.6 as a decimal fraction.
  const coap::Bytes payload{0x86, 0xa2, 0x00, 0x61, 0x71, 0x02, 0x01, 0xa2, 0x00, 0x62, 0x74, 0x6b, 0x02, 0x19,
                            0x2e, 0xe0, 0xa2, 0x00, 0x62, 0x68, 0x72, 0x02, 0x18, 0x48, 0xa2, 0x00, 0x64, 0x73,
                            0x70, 0x6f, 0x32, 0x02, 0x18, 0x61, 0xa2, 0x00, 0x62, 0x72, 0x72, 0x02, 0x10, 0xa2,
                            0x00, 0x64, 0x74, 0x65, 0x6d, 0x70, 0x02, 0xc4, 0x82, 0x20, 0x19, 0x01, 0x78};
  const auto facts = take(Resource::vitals, device, coap::content_format::senml_cbor, payload);
  ASSERT_THAT(facts, SizeIs(1));
  ASSERT_THAT(signs_of(facts[0]).values, SizeIs(4));
  EXPECT_EQ(std::bit_cast<std::uint64_t>(signs_of(facts[0]).values[3].value), std::bit_cast<std::uint64_t>(37.6));
}

TEST(Intake, EveryRealValueArrivesBitForBit) {
  for (int tenths = 250; tenths <= 450; ++tenths) {
    const double value = std::stod(std::to_string(tenths / 10) + "." + std::to_string(tenths % 10));
    coap::senml::Pack pack(3);
    pack[0].name = "q", pack[0].value = 1.0;
    pack[1].name = "tk", pack[1].value = 2.0;
    pack[2].name = "temp", pack[2].value = value;
    const auto facts = take(Resource::vitals, device, coap::content_format::senml_cbor, encode_cbor(pack));
    ASSERT_THAT(facts, SizeIs(1));
    EXPECT_EQ(std::bit_cast<std::uint64_t>(signs_of(facts[0]).values.at(0).value), std::bit_cast<std::uint64_t>(value));
  }
}

TEST(Intake, SetsFollowOneAnother) {
  const auto facts = vitals(
      R"([{"n":"q","v":3},{"n":"tk","v":1},{"n":"hr","v":73},{"n":"q","v":4},{"n":"tk","v":2},{"n":"rr","v":9}])");
  ASSERT_THAT(facts, SizeIs(2));
  EXPECT_EQ(facts[0].sequence, 3u);
  EXPECT_EQ(facts[1].sequence, 4u);
}

TEST(Intake, NoSetIsNothing) { EXPECT_THAT(vitals("[]"), IsEmpty()); }

TEST(Intake, LongNamesAndTheRightUnitAreTaken) {
  const auto facts = vitals(
      R"([{"n":"q","v":1},{"n":"tk","v":1},{"n":"heart-rate","v":72,"u":"beat/min"},{"n":"temp","u":"Cel","v":37}])");
  ASSERT_THAT(facts, SizeIs(1));
  EXPECT_THAT(signs_of(facts[0]).values, ElementsAre(SignValue{1, 72.0, false}, SignValue{4, 37.0, false}));
}

TEST(Intake, AnImplausibleValueIsFlaggedNeverDropped) {
  const auto facts = vitals(R"([{"n":"q","v":1},{"n":"tk","v":1},{"n":"hr","v":900},{"n":"spo2","v":97}])");
  ASSERT_THAT(facts, SizeIs(1));
  EXPECT_THAT(signs_of(facts[0]).values, ElementsAre(SignValue{1, 900.0, true}, SignValue{2, 97.0, false}));
}

// -- names ------------------------------------------------------------------------------------------------------------

TEST(Intake, TheDevicesOwnBaseNameIsTaken) {
  for (const char* separator : {"", ":", "/"}) {
    const auto facts = vitals(R"([{"bn":"urn:dev:os:32473-7f3a9c51d2e804b6)" + std::string(separator) +
                              R"(","n":"q","v":1},{"n":"tk","v":1},{"n":"hr","v":72}])");
    ASSERT_THAT(facts, SizeIs(1)) << separator;
    EXPECT_THAT(signs_of(facts[0]).values, ElementsAre(SignValue{1, 72.0, false}));
  }
}

TEST(Intake, AnotherDevicesNameIsQuarantined) {  // DTLS-13
  for (std::string_view payload :
       {R"([{"bn":"urn:dev:os:32473-0000000000000000:","n":"q","v":1},{"n":"tk","v":1},{"n":"hr","v":72}])",
        R"([{"bn":"urn:dev:os:32473-7f3a9c51d2e804b6ff:","n":"q","v":1},{"n":"tk","v":1},{"n":"hr","v":72}])",
        R"([{"n":"q","v":1},{"n":"tk","v":1},{"bn":"x","n":"hr","v":72}])",
        R"([{"n":"q","v":1},{"n":"tk","v":1},{"n":"urn:dev:os:32473-0000000000000000:hr","v":72}])"})
    expect_quarantined(vitals(payload), QuarantineReason::foreign_name, payload);
}

TEST(Intake, WhatIsTheDevicesOwnBesideAForeignNameIsTaken) {  // DTLS-13, I1
  constexpr std::string_view own = R"({"n":"q","v":1},{"n":"tk","v":1},{"n":"hr","v":72})";
  for (const std::string theirs :
       {R"({"bn":"urn:dev:os:32473-0000000000000000:","n":"q","v":2},{"n":"tk","v":2},{"n":"hr","v":73})",
        R"({"n":"urn:dev:os:32473-0000000000000000:q","v":2},{"n":"urn:dev:os:32473-0000000000000000:hr","v":73})"}) {
    const auto again = R"({"bn":"","n":"q","v":3},{"n":"tk","v":3},{"n":"hr","v":74})";
    const auto facts = vitals("[" + std::string(own) + "," + theirs + "," + again + "]");
    ASSERT_THAT(facts, SizeIs(3)) << theirs;
    EXPECT_EQ(facts[0].sequence, 1u);
    EXPECT_EQ(facts[1].sequence, 3u);
    EXPECT_EQ(std::get<Quarantined>(facts[2].body).reason, QuarantineReason::foreign_name);
  }
}

// -- what cannot be taken ---------------------------------------------------------------------------------------------

TEST(Intake, BytesThatAreNotSenmlAreQuarantined) {
  for (std::string_view payload : {"", "hello", "{}", R"([{"n":"hr"}])",
                                   R"([{"n":"hr","v":1}] )"
                                   "x"})
    expect_quarantined(vitals(payload), QuarantineReason::undecodable, payload);
}

TEST(Intake, OtherContentFormatsAreQuarantined) {
  const coap::Bytes payload{0x80};
  for (std::optional<std::uint16_t> format : {std::optional<std::uint16_t>{}, std::optional<std::uint16_t>{0}}) {
    const auto facts = take(Resource::vitals, device, format, payload);
    ASSERT_THAT(facts, SizeIs(1));
    EXPECT_EQ(std::get<Quarantined>(facts[0].body).reason, QuarantineReason::unsupported_format);
  }
}

TEST(Intake, AnUnknownSignTakesItsWholeSetToQuarantine) {
  constexpr std::string_view payload = R"([{"n":"q","v":1},{"n":"tk","v":1},{"n":"hr","v":72},{"n":"mood","v":3}])";
  expect_quarantined(vitals(payload), QuarantineReason::unknown_sign, payload);
}

TEST(Intake, AnotherUnitIsQuarantined) {
  for (std::string_view payload : {R"([{"n":"q","v":1},{"n":"tk","v":1},{"n":"temp","u":"K","v":310}])",
                                   R"([{"n":"q","v":1},{"n":"tk","v":1},{"n":"sbp","u":"mm[Hg]","v":120}])",
                                   R"([{"n":"q","v":1},{"n":"tk","v":1},{"bu":"K","n":"temp","v":310}])"})
    expect_quarantined(vitals(payload), QuarantineReason::unknown_unit, payload);
}

TEST(Intake, WhatIsNoSetIsQuarantined) {
  for (std::string_view payload : {R"([{"n":"hr","v":72}])",                                   // no key
                                   R"([{"n":"q","v":1},{"n":"hr","v":72}])",                   // no tick
                                   R"([{"n":"q","v":1},{"n":"tk","v":1}])",                    // no sign
                                   R"([{"n":"q","v":0},{"n":"tk","v":1},{"n":"hr","v":72}])",  // sequences count from 1
                                   R"([{"n":"q","v":1.5},{"n":"tk","v":1},{"n":"hr","v":72}])",               //
                                   R"([{"n":"q","v":1},{"n":"tk","v":-1},{"n":"hr","v":72}])",                //
                                   R"([{"n":"q","v":9007199254740992},{"n":"tk","v":1},{"n":"hr","v":72}])",  // 2^53
                                   R"([{"n":"q","v":1},{"n":"tk","v":1},{"n":"hr","vs":"fast"}])",            //
                                   R"([{"n":"q","v":1},{"n":"tk","v":1},{"n":"hr","v":72},{"n":"heart-rate","v":73}])"})
    expect_quarantined(vitals(payload), QuarantineReason::bad_set, payload);
}

// TIME-2: no tick is refused; storage says when it was.
TEST(Intake, AnyTickIsTaken) {
  for (const std::uint64_t tick : {0ULL, 172'800'000ULL, (1ULL << 53) - 1}) {
    const auto facts = vitals(R"([{"n":"q","v":1},{"n":"tk","v":)" + std::to_string(tick) + R"(},{"n":"hr","v":72}])");
    ASSERT_THAT(facts, SizeIs(1));
    EXPECT_TRUE(std::holds_alternative<SignValues>(facts[0].body));
    EXPECT_EQ(facts[0].tick_ms, tick);
  }
}

TEST(Intake, AGoodSetBesideABadOneIsTaken) {
  constexpr std::string_view payload =
      R"([{"n":"q","v":1},{"n":"tk","v":1},{"n":"mood","v":3},{"n":"q","v":2},{"n":"tk","v":2},{"n":"hr","v":72},)"
      R"({"n":"q","v":3},{"n":"tk","v":3},{"n":"luck","v":3}])";
  const auto facts = vitals(payload);
  ASSERT_THAT(facts, SizeIs(2));  // and one reason is told once
  EXPECT_EQ(facts[0].sequence, 2u);
  EXPECT_EQ(std::get<Quarantined>(facts[1].body).reason, QuarantineReason::unknown_sign);
}

// -- alarms -----------------------------------------------------------------------------------------------------------

TEST(Intake, AlarmRecordsAreReadWhole) {
  // docs/wire.md, "alarms notification".
  const auto facts = alarms(
      R"([{"n":"owed","v":3},{"n":"q","v":2},{"n":"tk","v":41000},{"n":"ev","vs":"raised"},{"n":"kind","vs":"phys"},)"
      R"({"n":"prio","v":3},{"n":"code","vs":"hr-high"},{"n":"lim","v":131},{"n":"hr","v":134},{"n":"q","v":3},)"
      R"({"n":"tk","v":44000},{"n":"ev","vs":"ended"},{"n":"on","v":1},{"n":"kind","vs":"phys"},{"n":"prio","v":3},)"
      R"({"n":"code","vs":"spo2-low"},{"n":"lim","v":91},{"n":"spo2","v":93}])");
  ASSERT_THAT(facts, SizeIs(2));
  EXPECT_EQ(facts[0], (Fact{Stream::alarms, 2, 41000,
                            AlarmFact{AlarmFact::Event::raised, AlarmFact::Kind::physiological,
                                      AlarmFact::Priority::high, "hr-high", 1, 134.0, 131.0, 0}}));
  EXPECT_EQ(facts[1], (Fact{Stream::alarms, 3, 44000,
                            AlarmFact{AlarmFact::Event::ended, AlarmFact::Kind::physiological,
                                      AlarmFact::Priority::high, "spo2-low", 2, 93.0, 91.0, 1}}));
}

TEST(Intake, ATechnicalAlarmNeedsNoSignAndNoLimit) {
  const auto facts = alarms(
      R"([{"n":"owed","v":1},{"n":"q","v":1},{"n":"tk","v":5},{"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},)"
      R"({"n":"prio","v":1},{"n":"code","vs":"lead-off"}])");
  ASSERT_THAT(facts, SizeIs(1));
  EXPECT_EQ(alarm_of(facts[0]).kind, AlarmFact::Kind::technical);
  EXPECT_EQ(alarm_of(facts[0]).sign, 0);
  EXPECT_FALSE(alarm_of(facts[0]).value.has_value());
  EXPECT_FALSE(alarm_of(facts[0]).limit.has_value());
}

TEST(Intake, AnAlarmRecordOfAnEarlierStartSaysWhich) {  // I1
  // Its tick is of another clock: it may lie beyond the session's.
  const auto facts =
      alarms(R"([{"n":"owed","v":2},{"n":"q","v":5},{"n":"tk","v":90000000},{"n":"boot","v":9007199254740991},)"
             R"({"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},{"n":"prio","v":2},{"n":"code","vs":"lead-off"},)"
             R"({"n":"q","v":5},{"n":"tk","v":5},{"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},{"n":"prio","v":2},)"
             R"({"n":"code","vs":"lead-off"}])");
  ASSERT_THAT(facts, SizeIs(2));
  EXPECT_EQ(facts[0].boot, (1ULL << 53) - 1);
  EXPECT_EQ(facts[0].tick_ms, 90000000u);
  EXPECT_EQ(alarm_of(facts[0]).code, "lead-off");
  EXPECT_EQ(facts[1].boot, 0u);
}

TEST(Intake, ABootThatIsNoneIsQuarantined) {
  for (const char* boot :
       {R"("v":0)", R"("v":9007199254740992)", R"("v":1.5)", R"("vs":"7")", R"("v":7},{"n":"boot","v":7)"}) {
    const auto payload =
        std::string(R"([{"n":"owed","v":1},{"n":"q","v":1},{"n":"tk","v":5},{"n":"boot",)") + boot +
        R"(},{"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},{"n":"prio","v":1},{"n":"code","vs":"x"}])";
    const auto facts = alarms(payload);
    ASSERT_THAT(facts, SizeIs(1)) << boot;
    EXPECT_TRUE(std::holds_alternative<Quarantined>(facts[0].body)) << boot;
  }
}

TEST(Intake, TheHeartbeatHoldsNothing) { EXPECT_THAT(alarms(R"([{"n":"owed","v":0}])"), IsEmpty()); }

TEST(Intake, TheClockMayStandBehindWhatIsOwed) {  // TIME-4
  const auto read = [](std::string_view json) {
    std::optional<std::uint64_t> clock;
    const auto facts = take(Resource::alarms, device, coap::content_format::senml_json,
                            {reinterpret_cast<const std::uint8_t*>(json.data()), json.size()}, &clock);
    return std::pair{facts.size(), clock};
  };
  using Read = std::pair<std::size_t, std::optional<std::uint64_t>>;
  const std::string alarm = R"({"n":"q","v":2},{"n":"tk","v":6},{"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},)"
                            R"({"n":"prio","v":1},{"n":"code","vs":"fall"}])";
  EXPECT_EQ(read(R"([{"n":"owed","v":0},{"n":"tk","v":12000}])"), (Read{0, 12'000}));
  EXPECT_EQ(read(R"([{"n":"owed","v":1},{"n":"tk","v":12000},)" + alarm), (Read{1, 12'000}));
  EXPECT_EQ(read(R"([{"n":"owed","v":0}])"), (Read{0, std::nullopt}));
  EXPECT_EQ(read(R"([{"n":"owed","v":1},)" + alarm), (Read{1, std::nullopt})) << "that is the record's";
  EXPECT_THAT(alarms(R"([{"n":"owed","v":1},{"n":"tk","v":12000},)" + alarm), SizeIs(1));
  for (const auto* bad : {R"([{"n":"owed","v":0},{"n":"tk","v":-1}])", R"([{"n":"owed","v":0},{"n":"tk","vs":"now"}])",
                          R"([{"n":"owed","v":0},{"n":"urn:dev:os:32473-00/tk","v":5}])"}) {
    EXPECT_EQ(read(bad), (Read{1, std::nullopt})) << bad;
    ASSERT_THAT(alarms(bad), SizeIs(1));
    EXPECT_TRUE(std::holds_alternative<Quarantined>(alarms(bad)[0].body)) << bad;
  }
}

TEST(Intake, AlarmsUnderTheTokenOfVitalsAreQuarantined) {
  constexpr std::string_view payload =
      R"([{"n":"owed","v":1},{"n":"q","v":1},{"n":"tk","v":5},{"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},)"
      R"({"n":"prio","v":1},{"n":"code","vs":"lead-off"}])";
  expect_quarantined(vitals(payload), QuarantineReason::wrong_resource, payload);
}

TEST(Intake, SetsUnderTheTokenOfAlarmsAreQuarantined) {
  constexpr std::string_view payload = R"([{"n":"q","v":1},{"n":"tk","v":5},{"n":"hr","v":72}])";
  const auto facts = alarms(payload);
  expect_quarantined(facts, QuarantineReason::wrong_resource, payload, "/alarms");
  EXPECT_EQ(facts[0].stream, Stream::alarms);
}

TEST(Intake, WhatIsNoAlarmRecordIsQuarantined) {
  const std::string head = R"([{"n":"owed","v":1},{"n":"q","v":1},{"n":"tk","v":5},)";
  for (
      const std::string& payload :
      {std::string("[]"), std::string(R"([{"n":"owed","vs":"much"}])"),
       head + R"({"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},{"n":"prio","v":1}])",
       head + R"({"n":"ev","vs":"begun"},{"n":"kind","vs":"tech"},{"n":"prio","v":1},{"n":"code","vs":"x"}])",
       head + R"({"n":"ev","vs":"raised"},{"n":"kind","vs":"odd"},{"n":"prio","v":1},{"n":"code","vs":"x"}])",
       head + R"({"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},{"n":"prio","v":4},{"n":"code","vs":"x"}])",
       head + R"({"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},{"n":"prio","v":1},{"n":"code","vs":"Big X"}])",
       head +
           R"({"n":"ev","vs":"raised"},{"n":"on","v":1},{"n":"kind","vs":"tech"},{"n":"prio","v":1},{"n":"code","vs":"x"}])",
       head +
           R"({"n":"ev","vs":"raised"},{"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},{"n":"prio","v":1},{"n":"code","vs":"x"}])",
       head +
           R"({"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},{"n":"prio","v":1},{"n":"code","vs":"x"},{"n":"lim","vs":"y"}])"})
    expect_quarantined(alarms(payload), QuarantineReason::bad_alarm, payload, "/alarms");
}

TEST(Intake, AnAlarmOfAnUnknownSignOrUnitIsQuarantined) {
  const std::string head =
      R"([{"n":"owed","v":1},{"n":"q","v":1},{"n":"tk","v":5},{"n":"ev","vs":"raised"},{"n":"kind","vs":"phys"},)"
      R"({"n":"prio","v":1},{"n":"code","vs":"x"},)";
  const std::string sign = head + R"({"n":"mood","v":1}])";
  expect_quarantined(alarms(sign), QuarantineReason::unknown_sign, sign, "/alarms");
  const std::string unit = head + R"({"n":"temp","u":"K","v":310}])";
  expect_quarantined(alarms(unit), QuarantineReason::unknown_unit, unit, "/alarms");
}

TEST(Intake, AGoodAlarmBesideABadOneIsTaken) {
  const auto facts = alarms(
      R"([{"n":"owed","v":2},{"n":"q","v":1},{"n":"tk","v":5},{"n":"ev","vs":"raised"},{"n":"q","v":2},{"n":"tk","v":6},)"
      R"({"n":"ev","vs":"raised"},{"n":"kind","vs":"phys"},{"n":"prio","v":1},{"n":"code","vs":"x"}])");
  ASSERT_THAT(facts, SizeIs(2));
  EXPECT_EQ(facts[0].sequence, 2u);
  EXPECT_EQ(std::get<Quarantined>(facts[1].body).reason, QuarantineReason::bad_alarm);
}

TEST(Intake, EveryTruncationOfAPayloadIsTakenOrQuarantined) {  // COAP-01
  coap::senml::Pack pack(4);
  pack[0].name = "q", pack[0].value = 1.0;
  pack[1].name = "tk", pack[1].value = 2.0;
  pack[2].name = "temp", pack[2].value = 37.6;
  pack[3].name = "hr", pack[3].value = 72.0;
  const auto whole = encode_cbor(pack);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto facts = take(Resource::vitals, device, coap::content_format::senml_cbor, {whole.data(), size});
    ASSERT_THAT(facts, SizeIs(1)) << size;
    EXPECT_EQ(std::get<Quarantined>(facts[0].body).reason, QuarantineReason::undecodable) << size;
  }
}

}  // namespace
}  // namespace wardlink::ingest
