// One device's session, as a conversation: what it asks, what is observed, when an ACK leaves.

#include "ingest/session/device_session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/conversation.hpp"

namespace wardlink::ingest {
namespace {

using std::chrono::seconds;
using testing::Conversation;
using ::testing::IsEmpty;
using testing::morning;
using ::testing::SizeIs;

constexpr auto con = coap::Reliability::con;
constexpr auto non = coap::Reliability::non;

std::string text(const coap::Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

std::uint64_t quarantined(const SessionStats& stats, QuarantineReason reason) {
  return stats.quarantined[static_cast<std::size_t>(reason)];
}

// -- registration -----------------------------------------------------------------------------------------------------

TEST(DeviceSession, TellsTheTimeAndTakesTheAnchor) {
  Conversation talk;
  const auto answer = talk.ask_time(1000);
  EXPECT_EQ(answer.code, coap::code::content);
  EXPECT_EQ(answer.options.uint(coap::OptionNumber::content_format), coap::content_format::senml_cbor);
  const auto pack = coap::senml::decode_cbor(answer.payload);
  ASSERT_TRUE(pack);
  ASSERT_THAT(*pack, SizeIs(1));
  EXPECT_EQ(pack->at(0).name, "time");
  EXPECT_EQ(std::get<double>(pack->at(0).value), 1'764'000'100.0);
  const auto created = talk.ask(Conversation<>::registration());
  EXPECT_EQ(created.code, coap::code::created);
  EXPECT_THAT(created.options.strings(coap::OptionNumber::location_path), ::testing::ElementsAre("rd", "7"));
  ASSERT_THAT(talk.sink.attached, SizeIs(1));
  EXPECT_EQ(talk.sink.attached[0].device, testing::urn);
  EXPECT_EQ(talk.sink.attached[0].boot, 42u);
  EXPECT_EQ(talk.sink.attached[0].exchange, (ClockExchange{1000, coap::Instant{seconds{100}}, seconds{60}}));
  EXPECT_EQ(talk.sink.audited("register", true, ""), 1u);
}

TEST(DeviceSession, ANameThatIsNotTheCertificatesIsForbidden) {  // DTLS-13
  Conversation talk;
  talk.ask_time(1000);
  const auto answer = talk.ask(Conversation<>::registration("urn:dev:os:32473-0000000000000000"));
  EXPECT_EQ(answer.code, coap::code::forbidden);
  EXPECT_EQ(text(answer.payload), "ep is not the name in your certificate");
  EXPECT_THAT(talk.sink.attached, IsEmpty());
  EXPECT_EQ(talk.sink.audited("register", false, "foreign_endpoint"), 1u);
  EXPECT_EQ(talk.stats.registrations_refused, 1u);
  talk.session.own(talk.ingest, talk.now);
  talk.settle();
  EXPECT_EQ(talk.registrations("/vitals"), 0u);
}

TEST(DeviceSession, SaysInPlainWordsWhatARegistrationLacks) {
  struct Case {
    std::vector<std::string> queries;
    std::string links;
    std::string words;
  };
  const std::string ep = "ep=" + testing::urn;
  for (const auto& [queries, links, words] :
       {Case{{"lt=60", "boot=1"}, "</vitals>", "ep is missing"}, Case{{ep, "boot=1"}, "</vitals>", "lt is missing"},
        Case{{ep, "lt=0", "boot=1"}, "</vitals>", "lt is missing"}, Case{{ep, "lt=60"}, "</vitals>", "boot is missing"},
        Case{{ep, "lt=60", "boot=9007199254740992"}, "</vitals>", "boot is missing"},
        Case{{ep, "lt=60", "boot=1x"}, "</vitals>", "boot is missing"},
        Case{{ep, "lt=60", "boot=1"}, "vitals", "not link format"}}) {
    Conversation talk;
    talk.ask_time(0);
    auto request = Conversation<>::registration();
    request.queries = queries;
    request.payload.assign(links.begin(), links.end());
    const auto answer = talk.ask(request);
    EXPECT_EQ(answer.code, coap::code::bad_request) << words;
    EXPECT_THAT(text(answer.payload), ::testing::HasSubstr(words));
    EXPECT_THAT(talk.sink.attached, IsEmpty());
  }
}

TEST(DeviceSession, TheTimeComesFirst) {
  Conversation talk;
  const auto answer = talk.ask(Conversation<>::registration());
  EXPECT_EQ(answer.code, coap::code::bad_request);
  EXPECT_EQ(text(answer.payload), "ask GET /time?tk=<ms> first");
}

TEST(DeviceSession, RefusesWhatItDoesNotServe) {
  Conversation talk;
  coap::Request request;
  request.path = "/elsewhere";
  EXPECT_EQ(talk.ask(request).code, coap::code::not_found);
  request.path = "/rd";
  EXPECT_EQ(talk.ask(request).code, coap::code::method_not_allowed);
  request.path = "/time";
  request.method = coap::code::put;
  EXPECT_EQ(talk.ask(request).code, coap::code::method_not_allowed);
  request.method = coap::code::get;
  EXPECT_EQ(talk.ask(request).code, coap::code::bad_request);
  request.queries = {"tk=9007199254740991"};  // TIME-1: a start before the calendar is no reason to refuse
  EXPECT_EQ(talk.ask(request).code, coap::code::content);
  talk.ask_time(0);
  auto registration = Conversation<>::registration();
  registration.content_format = coap::content_format::text;
  EXPECT_EQ(talk.ask(registration).code, coap::code::unsupported_content_format);
  request.path = "/.well-known/core";
  EXPECT_THAT(text(talk.ask(request).payload), ::testing::HasSubstr("</rd>"));
}

TEST(DeviceSession, OneBootASession) {
  Conversation talk;
  talk.introduce();
  EXPECT_EQ(talk.ask(Conversation<>::registration()).code, coap::code::created);  // again: the same
  EXPECT_THAT(talk.sink.attached, SizeIs(1));
  auto other = Conversation<>::registration();
  other.queries.back() = "boot=43";
  EXPECT_EQ(talk.ask(other).code, coap::code::bad_request);
}

// -- observation ------------------------------------------------------------------------------------------------------

TEST(DeviceSession, ObservesWhatIsAdvertisedOnceItOwnsTheDevice) {
  Conversation talk;
  talk.ask_time(1000);
  talk.ask(Conversation<>::registration());
  EXPECT_EQ(talk.registrations("/vitals"), 0u);  // the older session is not closed yet
  talk.session.own(talk.ingest, talk.now);
  talk.settle();
  EXPECT_EQ(talk.registrations("/vitals"), 1u);
  EXPECT_EQ(talk.registrations("/alarms"), 1u);
  EXPECT_EQ(talk.registrations("/dreams"), 0u);
}

TEST(DeviceSession, HandsSetsToTheSink) {
  Conversation talk;
  talk.introduce();
  talk.notify("/vitals", R"([{"n":"q","v":1},{"n":"tk","v":900},{"n":"temp","v":37.6}])", non);
  ASSERT_THAT(talk.sink.records, SizeIs(1));
  EXPECT_EQ(talk.sink.records[0].session, SinkSession{7});
  EXPECT_EQ(talk.sink.records[0].received_at, coap::Instant{seconds{100}});
  EXPECT_EQ(std::get<SignValues>(talk.sink.records[0].fact.body).values[0].value, 37.6);
  EXPECT_EQ(talk.stats.notifications[0][0], 2u);  // the answer to the registration came in an ACK: not Confirmable
}

TEST(DeviceSession, AnEndedObservationIsMadeAgainPaced) {
  Conversation talk;
  talk.answers_observations = false;
  talk.introduce();
  EXPECT_EQ(talk.registrations("/vitals"), 1u);
  talk.advance(std::chrono::milliseconds{4900});
  EXPECT_EQ(talk.registrations("/vitals"), 1u);
  talk.answers_observations = true;
  talk.advance(std::chrono::milliseconds{200});
  EXPECT_EQ(talk.registrations("/vitals"), 2u);
  EXPECT_EQ(talk.registrations("/alarms"), 2u);
  talk.notify("/vitals", R"([{"n":"q","v":1},{"n":"tk","v":900},{"n":"hr","v":70}])", non);
  EXPECT_THAT(talk.sink.records, SizeIs(1));
}

TEST(DeviceSession, ARefusingDeviceIsAskedLessAndLessOften) {
  Conversation talk;
  talk.answers_observations = false;
  talk.introduce();
  talk.advance(std::chrono::minutes{10});
  EXPECT_GE(talk.registrations("/vitals"), 8u);
  EXPECT_LE(talk.registrations("/vitals"), 13u);
}

TEST(DeviceSession, AnAlarmPathThatFallsSilentIsObservedAgain) {  // I8
  Conversation talk;
  talk.introduce();
  talk.device.remove_observer(talk.observers.at("/alarms"));
  talk.advance(seconds{64});
  EXPECT_EQ(talk.registrations("/alarms"), 1u);
  talk.advance(seconds{11});
  EXPECT_EQ(talk.registrations("/alarms"), 2u);
  const auto delivery = talk.raise(1);
  talk.sink.answer(RecordResult::committed);
  talk.settle();
  EXPECT_TRUE(talk.acknowledged(delivery));
}

TEST(DeviceSession, EndsWithTheRegistrationsLifetime) {
  Conversation talk;
  talk.answers_observations = false;
  talk.ask_time(1000);
  auto request = Conversation<>::registration();
  request.queries[1] = "lt=60";
  request.payload.clear();  // nothing advertised: nothing is asked, nothing is heard
  talk.ask(request);
  talk.advance(seconds{50});
  talk.ask_time(1000);  // any traffic refreshes it
  talk.advance(seconds{50});
  EXPECT_FALSE(talk.closed());
  talk.advance(seconds{11});
  EXPECT_EQ(talk.ingest_closed, coap::CloseReason::idle);
  EXPECT_THAT(talk.sink.detached, SizeIs(1));
}

// -- the held ACK -----------------------------------------------------------------------------------------------------

TEST(DeviceSession, AnAlarmsAckLeavesOnlyWhenItIsCommitted) {  // I1, MSG-09
  Conversation talk;
  talk.introduce();
  const auto delivery = talk.raise(1);
  ASSERT_THAT(talk.sink.records, SizeIs(1));
  EXPECT_EQ(talk.stats.held_acks, 1u);
  talk.advance(seconds{20});
  EXPECT_FALSE(talk.acknowledged(delivery));
  talk.sink.answer(RecordResult::committed);
  talk.settle();
  EXPECT_TRUE(talk.acknowledged(delivery));
  EXPECT_EQ(talk.stats.held_acks, 0u);
  EXPECT_THAT(talk.sink.records, SizeIs(1));  // retransmissions were known for what they are
}

TEST(DeviceSession, DuplicateAndQuarantinedAreDurableToo) {
  for (const auto result : {RecordResult::duplicate, RecordResult::quarantined}) {
    Conversation talk;
    talk.introduce();
    const auto delivery = talk.raise(1);
    talk.sink.answer(result);
    talk.settle();
    EXPECT_TRUE(talk.acknowledged(delivery));
  }
}

TEST(DeviceSession, TheAckWaitsForTheLastRecord) {
  Conversation talk;
  talk.introduce();
  const auto delivery = talk.notify(
      "/alarms",
      R"([{"n":"owed","v":2},{"n":"q","v":1},{"n":"tk","v":5},{"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},)"
      R"({"n":"prio","v":1},{"n":"code","vs":"lead-off"},{"n":"q","v":2},{"n":"tk","v":6},{"n":"ev","vs":"ended"},)"
      R"({"n":"kind","vs":"tech"},{"n":"prio","v":1},{"n":"code","vs":"lead-off"}])",
      con);
  ASSERT_EQ(talk.sink.unanswered(), 2u);
  talk.sink.answer_one(RecordResult::committed);
  talk.settle();
  EXPECT_FALSE(talk.acknowledged(delivery));
  talk.sink.answer_one(RecordResult::committed);
  talk.settle();
  EXPECT_TRUE(talk.acknowledged(delivery));
}

TEST(DeviceSession, WhatTheRegistrationFindsOwedIsHeldToo) {
  Conversation talk;
  talk.first_alarms = Conversation<>::alarm_json(1);
  talk.introduce();
  EXPECT_EQ(talk.stats.held_acks, 1u);
  EXPECT_TRUE(talk.device.busy(coap::Slot::alarm));
  talk.sink.answer(RecordResult::committed);
  talk.settle();
  EXPECT_FALSE(talk.device.busy(coap::Slot::alarm));
}

TEST(DeviceSession, AHeartbeatIsAcknowledgedAtOnce) {
  Conversation talk;
  talk.introduce();
  const auto delivery = talk.notify("/alarms", R"([{"n":"owed","v":0}])", con);
  EXPECT_TRUE(talk.acknowledged(delivery));
  EXPECT_THAT(talk.sink.records, IsEmpty());
}

TEST(DeviceSession, WithoutStorageForFiveMinutesNoAckNoHandshakeAndVitalsGoOn) {  // I1, I8, MSG-07, OBS-05
  Conversation talk;
  talk.introduce();
  const auto delivery = talk.raise(1);
  talk.first_alarms = Conversation<>::alarm_json(1);  // what the device owes when it is asked again
  talk.advance(std::chrono::minutes{2});
  // Retransmissions have run out: the device has dropped the observer, and is not asked while storage is away.
  EXPECT_TRUE(std::any_of(talk.device_events.begin(), talk.device_events.end(),
                          [](const auto& event) { return std::holds_alternative<coap::event::ObserverLost>(event); }));
  talk.advance(std::chrono::minutes{3});
  EXPECT_FALSE(talk.acknowledged(delivery));
  EXPECT_FALSE(talk.closed());
  EXPECT_EQ(talk.registrations("/alarms"), 1u);
  talk.notify("/vitals", R"([{"n":"q","v":1},{"n":"tk","v":900},{"n":"hr","v":70}])", non);
  EXPECT_THAT(talk.sink.records, SizeIs(2));
  // Storage commits: /alarms is observed again, and the debt comes as a new message with the same record.
  talk.sink.answer(RecordResult::committed);
  talk.settle();
  EXPECT_EQ(talk.registrations("/alarms"), 2u);
  ASSERT_THAT(talk.sink.records, SizeIs(3));
  EXPECT_EQ(talk.sink.records[2].fact, talk.sink.records[0].fact);
  talk.sink.answer(RecordResult::duplicate);
  talk.settle();
  EXPECT_FALSE(talk.device.busy(coap::Slot::alarm));
  EXPECT_EQ(talk.stats.held_acks, 0u);
}

TEST(DeviceSession, ARecordThatComesAgainBeforeItsCommitIsCarriedOnce) {
  Conversation talk;
  talk.introduce();
  const auto delivery = talk.raise(1);
  talk.notify("/alarms", Conversation<>::alarm_json(1), con);  // takes over at the next retransmission
  talk.advance(seconds{10});
  EXPECT_THAT(talk.sink.records, SizeIs(1));
  EXPECT_EQ(talk.stats.held_acks, 2u);
  talk.sink.answer(RecordResult::committed);
  talk.settle();
  EXPECT_TRUE(talk.acknowledged(delivery));
  EXPECT_FALSE(talk.device.busy(coap::Slot::alarm));
}

TEST(DeviceSession, AnAlarmThatFindsNoRoomIsNeverAcknowledged) {  // I1
  Conversation<testing::FaultySink> talk;
  talk.introduce();
  const auto delivery = talk.raise(1);
  talk.advance(std::chrono::minutes{2});
  EXPECT_FALSE(talk.acknowledged(delivery));
  EXPECT_EQ(talk.stats.held_acks, 0u);
}

// FAIR-1, I5: what there was no room for comes again under its message id, and is taken then.
TEST(DeviceSession, AnAlarmThatFoundNoRoomIsTakenWhenItIsRetransmitted) {
  Conversation talk;
  talk.introduce();
  const auto delivery = talk.raise(1);
  talk.sink.answer(RecordResult::refused);
  talk.settle();
  EXPECT_EQ(talk.stats.alarms_declined, 1u);
  talk.advance(seconds{4});
  ASSERT_THAT(talk.sink.records, SizeIs(2));
  talk.sink.answer(RecordResult::committed);
  talk.settle();
  EXPECT_TRUE(talk.acknowledged(delivery));
}

// FAIR-1: what is open is bounded, whatever the alarms are; what waits is acknowledged all the same.
TEST(DeviceSession, BeyondSixtyFourOpenAlarmsNothingIsAcknowledged) {
  Conversation talk;
  talk.introduce();
  const auto token = talk.asked("/alarms").at(0).message.token;
  const auto send = [&](std::uint16_t id) {  // eight alarms
    std::string json = R"([{"n":"owed","v":99})";
    for (int q = id * 8 + 1; q <= id * 8 + 8; ++q)
      json += R"(,{"n":"q","v":)" + std::to_string(q) +
              R"(},{"n":"tk","v":900},{"n":"ev","vs":"raised"},{"n":"kind","vs":"tech"},{"n":"prio","v":3},)"
              R"({"n":"code","vs":"lead-off"})";
    json += "]";
    coap::Message message;
    message.type = coap::Type::con;
    message.code = coap::code::content;
    message.id = id;
    message.token = token;
    message.options.add_uint(coap::OptionNumber::observe, 100u + id);
    message.options.add_uint(coap::OptionNumber::content_format, coap::content_format::senml_json);
    message.payload.assign(json.begin(), json.end());
    talk.ingest.handle_datagram(coap::encode(message), talk.now);
    talk.settle();
  };
  for (std::uint16_t id = 0; id < 9; ++id) send(id);
  EXPECT_THAT(talk.sink.records, SizeIs(64));
  EXPECT_EQ(talk.stats.held_acks, 8u);
  EXPECT_EQ(talk.stats.alarms_refused, 8u);
  EXPECT_EQ(talk.stats.alarms_declined, 1u);
  talk.sink.answer(RecordResult::committed);
  talk.settle();
  EXPECT_EQ(talk.stats.held_acks, 0u);
  send(8);  // again, under its message id
  EXPECT_THAT(talk.sink.records, SizeIs(72));
  EXPECT_EQ(talk.stats.held_acks, 1u);
}

// FAIR-1: each costs storage a transaction, so a session has few a second, also with storage healthy.
TEST(DeviceSession, UndecodablePayloadsBeyondTheAllowanceAreDroppedAndCounted) {
  Conversation talk;
  talk.introduce();
  for (int i = 0; i < 1500; ++i) talk.notify("/vitals", "x" + std::to_string(i), non);
  EXPECT_THAT(talk.sink.records, SizeIs(32));
  EXPECT_EQ(talk.stats.quarantine_over, 1468u);
  EXPECT_EQ(quarantined(talk.stats, QuarantineReason::undecodable), 1500u) << "nothing goes uncounted";
  talk.advance(seconds{5});
  for (int i = 0; i < 1500; ++i) talk.notify("/vitals", "x" + std::to_string(i), non);
  EXPECT_THAT(talk.sink.records, SizeIs(42));
  talk.notify("/vitals", R"([{"n":"q","v":1},{"n":"tk","v":900},{"n":"hr","v":70}])", non);
  EXPECT_THAT(talk.sink.records, SizeIs(43)) << "what can be decoded is taken";
  talk.advance(seconds{61});
  EXPECT_EQ(talk.sink.audited("quarantine", false, "undecodable"), 3000u);
  EXPECT_LE(std::ranges::count(talk.sink.audits, "quarantine", &AuditEntry::action), 3);
}

// FAIR-1: nor is an undecodable alarm acknowledged before it is kept, however many came before.
TEST(DeviceSession, AnUndecodableAlarmBeyondTheAllowanceComesAgain) {
  Conversation talk;
  talk.introduce();
  for (int i = 0; i < 32; ++i) talk.notify("/vitals", "x", non);
  talk.sink.answer(RecordResult::quarantined);
  const auto delivery = talk.notify("/alarms", "x", con);
  talk.sink.answer(RecordResult::quarantined);
  talk.settle();
  EXPECT_FALSE(talk.acknowledged(delivery));
  talk.advance(seconds{4});
  talk.sink.answer(RecordResult::quarantined);
  talk.settle();
  EXPECT_TRUE(talk.acknowledged(delivery));
}

TEST(DeviceSession, RefusedRegistrationsAreAuditedOnceAMinute) {  // FAIR-1
  Conversation talk;
  talk.ask_time(1000);
  for (int i = 0; i < 100; ++i) talk.ask(Conversation<>::registration("urn:dev:os:32473-0000000000000000"));
  EXPECT_EQ(std::ranges::count(talk.sink.audits, "register", &AuditEntry::action), 1);
  EXPECT_EQ(talk.stats.registrations_refused, 100u);
}

TEST(DeviceSession, AfterALossTheSilentAlarmPathIsAskedWhenStorageIsBack) {
  Conversation<testing::FaultySink> talk;
  talk.introduce();
  const auto heard = [&] { return talk.stats.notifications[static_cast<std::size_t>(Resource::alarms)][1]; };
  talk.raise(1);
  auto last = talk.now;
  while (talk.device.busy(coap::Slot::alarm)) {  // until its retransmissions have run out
    const auto before = heard();
    talk.advance(seconds{1});
    if (heard() != before) last = talk.now;
  }
  talk.sink.come_back(Lane::alarms);
  talk.settle();
  EXPECT_EQ(talk.registrations("/alarms"), 1u);  // what it said last is still current
  talk.advance(last + seconds{61} - talk.now);
  talk.sink.come_back(Lane::alarms);
  talk.settle();
  EXPECT_EQ(talk.registrations("/alarms"), 2u);
}

// -- quarantine and tokens --------------------------------------------------------------------------------------------

TEST(DeviceSession, AlarmsUnderTheTokenOfVitalsAreQuarantinedAndAcknowledged) {
  Conversation talk;
  talk.introduce();
  const auto delivery = talk.notify("/vitals", Conversation<>::alarm_json(1), con);
  EXPECT_TRUE(talk.acknowledged(delivery));
  ASSERT_THAT(talk.sink.records, SizeIs(1));
  EXPECT_EQ(std::get<Quarantined>(talk.sink.records[0].fact.body).reason, QuarantineReason::wrong_resource);
  EXPECT_EQ(quarantined(talk.stats, QuarantineReason::wrong_resource), 1u);
  EXPECT_EQ(talk.sink.audited("quarantine", false, "wrong_resource"), 1u);
}

TEST(DeviceSession, AQuarantinedAlarmIsAcknowledgedOnceStorageTookIt) {
  Conversation talk;
  talk.introduce();
  const auto delivery = talk.notify("/alarms", R"([{"bn":"urn:dev:os:32473-00","n":"owed","v":0}])", con);
  EXPECT_FALSE(talk.acknowledged(delivery));
  talk.sink.answer(RecordResult::quarantined);
  talk.settle();
  EXPECT_TRUE(talk.acknowledged(delivery));
  EXPECT_EQ(quarantined(talk.stats, QuarantineReason::foreign_name), 1u);
}

// TIME-2: a wild tick goes on to storage, which flags it.
TEST(DeviceSession, WhatIsMeasuredTomorrowIsTaken) {
  Conversation talk;
  talk.introduce();
  for (const char* tick : {"172800000", "9007199254740991"})
    talk.notify("/vitals", R"([{"n":"q","v":1},{"n":"tk","v":)" + std::string(tick) + R"(},{"n":"hr","v":70}])", non);
  ASSERT_THAT(talk.sink.records, SizeIs(2));
  EXPECT_TRUE(std::holds_alternative<SignValues>(talk.sink.records[1].fact.body));
  EXPECT_EQ(talk.sink.records[1].fact.tick_ms, 9'007'199'254'740'991u);
}

TEST(DeviceSession, CountsAndAuditsTokensThatItNeverIssued) {  // OBS-06, OBS-12
  Conversation talk;
  talk.introduce();
  coap::Message stray;
  stray.type = coap::Type::con;
  stray.code = coap::code::content;
  stray.token = coap::Token(coap::Bytes{1, 2, 3, 4});
  for (std::uint16_t id = 1; id <= 3; ++id) {
    stray.id = id;
    talk.ingest.handle_datagram(coap::encode(stray), talk.now);
    talk.settle();
  }
  EXPECT_EQ(talk.stats.rejected_tokens[0], 3u);
  EXPECT_THAT(talk.sink.records, IsEmpty());
  EXPECT_FALSE(talk.closed());
  EXPECT_EQ(talk.sink.audited("notify", false, "unknown"), 1u);
  talk.advance(seconds{61});
  EXPECT_EQ(talk.sink.audited("notify", false, "unknown"), 3u);  // in two lines
  const auto lines = std::count_if(talk.sink.audits.begin(), talk.sink.audits.end(),
                                   [](const auto& entry) { return entry.action == "notify"; });
  EXPECT_EQ(lines, 2);
}

TEST(DeviceSession, CountsTokensThatAreRetired) {  // OBS-12
  Conversation talk;
  talk.introduce();
  const auto observer = talk.observers.at("/vitals");
  // Ingest takes its observation back: names count up within a connection, so the first two are its observations.
  for (std::uint64_t name = 1; name < 10; ++name) talk.ingest.cancel(coap::ObservationId{name}, talk.now);
  coap::Response response;
  response.content_format = coap::content_format::senml_json;
  talk.device.notify(observer, response, non, coap::Slot::ordinary, talk.now);
  talk.settle();
  EXPECT_EQ(talk.stats.rejected_tokens[1], 1u);
  EXPECT_EQ(talk.sink.audited("notify", false, "retired"), 1u);
  EXPECT_THAT(talk.sink.records, IsEmpty());
}

TEST(DeviceSession, TheEndDetachesAndTellsWhatIsUntold) {
  Conversation talk;
  talk.introduce();
  talk.raise(1);
  talk.notify("/vitals", "x", non);
  talk.notify("/vitals", "y", non);
  talk.device.close(coap::CloseReason::local, talk.now);
  talk.settle();
  EXPECT_EQ(talk.ingest_closed, coap::CloseReason::peer_closed);
  EXPECT_THAT(talk.sink.detached, ::testing::ElementsAre(SinkSession{7}));
  EXPECT_EQ(talk.sink.audited("quarantine", false, "undecodable"), 2u);
  EXPECT_EQ(talk.stats.held_acks, 0u);
}

}  // namespace
}  // namespace wardlink::ingest
