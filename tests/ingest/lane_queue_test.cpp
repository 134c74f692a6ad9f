// What goes to storage next, what goes again, and what is given up when there is no room.

#include "ingest/sink/lane_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace wardlink::ingest {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using enum StorageAnswer;

constexpr coap::Instant start{};
constexpr SinkSession one{1}, two{2};

Attachment attachment(SinkSession session, const std::string& device = "urn:dev:os:32473-a", std::uint64_t boot = 5) {
  return {session, device, boot, ClockExchange{}};
}

Record vitals(SinkSession session, std::uint64_t sequence) {
  return {session, Ticket::none, start, {Stream::vitals, sequence, 0, SignValues{{{1, 72.0, false}}}}};
}

Record alarm(SinkSession session, std::uint64_t sequence) {
  return {session, Ticket{sequence}, start, {Stream::alarms, sequence, 0, AlarmFact{}}};
}

/// Nothing is due but another stamp, long after.
bool waits(const LaneQueue& queue) { return queue.next_deadline().value() > start + std::chrono::hours{5'000}; }

struct Sent {
  std::vector<SinkSession> attached, detached;
  std::vector<std::size_t> at_once;  // sizes of Attachments
  std::vector<std::string> audited;
  std::vector<std::vector<std::uint64_t>> batches;
  std::vector<std::uint64_t> numbers;
};

/// What goes next but for stamps, which are answered at once.
std::optional<LaneQueue::Outgoing> next(LaneQueue& queue, coap::Instant now) {
  auto outgoing = queue.next(now);
  while (outgoing && std::holds_alternative<LaneQueue::StampRequest>(*outgoing)) {
    EXPECT_TRUE(queue.stamp_answered(std::get<LaneQueue::StampRequest>(*outgoing).number, WallTime{}, now));
    outgoing = queue.next(now);
  }
  return outgoing;
}

Sent send_all(LaneQueue& queue, coap::Instant now = start) {
  Sent sent;
  while (const auto outgoing = next(queue, now)) {
    if (const auto* a = std::get_if<LaneQueue::Attachments>(&*outgoing)) {
      for (const auto& each : a->all) sent.attached.push_back(each.session);
      sent.at_once.push_back(a->all.size());
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

/// So that no stamp is asked for later.
constexpr Stamps::Config one_stamp{.interval = std::chrono::hours{10'000}};

LaneQueue readings(std::size_t capacity = 1000, std::size_t batch = 3, std::size_t in_flight = 2) {
  LaneQueue::Config config;
  config.capacity = capacity, config.batch = batch, config.in_flight = in_flight, config.stamps = one_stamp;
  return LaneQueue(config);
}

LaneQueue alarm_lane(std::size_t capacity = 1000) {
  LaneQueue::Config config;
  config.lane = Lane::alarms, config.capacity = capacity, config.stamps = one_stamp;
  return LaneQueue(config);
}

TEST(LaneQueue, BatchesWhatWaitsAndKeepsFewInFlight) {
  auto queue = readings();
  queue.attach(attachment(one));
  for (std::uint64_t i = 1; i <= 8; ++i) EXPECT_THAT(queue.append(vitals(one, i), start), IsEmpty());
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
  for (std::uint64_t i = 1; i <= 8; ++i) queue.append(vitals(i % 2 == 0 ? two : one, i), start);
  const auto sent = send_all(queue);
  EXPECT_THAT(sent.batches, ElementsAre(ElementsAre(1, 3, 5), ElementsAre(7, 2, 4)));
  ASSERT_TRUE(queue.answer(sent.numbers[0], {committed, committed, committed}, start));
  ASSERT_THAT(send_all(queue).batches, ElementsAre(ElementsAre(6, 8)));
  queue.restart();
  const auto again = send_all(queue);
  EXPECT_THAT(again.attached, ::testing::UnorderedElementsAre(one, two));
  EXPECT_THAT(again.batches, ElementsAre(ElementsAre(7, 2, 4), ElementsAre(6, 8)));
  EXPECT_EQ(queue.counters().resent, 5u);
  for (std::uint64_t number : again.numbers)
    for (std::uint64_t old : sent.numbers) EXPECT_NE(number, old);  // a late answer cannot be taken for a new one
}

TEST(LaneQueue, ADetachedSessionStaysUntilItsLastRecordIsAnswered) {
  auto queue = readings();
  queue.attach(attachment(one));
  queue.append(vitals(one, 1), start);
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
  for (std::uint64_t i = 1; i <= 3; ++i) queue.append(vitals(one, i), start);
  const auto answers = queue.append(vitals(one, 4), start);
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].result, RecordResult::shed);
  EXPECT_EQ(queue.counters().shed_vitals, 1u);
  EXPECT_THAT(send_all(queue).batches, ElementsAre(ElementsAre(2, 3, 4)));
  // All are on their way: then the new one has no place.
  const auto refused = queue.append(vitals(one, 5), start);
  ASSERT_THAT(refused, SizeIs(1));
  EXPECT_EQ(queue.counters().shed_vitals, 2u);
  EXPECT_EQ(queue.size(), 3u);
}

TEST(LaneQueue, AlarmsAreNeverShedButRefusedSoThatTheDeviceOwesThem) {  // I1, I5
  auto queue = alarm_lane(2);
  queue.attach(attachment(one));
  queue.append(alarm(one, 1), start);
  queue.append(alarm(one, 2), start);
  const auto answers = queue.append(alarm(one, 3), start);
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
  queue.append(vitals(one, 1), start);
  queue.append(vitals(two, 2), start);
  auto sent = send_all(queue);
  const auto answers = queue.answer(sent.numbers.at(0), {not_attached, committed}, start);
  ASSERT_TRUE(answers);
  EXPECT_THAT(*answers, SizeIs(1));
  queue.append(vitals(one, 3), start);
  queue.append(vitals(two, 4), start);
  EXPECT_THAT(send_all(queue).batches, ElementsAre(ElementsAre(4)));
  ASSERT_TRUE(queue.next_deadline());
  EXPECT_EQ(*queue.next_deadline(), start + std::chrono::seconds{1});
  sent = send_all(queue, start + std::chrono::seconds{1});
  EXPECT_THAT(sent.attached, ElementsAre(one));
  EXPECT_THAT(sent.batches, ElementsAre(ElementsAre(1, 3)));
  EXPECT_TRUE(waits(queue));
}

// I1, I8: the second of two batches comes back after the pause of the first is over, and stays the second.
TEST(LaneQueue, WhatComesBackLaterGoesLater) {
  auto queue = readings();
  queue.attach(attachment(one));
  queue.attach(attachment(two, "urn:dev:os:32473-b"));
  for (std::uint64_t i = 1; i <= 6; ++i) queue.append(vitals(one, i), start);
  const auto sent = send_all(queue);
  ASSERT_THAT(sent.batches, ElementsAre(ElementsAre(1, 2, 3), ElementsAre(4, 5, 6)));
  const std::vector refused(3, not_attached);
  ASSERT_TRUE(queue.answer(sent.numbers[0], refused, start));
  queue.append(vitals(one, 7), start);
  queue.append(vitals(two, 8), start);
  const auto later = start + std::chrono::seconds{2};
  EXPECT_TRUE(waits(queue));
  EXPECT_THAT(send_all(queue, later).batches, ElementsAre(ElementsAre(8))) << "the others do not wait";
  ASSERT_TRUE(queue.answer(sent.numbers[1], refused, later));
  EXPECT_THAT(send_all(queue, later).batches, ElementsAre(ElementsAre(1, 2, 3)));
  queue.restart();
  EXPECT_THAT(send_all(queue, later).batches, ElementsAre(ElementsAre(8, 1, 2), ElementsAre(3, 4, 5)));
}

// I1, I8: so it is where the stream is lost meanwhile.
TEST(LaneQueue, WhatDidNotComeBackBeforeTheStreamWasLostGoesLater) {
  auto queue = readings();
  queue.attach(attachment(one));
  for (std::uint64_t i = 1; i <= 6; ++i) queue.append(vitals(one, i), start);
  const auto sent = send_all(queue);
  ASSERT_TRUE(queue.answer(sent.numbers.at(0), std::vector(3, not_attached), start));
  EXPECT_FALSE(next(queue, start + std::chrono::seconds{2}));
  queue.restart();
  EXPECT_THAT(send_all(queue).batches, ElementsAre(ElementsAre(1, 2, 3), ElementsAre(4, 5, 6)));
}

/// Sends, and lets storage refuse what is attached and all records. How many records were sent.
std::size_t refuse_all(LaneQueue& queue, coap::Instant now) {
  std::size_t records = 0;
  while (const auto outgoing = next(queue, now)) {
    if (const auto* all = std::get_if<LaneQueue::Attachments>(&*outgoing)) {
      std::vector<LaneQueue::Refusal> refused;
      for (const auto& each : all->all) refused.push_back({each.session, "boot: no"});
      queue.attach_answered(refused);
    }
    const auto* batch = std::get_if<LaneQueue::Batch>(&*outgoing);
    if (batch == nullptr) continue;
    records += batch->records->size();
    EXPECT_THAT(*queue.answer(batch->number, std::vector(batch->records->size(), not_attached), now), IsEmpty());
  }
  return records;
}

// I1, I8: what storage refuses for good costs it one try a minute, and the operator one sentence.
TEST(LaneQueue, ASessionThatIsRefusedIsTriedMoreAndMoreSeldom) {
  for (const bool alarms : {false, true}) {
    auto queue = alarms ? alarm_lane() : readings();
    coap::Instant now = start;
    queue.attach(attachment(one));
    queue.append(alarms ? alarm(one, 1) : vitals(one, 1), now);
    std::vector<int> pauses;
    for (int tries = 1; tries <= 8; ++tries) {
      EXPECT_EQ(refuse_all(queue, now), 1u);
      EXPECT_THAT(queue.take_complaints(), SizeIs(tries == 1 ? 1 : 0));
      EXPECT_EQ(queue.counters().attaches_refused, static_cast<std::uint64_t>(tries));
      ASSERT_TRUE(queue.next_deadline());
      pauses.push_back(
          static_cast<int>(std::chrono::floor<std::chrono::seconds>(*queue.next_deadline() - now).count()));
      EXPECT_FALSE(next(queue, *queue.next_deadline() - std::chrono::milliseconds{1}));
      now = *queue.next_deadline();
    }
    EXPECT_THAT(pauses, ElementsAre(1, 2, 4, 8, 16, 32, 60, 60));
    const auto sent = send_all(queue, now);
    queue.attach_answered();
    ASSERT_THAT(sent.batches, ElementsAre(ElementsAre(1)));
    EXPECT_THAT(*queue.answer(sent.numbers[0], {committed}, now), SizeIs(1));
    queue.append(alarms ? alarm(one, 2) : vitals(one, 2), now);
    refuse_all(queue, now);
    EXPECT_EQ(*queue.next_deadline() - now, std::chrono::seconds{1}) << "anew after a success";
    refuse_all(queue, now += std::chrono::seconds{1});
    queue.restart();
    EXPECT_EQ(refuse_all(queue, now), 1u);
    EXPECT_EQ(*queue.next_deadline() - now, std::chrono::seconds{1}) << "and on a new stream";
    EXPECT_THAT(queue.take_complaints(), IsEmpty());
    queue.attach(attachment(two));  // the device's next session
    queue.append(alarms ? alarm(two, 1) : vitals(two, 1), now);
    refuse_all(queue, now);
    EXPECT_THAT(queue.take_complaints(), ElementsAre(::testing::HasSubstr("urn:dev:os:32473-a (boot: no)")));
  }
}

// I8
TEST(LaneQueue, AStorageThatDoesNotAnswerStampsIsToldOncePerStream) {
  for (const bool alarms : {false, true}) {
    auto queue = alarms ? alarm_lane() : readings();
    queue.attach(attachment(one));
    queue.append(alarms ? alarm(one, 1) : vitals(one, 1), start);
    coap::Instant now = start;
    for (std::uint64_t stream = 1; stream <= 3; ++stream) {
      const auto asked = queue.next(now);
      ASSERT_TRUE(asked && std::holds_alternative<LaneQueue::StampRequest>(*asked));
      queue.audit({"", "register", true, "", "", 1});
      EXPECT_FALSE(queue.next(now)) << "nothing can be told after a stamp that is not there";
      EXPECT_GT(queue.next_deadline().value(), now) << "so nothing else is waited for";
      EXPECT_THAT(queue.take_complaints(), IsEmpty());
      now = queue.next_deadline().value();
      EXPECT_FALSE(queue.next(now));
      EXPECT_THAT(queue.take_complaints(), ElementsAre(::testing::HasSubstr("upgrade wardlink-storage first")));
      EXPECT_EQ(queue.counters().stamps_ignored, stream);
      EXPECT_FALSE(queue.next_deadline()) << "it is told once";
      EXPECT_FALSE(queue.next(now + std::chrono::hours{1}));
      EXPECT_THAT(queue.take_complaints(), IsEmpty());
      queue.restart();
    }
    EXPECT_THAT(send_all(queue, now).batches, ElementsAre(ElementsAre(1))) << "and goes when there is one";
  }
}

// FAIR-1: what waits for a session that is refused has its bound, and the others theirs.
TEST(LaneQueue, WhoIsRefusedDoesNotFillTheLane) {
  auto queue = readings(6000);
  queue.attach(attachment(one));
  queue.attach(attachment(two, "urn:dev:os:32473-b"));
  queue.append(vitals(one, 1), start);
  refuse_all(queue, start);
  std::size_t shed = 0;
  for (std::uint64_t i = 2; i <= 6000; ++i) shed += queue.append(vitals(one, i), start).size();
  EXPECT_EQ(shed, 6000u - 4096u);
  for (std::uint64_t i = 1; i <= 1000; ++i) EXPECT_THAT(queue.append(vitals(two, i), start), IsEmpty());
}

TEST(LaneQueue, WhatWasMeasuredGoesBeforeTheFormalitiesOfAWholeWard) {  // I3, I8
  auto queue = readings();
  constexpr SinkSession last{1000};
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    queue.attach(attachment(SinkSession{i}, "urn:dev:os:32473-" + std::to_string(i)));
    queue.audit({"", "handshake", true, std::to_string(i), "", 1});
  }
  queue.append(vitals(last, 7), start);
  EXPECT_EQ(std::get<LaneQueue::Attachments>(*next(queue, start)).all.at(0).session, last);
  EXPECT_THAT(*std::get<LaneQueue::Batch>(*next(queue, start)).records, SizeIs(1));
  auto sent = send_all(queue);
  EXPECT_THAT(sent.attached, IsEmpty()) << "what is measured next need not wait for all";
  EXPECT_THAT(sent.audited, SizeIs(1000));
  EXPECT_FALSE(next(queue, start));
  queue.attach_answered();
  EXPECT_THAT(send_all(queue).at_once, ElementsAre(512));
  queue.attach_answered();
  EXPECT_THAT(send_all(queue).at_once, ElementsAre(487));
  queue.restart();
  EXPECT_THAT(send_all(queue).attached, ElementsAre(last)) << "its record is not answered";
  queue.attach_answered();
  EXPECT_THAT(send_all(queue).at_once, ElementsAre(512)) << "nobody will answer on the stream that is lost";
}

// FAIR-2: entries that come one by one are few messages, each of which is a COMMIT that records wait behind.
TEST(LaneQueue, AuditEntriesThatTrickleInAreGathered) {
  for (const std::size_t count : {10, 300, 1000}) {
    auto queue = readings();
    std::size_t messages = 0, entries = 0;
    for (std::size_t i = 0; i < count; ++i) {
      queue.audit({"", "register", true, std::to_string(i), "", 1});
      const auto sent = next(queue, start + std::chrono::milliseconds{i} / 4);
      if (!sent) continue;
      ++messages;
      entries += std::get<std::vector<AuditEntry>>(*sent).size();
    }
    EXPECT_EQ(messages, 1u);
    ASSERT_TRUE(queue.next_deadline());
    const auto rest = next(queue, *queue.next_deadline());
    ASSERT_TRUE(rest);
    EXPECT_EQ(entries + std::get<std::vector<AuditEntry>>(*rest).size(), count);
    EXPECT_TRUE(waits(queue));
    queue.audit({"", "register", true, "more", "", 1});
    EXPECT_FALSE(next(queue, start));
    queue.restart();
    EXPECT_THAT(send_all(queue).audited, SizeIs(count + 1)) << "a new stream waits for nothing";
  }
}

// FAIR-2: those that a batch needs are attached at once, whatever their number.
TEST(LaneQueue, ABatchNeedsOneAttachmentOfAllItsSessions) {
  for (const std::uint64_t count : {1, 10, 300}) {
    auto queue = readings(1000, 300);
    for (std::uint64_t i = 1; i <= count; ++i) {
      queue.attach(attachment(SinkSession{i}, "urn:dev:os:32473-" + std::to_string(i)));
      queue.append(vitals(SinkSession{i}, i), start);
      queue.append(vitals(SinkSession{i}, i + count), start);
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
  queue.append(alarm(one, 1), start);
  ASSERT_TRUE(queue.answer(send_all(queue).numbers.at(0), {not_attached}, start));
  for (std::uint64_t i = 2; i <= 300; ++i)
    queue.append(alarm(one, i), start);  // more than a batch, and all of it to wait
  queue.attach(attachment(two, "urn:dev:os:32473-b"));
  queue.append(alarm(two, 1000), start);
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
  queue.append(alarm(last, 7), start);
  queue.append(alarm(last, 8), start);
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
  queue.append(alarm(two, 1), start);
  EXPECT_THAT(send_all(queue).batches, ElementsAre(ElementsAre(1)));
}

TEST(LaneQueue, AnAlarmWaitsForFewOthersToBeAttached) {  // I1, I8: a whole ward may raise alarms while storage is away
  auto queue = alarm_lane();
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    queue.attach(attachment(SinkSession{i}, "urn:dev:os:32473-" + std::to_string(i)));
    queue.append(alarm(SinkSession{i}, i), start);
  }
  queue.restart();
  std::size_t attached = 0;
  for (auto sent = next(queue, start); const auto* a = std::get_if<LaneQueue::Attachments>(&*sent);
       sent = next(queue, start))
    attached += a->all.size();
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

/// What answers that record when its device is back.
auto is_superseded(const Record& record) {
  return AllOf(Field(&RecordAnswered::session, record.session), Field(&RecordAnswered::ticket, record.ticket),
               Field(&RecordAnswered::stream, record.fact.stream),
               Field(&RecordAnswered::result, RecordResult::superseded));
}

TEST(LaneQueue, ADeviceThatIsBackOwesItsAlarmsItself) {  // I8: memory stays bounded
  auto queue = alarm_lane();
  queue.attach(attachment(one));
  queue.append(alarm(one, 1), start);
  queue.detach(one);
  EXPECT_THAT(queue.attach(attachment(two)), ElementsAre(is_superseded(alarm(one, 1))));
  queue.append(alarm(two, 1), start);
  const auto sent = send_all(queue);
  EXPECT_THAT(sent.attached, ElementsAre(two));
  EXPECT_THAT(sent.batches, ElementsAre(ElementsAre(1)));
}

TEST(LaneQueue, ADeviceThatIsBackTakesOverFromEveryPastSessionOfItsBoot) {
  constexpr SinkSession three{3}, four{4}, other{9};
  auto queue = alarm_lane();
  queue.attach(attachment(one));
  queue.append(alarm(one, 1), start);
  ASSERT_TRUE(queue.answer(send_all(queue).numbers.at(0), {not_attached}, start));
  queue.detach(one);  // what it has is parked
  queue.attach(attachment(other, "urn:dev:os:32473-b"));
  queue.append(alarm(other, 7), start);
  queue.detach(other);
  EXPECT_THAT(queue.attach(attachment(two)), ElementsAre(is_superseded(alarm(one, 1))));
  queue.append(alarm(two, 1), start);
  queue.detach(two);
  queue.restart();  // the past ones that are still owed an answer are known after it too
  EXPECT_THAT(queue.attach(attachment(three)), ElementsAre(is_superseded(alarm(two, 1))));
  queue.detach(three);  // left nothing
  EXPECT_THAT(queue.attach(attachment(four)), IsEmpty());
  const auto sent = send_all(queue);
  EXPECT_THAT(sent.attached, ElementsAre(other)) << "nobody else has anything";
  EXPECT_THAT(sent.batches, ElementsAre(ElementsAre(7)));
  EXPECT_EQ(queue.size(), 1u);
}

TEST(LaneQueue, AlarmsOfAnEarlierBootAreKept) {  // I5: the rebooted device may not remember them
  auto queue = alarm_lane();
  queue.attach(attachment(one));
  queue.append(alarm(one, 1), start);
  queue.detach(one);
  queue.attach(attachment(two, "urn:dev:os:32473-a", 6));
  EXPECT_THAT(send_all(queue).batches, ElementsAre(ElementsAre(1)));
}

TEST(LaneQueue, AnAnswerThatFitsNoBatchIsRefused) {
  auto queue = readings();
  queue.attach(attachment(one));
  queue.append(vitals(one, 1), start);
  const auto sent = send_all(queue);
  EXPECT_FALSE(queue.answer(sent.numbers.at(0) + 1, {committed}, start));
  EXPECT_FALSE(queue.answer(sent.numbers.at(0), {committed, committed}, start));
  EXPECT_EQ(queue.size(), 1u);
}

TEST(LaneQueue, AuditEntriesAreSentAgainUntilALaterBatchIsAnswered) {  // I9
  auto queue = readings();
  queue.attach(attachment(one));
  queue.audit({"", "handshake", false, "first", "", 1});
  queue.append(vitals(one, 1), start);
  EXPECT_THAT(send_all(queue).audited, ElementsAre("first"));
  queue.restart();
  auto sent = send_all(queue);
  EXPECT_THAT(sent.audited, ElementsAre("first"));
  ASSERT_TRUE(queue.answer(sent.numbers.at(0), {committed}, start));  // it went before the entry
  queue.restart();
  EXPECT_THAT(send_all(queue).audited, ElementsAre("first"));
  queue.append(vitals(one, 2), start);
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

// -- fairness ---------------------------------------------------------------------------------------------------------

std::string device_of(std::uint64_t number) { return "urn:dev:os:32473-" + std::to_string(number); }

std::vector<std::uint64_t> sequences(const LaneQueue::Batch& batch) {
  std::vector<std::uint64_t> all;
  for (const auto& record : *batch.records) all.push_back(record.fact.sequence);
  return all;
}

/// Sends and answers all, a second for each batch.
std::vector<std::uint64_t> serve_all(LaneQueue& queue, coap::Instant& now) {
  std::vector<std::uint64_t> served;
  while (const auto outgoing = next(queue, now)) {
    const auto* batch = std::get_if<LaneQueue::Batch>(&*outgoing);
    if (batch == nullptr) continue;
    for (std::uint64_t sequence : sequences(*batch)) served.push_back(sequence);
    now += std::chrono::seconds{1};
    EXPECT_TRUE(queue.answer(batch->number, std::vector(batch->records->size(), committed), now));
  }
  return served;
}

TEST(LaneQueueFairness, WhoSendsALotWaitsBehindItselfOnly) {  // FAIR-1
  auto queue = readings(100'000, 256, 4);
  queue.attach(attachment(one));
  for (std::uint64_t i = 1; i <= 60'000; ++i) queue.append(vitals(one, i), start);
  for (std::uint64_t other = 2; other <= 5; ++other) {
    queue.attach(attachment(SinkSession{other}, device_of(other)));
    queue.append(vitals(SinkSession{other}, 100'000 + other), start);
  }
  queue.restart();  // all wait
  coap::Instant now = start;
  const auto served = serve_all(queue, now);
  ASSERT_THAT(served, SizeIs(60'004));
  for (std::uint64_t other = 2; other <= 5; ++other)
    EXPECT_LT(std::ranges::find(served, 100'000 + other) - served.begin(), 256) << "in the first batch";
}

TEST(LaneQueueFairness, AmongAlarmsTheSameHolds) {  // FAIR-1
  auto queue = alarm_lane(10'000);
  queue.attach(attachment(one));
  queue.attach(attachment(two, device_of(2)));
  for (std::uint64_t i = 1; i <= 1000; ++i) queue.append(alarm(one, i), start);
  queue.append(alarm(two, 5000), start);
  coap::Instant now = start;
  const auto served = serve_all(queue, now);
  ASSERT_THAT(served, SizeIs(1001));
  EXPECT_LT(std::ranges::find(served, 5000u) - served.begin(), 256);
}

TEST(LaneQueueFairness, SessionsOfOneDeviceShareItsTurn) {  // FAIR-1: who opens many sessions gains nothing
  auto queue = readings(100'000, 256, 4);
  for (std::uint64_t name = 1; name <= 100; ++name) {
    queue.attach(attachment(SinkSession{name}));
    for (std::uint64_t i = 1; i <= 100; ++i) queue.append(vitals(SinkSession{name}, i), start);
    queue.detach(SinkSession{name});
  }
  queue.attach(attachment(SinkSession{500}, device_of(2)));
  queue.append(vitals(SinkSession{500}, 7777), start);
  coap::Instant now = start;
  const auto served = serve_all(queue, now);
  EXPECT_LT(std::ranges::find(served, 7777u) - served.begin(), 256);
}

TEST(LaneQueueFairness, WithoutRoomTheGreediestIsShedFirst) {  // FAIR-1, I3
  auto queue = readings(1000);
  queue.attach(attachment(one));
  queue.attach(attachment(two, device_of(2)));
  for (std::uint64_t i = 1; i <= 10; ++i) queue.append(vitals(two, i), start);
  std::size_t shed = 0;
  for (std::uint64_t i = 1; i <= 5000; ++i)
    for (const auto& answer : queue.append(vitals(one, 100 + i), start)) {
      EXPECT_EQ(answer.session, one);
      EXPECT_EQ(answer.result, RecordResult::shed);
      ++shed;
    }
  EXPECT_EQ(shed, 5000u - 990u);
  EXPECT_THAT(queue.append(vitals(two, 11), start), SizeIs(1)) << "the other's, again";
  coap::Instant now = start;
  const auto served = serve_all(queue, now);
  for (std::uint64_t i = 1; i <= 11; ++i) EXPECT_THAT(served, ::testing::Contains(i));
  EXPECT_EQ(served.back(), 5100u) << "the newest of the greediest remains";
}

TEST(LaneQueueFairness, OneDeviceCannotFillTheLaneOfAlarms) {  // FAIR-1
  LaneQueue::Config config;
  config.lane = Lane::alarms, config.device_alarms = 10;
  LaneQueue queue(config);
  std::size_t refused = 0;
  for (std::uint64_t boot = 1; boot <= 5; ++boot) {  // a new start each time, so nothing is taken back
    queue.attach(attachment(SinkSession{boot}, device_of(1), boot));
    for (std::uint64_t i = 1; i <= 4; ++i)
      for (const auto& answer : queue.append(alarm(SinkSession{boot}, boot * 10 + i), start))
        refused += answer.result == RecordResult::refused ? 1 : 0;
    queue.detach(SinkSession{boot});
  }
  EXPECT_EQ(refused, 10u);
  queue.attach(attachment(SinkSession{9}, device_of(2)));
  EXPECT_THAT(queue.append(alarm(SinkSession{9}, 7), start), IsEmpty());
  coap::Instant now = start;
  EXPECT_THAT(serve_all(queue, now), SizeIs(11));
  queue.attach(attachment(SinkSession{6}, device_of(1), 6));
  EXPECT_THAT(queue.append(alarm(SinkSession{6}, 61), start), IsEmpty()) << "answered ones make room";
}

/// What waits while storage answers: drops of what waited longer than 5 s.
class LaneQueueWait : public ::testing::Test {
 protected:
  LaneQueueWait() {
    queue.attach(attachment(one));
    queue.append(vitals(one, 1), now);
    serve_all(queue, now);  // caught up
  }
  void append(std::uint64_t from, std::uint64_t to) {
    for (; from <= to; ++from) queue.append(vitals(one, from), now);
  }
  LaneQueue queue = readings(1000, 3, 2);
  coap::Instant now = start;
};

TEST_F(LaneQueueWait, AReadingThatWaitedTooLongIsDroppedFromTheHeadAndCounted) {  // FAIR-1, I3
  append(2, 6);
  now += std::chrono::seconds{3};
  append(7, 8);
  now += std::chrono::seconds{3};
  EXPECT_THAT(send_all(queue, now).batches, ElementsAre(ElementsAre(7, 8)));
  EXPECT_EQ(queue.counters().waited, 5u);
  const auto dropped = queue.take_dropped();
  ASSERT_THAT(dropped, SizeIs(5));
  for (const auto& answer : dropped) EXPECT_EQ(answer.result, RecordResult::shed);
  EXPECT_THAT(queue.take_dropped(), IsEmpty());
  EXPECT_EQ(queue.size(), 2u);
}

TEST_F(LaneQueueWait, WhatPiledUpWhileStorageWasAwayIsKept) {  // FAIR-1, I8
  append(2, 9);
  const auto sent = send_all(queue, now);
  queue.restart();
  now += std::chrono::minutes{5};
  append(10, 12);
  now += std::chrono::seconds{4};
  EXPECT_THAT(serve_all(queue, now), SizeIs(11));  // slowly: the last of it waits for longer than 5 s, too
  EXPECT_EQ(queue.counters().waited, 0u);
}

TEST_F(LaneQueueWait, SoIsWhatCameWhileItWasStillBeingSent) {  // FAIR-1, I8
  append(2, 40);
  queue.restart();
  const auto sent = send_all(queue, now);
  ASSERT_TRUE(queue.answer(sent.numbers.at(0), {committed, committed, committed}, now));
  append(41, 43);
  ASSERT_TRUE(queue.answer(sent.numbers.at(1), {committed, committed, committed}, now));
  EXPECT_THAT(serve_all(queue, now), ::testing::IsSupersetOf({41, 42, 43})) << "a second for each batch";
  EXPECT_EQ(queue.counters().waited, 0u);
}

TEST_F(LaneQueueWait, NorIsItDroppedWhereABatchWasNotAnsweredInTime) {  // FAIR-1, I8
  append(2, 4);
  const auto sent = send_all(queue, now);
  now += std::chrono::seconds{4};
  append(5, 6);
  now += std::chrono::seconds{6};
  EXPECT_THAT(send_all(queue, now).batches, ElementsAre(ElementsAre(5, 6)));
  EXPECT_EQ(queue.counters().waited, 0u);
}

TEST_F(LaneQueueWait, NorWhereItsSessionWasNotAttached) {  // FAIR-1
  append(2, 2);
  ASSERT_TRUE(queue.answer(send_all(queue, now).numbers.at(0), {not_attached}, now));
  append(3, 4);
  now += std::chrono::seconds{7};
  EXPECT_THAT(send_all(queue, now).batches, ElementsAre(ElementsAre(2, 3, 4)));
  EXPECT_EQ(queue.counters().waited, 0u);
}

TEST(LaneQueueFairness, AnAlarmIsNeverDroppedHoweverLongItWaits) {  // FAIR-1, I1, I5
  auto queue = alarm_lane();
  coap::Instant now = start;
  queue.attach(attachment(one));
  queue.append(alarm(one, 1), now);
  serve_all(queue, now);
  queue.append(alarm(one, 2), now);
  now += std::chrono::hours{1};
  EXPECT_THAT(send_all(queue, now).batches, ElementsAre(ElementsAre(2)));
}

/// Records of random length, by number of the session and sequence.
Record random_record(SinkSession session, std::uint64_t sequence, std::mt19937_64& random) {
  Record record = vitals(session, sequence);
  record.ticket = Ticket{static_cast<std::uint64_t>(session) << 32 | sequence};
  if (random() % 3 == 0)
    record.fact.body = Quarantined{QuarantineReason::undecodable, "/vitals", coap::Bytes(random() % 1024)};
  else
    std::get<SignValues>(record.fact.body).values.resize(1 + random() % 10, {1, 72.0, false});
  return record;
}

// FAIR-1: while several have something waiting, none gets a turn's worth less than another.
TEST(LaneQueueFairness, WhoeverHasSomethingWaitingGetsItsShareOfBytes) {
  constexpr std::size_t kQuantum = 4096, kLongest = 64 + 1024 + 7;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    auto queue = readings(1'000'000, 64, 1);
    const std::uint64_t devices = 2 + random() % 8;
    std::map<SinkSession, std::size_t> left, served;
    for (std::uint64_t name = 1; name <= devices; ++name) {
      queue.attach(attachment(SinkSession{name}, device_of(name)));
      left[SinkSession{name}] = 200 + random() % 2000;
      for (std::uint64_t i = 1; i <= left[SinkSession{name}]; ++i)
        queue.append(random_record(SinkSession{name}, i, random), start);
    }
    const auto size = [](const Record& record) -> std::size_t {
      if (const auto* raw = std::get_if<Quarantined>(&record.fact.body)) return 64 + raw->payload.size() + 7;
      return 64 + 16 * std::get<SignValues>(record.fact.body).values.size();
    };
    bool all_wait = true;
    while (all_wait) {
      const auto outgoing = next(queue, start);
      ASSERT_TRUE(outgoing) << seed;
      const auto* batch = std::get_if<LaneQueue::Batch>(&*outgoing);
      if (batch == nullptr) continue;
      for (const auto& record : *batch->records) {
        served[record.session] += size(record);
        all_wait = all_wait && --left[record.session] > 0;
        if (!all_wait) break;
        std::size_t least = SIZE_MAX, most = 0;
        for (const auto& [name, waiting] : left) {
          least = std::min(least, served[name]);
          most = std::max(most, served[name]);
        }
        ASSERT_LE(most - least, 2 * kQuantum + kLongest) << "seed " << seed;
      }
      ASSERT_TRUE(queue.answer(batch->number, std::vector(batch->records->size(), committed), start));
    }
  }
}

/// Handles what it is sent in order, as storage does, refuses some attachments, and answers later.
class Storage {
 public:
  explicit Storage(std::mt19937_64& random) : random_(random) {}

  void take(const LaneQueue::Outgoing& outgoing) {
    if (const auto* all = std::get_if<LaneQueue::Attachments>(&outgoing)) inbox_.push_back({all->all, 0, {}});
    if (const auto* batch = std::get_if<LaneQueue::Batch>(&outgoing))
      inbox_.push_back({{}, batch->number, *batch->records});
  }
  /// The oldest that it has not handled. False: there is none.
  bool handle() {
    if (inbox_.empty()) return false;
    const Message message = std::move(inbox_.front());
    inbox_.pop_front();
    for (const auto& each : message.attachments)
      if (!refuses || random_() % 3 != 0) attached_.insert(each.session);
    outbox_.push_back({message.batch, {}});
    for (const auto& record : message.records) outbox_.back().answers.push_back(commit(record));
    return true;
  }
  /// The oldest answer that has not arrived. False: there is none.
  bool answer(LaneQueue& queue, coap::Instant now, std::vector<RecordAnswered>& answered) {
    if (outbox_.empty()) return false;
    const Reply reply = std::move(outbox_.front());
    outbox_.pop_front();
    if (reply.batch == 0) {
      queue.attach_answered();
      return true;
    }
    const auto answers = queue.answer(reply.batch, reply.answers, now);
    EXPECT_TRUE(answers);
    if (answers) answered.insert(answered.end(), answers->begin(), answers->end());
    return true;
  }
  void lose_stream() {
    for (auto few = random_() % 4; few > 0 && handle(); --few) {
    }
    inbox_.clear();
    outbox_.clear();
    attached_.clear();
  }

  bool refuses = true;

 private:
  struct Message {
    std::vector<Attachment> attachments;
    std::uint64_t batch;  // 0: none
    std::vector<Record> records;
  };
  struct Reply {
    std::uint64_t batch;
    std::vector<StorageAnswer> answers;
  };
  StorageAnswer commit(const Record& record) {
    if (!attached_.contains(record.session)) return not_attached;
    auto& stored = stored_[record.session];
    const auto sequence = record.fact.sequence;
    if (stored.contains(sequence)) return duplicate;
    EXPECT_TRUE(stored.empty() || *stored.rbegin() < sequence)
        << sequence << " of session " << static_cast<int>(record.session) << " after " << *stored.rbegin();
    stored.insert(sequence);
    return committed;
  }

  std::mt19937_64& random_;
  std::deque<Message> inbox_;
  std::deque<Reply> outbox_;
  std::set<SinkSession> attached_;
  std::map<SinkSession, std::set<std::uint64_t>> stored_;
};

/// All that can happen, at random: of each session records are stored in order, and each is answered once.
void live_at_random(std::uint64_t seed, Lane lane) {
  std::mt19937_64 random(seed);
  LaneQueue::Config config;
  config.lane = lane, config.capacity = 200, config.batch = 1 + random() % 20, config.in_flight = 1 + random() % 4;
  config.quantum = 100 + random() % 2000, config.device_alarms = 50;
  LaneQueue queue(config);
  Storage storage(random);
  coap::Instant now = start;
  std::map<SinkSession, std::uint64_t> last_appended;
  std::map<Ticket, int> answered;
  std::uint64_t sessions = 0;
  const auto note = [&](const std::vector<RecordAnswered>& answers) {
    for (const auto& answer : answers) {
      ++answered[answer.ticket];
      EXPECT_TRUE(lane != Lane::alarms || answer.result != RecordResult::shed);
    }
  };
  const auto send = [&] {
    const auto outgoing = next(queue, now);
    note(queue.take_dropped());
    if (outgoing) storage.take(*outgoing);
    return outgoing.has_value();
  };
  const auto answer = [&] {
    std::vector<RecordAnswered> answers;
    const bool some = storage.answer(queue, now, answers);
    note(answers);
    return some;
  };
  for (int step = 0; step < 3000; ++step) {
    now += std::chrono::milliseconds{random() % 400};
    switch (random() % 14) {
      case 0:
        if (sessions < 30) {
          ++sessions;
          note(queue.attach(attachment(SinkSession{sessions}, device_of(sessions % 5), 1 + random() % 2)));
        }
        break;
      case 1:
        if (sessions > 0 && random() % 10 == 0) queue.detach(SinkSession{1 + random() % sessions});
        break;
      case 2:
        if (random() % 20 == 0) {
          storage.lose_stream();
          queue.restart();
        }
        break;
      case 3:
      case 4:
        storage.handle();
        break;
      case 5:
      case 6:
        answer();
        break;
      case 7:
      case 8:
        send();
        break;
      default:
        if (sessions == 0) break;
        for (std::uint64_t many = random() % 10; many > 0; --many) {
          const SinkSession name{1 + random() % sessions};
          auto record = random_record(name, ++last_appended[name], random);
          record.fact.stream = lane == Lane::alarms ? Stream::alarms : Stream::vitals;
          answered.emplace(record.ticket, 0);
          note(queue.append(std::move(record), now));
        }
    }
    ASSERT_LE(queue.size(), config.capacity);
    if (::testing::Test::HasFailure()) return;
  }
  storage.refuses = false;
  for (int turn = 0; !queue.drained(); ++turn) {
    ASSERT_LT(turn, 10'000);
    now += std::chrono::seconds{2};
    while (send() || storage.handle() || answer()) {
    }
  }
  for (const auto& [ticket, times] : answered) ASSERT_EQ(times, 1) << "each is answered once";
}

TEST(LaneQueueFairness, WhateverHappensRecordsGoInOrderAndAreAnsweredOnce) {  // FAIR-1, I3
  for (std::uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    live_at_random(seed, seed % 2 == 0 ? Lane::readings : Lane::alarms);
  }
}

// -- clocks -----------------------------------------------------------------------------------------------------------

/// The exchange that it is attached with next.
std::optional<ClockExchange> told(LaneQueue& queue) {
  const auto outgoing = next(queue, start);
  const auto* all = outgoing ? std::get_if<LaneQueue::Attachments>(&*outgoing) : nullptr;
  return all != nullptr && all->all.size() == 1 ? all->all.front().exchange : std::nullopt;
}

TEST(LaneQueue, TellsANewExchangeOfAClockOnce) {  // TIME-4
  const ClockExchange later{5000, coap::Instant{std::chrono::seconds{9}}, std::chrono::milliseconds{40}};
  for (auto lane : {Lane::readings, Lane::alarms}) {
    auto queue = lane == Lane::readings ? readings() : alarm_lane();
    queue.attach(attachment(one));
    EXPECT_EQ(told(queue), ClockExchange{});
    queue.attach_answered();
    queue.exchanged({one, later});
    EXPECT_EQ(told(queue), later);
    queue.attach_answered();
    EXPECT_FALSE(next(queue, start));
    queue.restart();
    EXPECT_EQ(told(queue), later) << "on the next stream";
    queue.attach_answered();
    EXPECT_FALSE(next(queue, start));
  }
}

TEST(LaneQueue, ANewExchangeHoldsUpNoRecordAndNoEnd) {  // TIME-4
  auto queue = readings();
  queue.attach(attachment(one));
  queue.append(vitals(one, 1), start);
  EXPECT_THAT(send_all(queue).batches, SizeIs(1));
  queue.exchanged({one, {5000, {}, {}}});
  queue.append(vitals(one, 2), start);
  EXPECT_TRUE(std::holds_alternative<LaneQueue::Batch>(*next(queue, start))) << "before the exchange";
  queue.answer(1, {committed}, start);
  queue.answer(2, {committed}, start);
  queue.detach(one);
  EXPECT_THAT(send_all(queue).detached, ElementsAre(one)) << "storage has heard of it";
  queue.exchanged({two, {}});
  EXPECT_FALSE(next(queue, start)) << "not attached";
}

}  // namespace
}  // namespace wardlink::ingest
