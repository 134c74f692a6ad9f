// Waveforms of a device in virtual time: advertised where it has them, sent Non-confirmable in what the session's
// budget leaves, and never in the way of vitals or alarms.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gateway.hpp"

namespace wardlink {
namespace {

using ::testing::ElementsAre;
using testing::Seen;
using testing::World;
using namespace std::chrono_literals;

const WaveformOptions kEcg{"ecg", {125, 1}, 0.001, 0};
const WaveformOptions kPpg{"ppg", {125, 1}, 0.0001, 0};
constexpr std::size_t kRun = 460;

std::vector<std::string> advertised(const World& world) {
  std::vector<std::string> targets;
  const auto& payload = world.requests.at(1).payload;
  const std::string text(payload.begin(), payload.end());
  for (const auto& link : coap::decode_links(text).value_or(std::vector<coap::Link>{})) targets.push_back(link.target);
  return targets;
}

std::vector<std::uint64_t> sequences(const std::vector<Seen>& seen) {
  std::vector<std::uint64_t> all;
  for (const auto& one : seen)
    for (const auto sequence : one.sequences()) all.push_back(sequence);
  return all;
}

TEST(DeviceWaveforms, OnlyThoseThatItHasAreAdvertised) {
  World world({}, nullptr, 4096, {kPpg});
  world.start();
  EXPECT_THAT(advertised(world), ElementsAre("/vitals", "/alarms", "/waveforms/ppg"));
  world.ask(coap::code::get, "/waveforms/ecg");
  EXPECT_EQ(world.responses.back().code, coap::code::not_found);
  world.ask(coap::code::post, "/waveforms/ppg");
  EXPECT_EQ(world.responses.back().code, coap::code::method_not_allowed);
  world.ask(coap::code::get, "/waveforms/ppg");
  EXPECT_EQ(world.responses.back().payload, coap::Bytes{0x80});
}

TEST(DeviceWaveforms, RefusesWhatIsNoWaveformOfTheDevice) {
  World world({}, nullptr, 4096, {kEcg});
  EXPECT_EQ(world.recorder.waveform("ppg", std::vector{1.0}, {}), Refusal::invalid);
  EXPECT_EQ(world.recorder.waveform("ecg", {}, {}), Refusal::invalid);
  EXPECT_EQ(world.recorder.waveform("ecg", std::vector{HUGE_VAL}, {}), Refusal::invalid);
  world.recorder.shut();
  EXPECT_EQ(world.recorder.waveform("ecg", std::vector{1.0}, {}), Refusal::stopped);
}

TEST(DeviceWaveforms, EachWholeRunIsSentOnceNonConfirmable) {
  World world({}, nullptr, 4096, {kEcg, kPpg});
  world.start();
  for (int i = 0; i < 5; ++i) {
    world.sample("ecg", kRun);
    world.sample("ppg", kRun);
  }
  world.pass(2s);
  for (const char* resource : {"/waveforms/ecg", "/waveforms/ppg"}) {
    const auto seen = world.of(resource);
    EXPECT_THAT(sequences(seen), ElementsAre(1, 2, 3, 4, 5)) << resource;
    for (std::size_t i = 1; i < seen.size(); ++i) EXPECT_FALSE(seen[i].confirmable);
  }
  const auto status = world.recorder.status();
  EXPECT_EQ(status.runs_generated, 10u);
  EXPECT_EQ(status.runs_sent, 10u);
  EXPECT_EQ(status.runs_dropped + status.runs_waiting, 0u);
}

TEST(DeviceWaveforms, WhatEndsIsSentThoughItIsNotWhole) {
  World world({}, nullptr, 4096, {kEcg});
  world.start();
  world.sample("ecg", 17);
  world.pass(10s);
  EXPECT_THAT(sequences(world.of("/waveforms/ecg")), ElementsAre());
  world.recorder.conclude();
  world.core.nudge(world.now);
  world.pass(1s);
  ASSERT_THAT(sequences(world.of("/waveforms/ecg")), ElementsAre(1));
  EXPECT_EQ(std::get<coap::Bytes>(world.of("/waveforms/ecg").back().pack.back().value).size(), 2 * 17u);
}

/// When each set of a minute arrives, on a path so slow that there is never budget enough for all the samples.
std::vector<coap::Instant> minute_of_vitals(bool waveforms, std::size_t& runs) {
  World world({}, nullptr, 4096, {kEcg, kPpg});
  world.one_way = 400ms;
  world.start();
  world.pass(10s);
  const auto begin = world.now;
  for (int i = 0; i < 60; ++i) {
    if (waveforms) world.sample(i % 2 == 0 ? "ecg" : "ppg", 3 * kRun);
    world.report("hr", 60 + i % 7);
    world.pass(1s);
  }
  std::vector<coap::Instant> at;
  for (const auto& one : world.of("/vitals"))
    if (one.at > begin) at.push_back(one.at);
  runs = sequences(world.of("/waveforms/ecg")).size() + sequences(world.of("/waveforms/ppg")).size();
  return at;
}

TEST(DeviceWaveforms, NeverDelayVitals) {
  std::size_t none = 0, runs = 0;
  const auto without = minute_of_vitals(false, none);
  const auto with = minute_of_vitals(true, runs);
  EXPECT_EQ(with, without);
  EXPECT_EQ(without.size(), 60u);
  EXPECT_EQ(none, 0u);
  EXPECT_GT(runs, 5u);  // they have what is left
}

// RFC 7641 §4.5.1: on average not more than one Non-confirmable notification a round trip.
TEST(DeviceWaveforms, AndVitalsTogetherKeepTheBudget) {
  World world({}, nullptr, 4096, {kEcg, kPpg});
  world.one_way = 400ms;
  world.start();
  world.pass(10s);
  world.seen.clear();
  for (int i = 0; i < 80; ++i) {
    world.sample("ecg", 3 * kRun);
    world.report("hr", 60);
    world.pass(1s);
  }
  std::size_t sent = 0;
  for (const auto& one : world.seen) sent += one.confirmable ? 0 : 1;
  EXPECT_LE(sent, 80 * 1000 / 800 + 2u);
  EXPECT_GE(sent, 80 * 1000 / 800 - 2u);
}

TEST(DeviceWaveforms, NeverDelayAlarms) {
  World world({}, nullptr, 4096, {kEcg});
  world.one_way = 400ms;
  world.start();
  world.pass(10s);
  world.sample("ecg", 40 * kRun);
  world.pass(100ms);
  const auto raised = world.now;
  world.raise("lead-off");
  world.pass(1s);
  EXPECT_EQ(world.of("/alarms").back().at, raised + world.one_way);
}

TEST(DeviceWaveforms, WhatFindsNoRoomIsAGapThatIsCounted) {
  World world({}, nullptr, 4096, {kEcg}, 4);
  world.sample("ecg", 10 * kRun);
  world.start();
  world.pass(2s);
  EXPECT_THAT(sequences(world.of("/waveforms/ecg")), ElementsAre(7, 8, 9, 10));
  EXPECT_EQ(world.recorder.status().runs_dropped, 6u);
}

// RFC 7641 §4.5: at least once in 24 h a Confirmable one; its runs wait again where it is lost with its session.
TEST(DeviceWaveforms, OnceADayANotificationIsConfirmable) {
  World world({}, nullptr, 4096, {kEcg});
  world.start();
  world.sample("ecg", kRun);
  world.pass(23h + 1min);
  world.sample("ecg", kRun);
  world.pass(1s);
  ASSERT_TRUE(world.of("/waveforms/ecg").back().confirmable);
  EXPECT_EQ(world.recorder.status().runs_sent, 2u);
  world.sample("ecg", kRun);
  world.pass(1s);
  EXPECT_FALSE(world.of("/waveforms/ecg").back().confirmable);
}

TEST(DeviceWaveforms, AConfirmableRunThatNobodyAcknowledgedIsSentAgain) {
  World world({}, nullptr, 4096, {kEcg});
  world.start();
  world.pass(23h + 1min);
  world.reachable = false;
  world.sample("ecg", kRun);
  world.restart_gateway();
  world.pass(5min);
  EXPECT_EQ(world.recorder.status().runs_sent, 0u);
  world.reachable = true;
  world.pass(3min);
  EXPECT_THAT(sequences(world.of("/waveforms/ecg")), ElementsAre(1));
  EXPECT_EQ(world.recorder.status().runs_sent, 1u);
}

}  // namespace
}  // namespace wardlink
