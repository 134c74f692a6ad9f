// An observation whose notifications no longer come is refreshed: when, under which token, and what a network that
// loses, doubles and delays makes of it. OBS-08

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "ingest/conversation.hpp"

namespace wardlink::ingest {
namespace {

using namespace std::chrono_literals;
using coap::testing::Fault;
using testing::Conversation;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr auto con = coap::Reliability::con;
constexpr auto non = coap::Reliability::non;

std::string set_json(int q) {
  return R"([{"n":"q","v":)" + std::to_string(q) + R"(},{"n":"tk","v":)" + std::to_string(900 + q) +
         R"(},{"n":"hr","v":70}])";
}

/// The sequence numbers of the sets that reached the sink, each as often as it came.
std::vector<std::uint64_t> sequences(const Conversation<>& talk) {
  std::vector<std::uint64_t> all;
  for (const auto& record : talk.sink.records) all.push_back(record.fact.sequence);
  return all;
}

/// All that ingest asked of the resource was asked under one token and with the same options.
void expect_one_observation(const Conversation<>& talk, const std::string& path) {
  const auto asked = talk.asked(path);
  ASSERT_FALSE(asked.empty());
  for (const auto& one : asked) {
    EXPECT_EQ(one.message.type, coap::Type::con);
    EXPECT_EQ(one.message.token, asked[0].message.token);
    EXPECT_EQ(one.message.options, asked[0].message.options);
  }
  EXPECT_EQ(talk.stats.observations_ended, 0u);
  EXPECT_THAT(talk.stats.rejected_tokens, Each(0u));
  EXPECT_THAT(talk.sink.attached, SizeIs(1));
  EXPECT_THAT(talk.sink.detached, SizeIs(0));
  EXPECT_FALSE(talk.closed());
}

TEST(ObservationRefresh, ComesFiveToFifteenSecondsAfterMaxAge) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Conversation talk(coap::testing::seeded(seed));
    talk.introduce();
    talk.advance(20s);
    talk.notify("/vitals", set_json(1), non);
    const auto heard = talk.now;
    talk.advance(65s - 1us);
    EXPECT_THAT(talk.asked("/vitals"), SizeIs(1)) << "Max-Age is 60 s where nothing is said of it";
    talk.advance(10s + 1us);
    ASSERT_THAT(talk.asked("/vitals"), SizeIs(2));
    EXPECT_GE(talk.asked("/vitals")[1].at - heard, 65s);
    EXPECT_LE(talk.asked("/vitals")[1].at - heard, 75s);
    expect_one_observation(talk, "/vitals");
  }
}

TEST(ObservationRefresh, IsPutOffByEachNotification) {
  Conversation talk;
  talk.introduce();
  for (int q = 1; q <= 60; ++q) {
    talk.notify("/vitals", set_json(q), q % 10 == 0 ? con : non);
    talk.advance(64s);
  }
  EXPECT_THAT(talk.asked("/vitals"), SizeIs(1));
}

TEST(ObservationRefresh, WaitsForTheMaxAgeThatTheNotificationSays) {
  Conversation talk;
  talk.introduce();
  talk.notify("/vitals", set_json(1), non, 7200);
  talk.advance(7205s - 1us);
  EXPECT_THAT(talk.asked("/vitals"), SizeIs(1));
  talk.advance(10s + 1us);
  EXPECT_THAT(talk.asked("/vitals"), SizeIs(2));
  talk.notify("/vitals", set_json(2), non, 3);
  talk.advance(8s - 1us);
  EXPECT_THAT(talk.asked("/vitals"), SizeIs(2));
  talk.advance(10s + 1us);
  EXPECT_THAT(talk.asked("/vitals"), SizeIs(3)) << "also where it is shorter than the one before";
  talk.notify("/vitals", set_json(3), non, 0xffffffff);
  talk.advance(24h);
  EXPECT_THAT(talk.asked("/vitals"), SizeIs(3));
}

TEST(ObservationRefresh, OfAlarmsWaitsForNoLongerMaxAgeThanAMinute) {
  Conversation talk;
  talk.introduce();
  talk.notify("/alarms", R"([{"n":"owed","v":0}])", con, 7200);
  talk.advance(65s - 1us);
  EXPECT_THAT(talk.asked("/alarms"), SizeIs(1));
  talk.advance(10s + 1us);
  EXPECT_THAT(talk.asked("/alarms"), SizeIs(2));
  expect_one_observation(talk, "/alarms");
}

TEST(ObservationRefresh, OfAlarmsWaitsWhileTheyWaitForStorage) {  // MSG-09
  Conversation talk;
  talk.introduce();
  talk.raise(1);
  talk.advance(10min);
  EXPECT_THAT(talk.asked("/alarms"), SizeIs(1));
  EXPECT_GT(talk.asked("/vitals").size(), 1u);
}

TEST(ObservationRefresh, GoesOnForAsLongAsNothingIsMeasured) {
  Conversation talk;
  talk.introduce();
  talk.advance(1h);
  const auto asked = talk.asked("/vitals");
  EXPECT_GE(asked.size(), 1u + 3600 / 75);
  EXPECT_LE(asked.size(), 1u + 3600 / 65);
  std::set<coap::Duration> pauses;
  for (std::size_t i = 1; i < asked.size(); ++i) pauses.insert(asked[i].at - asked[i - 1].at);
  EXPECT_GE(*pauses.begin(), 65s);
  EXPECT_LE(*pauses.rbegin(), 75s);
  EXPECT_GT(pauses.size(), 10u) << "drawn anew each time";
  expect_one_observation(talk, "/vitals");
  expect_one_observation(talk, "/alarms");
}

/// The device never heard of it, and goes on under the token that it knows.
TEST(ObservationRefresh, ThatNobodyAnswersEndsNothing) {
  Conversation talk;
  talk.introduce();
  talk.notify("/vitals", set_json(1), non);
  talk.network.cut(true);
  talk.advance(10min);
  EXPECT_GT(talk.asked("/vitals").size(), 3u);
  talk.network.cut(false);
  talk.notify("/vitals", set_json(2), non);
  EXPECT_THAT(sequences(talk), ElementsAre(1, 2));
  talk.advance(2min);
  expect_one_observation(talk, "/vitals");
  expect_one_observation(talk, "/alarms");
}

TEST(ObservationRefresh, BringsBackAnObserverThatTheDeviceHasLost) {
  Conversation talk;
  talk.introduce();
  talk.device.remove_observer(talk.observers.at("/vitals"));
  talk.advance(75s);
  EXPECT_EQ(talk.registrations("/vitals"), 2u);
  talk.notify("/vitals", set_json(1), non);
  EXPECT_THAT(sequences(talk), ElementsAre(1));
  expect_one_observation(talk, "/vitals");
}

// -- whatever the network does ----------------------------------------------------------------------------------------

/// Heartbeats of the alarm path in between, as a device sends them.
void pass_with_heartbeats(Conversation<>& talk, coap::Duration duration) {
  for (; duration > 30s; duration -= 30s) {
    talk.advance(30s);
    talk.notify("/alarms", R"([{"n":"owed","v":0}])", con);
  }
  talk.advance(duration);
}

/// Sets, then silence for two refreshes, then sets again.
void falls_silent_and_speaks(Conversation<>& talk) {
  talk.network.one_way = 20ms;
  for (int q = 1; q <= 3; ++q) {
    talk.notify("/vitals", set_json(q), non);
    talk.advance(1s);
  }
  pass_with_heartbeats(talk, 155s);
  for (int q = 4; q <= 6; ++q) {
    talk.notify("/vitals", set_json(q), non);
    talk.advance(1s);
  }
}

TEST(ObservationRefresh, GoesWellWhateverTheNetworkDoes) {
  const auto replay = [](const std::vector<Fault>& faults) {
    auto talk = std::make_unique<Conversation<>>();
    talk->introduce();
    talk->network = Conversation<>::network_with(faults);
    falls_silent_and_speaks(*talk);
    return talk;
  };
  const auto faultless = replay({});
  EXPECT_THAT(faultless->asked("/vitals"), SizeIs(3)) << "one observation, refreshed twice";
  EXPECT_THAT(faultless->asked("/alarms"), SizeIs(1));
  using Kind = Fault::Kind;
  for (std::size_t n = 0; n < faultless->network.sent(); ++n) {
    for (const auto kind : {Kind::lost, Kind::doubled, Kind::delayed, Kind::echoed}) {
      SCOPED_TRACE(to_string(Fault{kind, n}));
      const auto talk = replay({{kind, n}});
      talk->network.heal();
      talk->advance(2min);
      talk->notify("/vitals", set_json(7), non);
      talk->advance(1s);
      const auto came = sequences(*talk);
      EXPECT_EQ(std::set(came.begin(), came.end()).size(), came.size()) << "no set comes twice";
      EXPECT_GE(came.size(), kind == Kind::lost ? 6u : 7u);
      EXPECT_EQ(came.back(), 7u);
      EXPECT_LE(talk->asked("/vitals").size(), 6u);
      expect_one_observation(*talk, "/vitals");
      expect_one_observation(*talk, "/alarms");
      if (HasFailure()) return;
    }
  }
}

// -- a storm ----------------------------------------------------------------------------------------------------------

/// All fall silent at one instant, as when a sender in the building fails.
TEST(ObservationRefresh, OfAThousandDevicesIsSpreadOverTenSeconds) {
  std::mt19937_64 generator(20);
  const coap::Random chance = [&](std::span<std::uint8_t> out) {
    for (auto& byte : out) byte = static_cast<std::uint8_t>(generator());
  };
  std::array<int, 10> histogram{};  // by second, from Max-Age + 5 s on
  for (int device = 0; device < 1000; ++device) {
    Conversation talk(chance);
    talk.introduce();
    const auto silent_from = talk.now;
    talk.advance(75s);
    const auto asked = talk.asked("/vitals");
    ASSERT_THAT(asked, SizeIs(2));
    const auto second = (asked[1].at - silent_from - 65s) / 1s;
    ASSERT_TRUE(0 <= second && second < 10) << second;
    ++histogram[static_cast<std::size_t>(second)];
  }
  EXPECT_THAT(histogram, Each(::testing::AllOf(::testing::Ge(60), ::testing::Le(150)))) << "a fair share is 100";
}

}  // namespace
}  // namespace wardlink::ingest
