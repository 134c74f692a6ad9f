// Runs of samples on their way in: what is taken, what is quarantined and why, what is shed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coap/option.hpp"
#include "coap/senml.hpp"
#include "ingest/conversation.hpp"
#include "ingest/payload/intake.hpp"
#include "ingest/payload/registration.hpp"
#include "ingest/sink/lane_queue.hpp"

namespace wardlink::ingest {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using Reason = QuarantineReason;

constexpr std::string_view device = "urn:dev:os:32473-7f3a9c51d2e804b6";

std::vector<Fact> take_json(std::string_view json, Resource resource = Resource::ecg) {
  return take(resource, device, coap::content_format::senml_json,
              {reinterpret_cast<const std::uint8_t*>(json.data()), json.size()});
}

/// One good run but for what stands in `fields`.
std::string with(const std::string& fields) { return R"([{"n":"q","v":3},{"n":"tk","v":12000},)" + fields + "]"; }

const std::string rate = R"({"n":"rate","v":125})", scale = R"({"n":"scale","v":0.001})",
                  samples = R"({"n":"ecg","vd":"_2-AAAS0"})";

TEST(WaveformIntake, ARunIsOneFactOfItsWaveformsStream) {
  const auto facts = take_json(with(rate + R"(,{"n":"per","v":2},)" + scale + R"(,{"n":"off","v":-0.5},)" + samples));
  ASSERT_THAT(facts, SizeIs(1));
  EXPECT_EQ(facts[0].stream, Stream::ecg);
  EXPECT_EQ(facts[0].sequence, 3u);
  EXPECT_EQ(facts[0].tick_ms, 12000u);
  EXPECT_EQ(std::get<WaveformRun>(facts[0].body),
            (WaveformRun{{125, 2}, 0.001, -0.5, {0xff, 0x6f, 0x80, 0x00, 0x04, 0xb4}}));
}

TEST(WaveformIntake, WhatIsLeftOutIsOneSecondAndNoOffset) {
  const auto facts = take_json(with(scale + "," + samples + "," + rate));  // any order
  ASSERT_THAT(facts, SizeIs(1));
  EXPECT_EQ(std::get<WaveformRun>(facts[0].body).rate, (signs::SampleRate{125, 1}));
  EXPECT_EQ(std::get<WaveformRun>(facts[0].body).offset, 0);
}

TEST(WaveformIntake, OnePayloadHoldsRunAfterRun) {
  const std::string body = rate + "," + scale + "," + samples;
  const auto facts = take_json("[" + with(body).substr(1, with(body).size() - 2) +
                               R"(,{"n":"q","v":4},{"n":"tk","v":12024},)" + body + "]");
  ASSERT_THAT(facts, SizeIs(2));
  EXPECT_EQ(facts[1].sequence, 4u);
  EXPECT_THAT(take_json("[]"), IsEmpty());
}

TEST(WaveformIntake, EveryWaveformHasItsResource) {
  for (const auto& waveform : signs::waveforms()) {
    const std::string expected = "/waveforms/" + std::string(waveform.wire);
    const auto resource = std::ranges::find(resources, expected, [](Resource r) { return std::string(path(r)); });
    ASSERT_NE(resource, resources.end()) << expected;
    const auto facts = take_json(
        with(R"({"n":"rate","v":100},)" + scale + R"(,{"n":")" + std::string(waveform.wire) + R"(","vd":"AAA"})"),
        *resource);
    ASSERT_THAT(facts, SizeIs(1));
    EXPECT_EQ(static_cast<int>(facts[0].stream), 16 + waveform.id);
    EXPECT_EQ(to_string(facts[0].stream), waveform.wire);
    EXPECT_TRUE(std::holds_alternative<WaveformRun>(facts[0].body)) << expected;
  }
}

TEST(WaveformIntake, WhatIsNoRunIsQuarantinedWithItsReason) {
  const auto run_of = [](std::size_t bytes) {
    coap::senml::Pack pack(5);
    pack[0].name = "q", pack[0].value = 1.0;
    pack[1].name = "tk", pack[1].value = 0.0;
    pack[2].name = "rate", pack[2].value = 50.0;
    pack[3].name = "scale", pack[3].value = 1.0;
    pack[4].name = "ecg", pack[4].value = coap::Bytes(bytes);
    return coap::senml::encode_json(pack);
  };
  struct Case {
    std::string json;
    Reason reason;
  };
  for (const auto& [json, reason] :
       {Case{with(scale + "," + samples), Reason::bad_run}, Case{with(rate + "," + samples), Reason::bad_run},
        Case{with(rate + "," + scale), Reason::bad_run},
        Case{with(rate + "," + rate + "," + scale + "," + samples), Reason::bad_run},
        Case{with(rate + "," + scale + "," + samples + "," + samples), Reason::bad_run},
        Case{with(R"({"n":"rate","v":49},)" + scale + "," + samples), Reason::bad_run},
        Case{with(R"({"n":"rate","v":125.5},)" + scale + "," + samples), Reason::bad_run},
        Case{with(R"({"n":"rate","v":125},{"n":"per","v":0},)" + scale + "," + samples), Reason::bad_run},
        Case{with(rate + R"(,{"n":"scale","v":0},)" + samples), Reason::bad_run},
        Case{with(rate + "," + scale + R"(,{"n":"ecg","v":1})"), Reason::bad_run},
        Case{with(rate + "," + scale + R"(,{"n":"ecg","vd":"AA"})"), Reason::bad_run},  // one byte
        Case{with(rate + "," + scale + R"(,{"n":"hr","v":60})"), Reason::bad_run}, Case{run_of(0), Reason::bad_run},
        Case{run_of(1002), Reason::bad_run},  // 50 Hz: 10.02 s
        Case{with(rate + "," + scale + R"(,{"n":"ppg","vd":"AAA"})"), Reason::wrong_resource},
        Case{R"([{"n":"owed","v":0}])", Reason::wrong_resource},
        Case{with(rate + "," + scale + R"(,{"n":"ecg","u":"V","vd":"AAA"})"), Reason::unknown_unit},
        Case{R"([{"bn":"urn:dev:os:32473-0000000000000000","n":"q","v":3}])", Reason::foreign_name},
        Case{"[", Reason::undecodable}}) {
    const auto facts = take_json(json);
    ASSERT_THAT(facts, SizeIs(1)) << json;
    const auto* quarantined = std::get_if<Quarantined>(&facts[0].body);
    ASSERT_NE(quarantined, nullptr) << json;
    EXPECT_STREQ(to_string(quarantined->reason), to_string(reason)) << json;
    EXPECT_EQ(quarantined->resource, "/waveforms/ecg");
    EXPECT_EQ(facts[0].stream, Stream::ecg);
  }
  EXPECT_TRUE(std::holds_alternative<WaveformRun>(take_json(run_of(1000)).at(0).body));  // 50 Hz: 10 s
}

TEST(WaveformIntake, ASetHoldsNoSamples) {
  const auto facts = take_json(with(samples), Resource::vitals);
  ASSERT_THAT(facts, SizeIs(1));
  EXPECT_EQ(std::get<Quarantined>(facts[0].body).reason, Reason::unknown_sign);
}

TEST(WaveformIntake, OnlyWhatIsAdvertisedIsObservedAndEachUnderItsStream) {
  testing::Conversation talk;
  talk.introduce();
  EXPECT_EQ(talk.registrations("/waveforms/ecg"), 0u);
  auto again = testing::Conversation<>::registration();
  const std::string links = "</vitals>;obs,</alarms>;obs,</waveforms/ecg>;obs,</waveforms/eeg>;obs";
  again.payload.assign(links.begin(), links.end());
  talk.ask(again);
  EXPECT_EQ(talk.registrations("/waveforms/ecg"), 1u);
  EXPECT_EQ(talk.registrations("/waveforms/eeg"), 0u);
  EXPECT_EQ(talk.registrations("/waveforms/ppg"), 0u);
  talk.notify("/waveforms/ecg", R"([{"n":"q","v":3},{"n":"tk","v":900},)" + rate + "," + scale + "," + samples + "]",
              coap::Reliability::non);
  ASSERT_THAT(talk.sink.records, SizeIs(1));
  EXPECT_EQ(talk.sink.records[0].fact.stream, Stream::ecg);
  EXPECT_EQ(talk.stats.notifications[static_cast<std::size_t>(Resource::ecg)][0], 2u);  // and the answer to the GET
}

TEST(WaveformIntake, RunsAreShedBeforeVitals) {  // I3, MSG-06
  LaneQueue::Config config;
  config.capacity = 4;
  LaneQueue queue(config);
  constexpr SinkSession session{1};
  queue.attach({session, "urn:dev:os:32473-a", 5, ClockExchange{}});
  const auto run = [&](std::uint64_t sequence) {
    return queue.append({session, Ticket::none, {}, {Stream::ecg, sequence, 0, WaveformRun{}}}, {});
  };
  const auto vitals = [&](std::uint64_t sequence) {
    return queue.append({session, Ticket::none, {}, {Stream::vitals, sequence, 0, SignValues{}}}, {});
  };
  EXPECT_THAT(run(1), IsEmpty());
  EXPECT_THAT(vitals(1), IsEmpty());
  const auto answers = run(2);  // half of it is taken
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].result, RecordResult::shed);
  EXPECT_EQ(answers[0].stream, Stream::ecg);
  EXPECT_THAT(vitals(2), IsEmpty());
  EXPECT_THAT(vitals(3), IsEmpty());
  EXPECT_EQ(queue.counters().shed_waveforms, 1u);
  EXPECT_EQ(queue.counters().shed_vitals, 0u);
}

}  // namespace
}  // namespace wardlink::ingest
