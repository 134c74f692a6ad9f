// The device in virtual time against a gateway: who says what, when, and what stays owed.

#include "device_core.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gateway.hpp"

namespace wardlink {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kBoot;
using testing::kName;
using ::testing::Le;
using ::testing::SizeIs;
using testing::World;
using namespace std::chrono_literals;

AlarmSettings no_limits() { return {{}, 0, 0}; }

std::string text(const coap::Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

// -- registration ----------------------------------------------------------------------------------------------------

TEST(DeviceCore, AsksForTheTimeThenRegistersThenIsObserved) {
  World world;
  world.now += 5s;
  world.start();
  ASSERT_EQ(world.requests.size(), 2u);
  EXPECT_EQ(world.requests[0].method, coap::code::get);
  EXPECT_EQ(world.requests[0].path, "/time");
  EXPECT_THAT(world.requests[0].queries, ElementsAre("tk=5000"));
  EXPECT_EQ(world.requests[1].method, coap::code::post);
  EXPECT_EQ(world.requests[1].path, "/rd");
  EXPECT_THAT(world.requests[1].queries,
              ElementsAre("ep=" + kName, "lt=90", "boot=" + std::to_string(kBoot), "tk=5000", "rt=21"));
  EXPECT_EQ(world.requests[1].content_format, 40);
  const auto links = coap::decode_links(text(world.requests[1].payload));
  ASSERT_TRUE(links && links->size() == 2);
  EXPECT_EQ((*links)[0].target, "/vitals");
  EXPECT_EQ((*links)[0].value("rt"), "wardlink.vitals");
  EXPECT_EQ((*links)[1].target, "/alarms");
  EXPECT_EQ((*links)[1].value("ct"), "112");
  EXPECT_TRUE((*links)[1].has("obs"));
  const auto status = world.recorder.status();
  EXPECT_TRUE(status.connected);
  EXPECT_EQ(status.last_problem, "");
  EXPECT_EQ(status.handshakes, 1u);
}

TEST(DeviceCore, ARefusedRegistrationIsToldAndTriedAgain) {
  World world;
  const std::string reason = "the certificate names another device";
  world.rd_answer = {coap::code::forbidden, std::nullopt, {reason.begin(), reason.end()}, {}};
  world.start();
  EXPECT_FALSE(world.recorder.status().connected);
  EXPECT_THAT(world.recorder.status().last_problem, AllOf(HasSubstr("4.03"), HasSubstr(reason)));
  world.rd_answer = World::created();
  world.pass(2min);
  EXPECT_TRUE(world.recorder.status().connected);
}

// -- vitals ----------------------------------------------------------------------------------------------------------

TEST(DeviceCore, SetsThatWaitedComeWithTheRegistrationsAnswer) {
  World world(no_limits());
  world.report("hr", 70);
  world.report("hr", 71);
  EXPECT_EQ(world.recorder.status().sets_waiting, 2u);
  world.start();
  ASSERT_THAT(world.of("/vitals").size(), 1u);
  EXPECT_THAT(world.of("/vitals")[0].sequences(), ElementsAre(1, 2));
  EXPECT_EQ(world.recorder.status().sets_sent, 2u);
  EXPECT_EQ(world.recorder.status().sets_waiting, 0u);
}

TEST(DeviceCore, VitalsAreNonConfirmableAndGoAtOnce) {
  World world(no_limits());
  world.start();
  const auto before = world.of("/vitals").size();
  for (int i = 0; i < 5; ++i) {
    world.report("hr", 70 + i);
    world.pass(1s);
  }
  const auto vitals = world.of("/vitals");
  ASSERT_EQ(vitals.size(), before + 5);
  for (std::size_t i = before; i < vitals.size(); ++i) {
    EXPECT_FALSE(vitals[i].confirmable);
    EXPECT_EQ(vitals[i].pack.size(), 3u);
  }
  EXPECT_EQ(world.recorder.status().non_notifications, 5u);
}

TEST(DeviceCore, OneVitalsNotificationARoundTrip) {
  // MSG-05, RFC 7641 §4.5.1: what comes faster than the round trip is batched.
  World world(no_limits());
  world.one_way = 250ms;
  world.start();
  world.pass(5s);
  const auto before = world.of("/vitals").size();
  for (int i = 0; i < 50; ++i) {
    world.report("hr", 70);
    world.pass(100ms);
  }
  world.pass(1s);
  const auto vitals = world.of("/vitals");
  std::size_t records = 0;
  for (auto i = before; i < vitals.size(); ++i) {
    if (i > before) {
      EXPECT_GE(vitals[i].at - vitals[i - 1].at, 500ms);
    }
    records += vitals[i].sequences().size();
  }
  EXPECT_EQ(records, 50u);
  EXPECT_THAT(vitals.size() - before, AllOf(Ge(9u), Le(11u)));
}

TEST(DeviceCore, ABacklogGoesInDatagramsOfWholeSetsNoneLost) {
  World world(no_limits());
  world.start();
  for (int i = 0; i < 500; ++i) ASSERT_EQ(world.recorder.report({{{1, 70}, {2, 97}, {4, 37.6}}, {}}), Refusal::none);
  world.core.nudge(world.now);
  world.pass(3s);
  std::vector<std::uint64_t> all;
  for (const auto& one : world.of("/vitals")) {
    const auto some = one.sequences();
    all.insert(all.end(), some.begin(), some.end());
  }
  ASSERT_EQ(all.size(), 500u);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], i + 1);
}

TEST(DeviceCore, ABacklogDoesNotSufferForeverFromOneSlowMoment) {
  World world(no_limits());
  world.one_way = 400ms;  // while it registered
  world.start();
  world.pass(5s);
  world.one_way = 5ms;
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(world.recorder.report({{{1, 70}, {2, 97}, {4, 37.6}}, {}}), Refusal::none);
  world.core.nudge(world.now);
  world.pass(25s);  // a notification every 800 ms would bring a third of them
  EXPECT_EQ(world.recorder.status().sets_sent, 2000u);
}

TEST(DeviceCore, VitalsAreConfirmableOnceADay) {
  // OBS-04
  World world(no_limits());
  world.start();
  for (int hour = 0; hour < 48; ++hour) {
    world.pass(1h);
    world.report("hr", 70);
  }
  world.pass(1s);
  std::vector<testing::Instant> confirmed{world.of("/vitals")[0].at};
  for (const auto& one : world.of("/vitals")) {
    if (one.confirmable) confirmed.push_back(one.at);
  }
  ASSERT_EQ(confirmed.size(), 3u);
  EXPECT_LE(confirmed[1] - confirmed[0], 24h);
  EXPECT_LE(confirmed[2] - confirmed[1], 24h);
  EXPECT_EQ(world.recorder.status().sets_sent, 48u);
}

// -- alarms ----------------------------------------------------------------------------------------------------------

TEST(DeviceCore, TheHeartbeatComesEvery30Seconds) {
  // OBS-04
  World world(no_limits());
  world.start();
  world.pass(301s);
  const auto alarms = world.of("/alarms");
  ASSERT_EQ(alarms.size(), 11u);  // the registration's answer and ten heartbeats
  for (std::size_t i = 0; i < alarms.size(); ++i) {
    EXPECT_TRUE(alarms[i].confirmable);
    EXPECT_EQ(alarms[i].value("owed"), 0);
    EXPECT_EQ(alarms[i].pack.size(), 1u);
    if (i > 0) {
      EXPECT_LE(alarms[i].at - alarms[i - 1].at, 30s);
    }
  }
}

TEST(DeviceCore, AnAlarmGoesAtOnceAndItsAckReleasesIt) {
  World world(no_limits());
  world.start();
  const auto raised_at = world.now;
  const auto id = world.raise("lead-off");
  world.pass(100ms);
  ASSERT_EQ(world.of("/alarms").size(), 2u);
  EXPECT_EQ(world.of("/alarms")[1].at, raised_at + world.one_way);
  EXPECT_EQ(world.of("/alarms")[1].value("owed"), 1);
  EXPECT_EQ(world.recorder.status().alarms_acknowledged, 1u);
  EXPECT_EQ(world.recorder.end(id, {}), Refusal::none);
  world.core.nudge(world.now);
  world.pass(100ms);
  EXPECT_THAT(world.of("/alarms").back().sequences(), ElementsAre(2));
  EXPECT_EQ(world.of("/alarms").back().value("on"), 1);
  EXPECT_EQ(world.recorder.status().alarms_owed, 0u);
}

TEST(DeviceCore, AnAckReleasesExactlyWhatItsMessageCarried) {
  // MSG-09
  World world(no_limits());
  world.start();
  world.commits = false;
  world.raise("first");
  world.pass(50ms);
  world.raise("second");  // waits behind the first, whose ACK is held
  world.pass(100ms);
  auto alarms = world.of("/alarms");
  ASSERT_EQ(alarms.size(), 2u);
  EXPECT_THAT(alarms[1].sequences(), ElementsAre(1));
  world.acknowledge(alarms[1]);
  world.pass(100ms);
  EXPECT_EQ(world.recorder.status().alarms_acknowledged, 1u);
  EXPECT_EQ(world.recorder.status().alarms_owed, 1u);
  alarms = world.of("/alarms");
  ASSERT_EQ(alarms.size(), 3u);  // at once, not at the next heartbeat
  EXPECT_THAT(alarms[2].sequences(), ::testing::Contains(2));
  world.acknowledge(alarms[2]);
  world.pass(100ms);
  EXPECT_EQ(world.recorder.status().alarms_owed, 0u);
  EXPECT_EQ(world.of("/alarms").size(), 3u);
}

TEST(DeviceCore, ANewAlarmOvertakesAHeldOneAtItsRetransmission) {
  World world(no_limits());
  world.start();
  world.commits = false;
  world.raise("first", AlarmPriority::low);
  world.pass(100ms);
  world.raise("second", AlarmPriority::high);
  world.pass(4s);  // past the first retransmission
  const auto alarms = world.of("/alarms");
  ASSERT_EQ(alarms.size(), 3u);
  EXPECT_THAT(alarms[2].sequences(), ElementsAre(2, 1));  // highest priority first
  world.acknowledge(alarms[1]);                           // the superseded one's commit comes late
  world.pass(100ms);
  EXPECT_EQ(world.recorder.status().alarms_acknowledged, 1u);
  world.acknowledge(alarms[2]);
  world.pass(100ms);
  EXPECT_EQ(world.recorder.status().alarms_owed, 0u);
}

TEST(DeviceCore, MoreThanFitsGoesOneDatagramAfterTheOther) {
  World world(no_limits());
  world.start();
  for (int i = 0; i < 60; ++i) {
    Alarm alarm;
    alarm.code = "an-alarm-with-a-long-name-" + std::to_string(i);
    ASSERT_TRUE(world.recorder.raise(alarm));
  }
  world.core.nudge(world.now);
  world.pass(2s);
  EXPECT_EQ(world.recorder.status().alarms_acknowledged, 60u);
  EXPECT_GE(world.of("/alarms").size(), 5u);
}

TEST(DeviceCore, AHeldAckCostsNoSessionAndNoVitals) {
  // DTLS-23's other half: storage is away for five minutes, ingest lives.
  World world(no_limits());
  world.start();
  world.commits = false;
  world.raise("lead-off");
  for (int i = 0; i < 300; ++i) {
    world.report("hr", 70);
    world.pass(1s);
  }
  EXPECT_EQ(world.recorder.status().handshakes, 1u);
  EXPECT_EQ(world.recorder.status().sets_sent, 300u);
  EXPECT_EQ(world.recorder.status().alarms_owed, 1u);
  // Retransmissions ran out and the observer is gone (OBS-05); ingest observes again when storage commits.
  world.commits = true;
  world.observe("/alarms");
  world.pass(1s);
  EXPECT_THAT(world.of("/alarms").back().sequences(), ElementsAre(1));
  EXPECT_EQ(world.recorder.status().alarms_owed, 0u);
  EXPECT_EQ(world.recorder.status().handshakes, 1u);
  EXPECT_TRUE(world.recorder.status().connected);
}

TEST(DeviceCore, WhoAsksAgainIsOwedAllOfItAtOnce) {  // OBS-05, OBS-08
  World world(no_limits());
  world.start();
  world.commits = false;
  world.raise("lead-off");
  world.pass(45s);  // the last retransmission has gone, and the observer is not given up yet
  world.commits = true;
  world.refresh("/alarms");
  world.pass(1s);
  EXPECT_EQ(world.recorder.status().alarms_owed, 0u);
  EXPECT_TRUE(world.recorder.status().connected);
}

TEST(DeviceCore, VitalsThatAreAskedForAgainGoOnInTheSameSession) {  // OBS-08
  World world(no_limits());
  world.start();
  for (int minute = 1; minute <= 5; ++minute) {
    world.report("hr", 70);
    world.pass(70s);  // nothing is measured for longer than Max-Age
    world.refresh("/vitals");
    world.pass(1s);
    EXPECT_THAT(world.of("/vitals").back().sequences(), IsEmpty()) << "nothing waits";
  }
  world.report("hr", 70);
  world.pass(1s);
  EXPECT_THAT(world.of("/vitals").back().sequences(), ElementsAre(6)) << "sent once";
  EXPECT_THAT(world.of("/vitals"), SizeIs(1 + 5 + 5 + 1));
  EXPECT_THAT(world.attempts, SizeIs(1));
  EXPECT_TRUE(world.recorder.status().connected);
}

TEST(DeviceCore, LimitsRaiseByTheClockBetweenSamples) {
  World world({{{AlarmLimit::Side::high, 1, 131}}, 0, 10'000});
  world.start();
  const auto onset = World::milliseconds(world.now);
  world.report("hr", 140);
  world.pass(9s);
  EXPECT_EQ(world.recorder.status().alarms_generated, 0u);
  world.pass(2s);
  EXPECT_EQ(world.recorder.status().alarms_acknowledged, 1u);
  EXPECT_EQ(world.of("/alarms").back().value("tk"), static_cast<double>(onset));
  EXPECT_EQ(world.of("/alarms").back().value("hr"), 140);
}

// -- other requests --------------------------------------------------------------------------------------------------

TEST(DeviceCore, PlainGetsTellTheLatestSetAndWhatIsOwed) {
  World world(no_limits());
  world.start();
  world.commits = false;
  world.report("hr", 70);
  world.report("hr", 71);
  world.raise("lead-off");
  world.pass(1s);
  world.ask(coap::code::get, "/vitals");
  world.ask(coap::code::get, "/alarms");
  ASSERT_EQ(world.responses.size(), 2u);
  const auto vitals = coap::senml::decode_cbor(world.responses[0].payload);
  ASSERT_TRUE(vitals);
  EXPECT_EQ(vitals->size(), 3u);
  EXPECT_EQ(std::get<double>(vitals->back().value), 71);
  const auto alarms = coap::senml::decode_cbor(world.responses[1].payload);
  ASSERT_TRUE(alarms);
  EXPECT_EQ(std::get<double>(alarms->front().value), 1);
  EXPECT_EQ(world.recorder.status().alarms_owed, 1u);  // no ACK of a plain GET releases anything
}

TEST(DeviceCore, RefusesWhatItDoesNotHave) {
  World world;
  world.start();
  world.ask(coap::code::get, "/history");
  world.ask(coap::code::post, "/vitals");
  world.ask(coap::code::del, "/alarms");
  ASSERT_EQ(world.responses.size(), 3u);
  EXPECT_EQ(world.responses[0].code, coap::code::not_found);
  EXPECT_EQ(world.responses[1].code, coap::code::method_not_allowed);
  EXPECT_EQ(world.responses[2].code, coap::code::method_not_allowed);
}

TEST(DeviceCore, RefusesToAnswerInAFormatThatWasNotAskedFor) {
  World world;
  world.start();
  world.report("hr", 70);
  EXPECT_EQ(world.accepts("/vitals", 110), coap::code::not_acceptable);  // RFC 7252 §5.10.4
  EXPECT_EQ(world.accepts("/alarms", coap::content_format::link), coap::code::not_acceptable);
  EXPECT_EQ(world.accepts("/history", 110), coap::code::not_found);
  EXPECT_EQ(world.accepts("/vitals", coap::content_format::senml_cbor), coap::code::content);
}

TEST(DeviceCore, ACancelledObservationIsNotNotified) {
  // OBS-07
  World world(no_limits());
  world.start();
  for (const auto& [id, path] : world.observations) {
    if (path == "/vitals") world.gateway->cancel(id, world.now);
  }
  world.pass(1s);
  const auto before = world.of("/vitals").size();
  world.report("hr", 70);
  world.pass(10s);
  EXPECT_EQ(world.of("/vitals").size(), before);
  EXPECT_EQ(world.recorder.status().sets_waiting, 1u);
  EXPECT_FALSE(world.recorder.status().connected);
  EXPECT_EQ(world.gateway->counters().retired_token, 0u);
}

// -- reconnecting ----------------------------------------------------------------------------------------------------

TEST(DeviceCore, ReconnectsAndKeepsWhatIsOwed) {
  // OBS-13, DTLS-23
  World world(no_limits());
  world.start();
  world.commits = false;
  world.raise("lead-off");
  world.pass(20s);
  const auto closed_at = world.now;
  world.gateway->close(coap::CloseReason::local, world.now);
  world.pass(20ms);
  EXPECT_THAT(world.recorder.status().last_problem, HasSubstr("closed the session"));
  world.report("hr", 70);
  world.commits = true;
  world.pass(2s);
  ASSERT_EQ(world.attempts.size(), 2u);
  EXPECT_LE(world.attempts[1] - closed_at, 1100ms);  // full jitter, at most 1 s
  ASSERT_EQ(world.requests.size(), 4u);              // every new session registers
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(world.requests[3].queries[i], world.requests[1].queries[i]);
  EXPECT_THAT(world.of("/alarms").back().sequences(), ElementsAre(1));  // the same record key
  EXPECT_THAT(world.of("/vitals").back().sequences(), ElementsAre(1));
  EXPECT_EQ(world.recorder.status().alarms_owed, 0u);
  EXPECT_TRUE(world.recorder.status().connected);
}

TEST(DeviceCore, AGatewayThatRestartsIsNoticedThroughAnAlarm) {
  // DTLS-23: two unanswered retransmissions and total silence, not 93 s.
  World world(no_limits());
  world.start();
  world.pass(15s);
  world.restart_gateway();
  world.raise("lead-off");
  const auto raised_at = world.now;
  while (world.attempts.size() < 2 && world.now - raised_at < 60s) world.pass(100ms);
  ASSERT_EQ(world.attempts.size(), 2u);
  EXPECT_LE(world.attempts[1] - raised_at, 22s);  // 3 + 6 + 12 at most, and the jitter
  EXPECT_GE(world.attempts[1] - raised_at, 6s);
  world.pass(1s);
  EXPECT_EQ(world.recorder.status().alarms_owed, 0u);
}

/// How long each wait between two attempts was, seconds, where an attempt takes `each`.
std::vector<double> waits(const World& world, double each) {
  std::vector<double> waits;
  for (std::size_t i = 1; i < world.attempts.size(); ++i)
    waits.push_back(std::chrono::duration<double>(world.attempts[i] - world.attempts[i - 1]).count() - each);
  return waits;
}

TEST(DeviceCore, AGatewayThatNeverComesIsTriedEveryFewSeconds) {
  // DTLS-23: however long it was away, an alarm is there within seconds of its return.
  World world(no_limits());
  world.opens = false;
  world.start();
  world.pass(1h);
  EXPECT_THAT(world.recorder.status().last_problem, HasSubstr("Nothing answers"));
  double ceiling = 1;
  for (const double waited : waits(world, 5)) {
    EXPECT_THAT(waited, AllOf(Ge(0.0), Le(ceiling)));
    ceiling = std::min(4.0, ceiling * 2);
  }
  EXPECT_THAT(world.attempts.size(), AllOf(Ge(3600u / (5 + 4)), Le(3600u / 5)));
}

TEST(DeviceCore, AHandshakeThatGoesOnIsGivenItsTime) {
  World world(no_limits());
  world.opens = false;
  world.start();
  const coap::Bytes anything{coap::testing::MemoryChannel::kForged};
  for (int i = 0; i < 4; ++i) {
    world.pass(3s);
    world.core.handle_datagram(World::server(), anything, world.now);
  }
  world.pass(1900ms);  // start() took one second
  EXPECT_EQ(world.attempts.size(), 1u);
  world.pass(1200ms);  // 15 s, and the jitter of the first wait
  EXPECT_EQ(world.attempts.size(), 2u);
  EXPECT_THAT(world.recorder.status().last_problem, HasSubstr("did not complete the connection in time"));
}

TEST(DeviceCore, AHandshakeInWhichNothingComesAnyMoreIsBegunAnew) {
  // DTLS-23: the gateway restarted in the midst of it.
  World world(no_limits());
  world.opens = false;
  world.start();
  world.pass(3s);
  world.core.handle_datagram(World::server(), coap::Bytes{coap::testing::MemoryChannel::kForged}, world.now);
  world.pass(4900ms);
  EXPECT_EQ(world.attempts.size(), 1u);
  world.pass(1200ms);
  EXPECT_EQ(world.attempts.size(), 2u);
}

TEST(Backoff, SilenceIsNotPaidForLater) {
  Backoff backoff;
  coap::Random most = [](std::span<std::uint8_t> bytes) { std::ranges::fill(bytes, 0xff); };
  std::vector<double> waited;
  const auto wait = [&](coap::Duration limit) {
    waited.push_back(std::round(std::chrono::duration<double>(backoff.next(most, limit)).count()));
  };
  for (int i = 0; i < 5; ++i) wait(Backoff::kMostUnanswered);
  for (int i = 0; i < 3; ++i) wait(Backoff::kMost);
  wait(Backoff::kMostUnanswered);
  wait(Backoff::kMost);
  EXPECT_THAT(waited, ElementsAre(1, 2, 4, 4, 4, 4, 8, 16, 4, 32));
}

TEST(DeviceCore, AGatewayThatRefusesIsTriedWithGrowingJitter) {
  World world(no_limits());
  world.rd_answer = {coap::code::forbidden, std::nullopt, {}, {}};
  world.start();
  world.pass(1h);
  double ceiling = 1, longest = 0;
  for (const double waited : waits(world, 0)) {
    EXPECT_THAT(waited, AllOf(Ge(0.0), Le(ceiling + 0.1)));
    longest = std::max(longest, waited);
    ceiling = std::min(60.0, ceiling * 2);
  }
  EXPECT_GT(longest, 30);  // it did grow
}

TEST(DeviceCore, AGatewayThatNeverObservesIsLeft) {
  World world(no_limits());
  world.observes = false;
  world.start();
  world.pass(11min);
  EXPECT_GE(world.attempts.size(), 2u);
  EXPECT_THAT(world.recorder.status().last_problem, HasSubstr("has not observed"));
}

TEST(DeviceCore, SilenceWithNothingInFlightIsNoticedToo) {
  World world(no_limits());
  world.start();
  world.commits = false;
  world.raise("lead-off");
  world.pass(2min);  // the observer of /alarms is gone: no heartbeat any more
  ASSERT_EQ(world.attempts.size(), 1u);
  world.reachable = false;
  world.pass(4min);
  EXPECT_GE(world.attempts.size(), 2u);
  EXPECT_EQ(world.recorder.status().alarms_owed, 1u);
}

TEST(DeviceCore, StopSaysGoodbyeAndStaysSilent) {
  World world(no_limits());
  world.start();
  world.core.stop(world.now);
  world.pass(100ms);
  EXPECT_EQ(world.gateway->state(), coap::SecureChannel::State::closed);
  EXPECT_EQ(world.core.next_deadline(), std::nullopt);
  EXPECT_FALSE(world.recorder.status().connected);
}

// -- the journal -----------------------------------------------------------------------------------------------------

struct SpyJournal : Journal {
  bool generated(std::uint64_t, const SequencedSet& set) override {
    sets.push_back(set.sequence);
    return works;
  }
  bool generated(std::uint64_t, const SequencedAlarm& alarm) override {
    if (world != nullptr) seen_before.push_back(world->of("/alarms").size());
    alarms.push_back(alarm.sequence);
    return works;
  }
  bool acknowledged(std::uint64_t boot, std::uint64_t sequence, std::chrono::system_clock::time_point at) override {
    acks.emplace_back(sequence, at);
    ack_boots.push_back(boot);
    return works;
  }
  std::vector<OwedAlarm> owed() override { return debts; }
  bool works = true;
  World* world = nullptr;
  std::vector<std::uint64_t> sets, alarms;
  std::vector<std::size_t> seen_before;
  std::vector<OwedAlarm> debts;
  std::vector<std::uint64_t> ack_boots;
  std::vector<std::pair<std::uint64_t, std::chrono::system_clock::time_point>> acks;
};

TEST(DeviceCore, JournalsAnAlarmBeforeItIsSentAndItsAckByTheCalendar) {
  const auto journal = std::make_shared<SpyJournal>();
  World world(no_limits(), journal);
  world.start();
  journal->world = &world;
  const auto before = world.of("/alarms").size();
  const auto raised_at = world.now;
  world.raise("lead-off");
  EXPECT_THAT(journal->alarms, ElementsAre(1));
  EXPECT_THAT(journal->seen_before, ElementsAre(before));
  EXPECT_THAT(journal->acks, IsEmpty());
  world.pass(1s);
  ASSERT_EQ(journal->acks.size(), 1u);
  EXPECT_EQ(journal->acks[0].first, 1u);
  EXPECT_EQ(journal->acks[0].second.time_since_epoch(), (raised_at + 2 * world.one_way).time_since_epoch());
}

TEST(DeviceCore, JournalsAlarmsAlsoWhileThereIsNoSession) {
  const auto journal = std::make_shared<SpyJournal>();
  World world(no_limits(), journal);
  world.opens = false;
  world.start();
  world.raise("lead-off");
  EXPECT_THAT(journal->alarms, ElementsAre(1));
}

TEST(DeviceCore, AJournalThatFailsIsCountedAndStopsNothing) {
  const auto journal = std::make_shared<SpyJournal>();
  journal->works = false;
  World world(no_limits(), journal);
  world.start();
  world.report("hr", 70);
  world.raise("lead-off");
  world.pass(1s);
  EXPECT_EQ(world.recorder.status().journal_failures, 3u);  // the set, the alarm, its ACK
  EXPECT_EQ(world.recorder.status().alarms_owed, 0u);
  EXPECT_EQ(world.recorder.status().sets_sent, 1u);
}

TEST(DeviceCore, WhatTheJournalRefusedIsWrittenWhenThereIsRoom) {  // DUR-2
  const auto journal = std::make_shared<SpyJournal>();
  World world(no_limits(), journal);
  world.start();
  world.commits = false;
  journal->works = false;
  world.raise("lead-off");
  world.pass(100ms);
  EXPECT_EQ(world.of("/alarms").back().sequences().size(), 1u) << "it is sent all the same";
  world.pass(10s);
  EXPECT_THAT(journal->alarms, ElementsAre(1, 1, 1, 1)) << "at once, after 1, 2 and 4 s";
  EXPECT_EQ(world.recorder.status().alarms_unwritten, 1u);
  journal->works = true;
  world.pass(8s);
  EXPECT_EQ(world.recorder.status().alarms_unwritten, 0u);
  const auto tries = journal->alarms.size();
  world.pass(60s);
  EXPECT_EQ(journal->alarms.size(), tries);
}

TEST(DeviceCore, AStopTriesTheJournalOnceMore) {  // DUR-2
  const auto journal = std::make_shared<SpyJournal>();
  World world(no_limits(), journal);
  world.opens = false;
  world.start();
  journal->works = false;
  world.raise("lead-off");
  journal->works = true;
  world.core.stop(world.now);
  EXPECT_EQ(world.recorder.status().alarms_unwritten, 0u);
  EXPECT_EQ(world.core.next_deadline(), std::nullopt);
}

OwedAlarm debt(std::uint64_t boot, std::uint64_t sequence, AlarmPriority priority = AlarmPriority::high) {
  OwedAlarm owed{boot, {sequence, 90'000, SequencedAlarm::Event::raised, 0, {}}};
  owed.record.alarm.code = "lead-off";
  owed.record.alarm.priority = priority;
  return owed;
}

/// The boots that a notification names, one a record; kBoot where it names none.
std::vector<std::uint64_t> boots(const testing::Seen& seen) {
  std::vector<std::uint64_t> all;
  for (const auto& record : seen.pack) {
    if (record.name == "q") all.push_back(kBoot);
    if (record.name == "boot") all.back() = static_cast<std::uint64_t>(std::get<double>(record.value));
  }
  return all;
}

TEST(DeviceCore, DebtsOfEarlierStartsAreDeliveredUnderTheirOwnBoot) {  // I1
  const auto journal = std::make_shared<SpyJournal>();
  journal->debts = {debt(9000, 2), debt(12, 1), debt(12, 2, AlarmPriority::low)};
  World world(no_limits(), journal);
  world.commits = false;
  world.recorder.raise({.code = "fall", .sign = {}, .value = {}, .limit = {}, .tick_ms = {}});
  world.start();
  const auto alarms = world.of("/alarms");
  ASSERT_EQ(alarms.size(), 1u);
  EXPECT_EQ(alarms[0].value("owed"), 4);
  EXPECT_THAT(alarms[0].sequences(), ElementsAre(2, 1, 1, 2));
  EXPECT_THAT(boots(alarms[0]), ElementsAre(9000, 12, kBoot, 12));
  EXPECT_THAT(journal->acks, IsEmpty());
  world.acknowledge(alarms[0]);
  world.pass(1s);
  EXPECT_THAT(journal->ack_boots, ElementsAre(9000, 12, kBoot, 12));
  EXPECT_THAT(journal->alarms, ElementsAre(1));  // a debt is not written down again
  EXPECT_EQ(world.recorder.status().alarms_owed, 0u);
}

TEST(DeviceCore, ThousandsOfDebtsGoOneDatagramAfterTheOther) {  // I8
  const auto journal = std::make_shared<SpyJournal>();
  for (std::uint64_t i = 1; i <= 2000; ++i) journal->debts.push_back(debt(12, i));
  World world(no_limits(), journal);
  world.start();
  world.pass(60s);
  EXPECT_EQ(world.recorder.status().alarms_acknowledged, 2000u);
  EXPECT_EQ(journal->acks.size(), 2000u);
  EXPECT_EQ(world.recorder.status().alarms_owed, 0u);
}

// -- a clock that goes back -------------------------------------------------------------------------------------------

TEST(DeviceCore, AClockThatGoesBackEndsTheSessionAndRegistersANewBoot) {  // TIME-2, TIME-5
  World world(no_limits());
  world.clock_offset = 4'294'000'000;
  world.start();
  world.commits = false;
  world.report("hr", 70);
  world.raise("fall");
  world.pass(1s);
  world.requests.clear();
  world.seen.clear();
  world.clock_offset = 0;  // it wraps
  world.commits = true;
  world.report("hr", 80);
  EXPECT_FALSE(world.recorder.status().connected);
  EXPECT_THAT(world.of("/vitals"), IsEmpty()) << "nothing of the new boot in the old one's session";
  world.pass(30s);
  ASSERT_EQ(world.requests.size(), 2u);
  EXPECT_THAT(world.requests[1].queries[2], "boot=" + std::to_string(kBoot + 1));
  EXPECT_EQ(world.recorder.boot(), kBoot + 1);
  const auto vitals = world.of("/vitals");
  ASSERT_FALSE(vitals.empty());
  EXPECT_THAT(vitals[0].sequences(), ElementsAre(1));
  EXPECT_LT(vitals[0].value("tk"), 60'000);
  const auto alarms = world.of("/alarms");
  ASSERT_FALSE(alarms.empty());
  EXPECT_EQ(alarms[0].value("boot"), kBoot) << "a debt of the boot that made it";
  EXPECT_GT(alarms[0].value("tk"), 4'294'000'000);
  EXPECT_EQ(world.recorder.status().alarms_owed, 0u);
  EXPECT_EQ(world.recorder.status().clock_restarts, 1u);
}

TEST(DeviceCore, AClockThatGoesBackIsSeenWhereNothingIsReported) {  // TIME-2
  World world(no_limits());
  world.clock_offset = 7'200'000;
  world.start();
  world.clock_offset = 3'600'000;
  world.pass(60s);
  EXPECT_EQ(world.recorder.boot(), kBoot + 1);
  EXPECT_EQ(world.requests.size(), 4u);
  EXPECT_TRUE(world.recorder.status().connected);
}

}  // namespace
}  // namespace wardlink
