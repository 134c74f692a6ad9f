// The way to storage over real mutual-TLS gRPC: what is carried, what is sent again, what is shed.

#include "ingest/sink/grpc_sink.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>

#include "ingest/scripted_storage.hpp"
#include "ingest/sink/record_proto.hpp"

namespace wardlink::ingest {
namespace {

using coap::testing::Authorities;
using coap::testing::CertificateSpec;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ScriptedStorage;
using ::testing::SizeIs;
using Log = ScriptedStorage::Log;
using Mood = ScriptedStorage::Mood;

constexpr SinkSession one{1};

CertificateSpec ingest_client() {
  CertificateSpec spec;
  spec.san = "URI:urn:wardlink:service:ingest";
  return spec;
}

Record vitals(std::uint64_t sequence, SinkSession session = one) {
  return {session, Ticket::none, {}, {Stream::vitals, sequence, 0, SignValues{{{4, 37.6, false}}}}};
}
Record alarm(std::uint64_t sequence, SinkSession session = one) {
  return {session, Ticket{sequence}, {}, {Stream::alarms, sequence, 0, AlarmFact{}}};
}

// TIME-1: whenever it is told. What ingest says happened so long after, or before, the stamp that goes with it.
TEST(RecordProto, AgesCountFromTheStamp) {
  using namespace std::chrono_literals;
  const Stamp stamp{7, coap::Instant{100s}, 3ms};
  for (const coap::Duration after : {coap::Duration{0}, coap::Duration{9s}, coap::Duration{-400s}}) {
    const ClockExchange exchange{1500, stamp.at + after, 40ms};
    const Attachment attachment{one, "urn:dev:os:32473-a", 5, exchange, stamp.at + after + 20ms};
    const auto request = to_proto(LaneQueue::Attachments{{attachment}, stamp});
    const auto& told = request.attach_all().attaches(0);
    EXPECT_EQ(told.stamp(), 7u);
    EXPECT_EQ(told.exchange().after_us(), after / 1us);
    EXPECT_EQ(told.exchange().uncertainty_us(), 43'000u);
    EXPECT_EQ(told.registered_after_us(), (after + 20ms) / 1us);
  }
}

class GrpcSinkTest : public ::testing::Test {
 protected:
  GrpcSink::Config config() {
    const auto& authority = Authorities::get().services;
    const auto pair = authority.issue(ingest_client());
    GrpcSink::Config config;
    config.storage = storage.address();
    config.credentials = {pair.certificate_pem, pair.private_key_pem, authority.certificate_pem()};
    return config;
  }
  std::unique_ptr<GrpcSink> make(const GrpcSink::Config& config) {
    return std::make_unique<GrpcSink>(
        config, [this](std::vector<SinkEvent> events) { take(std::move(events)); },
        [this](const GrpcLane::Change& change) {
          const std::lock_guard lock(mutex);
          changes.push_back(change);
          changed.notify_all();
        },
        [this](const std::string& sentence) {
          const std::lock_guard lock(mutex);
          complaints.push_back(sentence);
          changed.notify_all();
        });
  }
  std::unique_ptr<GrpcSink> make() { return make(config()); }

  void attach(GrpcSink& sink, SinkSession session = one) {
    sink.attach({session, "urn:dev:os:32473-a", 5, ClockExchange{1500, {}, {}}});
  }
  bool wait(const std::function<bool()>& wished) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds{60}, wished);
  }
  std::size_t count(RecordResult result) const {
    std::size_t n = 0;
    for (const auto& answer : answers) n += answer.result == result ? 1 : 0;
    return n;
  }

  ScriptedStorage storage;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<RecordAnswered> answers;
  std::size_t back = 0;
  std::vector<GrpcLane::Change> changes;
  std::vector<std::string> complaints;

 private:
  void take(std::vector<SinkEvent> events) {
    const std::lock_guard lock(mutex);
    for (const auto& event : events)
      if (const auto* answer = std::get_if<RecordAnswered>(&event))
        answers.push_back(*answer);
      else
        ++back;
    changed.notify_all();
  }
};

TEST_F(GrpcSinkTest, CarriesRecordsAndTellsWhatBecameOfThem) {
  auto sink = make();
  attach(*sink);
  for (std::uint64_t i = 1; i <= 500; ++i) sink->append(vitals(i));
  sink->flush();
  ASSERT_TRUE(wait([&] { return answers.size() == 500; }));
  EXPECT_EQ(count(RecordResult::committed), 500u);
  std::vector<std::uint64_t> expected(500);
  for (std::uint64_t i = 0; i < 500; ++i) expected[i] = i + 1;
  EXPECT_EQ(storage.log().sequences, expected);
  for (const auto size : storage.log().batches) EXPECT_LE(size, 256u);
  EXPECT_TRUE(sink->stats().readings.connected);
}

TEST_F(GrpcSinkTest, AlarmsHaveAConnectionOfTheirOwn) {
  auto sink = make();
  attach(*sink);
  sink->append(vitals(1));
  sink->append(alarm(2));
  sink->flush();
  ASSERT_TRUE(wait([&] { return answers.size() == 2; }));
  const auto peers = storage.log().peers;
  ASSERT_EQ(peers.size(), 2u);
  EXPECT_NE(peers.at(v1::STREAM_VITALS), peers.at(v1::STREAM_ALARMS));
}

TEST_F(GrpcSinkTest, ATurnCostsALaneOneHandoverHoweverMuchItBrought) {
  auto sink = make();
  attach(*sink);
  sink->flush();
  const auto before = sink->stats();
  for (std::uint64_t i = 1; i <= 1000; ++i) sink->append(vitals(i));
  for (std::uint64_t i = 1; i <= 10; ++i) sink->append(alarm(i));
  EXPECT_EQ(sink->stats().readings.queue.appended, 0u);
  sink->flush();
  EXPECT_EQ(sink->stats().readings.queue.appended, 1000u);
  EXPECT_EQ(sink->stats().readings.handovers, before.readings.handovers + 1);
  EXPECT_EQ(sink->stats().alarms.handovers, before.alarms.handovers + 1);
  sink->append(vitals(1001));
  sink->flush();
  sink->flush();
  EXPECT_EQ(sink->stats().readings.handovers, before.readings.handovers + 2);
  EXPECT_EQ(sink->stats().alarms.handovers, before.alarms.handovers + 1) << "a lane without anything is left alone";
  ASSERT_TRUE(wait([&] { return answers.size() == 1011; }));
}

TEST_F(GrpcSinkTest, WhatIsPostedByHandGoesTheWayOfItsKind) {  // MSG-06
  auto sink = make();
  const auto hand = by_hand(one);
  attach(*sink, hand);
  sink->append({hand, Ticket{1}, {}, {Stream::manual, 1, 0, SignValues{{{1, 72, false}}}}});
  sink->append({hand, Ticket{2}, {}, {Stream::manual, 2, 0, AlarmFact{}}});
  sink->flush();
  ASSERT_TRUE(wait([&] { return answers.size() == 2; }));
  EXPECT_EQ(storage.log().peers.at(v1::STREAM_MANUAL).size(), 2u) << "a reading and an alarm, each on its connection";
  EXPECT_TRUE(sink->connected(Lane::readings) && sink->connected(Lane::alarms));
}

TEST_F(GrpcSinkTest, ADeafReadingsStreamHoldsNoAlarmUp) {
  auto sink = make();
  attach(*sink);
  sink->flush();
  storage.be(Mood::silent);
  for (std::uint64_t i = 1; i <= 10'000; ++i) sink->append(vitals(i));
  sink->flush();
  ASSERT_TRUE(storage.wait([](const Log& log) { return log.batches.size() >= 4; }));
  storage.be(Mood::commit);
  sink->append(alarm(1));
  sink->flush();
  ASSERT_TRUE(wait([&] { return !answers.empty(); }));
  EXPECT_EQ(answers.front().stream, Stream::alarms);
}

TEST_F(GrpcSinkTest, StorageMayBeAwayAtTheStart) {  // I8
  storage.close();
  auto sink = make();
  attach(*sink);
  sink->append(vitals(1));
  sink->append(alarm(2));
  sink->flush();
  ASSERT_TRUE(wait([&] { return changes.size() == 2; }));  // it says so, once a stream
  EXPECT_FALSE(changes.front().back);
  EXPECT_FALSE(changes.front().why.empty());
  EXPECT_FALSE(sink->stats().alarms.connected);
  storage.open();
  ASSERT_TRUE(wait([&] { return answers.size() == 2 && back == 2; }));
  EXPECT_TRUE(std::all_of(answers.begin(), answers.end(), [](const auto& a) { return is_durable(a.result); }));
}

TEST_F(GrpcSinkTest, AfterALossAttachesAnewAndSendsTheUnansweredAgain) {  // I1, I2, I8
  auto sink = make();
  attach(*sink);
  sink->append(alarm(1));
  sink->flush();
  ASSERT_TRUE(wait([&] { return answers.size() == 1; }));
  storage.be(Mood::silent);
  sink->append(alarm(2));
  sink->append(alarm(3));
  sink->flush();
  ASSERT_TRUE(storage.wait([](const Log& log) { return log.sequences.size() == 3; }));
  storage.close();
  sink->append(alarm(4));
  sink->flush();
  storage.forget();
  storage.be(Mood::commit);
  storage.open();
  ASSERT_TRUE(wait([&] { return answers.size() == 4; }));
  EXPECT_THAT(storage.log().sequences, ElementsAre(2, 3, 4));
  // On each of the two streams; that of the readings may come back a moment later.
  EXPECT_TRUE(storage.wait([](const Log& log) { return log.attached.size() == 2; }));
  // The two that were on their way, and the last where it was sent before the loss was noticed.
  EXPECT_GE(sink->stats().alarms.queue.resent, 2u);
  std::vector<std::uint64_t> tickets;
  for (const auto& answer : answers) tickets.push_back(static_cast<std::uint64_t>(answer.ticket));
  EXPECT_THAT(tickets, ElementsAre(1, 2, 3, 4));  // each told once
}

TEST_F(GrpcSinkTest, AStreamThatStorageEndsIsOpenedAgain) {
  auto sink = make();
  attach(*sink);
  sink->flush();
  storage.be(Mood::hang_up);
  sink->append(vitals(1));
  sink->flush();
  ASSERT_TRUE(storage.wait([](const Log& log) { return log.batches.size() >= 3; }));
  storage.be(Mood::commit);
  ASSERT_TRUE(wait([&] { return answers.size() == 1; }));
  EXPECT_TRUE(is_durable(answers[0].result));
}

// I8: while storage is away each session of a device takes over what the last one owed, and none goes uncounted.
TEST_F(GrpcSinkTest, WhatADeviceThatIsBackOwesItselfIsAnswered) {
  storage.be(Mood::refuse);
  auto patient = config();
  patient.refused_backoff = std::chrono::minutes{10};
  auto sink = make(patient);
  attach(*sink);
  for (std::uint64_t i = 1; i <= 3; ++i) sink->append(alarm(i));
  sink->flush();
  const auto alarms_are_refused = [](const auto& change) { return change.lane == Lane::alarms && change.refused; };
  ASSERT_TRUE(wait([&] { return std::ranges::any_of(changes, alarms_are_refused); }));
  sink->detach(one);
  attach(*sink, SinkSession{2});
  sink->flush();
  EXPECT_EQ(count(RecordResult::superseded), 3u);
  EXPECT_EQ(sink->stats().alarms.waiting, 0u);
}

TEST_F(GrpcSinkTest, ASessionThatStorageForgotIsAttachedAgain) {
  auto sink = make();
  attach(*sink);
  attach(*sink, SinkSession{2});
  sink->flush();
  storage.be(Mood::forgetful);
  for (std::uint64_t i = 1; i <= 3; ++i) sink->append(alarm(i));
  sink->flush();
  sink->append(alarm(4, SinkSession{2}));
  sink->flush();
  ASSERT_TRUE(wait([&] { return answers.size() == 4; }));
  EXPECT_EQ(count(RecordResult::committed), 4u);
  EXPECT_GE(sink->stats().alarms.queue.parked, 2u);
  EXPECT_EQ(sink->stats().alarms.streams, 1u);  // for nobody else's sake was the stream given up
}

// I1, I8: told once, never acknowledged, and taken as soon as storage attaches it.
TEST_F(GrpcSinkTest, ASessionThatStorageDoesNotAttachIsToldOnceAndGoesOn) {
  auto sink = make();
  storage.be(Mood::decline);
  attach(*sink);
  sink->append(alarm(1));
  sink->flush();
  ASSERT_TRUE(storage.wait([](const Log& log) { return log.sequences.size() >= 2; })) << "it is tried again";
  EXPECT_GE(sink->stats().alarms.queue.attaches_refused, 1u);
  {
    const std::lock_guard lock(mutex);
    EXPECT_THAT(answers, IsEmpty());
    EXPECT_THAT(complaints, ::testing::Contains(HasSubstr("alarms")).Times(1));
    EXPECT_THAT(complaints, ::testing::Each(HasSubstr("urn:dev:os:32473-a (boot: as the test said)")));
  }
  storage.be(Mood::commit);
  ASSERT_TRUE(wait([&] { return answers.size() == 1; }));
  EXPECT_EQ(answers[0].result, RecordResult::committed);
}

// I1, I8: an ingest that was upgraded before its storage says so.
TEST_F(GrpcSinkTest, AStorageThatDoesNotKnowStampsIsTold) {
  storage.be(Mood::old);
  auto sink = make();
  attach(*sink);
  sink->append(alarm(1));
  sink->flush();
  ASSERT_TRUE(wait([&] { return complaints.size() == 2; })) << "one a lane";
  {
    const std::lock_guard lock(mutex);
    EXPECT_THAT(answers, IsEmpty());
    EXPECT_THAT(complaints, ::testing::Each(HasSubstr("upgrade wardlink-storage first")));
  }
  EXPECT_EQ(sink->stats().alarms.queue.stamps_ignored, 1u);
  storage.close();  // and upgraded
  storage.be(Mood::commit);
  storage.open();
  ASSERT_TRUE(wait([&] { return answers.size() == 1; }));
  EXPECT_EQ(answers[0].result, RecordResult::committed);
}

TEST_F(GrpcSinkTest, WithoutRoomVitalsAreShedNeverAlarms) {  // MSG-06, I3
  storage.close();
  auto small = config();
  small.readings_capacity = 100;
  auto sink = make(small);
  attach(*sink);
  for (std::uint64_t i = 1; i <= 150; ++i) sink->append(vitals(i));
  sink->flush();
  for (std::uint64_t i = 1; i <= 150; ++i) sink->append(alarm(i));
  sink->flush();
  EXPECT_EQ(sink->stats().readings.queue.shed_vitals, 50u);
  EXPECT_EQ(count(RecordResult::shed), 50u);
  storage.open();
  ASSERT_TRUE(wait([&] { return answers.size() == 300; }));
  EXPECT_EQ(count(RecordResult::committed), 250u);
  EXPECT_EQ(sink->stats().alarms.queue.alarms_refused, 0u);
}

TEST_F(GrpcSinkTest, AnotherAuthoritysCertificateIsRefused) {  // GRPC-01
  auto wrong = config();
  const auto pair = Authorities::get().devices.issue(ingest_client());
  wrong.credentials.certificate_pem = pair.certificate_pem;
  wrong.credentials.private_key_pem = pair.private_key_pem;
  auto sink = make(wrong);
  attach(*sink);
  sink->append(alarm(1));
  sink->flush();
  ASSERT_TRUE(wait([&] { return changes.size() == 2; }));
  EXPECT_THAT(storage.log().attached, IsEmpty());
  EXPECT_EQ(sink->stats().alarms.waiting, 1u);
}

TEST_F(GrpcSinkTest, AStorageThatOurAuthorityDidNotSignIsRefused) {  // GRPC-01
  auto wrong = config();
  wrong.credentials.trusted_ca_pem = Authorities::get().devices.certificate_pem();
  auto sink = make(wrong);
  attach(*sink);
  sink->append(alarm(1));
  sink->flush();
  ASSERT_TRUE(wait([&] { return changes.size() == 2; }));
  EXPECT_THAT(storage.log().attached, IsEmpty());
}

TEST_F(GrpcSinkTest, AGrantThatIsTakenAwayIsToldAndWaitedFor) {  // GRPC-01, I1, I8
  auto quick = config();
  quick.refused_backoff = std::chrono::milliseconds{20};
  auto sink = make(quick);
  attach(*sink);
  sink->append(alarm(1));
  sink->flush();
  ASSERT_TRUE(wait([&] { return answers.size() == 1; }));
  ASSERT_TRUE(storage.wait([](const Log& log) { return log.attached.size() == 2; }));  // both streams stand
  ASSERT_TRUE(wait([&] { return back >= 2; }));                                        // and are known to
  {
    const std::lock_guard lock(mutex);
    changes.clear();  // a slow machine may not have connected at once
  }
  storage.be(Mood::refuse);
  sink->append(alarm(2));
  sink->flush();
  ASSERT_TRUE(wait([&] { return changes.size() == 1; }));
  EXPECT_TRUE(changes[0].refused);
  EXPECT_FALSE(changes[0].known);
  EXPECT_EQ(changes[0].lane, Lane::alarms);
  EXPECT_EQ(changes[0].why, "no grant, as the test said");
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  while (sink->stats().alarms.refused < 3 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  EXPECT_GE(sink->stats().alarms.refused, 3u);
  EXPECT_EQ(sink->stats().readings.refused, 0u);
  {
    const std::lock_guard lock(mutex);
    EXPECT_THAT(answers, SizeIs(1)) << "the ACK is held";
    EXPECT_THAT(changes, SizeIs(1)) << "told once";
  }
  storage.be(Mood::commit);
  ASSERT_TRUE(wait([&] { return answers.size() == 2 && changes.size() == 2; }));
  EXPECT_EQ(answers[1].result, RecordResult::committed);
  EXPECT_TRUE(changes[1].back);
}

TEST_F(GrpcSinkTest, ARefusalAfterAnAbsenceIsToldToo) {
  storage.close();
  auto sink = make();
  attach(*sink);
  sink->flush();
  ASSERT_TRUE(wait([&] { return changes.size() == 2; }));
  storage.be(Mood::refuse);
  storage.open();
  ASSERT_TRUE(wait([&] { return changes.size() == 4; }));
  EXPECT_TRUE(changes[2].refused && changes[2].known);
  EXPECT_TRUE(changes[3].refused && changes[3].known);
}

TEST_F(GrpcSinkTest, AWholeWardWithoutARecordIsAttachedInTheEnd) {
  auto sink = make();
  for (std::uint64_t i = 1; i <= 40; ++i) sink->attach({SinkSession{i}, "urn:dev:os:32473-a", i, ClockExchange{}});
  sink->flush();
  // All on the readings' stream, one on the alarms'.
  EXPECT_TRUE(storage.wait([](const Log& log) { return log.attached.size() == 41; }));
}

TEST_F(GrpcSinkTest, DrainsInGoodOrder) {
  auto sink = make();
  attach(*sink);
  for (std::uint64_t i = 1; i <= 1000; ++i) sink->append(vitals(i));
  sink->flush();
  sink->detach(one);
  sink->audit({"", "handshake", false, "the last word", "", 1});
  sink->flush();
  EXPECT_TRUE(sink->drain(std::chrono::seconds{60}));
  EXPECT_THAT(storage.log().sequences, SizeIs(1000));
  EXPECT_THAT(storage.log().audited, ElementsAre("the last word"));
}

TEST_F(GrpcSinkTest, TheLastWordGoesAgainWhereTheStreamFailsUnderIt) {  // I9
  auto sink = make();
  attach(*sink);
  sink->flush();
  storage.be(Mood::hang_up);
  sink->audit({"", "handshake", false, "the last word", "", 1});
  sink->flush();
  auto drained = std::async(std::launch::async, [&] { return sink->drain(std::chrono::seconds{60}); });
  ASSERT_TRUE(storage.wait([](const Log& log) { return !log.audited.empty(); }));
  storage.be(Mood::commit);
  EXPECT_TRUE(drained.get());
  EXPECT_THAT(storage.log().audited, SizeIs(::testing::Gt(1u)));
}

TEST_F(GrpcSinkTest, ADrainWithoutStorageEndsInTimeAndSaysSo) {
  storage.close();
  auto sink = make();
  attach(*sink);
  sink->append(alarm(1));
  sink->flush();
  EXPECT_FALSE(sink->drain(std::chrono::milliseconds{10}));
}

}  // namespace
}  // namespace wardlink::ingest
