// Exchanges of a device's clock: which try of GET /time the device names, and how far its clock may be from that.
#include "ingest/session/device_clock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "ingest/conversation.hpp"

namespace wardlink::ingest {
namespace {

using coap::code::bad_request;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::Conversation;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string text(const coap::Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

/// The device names a try with its registration.
coap::Request registration(const std::string& tick, const std::string& round_trip) {
  auto request = Conversation<>::registration();
  request.queries.push_back("tk=" + tick);
  request.queries.push_back("rt=" + round_trip);
  return request;
}

coap::Request update(const std::string& path, std::vector<std::string> queries) {
  coap::Request request;
  request.method = coap::code::post;
  request.path = path;
  request.queries = std::move(queries);
  return request;
}

constexpr coap::Instant start{seconds{100}};

// -- which try --------------------------------------------------------------------------------------------------------

TEST(DeviceClock, TakesTheTryThatTheDeviceNames) {  // TIME-4
  for (const std::uint64_t named : {1000u, 5000u, 9000u}) {
    DeviceClock clock;
    for (const std::uint64_t tick : {1000u, 5000u, 9000u}) clock.heard(tick, start + milliseconds{tick});
    const auto exchange = clock.exchange(NamedTry{named, milliseconds{300}});
    ASSERT_TRUE(exchange);
    EXPECT_EQ(*exchange, (ClockExchange{named + 150, start + milliseconds{named}, milliseconds{150}}));
  }
}

TEST(DeviceClock, CoversEveryMomentOfTheRoundTrip) {  // TIME-4
  for (const std::int64_t trip : {0, 1, 2, 3, 999, 1999, 60'000}) {
    DeviceClock clock;
    clock.heard(7000, start);
    const auto exchange = clock.exchange(NamedTry{7000, milliseconds{trip}});
    ASSERT_TRUE(exchange);
    const auto middle = static_cast<std::int64_t>(exchange->tick_ms) - 7000;
    const std::int64_t reach = exchange->uncertainty / milliseconds{1};
    EXPECT_LE(middle - reach, 0) << trip;
    EXPECT_GE(middle + reach, std::max<std::int64_t>(trip, 1)) << trip;
    EXPECT_GE(reach, 1) << trip;
    EXPECT_LE(reach, trip / 2 + 1) << trip;
  }
}

TEST(DeviceClock, RefusesATryThatItDoesNotRemember) {  // TIME-4
  DeviceClock clock;
  for (std::uint64_t tick = 1; tick <= 9; ++tick) clock.heard(tick, start);
  EXPECT_FALSE(clock.exchange(NamedTry{1, milliseconds{5}})) << "the ninth try ago";
  EXPECT_FALSE(clock.exchange(NamedTry{10, milliseconds{5}})) << "none that was heard";
  EXPECT_TRUE(clock.exchange(NamedTry{2, milliseconds{5}}));
}

TEST(DeviceClock, OfTwoTriesWithOneTickTheNewerCounts) {  // TIME-4
  DeviceClock clock;
  clock.heard(1000, start);
  clock.heard(1000, start + seconds{3});
  EXPECT_EQ(clock.exchange(NamedTry{1000, milliseconds{10}})->at, start + seconds{3});
}

TEST(DeviceClock, IsKnownToAMinuteWhereTheDeviceNamesNoTry) {  // TIME-4
  DeviceClock clock;
  clock.heard(1000, start);
  clock.heard(3000, start + seconds{9});
  EXPECT_EQ(*clock.exchange(std::nullopt), (ClockExchange{3000, start + seconds{9}, seconds{60}}));
}

// -- doubt ------------------------------------------------------------------------------------------------------------

TEST(DeviceClock, IsDoubtedByATickThatItCannotHaveReached) {  // TIME-4
  DeviceClock clock;
  clock.heard(10'000, start);
  ASSERT_TRUE(clock.exchange(NamedTry{10'000, milliseconds{200}}));
  const auto now = start + minutes{1};
  const std::uint64_t expected = 10'100 + 60'000;
  EXPECT_FALSE(clock.doubt(expected, now));
  EXPECT_FALSE(clock.doubt(0, now)) << "late, which proves nothing";
  EXPECT_FALSE(clock.doubt(expected + 2100, now)) << "within 100 ms and 2 s";
  const auto doubtful = clock.doubt(expected + 2101, now);
  ASSERT_TRUE(doubtful);
  EXPECT_EQ(*doubtful, (ClockExchange{10'100, start, milliseconds{2201}}));
  EXPECT_FALSE(clock.doubt(expected + 2101, now)) << "said once";
}

TEST(DeviceClock, IsDoubtedSeldomHoweverItRuns) {  // TIME-4
  DeviceClock clock;
  clock.heard(0, start);
  ASSERT_TRUE(clock.exchange(NamedTry{0, milliseconds{10}}));
  std::size_t doubts = 0;
  for (std::int64_t second = 1; second <= 3600; ++second)  // twice as fast as time
    if (clock.doubt(static_cast<std::uint64_t>(2000 * second), start + seconds{second})) ++doubts;
  EXPECT_GE(doubts, 5u);
  EXPECT_LE(doubts, 12u) << "each doubles the uncertainty";
}

/// A device measures every second and says its clock every thirty; what it says is `late` ms on its way.
struct Wearer {
  std::function<std::int64_t(std::int64_t second)> late = [](std::int64_t) { return 5; };
  std::function<std::int64_t(std::int64_t second)> late_sets = late;
  std::function<bool(std::int64_t second)> sleeps = [](std::int64_t) { return false; };
  bool exchanges = true;

  /// At which second the clock was doubted, in five minutes.
  std::vector<std::int64_t> doubts() const {
    DeviceClock clock;
    std::int64_t tick = 7'000'000;
    const auto exchange = [&](coap::Instant now) {
      clock.heard(static_cast<std::uint64_t>(tick), now);
      EXPECT_TRUE(clock.exchange(NamedTry{static_cast<std::uint64_t>(tick), milliseconds{20}}));
    };
    exchange(start);
    std::vector<std::int64_t> found;
    for (std::int64_t second = 1; second <= 300; ++second) {
      if (sleeps(second)) continue;
      tick += 1000;
      const auto now = start + seconds{second};
      const auto set = static_cast<std::uint64_t>(tick - late_sets(second));
      const auto heartbeat = static_cast<std::uint64_t>(tick - late(second));
      EXPECT_FALSE(clock.doubt(set, now));
      if (second % 30 != 0) continue;
      EXPECT_FALSE(clock.doubt(heartbeat, now));
      if (!clock.doubt_heartbeat(heartbeat, now)) continue;
      found.push_back(second);
      if (exchanges) exchange(now);
    }
    return found;
  }
};

TEST(DeviceClock, ThatStoodIsDoubtedByTheSecondHeartbeat) {  // TIME-4
  Wearer wearer;
  EXPECT_THAT(wearer.doubts(), IsEmpty());
  wearer.sleeps = [](std::int64_t second) { return second > 40 && second <= 100; };
  EXPECT_THAT(wearer.doubts(), ElementsAre(150)) << "60 s, the heartbeats at 120 and 150";
  wearer.sleeps = [](std::int64_t second) { return second > 40 && second <= 45; };
  EXPECT_THAT(wearer.doubts(), ElementsAre(90)) << "5 s";
  wearer.sleeps = [](std::int64_t second) { return (second > 40 && second <= 43) || (second > 130 && second <= 133); };
  EXPECT_THAT(wearer.doubts(), ElementsAre(90, 180)) << "twice 3 s";
  wearer.exchanges = false;
  EXPECT_THAT(wearer.doubts(), ElementsAre(90, 180)) << "6 s, which the first doubt does not cover";
  wearer.sleeps = [](std::int64_t second) { return second > 40 && second <= 100; };
  EXPECT_THAT(wearer.doubts(), ElementsAre(150)) << "said once";
}

TEST(DeviceClock, IsNotDoubtedForWhatIsLate) {  // TIME-4
  Wearer wearer;
  const auto again = [](std::int64_t second) { return second % 60 == 0 ? 45'000 : 5; };
  const auto always = [](std::int64_t) { return 12'000; };
  const auto now_and_then = [](std::int64_t second) { return second % 10 == 7 ? 5 : 8'000; };
  wearer.late = again;
  wearer.late_sets = always;
  EXPECT_THAT(wearer.doubts(), IsEmpty()) << "every second heartbeat was sent again; sets wait";
  wearer.late = always;
  wearer.late_sets = now_and_then;
  EXPECT_THAT(wearer.doubts(), IsEmpty()) << "all heartbeats were sent again, but not all sets are late";
  wearer.late = [](std::int64_t) { return 2'000; };
  wearer.late_sets = wearer.late;
  EXPECT_THAT(wearer.doubts(), IsEmpty()) << "within its uncertainty and 2 s";
}

TEST(DeviceClock, IsDoubtedOnceForASlowPath) {  // TIME-4
  Wearer wearer;
  wearer.late = [](std::int64_t second) { return second > 40 ? 6'000 : 5; };
  wearer.late_sets = wearer.late;
  EXPECT_THAT(wearer.doubts(), ElementsAre(90)) << "then an exchange denied it";
  wearer.sleeps = [](std::int64_t second) { return second > 130 && second <= 190; };
  EXPECT_THAT(wearer.doubts(), ElementsAre(90, 240)) << "60 s are more than the path's";
}

// -- on the wire ------------------------------------------------------------------------------------------------------

TEST(ClockOnTheWire, ARegistrationNamesTheTry) {  // TIME-4
  Conversation talk;
  talk.ask_time(1000);
  talk.advance(seconds{15});
  talk.ask_time(16'000);
  talk.advance(seconds{3});
  talk.ask_time(19'000);
  EXPECT_EQ(talk.ask(registration("16000", "80")).code, coap::code::created);
  ASSERT_THAT(talk.sink.attached, SizeIs(1));
  EXPECT_EQ(talk.sink.attached[0].exchange, (ClockExchange{16'040, coap::Instant{seconds{115}}, milliseconds{40}}));
  EXPECT_EQ(talk.stats.clock_exchanges, 1u);
}

TEST(ClockOnTheWire, RefusesAnExchangeThatCannotBe) {  // TIME-4
  struct Case {
    std::vector<std::string> queries;
    std::string words;
  };
  for (const auto& [queries, words] :
       {Case{{"tk=1001", "rt=10"}, "tk names none"}, Case{{"tk=1000", "rt=60001"}, "rt is missing or not a number"},
        Case{{"tk=1000", "rt=-5"}, "rt is missing or not a number"}, Case{{"tk=1000", "rt=1e3"}, "rt is missing or"},
        Case{{"tk=1000", "rt="}, "rt is missing or"}, Case{{"tk=1000"}, "rt is missing or"},
        Case{{"rt=10"}, "tk is missing or"}, Case{{"tk=1000x", "rt=10"}, "tk is missing or"}}) {
    Conversation talk;
    talk.ask_time(1000);
    auto request = Conversation<>::registration();
    request.queries.insert(request.queries.end(), queries.begin(), queries.end());
    const auto answer = talk.ask(request);
    EXPECT_EQ(answer.code, bad_request) << words;
    EXPECT_THAT(text(answer.payload), HasSubstr(words));
    EXPECT_THAT(talk.sink.attached, IsEmpty());
    EXPECT_EQ(talk.stats.clock_exchanges, 0u);
    EXPECT_EQ(talk.stats.clock_exchanges_refused + talk.stats.registrations_refused, 1u);

    ASSERT_EQ(talk.ask(registration("1000", "10")).code, coap::code::created);
    EXPECT_EQ(talk.ask(update("/rd/7", queries)).code, bad_request) << words;
    EXPECT_THAT(talk.sink.exchanges, IsEmpty());
    EXPECT_GE(talk.stats.clock_exchanges_refused, 1u);
  }
}

TEST(ClockOnTheWire, AnUpdateOfTheRegistrationIsANewExchange) {  // TIME-4
  Conversation talk;
  talk.ask_time(1000);
  ASSERT_EQ(talk.ask(registration("1000", "10")).code, coap::code::created);
  talk.advance(minutes{30});
  talk.ask_time(1'801'500);
  EXPECT_EQ(talk.ask(update("/rd/7", {"tk=1801500", "rt=31"})).code, coap::code::changed);
  ASSERT_THAT(talk.sink.exchanges, SizeIs(1));
  EXPECT_EQ(talk.sink.exchanges[0].first, SinkSession{7});
  EXPECT_EQ(talk.sink.exchanges[0].second,
            (ClockExchange{1'801'515, coap::Instant{minutes{30} + seconds{100}}, milliseconds{16}}));
  EXPECT_THAT(talk.sink.attached, SizeIs(1));
  EXPECT_EQ(talk.ask(update("/rd/7", {"tk=1801500", "rt=30"})).code, coap::code::changed);
  EXPECT_THAT(talk.sink.exchanges, SizeIs(1)) << "one in ten seconds";
  talk.advance(seconds{10});
  EXPECT_EQ(talk.ask(registration("1801500", "31")).code, coap::code::created) << "registered anew, which is one too";
  EXPECT_THAT(talk.sink.exchanges, SizeIs(2));
}

TEST(ClockOnTheWire, OnlyTheSessionsOwnRegistrationIsUpdated) {  // TIME-4
  Conversation talk;
  talk.ask_time(1000);
  EXPECT_EQ(talk.ask(update("/rd/7", {"tk=1000", "rt=10"})).code, coap::code::not_found) << "not registered yet";
  ASSERT_EQ(talk.ask(registration("1000", "10")).code, coap::code::created);
  for (const char* path : {"/rd/8", "/rd/07", "/rd/7/1", "/rd/", "/rd/<n>"})
    EXPECT_EQ(talk.ask(update(path, {"tk=1000", "rt=10"})).code, coap::code::not_found) << path;
  auto get = update("/rd/7", {});
  get.method = coap::code::get;
  EXPECT_EQ(talk.ask(get).code, coap::code::method_not_allowed);
  EXPECT_THAT(talk.sink.exchanges, IsEmpty());
}

TEST(ClockOnTheWire, AnUpdateMayBeOfTheLifetimeAlone) {
  Conversation talk;
  talk.ask_time(1000);
  ASSERT_EQ(talk.ask(registration("1000", "10")).code, coap::code::created);
  EXPECT_EQ(talk.ask(update("/rd/7", {"lt=0"})).code, bad_request);
  EXPECT_EQ(talk.ask(update("/rd/7", {"lt=70"})).code, coap::code::changed);
  EXPECT_THAT(talk.sink.exchanges, IsEmpty());
  talk.advance(seconds{80});
  EXPECT_TRUE(talk.closed()) << "3,600 s before";
}

/// How often the device was asked for a new exchange.
std::size_t questions(const Conversation<>& talk) {
  return static_cast<std::size_t>(std::ranges::count_if(talk.device_events, [](const coap::Event& event) {
    const auto* request = std::get_if<coap::event::RequestReceived>(&event);
    return request != nullptr && request->path == "/time" && request->method == coap::code::post;
  }));
}

TEST(ClockOnTheWire, TheObservationOfAlarmsAsksForTheClock) {  // TIME-4
  Conversation talk;
  talk.introduce();
  EXPECT_EQ(talk.asked("/alarms").at(0).message.options.strings(coap::OptionNumber::uri_query),
            std::vector<std::string>{"tk"});
  EXPECT_THAT(talk.asked("/vitals").at(0).message.options.strings(coap::OptionNumber::uri_query), IsEmpty());
}

TEST(ClockOnTheWire, ADeviceWhoseClockStoodIsAskedForAnExchange) {  // TIME-4
  for (const std::int64_t stood : {60'000, 5'000, 3'000}) {
    Conversation talk;
    talk.ask_time(1000);
    ASSERT_EQ(talk.ask(registration("1000", "20")).code, coap::code::created);
    talk.session.own(talk.ingest, talk.now);
    talk.settle();
    std::int64_t lag = 0;
    const auto tick = [&] { return 1000 + (talk.now - coap::Instant{seconds{100}}) / milliseconds{1} - lag; };
    const auto heartbeat = [&] {
      talk.advance(seconds{30});
      talk.notify("/alarms", R"([{"n":"owed","v":0},{"n":"tk","v":)" + std::to_string(tick()) + "}]",
                  coap::Reliability::con);
    };
    heartbeat();
    lag = stood;
    heartbeat();
    EXPECT_EQ(talk.stats.clocks_doubted, 0u) << "one may be late";
    EXPECT_EQ(questions(talk), 0u);
    heartbeat();
    EXPECT_EQ(talk.stats.clocks_doubted, 1u) << stood;
    ASSERT_THAT(talk.sink.exchanges, SizeIs(1));
    EXPECT_EQ(talk.sink.exchanges[0].second,
              (ClockExchange{1010, coap::Instant{seconds{100}}, milliseconds{stood + 20}}));
    EXPECT_EQ(questions(talk), 1u);
    heartbeat();
    EXPECT_EQ(questions(talk), 2u) << "the first may be lost";
    EXPECT_EQ(talk.stats.clocks_doubted, 1u) << "said once";
    const auto now = std::to_string(tick());
    talk.ask_time(static_cast<std::uint64_t>(tick()));
    EXPECT_EQ(talk.ask(update("/rd/7", {"tk=" + now, "rt=10"})).code, coap::code::changed);
    for (int i = 0; i < 4; ++i) heartbeat();
    EXPECT_EQ(questions(talk), 2u);
    EXPECT_EQ(talk.stats.clocks_doubted, 1u);
  }
}

TEST(ClockOnTheWire, ADeviceThatDoesNotSayItsClockIsNotAsked) {  // TIME-4
  Conversation talk;
  talk.ask_time(1000);
  ASSERT_EQ(talk.ask(registration("1000", "20")).code, coap::code::created);
  talk.session.own(talk.ingest, talk.now);
  talk.settle();
  talk.notify("/vitals", R"([{"n":"q","v":1},{"n":"tk","v":90000},{"n":"hr","v":72}])", coap::Reliability::non);
  EXPECT_EQ(talk.stats.clocks_doubted, 1u);
  for (int i = 0; i < 4; ++i) {
    talk.advance(seconds{30});
    talk.notify("/alarms", R"([{"n":"owed","v":0}])", coap::Reliability::con);
  }
  EXPECT_EQ(questions(talk), 0u) << "an older SDK";
  EXPECT_EQ(talk.stats.clocks_doubted, 1u);
}

TEST(ClockOnTheWire, ATickOfARecordThatCannotBeMakesTheClockDoubtful) {  // TIME-4
  for (const bool alarm : {false, true}) {
    Conversation talk;
    talk.ask_time(1000);
    ASSERT_EQ(talk.ask(registration("1000", "20")).code, coap::code::created);
    talk.session.own(talk.ingest, talk.now);
    talk.settle();
    const std::string late = R"({"n":"tk","v":900})", ahead = R"({"n":"tk","v":11000})";
    const auto say = [&](std::uint64_t sequence, const std::string& tick) {
      const std::string q = R"([{"n":"owed","v":1},{"n":"q","v":)" + std::to_string(sequence) + "}," + tick;
      const std::string set = R"([{"n":"q","v":)" + std::to_string(sequence) + "}," + tick + R"(,{"n":"hr","v":72}])";
      if (alarm)
        talk.notify("/alarms",
                    q + R"(,{"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},{"n":"prio","v":2},)" +
                        R"({"n":"code","vs":"lead-off"}])",
                    coap::Reliability::con);
      else
        talk.notify("/vitals", set, coap::Reliability::non);
      talk.sink.answer(RecordResult::committed);
      talk.settle();
    };
    say(1, late);
    EXPECT_EQ(talk.stats.clocks_doubted, 0u);
    say(2, ahead);
    EXPECT_EQ(talk.stats.clocks_doubted, 1u);
    ASSERT_THAT(talk.sink.exchanges, SizeIs(1));
    EXPECT_GE(talk.sink.exchanges[0].second.uncertainty, seconds{9});
    EXPECT_EQ(talk.sink.records.size(), 2u) << "it is stored all the same";
  }
}

}  // namespace
}  // namespace wardlink::ingest
