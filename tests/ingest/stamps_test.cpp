// How ingest's clock stands to storage's. TIME-1, TIME-4

#include "ingest/sink/stamps.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace wardlink::ingest {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr coap::Instant start{hours{1}};
constexpr WallTime noon{seconds{1'764'000'000}};

/// Asks and answers, with that way there and back.
void exchange(Stamps& stamps, coap::Instant& now, coap::Duration there, coap::Duration back,
              std::optional<WallTime> calendar = noon) {
  const auto number = stamps.ask(now);
  ASSERT_TRUE(number);
  now += there + back;
  ASSERT_TRUE(stamps.answered(*number, calendar, now));
}

TEST(Stamps, AStampLiesWithinItsRoundTrip) {  // TIME-4
  for (const auto& [there, back] : {std::pair{0, 900}, {900, 0}, {450, 450}, {1, 0}, {0, 0}}) {
    Stamps stamps({});
    auto now = start;
    exchange(stamps, now, milliseconds{there}, milliseconds{back});
    const auto& stamp = stamps.best().value();
    const auto off = stamp.at - (start + milliseconds{there});
    EXPECT_LE(std::chrono::abs(off), stamp.uncertainty) << there << " ms there, " << back << " back";
    EXPECT_LE(2 * stamp.uncertainty, milliseconds{there + back} + microseconds{2});
  }
}

TEST(Stamps, OneIsAskedForAtATimeAndAgainAfterTheInterval) {
  Stamps stamps({});
  auto now = start;
  EXPECT_EQ(stamps.ask(now), 1u);
  EXPECT_FALSE(stamps.ask(now + seconds{60}));
  EXPECT_FALSE(stamps.answered(2, noon, now)) << "not asked for";
  EXPECT_TRUE(stamps.answered(1, std::nullopt, now += milliseconds{1}));
  EXPECT_FALSE(stamps.answered(1, noon, now)) << "answered already";
  EXPECT_EQ(stamps.next_deadline(), now + seconds{1}) << "the calendar is not known yet";
  exchange(stamps, now += seconds{1}, {}, {});
  EXPECT_EQ(stamps.next_deadline(), now + seconds{10});
  EXPECT_FALSE(stamps.ask(now + seconds{9}));
  EXPECT_EQ(stamps.ask(now + seconds{10}), 3u);
}

TEST(Stamps, ASlowOneDoesNotReplaceAGoodOneHoweverOldThatIs) {
  Stamps stamps({});
  auto now = start;
  exchange(stamps, now, milliseconds{1}, milliseconds{1});
  exchange(stamps, now += seconds{10}, seconds{290}, seconds{10});  // storage was busy
  EXPECT_EQ(stamps.best()->number, 1u);
  exchange(stamps, now += seconds{10}, milliseconds{2}, milliseconds{2});  // worse by less than the drift meanwhile
  EXPECT_EQ(stamps.best()->number, 3u);
  exchange(stamps, now += std::chrono::minutes{31}, milliseconds{150}, milliseconds{150});
  EXPECT_EQ(stamps.best()->number, 4u) << "better than what may have drifted since";
}

/// What waits behind records while the database is away is taken when that is back, and said to be of the middle.
TEST(Stamps, OneThatWaitedForAnOutageToEndIsNotTaken) {  // TIME-1
  for (const auto outage : {seconds{30}, seconds{2000}, seconds{4000}, seconds{100'000}}) {
    Stamps stamps({});
    auto now = start;
    exchange(stamps, now, milliseconds{1}, milliseconds{1});
    exchange(stamps, now += seconds{10}, outage, milliseconds{1}, noon + seconds{10} + outage);
    EXPECT_EQ(stamps.best()->number, 1u) << outage.count();
    EXPECT_EQ(stamps.calendar(now), noon + (now - start) - milliseconds{1}) << outage.count();
    exchange(stamps, now += seconds{10}, milliseconds{1}, milliseconds{1});
    EXPECT_EQ(stamps.best()->number, 3u) << outage.count();
  }
}

TEST(Stamps, OnTheNextStreamTheNumbersBeginAgainAndTheCalendarIsKept) {
  Stamps stamps({});
  auto now = start;
  EXPECT_FALSE(stamps.calendar(now));
  exchange(stamps, now, milliseconds{5}, milliseconds{5});
  EXPECT_EQ(stamps.calendar(start + milliseconds{5} + hours{1}), noon + hours{1});
  stamps.restart();
  EXPECT_FALSE(stamps.best());
  EXPECT_EQ(stamps.ask(now), 1u);
  EXPECT_EQ(stamps.calendar(start + milliseconds{5} + hours{2}), noon + hours{2});
}

/// TIME-1: whatever the ways are, what is told after the best stamp is off by no more than that says.
TEST(Stamps, WhatIsToldAfterTheBestIsOffByNoMoreThanItSays) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    std::mt19937_64 random(seed);
    Stamps stamps({});
    auto now = start;
    std::map<std::uint64_t, coap::Instant> taken;  // when storage took each
    for (int round = 0; round < 500; ++round) {
      const coap::Duration there{random() % 3 == 0 ? random() % 30'000'000 : random() % 2'000};
      const coap::Duration back{random() % 3 == 0 ? random() % 30'000'000 : random() % 2'000};
      const auto number = stamps.ask(now);
      ASSERT_TRUE(number);
      taken[*number] = now + there;
      now += there + back;
      ASSERT_TRUE(stamps.answered(*number, noon, now));
      const auto& best = stamps.best().value();
      EXPECT_LE(std::chrono::abs(best.at - taken.at(best.number)), best.uncertainty) << "seed " << seed;
      now = stamps.next_deadline().value();
    }
  }
}

}  // namespace
}  // namespace wardlink::ingest
