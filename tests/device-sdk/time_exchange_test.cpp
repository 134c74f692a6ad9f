// How the device tells the gateway of its clock: tries of GET /time that are lost, late, doubled or overtaken, and what
// it says of them afterwards.
#include "time_exchange.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway.hpp"

namespace wardlink {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Seen;
using ::testing::SizeIs;
using testing::World;
using namespace std::chrono_literals;

constexpr auto kNever = std::nullopt;

AlarmSettings no_limits() { return {{}, 0, 0}; }

/// The ticks of the tries, in the order in which the gateway received them.
std::vector<std::string> tries(const World& world) {
  std::vector<std::string> ticks;
  for (const auto& request : world.requests)
    if (request.path == "/time") ticks.push_back(request.queries.at(0));
  return ticks;
}

/// What registrations and their updates said: the path, then tk and rt.
std::vector<std::string> told(const World& world) {
  std::vector<std::string> all;
  for (const auto& request : world.requests) {
    if (!request.path.starts_with("/rd")) continue;
    const auto last = request.queries.size();
    all.push_back(request.path + " " + request.queries.at(last - 2) + " " + request.queries.at(last - 1));
  }
  return all;
}

// -- one exchange ----------------------------------------------------------------------------------------------------

TEST(TimeExchange, EachTryIsAMessageOfItsOwnWithTheClockOfThatMoment) {  // TIME-4
  World world;
  world.time_answers = {kNever, kNever};
  world.start();
  world.pass(10s);
  EXPECT_THAT(tries(world), ElementsAre("tk=0", "tk=2000", "tk=4000"));
  EXPECT_THAT(told(world), ElementsAre("/rd tk=4000 rt=21"));
  const auto status = world.recorder.status();
  EXPECT_EQ(status.retransmissions, 0u);
  EXPECT_EQ(status.clock_exchanges, 1u);
  EXPECT_EQ(status.clock_uncertainty_ms, 11u);
  EXPECT_EQ(status.clock_exchange_tick_ms, 4000u);
}

TEST(TimeExchange, WhatWasLostDoesNotComeAgainWithItsOldTick) {  // TIME-4
  for (const coap::Duration outage : {1s, 3s, 5s, 12s}) {
    World world;
    world.core.start(world.now);
    world.pass(5ms);
    world.reachable = false;
    world.pass(outage);
    world.reachable = true;
    world.pass(20s);
    ASSERT_THAT(tries(world), SizeIs(1));
    EXPECT_GE(std::stoull(tries(world)[0].substr(3)), World::milliseconds(coap::Instant{outage}));
    EXPECT_THAT(told(world), ElementsAre("/rd " + tries(world)[0] + " rt=21"));
  }
}

TEST(TimeExchange, WhatIsSlowerThanTwoSecondsIsNotTaken) {  // TIME-4
  World world;
  world.time_answers = {2500ms};
  world.start();
  world.pass(10s);
  EXPECT_THAT(tries(world), ElementsAre("tk=0", "tk=2000"));
  EXPECT_THAT(told(world), ElementsAre("/rd tk=2000 rt=21"));
}

TEST(TimeExchange, AfterThreeSlowTriesTheQuickestIsTaken) {  // TIME-4
  World world;
  world.time_answers = {3000ms, 2500ms, 9s, kNever};
  world.start();
  world.pass(10s);
  EXPECT_THAT(tries(world), ElementsAre("tk=0", "tk=2000", "tk=4000"));
  EXPECT_THAT(told(world), ElementsAre("/rd tk=2000 rt=2521"));
  EXPECT_EQ(world.recorder.status().clock_uncertainty_ms, 1261u);
}

TEST(TimeExchange, AfterThreeThatWereLostTheFirstAnswerIsTaken) {  // TIME-4
  World world;
  world.time_answers = {kNever, kNever, kNever, 3s, kNever};
  world.start();
  world.pass(20s);
  EXPECT_THAT(tries(world), ElementsAre("tk=0", "tk=2000", "tk=4000", "tk=6000"));
  EXPECT_THAT(told(world), ElementsAre("/rd tk=6000 rt=3021"));
}

TEST(TimeExchange, AnAnswerThatIsOvertakenIsOfItsOwnTry) {  // TIME-4
  World world;
  world.time_answers = {4500ms, 1800ms};  // the second comes first
  world.start();
  world.pass(10s);
  EXPECT_THAT(told(world), ElementsAre("/rd tk=2000 rt=1821"));
}

TEST(TimeExchange, TheRoundTripIsOfTheDevicesClock) {  // TIME-2, TIME-4
  World world;
  world.time_answers = {1s};
  world.core.start(world.now);
  world.pass(500ms);
  world.clock_offset = 3000;  // its host sleeps while the answer comes
  world.pass(10s);
  EXPECT_THAT(told(world), ElementsAre("/rd tk=5000 rt=21")) << "4 s by its clock: slow";
}

TEST(TimeExchange, AGatewayThatFallsSilentIsLeft) {  // DTLS-23
  World world;
  world.time_answers = std::deque<std::optional<coap::Duration>>(8, kNever);
  world.start();
  world.pass(12s);
  EXPECT_THAT(world.attempts, SizeIs(1));
  world.pass(8s);
  EXPECT_THAT(world.attempts, SizeIs(2)) << "within 14 s and a pause of 4 s";
}

TEST(TimeExchange, ARefusedTryIsTold) {
  World world;
  world.rd_answer = {coap::code::bad_request, std::nullopt, {}, {}};
  world.start();
  EXPECT_THAT(world.recorder.status().last_problem, ::testing::HasSubstr("POST /rd with 4.00"));
  EXPECT_EQ(world.recorder.status().clock_exchanges, 0u);
}

// -- dates of certificates -------------------------------------------------------------------------------------------

constexpr std::int64_t kDay = 86'400, kYear = 365 * kDay, kToday = testing::kBuiltOn + kYear;

/// A device that goes by what the gateway says of the time; its own calendar says 1970.
struct Judged : World {
  explicit Judged(std::int64_t from, std::int64_t to, std::optional<std::int64_t> told,
                  std::shared_ptr<Journal> journal = nullptr)
      : World(no_limits(), std::move(journal), 4096, {}, 64, true) {
    not_before = from;
    not_after = to;
    calendar = told;
    start();
  }
  bool connected() const { return recorder.status().connected; }
  std::string problem() const { return recorder.status().last_problem; }
};

TEST(Dates, AreJudgedByTheTimeThatTheGatewayTells) {
  EXPECT_TRUE(Judged(kToday - kDay, kToday + kDay, kToday).connected());
  EXPECT_TRUE(Judged(kToday + 80 * kYear, kToday + 82 * kYear, kToday + 81 * kYear).connected()) << "in 2106";
  Judged over(kToday - 2 * kDay, kToday - kDay, kToday);
  EXPECT_FALSE(over.connected());
  EXPECT_THAT(over.problem(), ::testing::HasSubstr("has expired"));
  Judged early(kToday + kDay, kToday + 2 * kDay, kToday);
  EXPECT_FALSE(early.connected());
  EXPECT_THAT(early.problem(), ::testing::HasSubstr("not valid yet"));
  for (const auto* refused : {&over, &early})
    for (const auto& request : refused->requests) EXPECT_EQ(request.path, "/time") << "nothing is told to it";
}

TEST(Dates, AreJudgedByNoDayBeforeTheBuild) {
  const auto from = testing::kBuiltOn - 3 * kYear;
  EXPECT_FALSE(Judged(from, from + kYear, from + kDay).connected()) << "it expired before this was built";
  EXPECT_TRUE(Judged(from, testing::kBuiltOn + kYear, 0).connected()) << "the gateway's calendar says 1970";
  EXPECT_FALSE(Judged(from, testing::kBuiltOn + kYear, std::nullopt).connected()) << "it tells no time";
}

TEST(Dates, AreJudgedByNoEarlierDayThanOneThatWasSeen) {
  Judged world(kToday - kDay, kToday + 9 * kDay, kToday + 8 * kDay);
  ASSERT_TRUE(world.connected());
  world.not_after = kToday + kDay;  // another certificate, and a calendar that fits it
  world.calendar = kToday;
  world.gateway->close(coap::CloseReason::local, world.now);
  world.pass(30s);
  EXPECT_FALSE(world.connected());
  EXPECT_THAT(world.problem(), ::testing::HasSubstr("has expired"));
  world.not_after = kToday + 20 * kDay;
  world.pass(3min);
  EXPECT_TRUE(world.connected());
}

/// Knows dates only.
struct Diary : Journal {
  bool generated(std::uint64_t, const SequencedSet&) override { return true; }
  bool generated(std::uint64_t, const SequencedAlarm&) override { return true; }
  bool acknowledged(std::uint64_t, std::uint64_t, std::chrono::system_clock::time_point) override { return true; }
  bool good_date(std::int64_t at) override { return dates.push_back(at), takes; }
  std::int64_t latest_good_date() override { return dates.empty() ? 0 : dates.back(); }
  std::vector<std::int64_t> dates;
  bool takes = true;
};

TEST(Dates, AreJudgedByNoEarlierDayThanTheJournalKnows) {
  const auto diary = std::make_shared<Diary>();
  Judged first(kToday - kDay, kToday + 9 * kDay, kToday + 8 * kDay, diary);
  ASSERT_TRUE(first.connected());
  EXPECT_THAT(diary->dates, ElementsAre(kToday + 8 * kDay));
  Judged restarted(kToday - kDay, kToday + kDay, kToday, diary);
  EXPECT_FALSE(restarted.connected());
  EXPECT_THAT(restarted.problem(), ::testing::HasSubstr("has expired"));
  Judged renewed(kToday - kDay, kToday + 20 * kDay, kToday, diary);
  EXPECT_TRUE(renewed.connected()) << "the gateway's calendar is behind";
  EXPECT_THAT(diary->dates, SizeIs(1)) << "nothing new";
}

TEST(Dates, AreToldToTheJournalOnceADay) {
  const auto diary = std::make_shared<Diary>();
  Judged world(kToday - kDay, kToday + 90 * kDay, kToday, diary);
  for (const auto passed : {kDay / 2, kDay - 1, kDay, kDay + 1, 3 * kDay}) {
    world.calendar = kToday + passed;
    world.gateway->close(coap::CloseReason::local, world.now);
    world.pass(1min);
    ASSERT_TRUE(world.connected());
  }
  EXPECT_THAT(diary->dates, ElementsAre(kToday, kToday + kDay, kToday + 3 * kDay));
}

TEST(Dates, OfACertificateThatIsNotGoodAreNotTold) {
  const auto diary = std::make_shared<Diary>();
  const Judged over(kToday - 2 * kDay, kToday - kDay, kToday, diary),
      early(kToday + kDay, kToday + 2 * kDay, kToday, diary);
  EXPECT_THAT(diary->dates, IsEmpty());
}

TEST(Dates, ThatTheJournalDoesNotTakeAreCounted) {
  const auto diary = std::make_shared<Diary>();
  diary->takes = false;
  Judged world(kToday - kDay, kToday + kDay, kToday, diary);
  EXPECT_TRUE(world.connected());
  EXPECT_EQ(world.recorder.status().journal_failures, 1u);
  diary->takes = true;
  for (int i = 0; i < 2; ++i) {
    world.gateway->close(coap::CloseReason::local, world.now);
    world.pass(1min);
  }
  EXPECT_THAT(diary->dates, ElementsAre(kToday, kToday)) << "told again, once";
  EXPECT_EQ(world.recorder.status().journal_failures, 1u);
}

TEST(Dates, ACalendarThatIsFarAheadIsNotKept) {
  Judged world(kToday - kDay, kToday + kDay, kToday + 80 * kYear);
  EXPECT_FALSE(world.connected());
  world.calendar = kToday;
  world.pass(3min);
  EXPECT_TRUE(world.connected());
}

// -- the next ones ---------------------------------------------------------------------------------------------------

TEST(ClockUpdates, GoToTheRegistrationEveryHour) {  // TIME-4
  World world(no_limits());
  world.start();
  world.requests.clear();
  world.pass(54min);
  EXPECT_THAT(world.requests, IsEmpty());
  world.pass(6min);
  ASSERT_THAT(tries(world), SizeIs(1));
  EXPECT_THAT(told(world), ElementsAre("/rd/7 " + tries(world)[0] + " rt=21"));
  EXPECT_EQ(world.recorder.status().clock_exchanges, 2u);
  world.pass(3h);
  EXPECT_EQ(told(world).size(), 4u);
  EXPECT_EQ(world.recorder.status().handshakes, 1u);
}

TEST(ClockUpdates, GoAtOnceWhereTheHostSlept) {  // TIME-2, TIME-4
  for (const std::uint64_t slept : {2100u, 60'000u, 90'000'000u}) {
    World world(no_limits());
    world.start();
    world.requests.clear();
    world.clock_offset += slept;
    world.report("hr", 70);
    world.pass(1s);
    EXPECT_THAT(told(world), ElementsAre("/rd/7 " + tries(world).at(0) + " rt=21")) << slept;
    EXPECT_EQ(tries(world)[0], "tk=" + std::to_string(1000 + slept));
    world.pass(30min);
    EXPECT_EQ(told(world).size(), 1u) << "it is known again";
  }
}

TEST(ClockUpdates, AClockThatIsNotTooFarOffIsNotAskedFor) {  // TIME-4
  World world(no_limits());
  world.start();
  world.requests.clear();
  world.clock_offset += 1900;
  world.pass(10min);
  EXPECT_THAT(world.requests, IsEmpty());
}

TEST(ClockUpdates, AClockThatRunsWildAsksNoMoreThanEveryTenSeconds) {  // TIME-4
  World world(no_limits());
  world.start();
  world.requests.clear();
  for (int second = 0; second < 60; ++second) {
    world.clock_offset += 3000;
    world.report("hr", 70);
    world.pass(1s);
  }
  EXPECT_GE(told(world).size(), 5u);
  EXPECT_LE(told(world).size(), 7u);
}

TEST(ClockUpdates, GoAtOnceWhereTheGatewayDoubtsTheClock) {  // TIME-4
  World world(no_limits());
  world.start();
  world.pass(1min);
  world.requests.clear();
  for (int second = 0; second < 60; ++second) world.ask(coap::code::post, "/time");  // one a second
  EXPECT_GE(told(world).size(), 5u);
  EXPECT_LE(told(world).size(), 7u) << "one in ten seconds";
  for (const auto& response : world.responses) EXPECT_EQ(response.code, coap::code::changed);
  world.requests.clear();
  world.ask(coap::code::get, "/time");
  EXPECT_EQ(world.responses.back().code, coap::code::method_not_allowed);
  EXPECT_THAT(world.requests, IsEmpty());
  EXPECT_EQ(world.recorder.status().handshakes, 1u);
}

TEST(ClockUpdates, AHeartbeatSaysTheClockToAGatewayThatAsks) {  // TIME-4
  for (const bool asks : {true, false}) {
    World world(no_limits());
    world.asks_clock = asks;
    world.start();
    world.pass(61s);
    const auto heartbeats = world.of("/alarms");
    ASSERT_GE(heartbeats.size(), 3u);
    for (const auto& heartbeat : heartbeats) {
      ASSERT_EQ(heartbeat.pack.size(), asks ? 2u : 1u);
      if (!asks) continue;
      EXPECT_EQ(heartbeat.value("tk"), static_cast<double>(World::milliseconds(heartbeat.at - 10ms)));
    }
  }
}

TEST(ClockUpdates, AreNotRepeatedWhereTheGatewayKnowsNone) {  // TIME-4
  for (const auto refusal : {coap::code::not_found, coap::code::method_not_allowed, coap::code::bad_request}) {
    World world(no_limits());
    world.update_answer = {refusal, std::nullopt, {}, {}};
    world.start();
    world.requests.clear();
    world.pass(5h);
    EXPECT_EQ(world.requests.size(), 2u);
    world.clock_offset += 60'000;
    world.pass(5min);
    EXPECT_EQ(world.requests.size(), 2u);
    EXPECT_EQ(world.recorder.status().handshakes, 1u);
    EXPECT_EQ(world.recorder.status().clock_exchanges, 1u);
    EXPECT_TRUE(world.recorder.status().connected);
  }
}

TEST(ClockUpdates, AreNotSentWhereTheGatewayNamedNoRegistration) {  // TIME-4
  World world(no_limits());
  world.rd_answer = {coap::code::created, std::nullopt, {}, {}};
  world.start();
  world.requests.clear();
  world.clock_offset += 60'000;
  world.pass(3h);
  EXPECT_THAT(world.requests, IsEmpty());
  EXPECT_TRUE(world.recorder.status().connected);
}

TEST(ClockUpdates, AreTriedAgainWhereTheGatewayIsBusy) {  // TIME-4
  World world(no_limits());
  world.update_answer = {coap::code::service_unavailable, std::nullopt, {}, {}};
  world.start();
  world.clock_offset += 60'000;
  world.report("hr", 70);
  world.pass(10s);
  EXPECT_EQ(world.recorder.status().clock_exchanges, 1u);
  world.update_answer = {coap::code::changed, std::nullopt, {}, {}};
  world.pass(2min);
  EXPECT_EQ(world.recorder.status().clock_exchanges, 2u);
}

TEST(ClockUpdates, NoAlarmWaitsForThem) {  // TIME-4, MSG-04
  World world(no_limits());
  world.start();
  world.answers_updates = false;
  world.time_answers = {kNever};
  world.clock_offset += 60'000;
  for (int second = 0; second < 40; ++second) {
    const auto raised_at = world.now;
    const auto before = world.of("/alarms").size();
    world.raise("fall");
    world.pass(20ms);
    ASSERT_GT(world.of("/alarms").size(), before) << second;
    EXPECT_EQ(world.of("/alarms").back().at, raised_at + 10ms);
    world.pass(1s);
  }
  EXPECT_THAT(told(world), ::testing::Not(IsEmpty()));
}

}  // namespace
}  // namespace wardlink
