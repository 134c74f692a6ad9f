#include "outbox.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wardlink {
namespace {

using coap::DeliveryId;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kBoot = 4711;

SequencedSet set(std::uint64_t sequence) { return {sequence, sequence * 1000, {{1, 70}}}; }

SequencedAlarm alarm(std::uint64_t sequence, AlarmPriority priority = AlarmPriority::high) {
  SequencedAlarm record{sequence, 0, SequencedAlarm::Event::raised, 0, {}};
  record.alarm.priority = priority;
  return record;
}

std::uint64_t number(const SequencedSet& set) { return set.sequence; }
std::uint64_t number(const OwedAlarm& alarm) { return alarm.record.sequence; }
std::uint64_t number(const AlarmKey& key) { return key.sequence; }

template <class Records>
std::vector<std::uint64_t> numbers(const Records& records) {
  std::vector<std::uint64_t> all;
  for (const auto& record : records) all.push_back(number(record));
  return all;
}

std::vector<AlarmKey> keys(const std::vector<OwedAlarm>& alarms) {
  std::vector<AlarmKey> all;
  for (const auto& alarm : alarms) all.push_back({alarm.boot, alarm.record.sequence});
  return all;
}

TEST(Outbox, HandsSetsOutOldestFirst) {
  Outbox outbox(kBoot, 10, 10);
  for (std::uint64_t i = 1; i <= 4; ++i) EXPECT_TRUE(outbox.push(set(i)));
  EXPECT_THAT(numbers(outbox.take_sets(3)), ElementsAre(1, 2, 3));
  EXPECT_EQ(outbox.sets_waiting(), 1u);
  EXPECT_THAT(numbers(outbox.take_sets(3)), ElementsAre(4));
  EXPECT_THAT(outbox.take_sets(3), IsEmpty());
}

TEST(Outbox, DropsTheOldestSetWhenFull) {
  Outbox outbox(kBoot, 2, 10);
  outbox.push(set(1));
  outbox.push(set(2));
  EXPECT_FALSE(outbox.push(set(3)));
  EXPECT_THAT(numbers(outbox.take_sets(9)), ElementsAre(2, 3));
}

TEST(Outbox, SetsGivenBackComeFirstAgainWithinTheBound) {
  Outbox outbox(kBoot, 3, 10);
  for (std::uint64_t i = 1; i <= 3; ++i) outbox.push(set(i));
  auto taken = outbox.take_sets(2);
  outbox.push(set(4));
  outbox.push(set(5));
  EXPECT_EQ(outbox.give_back(std::move(taken)), 2u);  // 1 and 2 are the oldest of five
  EXPECT_THAT(numbers(outbox.take_sets(9)), ElementsAre(3, 4, 5));
}

TEST(Outbox, OwesByPriorityThenAge) {
  Outbox outbox(kBoot, 1, 10);
  outbox.owe(alarm(1, AlarmPriority::low));
  outbox.owe(alarm(2, AlarmPriority::high));
  outbox.owe(alarm(3, AlarmPriority::medium));
  outbox.owe(alarm(4, AlarmPriority::high));
  EXPECT_THAT(numbers(outbox.owed(9, 9)), ElementsAre(2, 4, 3, 1));
  EXPECT_THAT(numbers(outbox.owed(9, 2)), ElementsAre(2, 4));
  EXPECT_THAT(numbers(outbox.owed(3, 9)), ElementsAre(2, 3, 1));  // 4 is not in the journal yet
}

TEST(Outbox, AnAckReleasesExactlyWhatItsDeliveryCarried) {
  // MSG-09
  Outbox outbox(kBoot, 1, 10);
  for (std::uint64_t i = 1; i <= 3; ++i) outbox.owe(alarm(i));
  outbox.carry(DeliveryId{7}, outbox.owed(9, 2));
  outbox.carry(DeliveryId{8}, outbox.owed(9, 9));
  EXPECT_THAT(numbers(outbox.release(DeliveryId{7})), ElementsAre(1, 2));
  EXPECT_THAT(numbers(outbox.owed(9, 9)), ElementsAre(3));
  EXPECT_THAT(outbox.release(DeliveryId{7}), IsEmpty());
  EXPECT_THAT(outbox.release(DeliveryId{9}), IsEmpty());
  EXPECT_THAT(numbers(outbox.release(DeliveryId{8})), ElementsAre(3));  // 1 and 2 are released once
  EXPECT_EQ(outbox.alarms_owed(), 0u);
}

TEST(Outbox, RecordsOfEarlierStartsAreOlderAndKeepTheirBoot) {
  Outbox outbox(kBoot, 1, 10);
  for (const std::uint64_t boot : {9000, 12}) outbox.add_earlier_boot(boot);
  outbox.owe(alarm(1));
  outbox.inherit({12, alarm(1)});
  outbox.inherit({9000, alarm(2)});
  outbox.inherit({9000, alarm(1, AlarmPriority::low)});
  outbox.inherit({12, alarm(7, AlarmPriority::low)});
  EXPECT_THAT(keys(outbox.owed(9, 9)),
              ElementsAre(AlarmKey{9000, 2}, AlarmKey{12, 1}, AlarmKey{kBoot, 1}, AlarmKey{9000, 1}, AlarmKey{12, 7}));
  EXPECT_EQ(outbox.owed(0, 9).size(), 4u);  // the journal has what earlier starts made
  outbox.carry(DeliveryId{7}, outbox.owed(9, 2));
  EXPECT_THAT(outbox.release(DeliveryId{7}), ElementsAre(AlarmKey{9000, 2}, AlarmKey{12, 1}));
  EXPECT_EQ(outbox.alarms_owed(), 3u);
}

TEST(Outbox, ForgottenDeliveriesLeaveTheDebt) {
  Outbox outbox(kBoot, 1, 10);
  outbox.owe(alarm(1));
  outbox.carry(DeliveryId{7}, outbox.owed(9, 9));
  outbox.forget_deliveries();
  EXPECT_THAT(outbox.release(DeliveryId{7}), IsEmpty());
  EXPECT_EQ(outbox.alarms_owed(), 1u);
}

TEST(Outbox, RemembersABoundedNumberOfDeliveries) {
  Outbox outbox(kBoot, 1, 10);
  outbox.owe(alarm(1));
  for (std::uint64_t i = 0; i < 100; ++i) outbox.carry(DeliveryId{i}, outbox.owed(9, 9));
  EXPECT_THAT(outbox.release(DeliveryId{0}), IsEmpty());
  EXPECT_THAT(numbers(outbox.release(DeliveryId{99})), ElementsAre(1));
}

TEST(Outbox, CountsTheRoomForAlarms) {
  Outbox outbox(kBoot, 1, 2);
  EXPECT_TRUE(outbox.fits(2));
  EXPECT_FALSE(outbox.fits(3));
  outbox.owe(alarm(1));
  EXPECT_TRUE(outbox.fits(1));
  EXPECT_FALSE(outbox.fits(2));
}

TEST(Outbox, ANewBootMakesDebtsOfWhatIsOwedAndDropsSets) {  // TIME-2
  Outbox outbox(kBoot, 9, 9);
  outbox.add_earlier_boot(99);
  outbox.inherit({99, alarm(5)});
  outbox.owe(alarm(1));
  outbox.owe(alarm(2));
  outbox.push(set(1));
  outbox.carry(DeliveryId{1}, outbox.owed(9, 9));
  EXPECT_EQ(outbox.begin_boot(7), 1u);
  EXPECT_EQ(outbox.sets_waiting(), 0u);
  outbox.owe(alarm(1));
  EXPECT_THAT(keys(outbox.owed(0, 9)), ElementsAre(AlarmKey{99, 5}, AlarmKey{kBoot, 1}, AlarmKey{kBoot, 2}));
  EXPECT_THAT(keys(outbox.owed(1, 9)),
              ElementsAre(AlarmKey{99, 5}, AlarmKey{kBoot, 1}, AlarmKey{kBoot, 2}, AlarmKey{7, 1}));
  EXPECT_THAT(outbox.release(DeliveryId{1}), IsEmpty()) << "it goes once more, in the next session";
}

}  // namespace
}  // namespace wardlink
