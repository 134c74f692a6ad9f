// Which ACK waits for which record.

#include "ingest/session/alarm_debts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wardlink::ingest {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr coap::Instant start{};
constexpr coap::DeliveryId first{1}, second{2};

Fact fact(std::uint64_t sequence, std::uint64_t tick = 0) { return {Stream::alarms, sequence, tick, AlarmFact{}}; }

class AlarmDebtsTest : public ::testing::Test {
 protected:
  AlarmDebts::Taken take(coap::DeliveryId delivery, std::vector<Fact> facts) {
    return debts_.take(delivery, std::move(facts), now_, [this] { return Ticket{++last_}; });
  }
  std::vector<AlarmDebts::Released> settle(Ticket ticket, RecordResult result) {
    auto settled = debts_.settle(ticket, result);
    declined_.insert(declined_.end(), settled.declined.begin(), settled.declined.end());
    return std::move(settled.released);
  }
  AlarmDebts debts_{4};
  std::vector<coap::DeliveryId> declined_;
  coap::Instant now_ = start;
  std::uint64_t last_ = 0;
};

TEST_F(AlarmDebtsTest, AnAckWaitsForEveryRecordOfItsNotification) {  // I1, MSG-09
  const auto taken = take(first, {fact(1), fact(2)});
  ASSERT_THAT(taken.to_append, SizeIs(2));
  EXPECT_FALSE(taken.complete);
  EXPECT_THAT(settle(taken.to_append[1].first, RecordResult::committed), IsEmpty());
  const auto released = settle(taken.to_append[0].first, RecordResult::duplicate);
  ASSERT_THAT(released, SizeIs(1));
  EXPECT_EQ(released[0].delivery, first);
  EXPECT_TRUE(debts_.empty());
}

TEST_F(AlarmDebtsTest, NothingInItIsCompleteAtOnce) { EXPECT_TRUE(take(first, {}).complete); }

TEST_F(AlarmDebtsTest, ARecordThatComesAgainIsNotCarriedTwice) {
  const auto taken = take(first, {fact(1)});
  const auto again = take(second, {fact(1), fact(2)});
  ASSERT_THAT(again.to_append, SizeIs(1));
  EXPECT_EQ(again.to_append[0].second.sequence, 2u);
  EXPECT_THAT(settle(taken.to_append[0].first, RecordResult::committed), SizeIs(1));
  EXPECT_THAT(settle(again.to_append[0].first, RecordResult::committed), SizeIs(1));
}

TEST_F(AlarmDebtsTest, ARecordIsHeldSinceItFirstCameUnderWhateverMessageId) {
  const auto taken = take(first, {fact(1)});
  now_ += std::chrono::seconds{30};
  take(second, {fact(1)});
  const auto released = settle(taken.to_append[0].first, RecordResult::committed);
  ASSERT_THAT(released, SizeIs(2));
  EXPECT_EQ(released[1].delivery, second);
  EXPECT_EQ(released[1].held_since, start);
}

TEST_F(AlarmDebtsTest, OtherContentUnderTheSameKeyIsCarriedForStorageToJudge) {
  take(first, {fact(1, 10)});
  EXPECT_THAT(take(second, {fact(1, 11)}).to_append, SizeIs(1));
}

TEST_F(AlarmDebtsTest, RecordsOfTwoStartsAreTwoDebts) {  // I1
  auto earlier = fact(1);
  earlier.boot = 7;
  const auto taken = take(first, {earlier, fact(1)});
  ASSERT_THAT(taken.to_append, SizeIs(2));
  EXPECT_THAT(take(second, {earlier}).to_append, IsEmpty());
  EXPECT_THAT(settle(taken.to_append[1].first, RecordResult::committed), IsEmpty());
  EXPECT_THAT(settle(taken.to_append[0].first, RecordResult::committed), SizeIs(2));
}

TEST_F(AlarmDebtsTest, ARefusedRecordsAckNeverLeaves) {  // I1
  const auto taken = take(first, {fact(1), fact(2)});
  EXPECT_THAT(settle(taken.to_append[0].first, RecordResult::refused), IsEmpty());
  EXPECT_THAT(settle(taken.to_append[1].first, RecordResult::committed), IsEmpty());
  EXPECT_EQ(debts_.held(), 0u);
  EXPECT_THAT(declined_, ::testing::ElementsAre(first)) << "it is to come again";
}

// FAIR-1: 1,500 notifications a second of one alarm
TEST_F(AlarmDebtsTest, OneAlarmAgainAndAgainIsOneDebtAndHoldsFewAcks) {
  const auto taken = take(coap::DeliveryId{1}, {fact(1)});
  std::size_t declined = 0;
  for (std::uint64_t i = 2; i <= 1500; ++i) {
    const auto again = take(coap::DeliveryId{i}, {fact(1)});
    EXPECT_THAT(again.to_append, IsEmpty());
    declined += again.declined ? 1 : 0;
  }
  EXPECT_EQ(debts_.open(), 1u);
  EXPECT_EQ(debts_.held(), 4u);
  EXPECT_EQ(declined, 1496u);
  EXPECT_THAT(settle(taken.to_append[0].first, RecordResult::committed), SizeIs(4));
}

TEST_F(AlarmDebtsTest, WhatIsDeclinedLeavesNothingWithTheRecordsThatItHeld) {  // FAIR-1
  const auto taken = take(first, {fact(1), fact(2)});
  take(second, {fact(2)});
  EXPECT_THAT(settle(taken.to_append[0].first, RecordResult::refused), IsEmpty());
  const auto again = take(first, {fact(1), fact(2)});  // the same message, which comes again
  ASSERT_THAT(again.to_append, SizeIs(1));
  EXPECT_THAT(settle(again.to_append[0].first, RecordResult::committed), IsEmpty());
  EXPECT_THAT(settle(taken.to_append[1].first, RecordResult::committed), SizeIs(2));
  EXPECT_EQ(debts_.held(), 0u);
}

TEST_F(AlarmDebtsTest, BeyondTheCapacityNothingIsTakenAndTheAckStays) {  // I8
  const auto taken = take(first, {fact(1), fact(2), fact(3), fact(4), fact(5)});
  EXPECT_THAT(taken.to_append, SizeIs(4));
  EXPECT_EQ(taken.refused, 1u);
  EXPECT_FALSE(taken.complete);
  EXPECT_TRUE(taken.declined);
  EXPECT_EQ(debts_.held(), 0u);
  for (const auto& [ticket, unused] : taken.to_append) EXPECT_THAT(settle(ticket, RecordResult::committed), IsEmpty());
}

}  // namespace
}  // namespace wardlink::ingest
