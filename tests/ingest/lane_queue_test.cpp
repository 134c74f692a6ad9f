// What goes to storage next, what goes again, and what is given up when there is no room.

#include "ingest/lane_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wardlink::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using enum StorageAnswer;

constexpr coap::Instant start{};
constexpr SinkSession one{1}, two{2};

Attachment attachment(SinkSession session, const std::string& device = "urn:dev:os:32473-a", std::uint64_t boot = 5) {
  return {session, device, boot, WallTime{}, "f00d"};
}

Record vitals(SinkSession session, std::uint64_t sequence) {
  return {session, Ticket::none, WallTime{}, {Stream::vitals, sequence, 0, SignValues{{{1, 72.0, false}}}}};
}

Record alarm(SinkSession session, std::uint64_t sequence) {
  return {session, Ticket{sequence}, WallTime{}, {Stream::alarms, sequence, 0, AlarmFact{}}};
}

struct Sent {
  std::vector<SinkSession> attached, detached;
  std::vector<std::size_t> at_once;  // sizes of Attachments
  std::vector<std::string> audited;
  std::vector<std::vector<std::uint64_t>> batches;
  std::vector<std::uint64_t> numbers;
};

Sent send_all(LaneQueue& queue, coap::Instant now = start) {
  Sent sent;
  while (const auto outgoing = queue.next(now)) {
    if (const auto* a = std::get_if<LaneQueue::Attachments>(&*outgoing)) {
      for (const auto& each : *a) sent.attached.push_back(each.session);
      sent.at_once.push_back(a->size());
    }
    if (const auto* d = std::get_if<LaneQueue::Detachment>(&*outgoing)) sent.detached.push_back(d->session);
    if (const auto* a = std::get_if<std::vector<AuditEntry>>(&*outgoing))
      for (const auto& entry : *a) sent.audited.push_back(entry.reason);
    if (const auto* b = std::get_if<LaneQueue::Batch>(&*outgoing)) {
      sent.numbers.push_back(b->number);
      auto& sequences = sent.batches.emplace_back();
      for (const auto& record : *b->records) sequences.push_back(record.fact.sequence);
    }
  }
  return sent;
}

LaneQueue readings(std::size_t capacity = 1000, std::size_t batch = 3, std::size_t in_flight = 2) {
  LaneQueue::Config config;
  config.capacity = capacity, config.batch = batch, config.in_flight = in_flight;
  return LaneQueue(config);
}

LaneQueue alarm_lane(std::size_t capacity = 1000) {
  LaneQueue::Config config;
  config.stream = Stream::alarms, config.capacity = capacity;
  return LaneQueue(config);
}

TEST(LaneQueue, BatchesWhatWaitsAndKeepsFewInFlight) {
  auto queue = readings();
  queue.attach(attachment(one));
  for (std::uint64_t i = 1; i <= 8; ++i) EXPECT_THAT(queue.append(vitals(one, i)), IsEmpty());
  const auto sent = send_all(queue);
  EXPECT_THAT(sent.attached, ElementsAre(one));
  EXPECT_THAT(sent.batches, ElementsAre(ElementsAre(1, 2, 3), ElementsAre(4, 5, 6)));
  const auto answers = queue.answer(sent.numbers[0], {committed, duplicate, quarantined}, start);
  ASSERT_TRUE(answers);
  ASSERT_THAT(*answers, SizeIs(3));
  EXPECT_EQ((*answers)[0].result, RecordResult::committed);
  EXPECT_EQ((*answers)[1].result, RecordResult::duplicate);
  EXPECT_EQ((*answers)[2].result, RecordResult::quarantined);
  EXPECT_THAT(send_all(queue).batches, ElementsAre(ElementsAre(7, 8)));
  EXPECT_EQ(queue.size(), 5u);
}

TEST(LaneQueue, AfterALossAttachesAnewAndSendsTheUnansweredInOrder) {  // I1, I8
  auto queue = readings();
  queue.attach(attachment(one));
  queue.attach(attachment(two, "urn:dev:os:32473-b"));
  for (std::uint64_t i = 1; i <= 8; ++i) queue.append(vitals(i % 2 == 0 ? two : one, i));
  const auto sent = send_all(queue);
  ASSERT_TRUE(queue.answer(sent.numbers[0], {committed, committed, committed}, start));
  ASSERT_THAT(send_all(queue).batches, ElementsAre(ElementsAre(7, 8)));
  queue.restart();
  const auto again = send_all(queue);
  EXPECT_THAT(again.attached, ::testing::UnorderedElementsAre(one, two));
  EXPECT_THAT(again.batches, ElementsAre(ElementsAre(4, 5, 6), ElementsAre(7, 8)));
  EXPECT_EQ(queue.counters().resent, 5u);
  for (std::uint64_t number : again.numbers)
    for (std::uint64_t old : sent.numbers) EXPECT_NE(number, old);  // a late answer cannot be taken for a new one
}

TEST(LaneQueue, ADetachedSessionStaysUntilItsLastRecordIsAnswered) {
  auto queue = readings();
  queue.attach(attachment(one));
  queue.append(vitals(one, 1));
  const auto sent = send_all(queue);
  queue.detach(one);
  EXPECT_THAT(send_all(queue).detached, IsEmpty());
  queue.restart();
  const auto again = send_all(queue);
  EXPECT_THAT(again.attached, ElementsAre(one));
  ASSERT_TRUE(queue.answer(again.numbers.at(0), {committed}, start));
  EXPECT_THAT(send_all(queue).detached, ElementsAre(one));
  queue.restart();
  EXPECT_THAT(send_all(queue).attached, IsEmpty());
}

TEST(LaneQueue, ASessionThatCameAndWentUntoldIsNeverTold) {
  auto queue = readings();
  queue.attach(attachment(one));
  queue.detach(one);
  const auto sent = send_all(queue);
  EXPECT_THAT(sent.attached, IsEmpty());
  EXPECT_THAT(sent.detached, IsEmpty());
}

TEST(LaneQueue, WithoutRoomTheOldestVitalsAreShedAndCounted) {  // I3, MSG-06
  auto queue = readings(3);
  queue.attach(attachment(one));
  for (std::uint64_t i = 1; i <= 3; ++i) queue.append(vitals(one, i));
  const auto answers = queue.append(vitals(one, 4));
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].result, RecordResult::shed);
  EXPECT_EQ(queue.counters().shed_vitals, 1u);
  EXPECT_THAT(send_all(queue).batches, ElementsAre(ElementsAre(2, 3, 4)));
  // All are on their way: then the new one has no place.
  const auto refused = queue.append(vitals(one, 5));
  ASSERT_THAT(refused, SizeIs(1));
  EXPECT_EQ(queue.counters().shed_vitals, 2u);
  EXPECT_EQ(queue.size(), 3u);
}

TEST(LaneQueue, AlarmsAreNeverShedButRefusedSoThatTheDeviceOwesThem) {  // I1, I5
  auto queue = alarm_lane(2);
  queue.attach(attachment(one));
  queue.append(alarm(one, 1));
  queue.append(alarm(one, 2));
  const auto answers = queue.append(alarm(one, 3));
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].result, RecordResult::refused);
  EXPECT_EQ(answers[0].ticket, Ticket{3});
  EXPECT_EQ(queue.counters().alarms_refused, 1u);
  EXPECT_THAT(send_all(queue).batches, ElementsAre(ElementsAre(1, 2)));
}

TEST(LaneQueue, OnlyTheSessionThatStorageWouldNotAttachWaits) {
  auto queue = readings();
  queue.attach(attachment(one));
  queue.attach(attachment(two, "urn:dev:os:32473-b"));
  queue.append(vitals(one, 1));
  queue.append(vitals(two, 2));
  auto sent = send_all(queue);
  const auto answers = queue.answer(sent.numbers.at(0), {not_attached, committed}, start);
  ASSERT_TRUE(answers);
  EXPECT_THAT(*answers, SizeIs(1));
  queue.append(vitals(one, 3));
  queue.append(vitals(two, 4));
  EXPECT_THAT(send_all(queue).batches, ElementsAre(ElementsAre(4)));
  ASSERT_TRUE(queue.next_deadline());
  EXPECT_EQ(*queue.next_deadline(), start + std::chrono::seconds{1});
  sent = send_all(queue, start + std::chrono::seconds{1});
  EXPECT_THAT(sent.attached, ElementsAre(one));
  EXPECT_THAT(sent.batches, ElementsAre(ElementsAre(1, 3)));
  EXPECT_FALSE(queue.next_deadline());
}

TEST(LaneQueue, WhatWasMeasuredGoesBeforeTheFormalitiesOfAWholeWard) {  // I3, I8
  auto queue = readings();
  constexpr SinkSession last{1000};
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    queue.attach(attachment(SinkSession{i}, "urn:dev:os:32473-" + std::to_string(i)));
    queue.audit({"", "handshake", true, std::to_string(i), "", 1});
  }
  queue.append(vitals(last, 7));
  EXPECT_EQ(std::get<LaneQueue::Attachments>(*queue.next(start)).at(0).session, last);
  EXPECT_THAT(*std::get<LaneQueue::Batch>(*queue.next(start)).records, SizeIs(1));
  auto sent = send_all(queue);
  EXPECT_THAT(sent.attached, IsEmpty()) << "what is measured next need not wait for all";
  EXPECT_THAT(sent.audited, SizeIs(1000));
  EXPECT_FALSE(queue.next(start));
  queue.attach_answered();
  EXPECT_THAT(send_all(queue).at_once, ElementsAre(512));
  queue.attach_answered();
  EXPECT_THAT(send_all(queue).at_once, ElementsAre(487));
  queue.restart();
  EXPECT_THAT(send_all(queue).attached, ElementsAre(last)) << "its record is not answered";
  queue.attach_answered();
  EXPECT_THAT(send_all(queue).at_once, ElementsAre(512)) << "nobody will answer on the stream that is lost";
}

// FAIR-2: those that a batch needs are attached at once, whatever their number.
TEST(LaneQueue, ABatchNeedsOneAttachmentOfAllItsSessions) {
  for (const std::uint64_t count : {1, 10, 300}) {
    auto queue = readings(1000, 300);
    for (std::uint64_t i = 1; i <= count; ++i) {
      queue.attach(attachment(SinkSession{i}, "urn:dev:os:32473-" + std::to_string(i)));
      queue.append(vitals(SinkSession{i}, i));
      queue.append(vitals(SinkSession{i}, i + count));
    }
    const auto sent = send_all(queue);
    EXPECT_THAT(sent.attached, SizeIs(count));
    EXPECT_THAT(sent.at_once, SizeIs(count <= 150 ? 1 : 2));
    EXPECT_THAT(sent.batches, SizeIs(count <= 150 ? 1 : 2));
  }
}

TEST(LaneQueue, ABatchHoldsNothingWhoseSessionIsNotAttached) {
  auto queue = alarm_lane();
  queue.attach(attachment(one));
  queue.append(alarm(one, 1));
  ASSERT_TRUE(queue.answer(send_all(queue).numbers.at(0), {not_attached}, start));
  for (std::uint64_t i = 2; i <= 300; ++i) queue.append(alarm(one, i));  // more than a batch, and all of it to wait
  queue.attach(attachment(two, "urn:dev:os:32473-b"));
  queue.append(alarm(two, 1000));
  const auto sent = send_all(queue);
  EXPECT_THAT(sent.attached, ElementsAre(two));
  EXPECT_THAT(sent.batches, ElementsAre(ElementsAre(1000)));
}

TEST(LaneQueue, AnAlarmWaitsForNoOtherSessionToBeAttached) {  // I1, I8: a whole ward may come at once
  auto queue = alarm_lane();
  constexpr SinkSession last{1000};
  for (std::uint64_t i = 1; i <= 1000; ++i)
    queue.attach(attachment(SinkSession{i}, "urn:dev:os:32473-" + std::to_string(i)));
  EXPECT_THAT(send_all(queue).attached, ElementsAre(one)) << "the first, whose answer tells that storage is there";
  queue.append(alarm(last, 7));
  queue.append(alarm(last, 8));
  auto sent = send_all(queue);
  EXPECT_THAT(sent.attached, ElementsAre(last));
  EXPECT_THAT(sent.batches, ElementsAre(ElementsAre(7, 8)));

  queue.restart();
  sent = send_all(queue);
  EXPECT_THAT(sent.attached, ElementsAre(last));
  EXPECT_THAT(sent.batches, ElementsAre(ElementsAre(7, 8)));
  ASSERT_TRUE(queue.answer(sent.numbers.at(0), {committed, committed}, start));

  queue.restart();  // nobody has anything
  EXPECT_THAT(send_all(queue).attached, SizeIs(1));
  queue.append(alarm(two, 1));
  EXPECT_THAT(send_all(queue).batches, ElementsAre(ElementsAre(1)));
}

TEST(LaneQueue, AnAlarmWaitsForFewOthersToBeAttached) {  // I1, I8: a whole ward may raise alarms while storage is away
  auto queue = alarm_lane();
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    queue.attach(attachment(SinkSession{i}, "urn:dev:os:32473-" + std::to_string(i)));
    queue.append(alarm(SinkSession{i}, i));
  }
  queue.restart();
  std::size_t attached = 0;
  for (auto sent = queue.next(start); const auto* a = std::get_if<LaneQueue::Attachments>(&*sent);
       sent = queue.next(start))
    attached += a->size();
  EXPECT_LE(attached, 257u) << "a batch's worth goes before the batch goes";
}

TEST(LaneQueue, StorageIsHeardOfAlsoWhenTheFirstSessionHasGone) {
  auto queue = alarm_lane();
  queue.attach(attachment(one));
  queue.detach(one);
  queue.attach(attachment(two, "urn:dev:os:32473-b"));
  EXPECT_THAT(send_all(queue).attached, ElementsAre(two));
  queue.attach(attachment(one));
  queue.restart();
  queue.detach(one);
  EXPECT_THAT(send_all(queue).attached, ElementsAre(two));
}

TEST(LaneQueue, ADeviceThatIsBackOwesItsAlarmsItself) {  // I8: memory stays bounded
  auto queue = alarm_lane();
  queue.attach(attachment(one));
  queue.append(alarm(one, 1));
  queue.detach(one);
  queue.attach(attachment(two));
  EXPECT_EQ(queue.counters().superseded, 1u);
  queue.append(alarm(two, 1));
  const auto sent = send_all(queue);
  EXPECT_THAT(sent.attached, ElementsAre(two));
  EXPECT_THAT(sent.batches, ElementsAre(ElementsAre(1)));
}

TEST(LaneQueue, ADeviceThatIsBackTakesOverFromEveryPastSessionOfItsBoot) {
  constexpr SinkSession three{3}, four{4}, other{9};
  auto queue = alarm_lane();
  queue.attach(attachment(one));
  queue.append(alarm(one, 1));
  ASSERT_TRUE(queue.answer(send_all(queue).numbers.at(0), {not_attached}, start));
  queue.detach(one);  // what it has is parked
  queue.attach(attachment(other, "urn:dev:os:32473-b"));
  queue.append(alarm(other, 7));
  queue.detach(other);
  queue.attach(attachment(two));
  EXPECT_EQ(queue.counters().superseded, 1u);
  queue.append(alarm(two, 1));
  queue.detach(two);
  queue.restart();  // the past ones that are still owed an answer are known after it too
  queue.attach(attachment(three));
  EXPECT_EQ(queue.counters().superseded, 2u);
  queue.detach(three);  // left nothing
  queue.attach(attachment(four));
  EXPECT_EQ(queue.counters().superseded, 2u);
  const auto sent = send_all(queue);
  EXPECT_THAT(sent.attached, ElementsAre(other)) << "nobody else has anything";
  EXPECT_THAT(sent.batches, ElementsAre(ElementsAre(7)));
  EXPECT_EQ(queue.size(), 1u);
}

TEST(LaneQueue, AlarmsOfAnEarlierBootAreKept) {  // I5: the rebooted device may not remember them
  auto queue = alarm_lane();
  queue.attach(attachment(one));
  queue.append(alarm(one, 1));
  queue.detach(one);
  queue.attach(attachment(two, "urn:dev:os:32473-a", 6));
  EXPECT_THAT(send_all(queue).batches, ElementsAre(ElementsAre(1)));
}

TEST(LaneQueue, AnAnswerThatFitsNoBatchIsRefused) {
  auto queue = readings();
  queue.attach(attachment(one));
  queue.append(vitals(one, 1));
  const auto sent = send_all(queue);
  EXPECT_FALSE(queue.answer(sent.numbers.at(0) + 1, {committed}, start));
  EXPECT_FALSE(queue.answer(sent.numbers.at(0), {committed, committed}, start));
  EXPECT_EQ(queue.size(), 1u);
}

TEST(LaneQueue, AuditEntriesAreSentAgainUntilALaterBatchIsAnswered) {  // I9
  auto queue = readings();
  queue.attach(attachment(one));
  queue.audit({"", "handshake", false, "first", "", 1});
  queue.append(vitals(one, 1));
  EXPECT_THAT(send_all(queue).audited, ElementsAre("first"));
  queue.restart();
  auto sent = send_all(queue);
  EXPECT_THAT(sent.audited, ElementsAre("first"));
  ASSERT_TRUE(queue.answer(sent.numbers.at(0), {committed}, start));  // it went before the entry
  queue.restart();
  EXPECT_THAT(send_all(queue).audited, ElementsAre("first"));
  queue.append(vitals(one, 2));
  ASSERT_TRUE(queue.answer(send_all(queue).numbers.at(0), {committed}, start));
  queue.restart();
  EXPECT_THAT(send_all(queue).audited, IsEmpty());
}

TEST(LaneQueue, AuditEntriesAreBoundedAndCounted) {
  LaneQueue::Config config;
  config.audit_capacity = 2;
  LaneQueue queue(config);
  for (int i = 0; i < 5; ++i) queue.audit({});
  EXPECT_EQ(queue.counters().audits_dropped, 3u);
  EXPECT_THAT(send_all(queue).audited, SizeIs(2));
}

}  // namespace
}  // namespace wardlink::ingest
