// The message layer's three memories, each alone, in virtual time.

#include "../../coap/src/reliability.hpp"

#include <gtest/gtest.h>

#include "../../coap/src/observation.hpp"

namespace coap {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(MessageIds, AreConsecutiveAndWrap) {
  MessageIds ids(65535, seconds{247});
  EXPECT_EQ(ids.draw(Instant{}), 65535);
  EXPECT_EQ(ids.draw(Instant{}), 0);
  EXPECT_EQ(ids.draw(Instant{}), 1);
}

TEST(MessageIds, NoneRepeatsWithinItsLifetime) {  // MSG-02
  MessageIds ids(7, seconds{247});
  Instant now{};
  std::vector<std::optional<Instant>> last(65536);
  for (int i = 0; i < 200'000; ++i) {
    now += milliseconds{1};
    auto id = ids.draw(now);
    if (!id) {
      now = ids.available_at();
      id = ids.draw(now);
    }
    ASSERT_TRUE(id);
    if (last[*id]) {
      ASSERT_GE(now - *last[*id], seconds{247}) << "id " << *id;
    }
    last[*id] = now;
  }
}

TEST(Deduplication, RemembersForExactlyTheLifetime) {  // MSG-02
  Deduplication seen(8192, 64);
  const Instant start{};
  EXPECT_FALSE(seen.check(1, start, seconds{247}));
  EXPECT_TRUE(seen.check(1, start + seconds{247} - microseconds{1}, seconds{247}));
  EXPECT_FALSE(seen.check(1, start + seconds{247}, seconds{247}));
}

TEST(Deduplication, KeepsShortAndLongLifetimesApart) {  // MSG-02
  Deduplication seen(8192, 64);
  const Instant start{};
  EXPECT_FALSE(seen.check(1, start, seconds{247}));
  EXPECT_FALSE(seen.check(2, start, seconds{145}));
  EXPECT_TRUE(seen.check(1, start + seconds{200}, seconds{247}));
  EXPECT_FALSE(seen.check(2, start + seconds{145}, seconds{145}));
}

TEST(Deduplication, RepeatsTheLastResponsesAndForgetsOlderOnes) {
  Deduplication seen(8192, 2);
  for (std::uint16_t id = 0; id < 3; ++id) {
    EXPECT_FALSE(seen.check(id, Instant{}, seconds{247}));
    seen.answered(id, Bytes{static_cast<std::uint8_t>(id)});
  }
  EXPECT_EQ(seen.check(0, Instant{}, seconds{247})->stored, nullptr);
  EXPECT_EQ(*seen.check(2, Instant{}, seconds{247})->stored, Bytes{2});
}

TEST(Deduplication, IsBoundedAgainstAFlood) {  // MSG-03
  Deduplication seen(100, 64);
  for (std::uint16_t id = 0; id < 200; ++id) EXPECT_FALSE(seen.check(id, Instant{}, seconds{247}));
  EXPECT_FALSE(seen.check(0, Instant{}, seconds{247})) << "the oldest are forgotten";
  EXPECT_TRUE(seen.check(199, Instant{}, seconds{247})) << "the newest are not";
}

TEST(Deduplication, WhatWasForgottenTakesNoPlace) {  // MSG-02, FAIR-1
  Deduplication seen(100, 64);
  const Instant start{};
  EXPECT_FALSE(seen.check(1, start, seconds{247}));
  Instant now = start;
  for (std::uint16_t id = 2; id < 40'000; ++id) {  // 200 a second, beyond what its sender may send
    now += milliseconds{5};
    EXPECT_FALSE(seen.check(id, now, seconds{247}));
    seen.forget(id);
  }
  EXPECT_TRUE(seen.check(1, now, seconds{247})) << "it stands to the end of its lifetime";
}

TEST(Deduplication, WhatWasForgottenLaterTakesNoPlaceEither) {  // MSG-02, FAIR-1
  Deduplication seen(100, 64);
  EXPECT_FALSE(seen.check(1, Instant{}, seconds{247}));
  for (std::uint16_t id = 2; id < 40'000; ++id) {
    EXPECT_FALSE(seen.check(id, Instant{}, seconds{247}));
    if (id > 50) seen.forget(static_cast<std::uint16_t>(id - 48));  // as one that is declined after a while
  }
  EXPECT_TRUE(seen.check(1, Instant{}, seconds{247}));
  EXPECT_TRUE(seen.check(39'999, Instant{}, seconds{247}));
}

TEST(Deduplication, WhatWasForgottenIsNewAndThenKnown) {  // MSG-02
  Deduplication seen(2, 64);
  const Instant start{};
  for (std::uint16_t id = 1; id <= 2; ++id) EXPECT_FALSE(seen.check(id, start, seconds{247}));
  seen.forget(1);
  EXPECT_FALSE(seen.check(1, start + seconds{1}, seconds{247}));
  EXPECT_TRUE(seen.check(1, start + seconds{247}, seconds{247})) << "by its second lifetime";
  EXPECT_FALSE(seen.check(3, start + seconds{247}, seconds{247}));
  EXPECT_TRUE(seen.check(1, start + seconds{247}, seconds{247}));
}

TEST(Freshness, FollowsRfc7641Section34) {  // OBS-01
  const Instant t{};
  const auto soon = t + seconds{1};
  static_assert(is_newer(1, Instant{}, 2, Instant{}));
  EXPECT_FALSE(is_newer(5, t, 5, soon)) << "equal is stale";
  EXPECT_TRUE(is_newer(0, t, (1u << 23) - 1, soon));
  EXPECT_FALSE(is_newer(0, t, 1u << 23, soon)) << "half the ring is stale";
  EXPECT_TRUE(is_newer((1u << 24) - 1, t, 0, soon)) << "it wraps";
  EXPECT_FALSE(is_newer(7, t, 6, soon));
  EXPECT_FALSE(is_newer(7, t, 6, t + seconds{128}));
  EXPECT_TRUE(is_newer(7, t, 6, t + seconds{128} + microseconds{1}));
}

TEST(ObserverList, GoesOnInTwentyFourBitsForEachNewObserver) {  // OBS-03
  ObserverList observers;
  const auto first = observers.add(Token{Bytes{1}}, ObserverId{1});
  observers.find(first)->sequence = (1u << 24) - 2;
  EXPECT_EQ(observers.find(first)->next(), (1u << 24) - 1);
  EXPECT_EQ(observers.find(first)->next(), 0u) << "the option has three bytes";
  EXPECT_EQ(observers.add(Token{Bytes{1}}, ObserverId{2}), first);
  observers.remove(first);
  const auto second = observers.add(Token{Bytes{1}}, ObserverId{2});
  EXPECT_EQ(observers.find(second)->next(), 1u) << "its client may not know that it was removed";
}

TEST(TokenBook, NeverIssuesTwiceEvenWhenChanceRepeats) {  // OBS-11
  std::uint8_t draws = 0;
  Random random = [&](std::span<std::uint8_t> out) {
    for (auto& byte : out) byte = static_cast<std::uint8_t>(draws / 3);  // each value three times over
    ++draws;
  };
  TokenBook book(random);
  const auto first = book.issue();
  const auto second = book.issue();
  EXPECT_NE(first, second);
  EXPECT_EQ(first.size(), 4);
  EXPECT_TRUE(book.was_issued(first));
  EXPECT_FALSE(book.was_issued(Token{Bytes{9, 9, 9, 9}}));
  EXPECT_FALSE(book.was_issued(Token{Bytes{0}}));
}

}  // namespace
}  // namespace coap
