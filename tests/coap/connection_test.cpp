// One connection against a scripted peer, message by message.

#include "coap/connection.hpp"

#include <gtest/gtest.h>

#include "lockstep.hpp"

namespace coap {
namespace {

using namespace std::chrono_literals;
using testing::bytes;
using testing::get;
using testing::Lockstep;
using testing::message;
using testing::notification;
using testing::token;

// -- reliability ---------------------------------------------------------------------------------------------------

TEST(Connection, AnswersAPingWithAReset) {  // MSG-08
  Lockstep peer;
  peer.receive(message(Type::con, code::empty, 9));
  EXPECT_EQ(peer.sent(), message(Type::rst, code::empty, 9));
  EXPECT_TRUE(peer.no_event());
}

TEST(Connection, RetransmitsFourTimesDoublingAndThenGivesUp) {  // MSG-01
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Lockstep peer({}, seed);
    const auto id = peer.connection.request({code::get, "/time", {}, {}, {}}, peer.now);
    const auto first = peer.sent();
    const auto start = peer.now;
    const auto timeout = *peer.connection.next_deadline() - start;
    EXPECT_GE(timeout, 2s);
    EXPECT_LE(timeout, 3s);
    for (int i = 1; i <= 4; ++i) {
      const auto due = start + timeout * ((1 << i) - 1);
      peer.pass(due - peer.now - 1us);
      EXPECT_TRUE(peer.silent());
      peer.pass(1us);
      EXPECT_EQ(peer.sent(), first) << "the same bytes, the same id";
    }
    peer.pass(start + 93s - peer.now);
    EXPECT_TRUE(peer.silent());
    const auto failed = peer.event<event::RequestFailed>();
    EXPECT_EQ(failed.request, id);
    EXPECT_EQ(failed.why, event::Failure::timeout);
  }
}

TEST(Connection, TakesAPiggybackedResponse) {
  Lockstep peer;
  const auto id = peer.connection.request({code::post, "/rd", {"lt=60"}, 40, bytes("</vitals>")}, peer.now);
  const auto asked = peer.sent();
  EXPECT_EQ(asked.type, Type::con);
  EXPECT_EQ(asked.options.strings(OptionNumber::uri_query), std::vector<std::string>{"lt=60"});
  EXPECT_EQ(asked.token.size(), 4);
  peer.receive(message(Type::ack, code::created, asked.id, asked.token));
  const auto response = peer.event<event::ResponseReceived>();
  EXPECT_EQ(response.request, id);
  EXPECT_EQ(response.code, code::created);
  EXPECT_FALSE(peer.connection.next_deadline());
}

TEST(Connection, IgnoresAPiggybackedResponseUnderAnotherToken) {  // OBS-12, SEC-ATK-3
  Lockstep peer;
  peer.connection.request({code::get, "/time", {}, {}, {}}, peer.now);
  const auto asked = peer.sent();
  peer.receive(message(Type::ack, code::content, asked.id, token("nope")));
  EXPECT_TRUE(peer.no_event());
  EXPECT_TRUE(peer.connection.busy(Slot::ordinary));
}

TEST(Connection, TakesASeparateResponseAlsoWhenTheAckWasLost) {
  for (const bool ack_lost : {false, true}) {
    Lockstep peer;
    peer.connection.request({code::get, "/time", {}, {}, {}}, peer.now);
    const auto asked = peer.sent();
    if (!ack_lost) peer.receive(message(Type::ack, code::empty, asked.id));
    peer.receive(message(Type::con, code::content, 77, asked.token, "late"));
    EXPECT_EQ(peer.sent(), message(Type::ack, code::empty, 77));
    EXPECT_EQ(peer.event<event::ResponseReceived>().payload, bytes("late"));
    peer.receive(message(Type::con, code::content, 77, asked.token, "late"));
    EXPECT_EQ(peer.sent(), message(Type::ack, code::empty, 77)) << "the duplicate is acknowledged again";
    EXPECT_TRUE(peer.no_event()) << "and told once";
    EXPECT_FALSE(peer.connection.next_deadline());
  }
}

TEST(Connection, SendsOneOrdinaryRequestAtATime) {  // MSG-04
  Lockstep peer;
  peer.connection.request({code::get, "/a", {}, {}, {}}, peer.now);
  peer.connection.request({code::get, "/b", {}, {}, {}}, peer.now);
  const auto first = peer.sent();
  EXPECT_TRUE(peer.silent());
  peer.receive(message(Type::ack, code::content, first.id, first.token));
  EXPECT_EQ(uri_path(peer.sent().options), "/b");
}

TEST(Connection, MeasuresTheRoundTripOfWhatWasNotRetransmitted) {
  Lockstep peer;
  peer.connection.ping(peer.now);
  const auto ping = peer.sent();
  peer.pass(40ms);
  peer.receive(message(Type::rst, code::empty, ping.id));
  peer.connection.request({code::get, "/a", {}, {}, {}}, peer.now);
  const auto asked = peer.sent();
  peer.pass(80ms);
  peer.receive(message(Type::ack, code::content, asked.id, asked.token));
  EXPECT_EQ(peer.connection.round_trip_time(), 80ms);
}

// -- requests from the peer ----------------------------------------------------------------------------------------

TEST(Connection, AnswersARequestOnceAndRepeatsTheAnswerToDuplicates) {  // MSG-02
  Lockstep peer;
  const auto request = get(Type::con, 5, token("ab"), "/vitals");
  peer.receive(request);
  const auto received = peer.event<event::RequestReceived>();
  EXPECT_EQ(received.path, "/vitals");
  peer.receive(request);
  EXPECT_TRUE(peer.silent()) << "the answer is not there yet";
  peer.connection.respond(received.exchange, {code::content, 112, bytes("v"), {}}, peer.now);
  const auto answer = peer.sent();
  EXPECT_EQ(answer.type, Type::ack);
  EXPECT_EQ(answer.id, 5);
  EXPECT_EQ(answer.token, token("ab"));
  peer.receive(request);
  EXPECT_EQ(peer.sent(), answer);
  EXPECT_TRUE(peer.no_event());
  peer.pass(247s);
  peer.receive(request);
  peer.event<event::RequestReceived>();
}

TEST(Connection, AcknowledgesFirstWhenTheAnswerTakesLong) {
  Lockstep peer;
  peer.receive(get(Type::con, 5, token("ab"), "/vitals"));
  const auto received = peer.event<event::RequestReceived>();
  peer.pass(1s);
  EXPECT_EQ(peer.sent(), message(Type::ack, code::empty, 5));
  peer.connection.respond(received.exchange, {code::content, {}, bytes("v"), {}}, peer.now);
  const auto answer = peer.sent();
  EXPECT_EQ(answer.type, Type::con);
  EXPECT_EQ(answer.token, token("ab"));
  peer.receive(message(Type::ack, code::empty, answer.id));
  EXPECT_FALSE(peer.connection.next_deadline());
}

/// A peer that asks and acknowledges nothing: each late answer waits behind the one in flight.
TEST(Connection, OwesNoMoreThan32Answers) {
  Lockstep peer;
  std::uint16_t id = 0;
  const auto ask = [&] { peer.receive(get(Type::con, ++id, token("t"), "/time")); };
  std::vector<ExchangeId> asked;
  for (int i = 0; i < 32; ++i) {
    ask();
    asked.push_back(peer.event<event::RequestReceived>().exchange);
  }
  peer.pass(1s);
  for (const auto exchange : asked) peer.connection.respond(exchange, {}, peer.now);
  while (!peer.silent()) {
  }
  ask();
  peer.event<event::RequestReceived>();  // with the 31 that wait, 32
  ask();
  EXPECT_TRUE(peer.no_event());
  EXPECT_EQ(peer.sent().code, code::service_unavailable);
}

TEST(Connection, RefusesACriticalOptionThatItDoesNotKnow) {  // MSG-08
  Lockstep peer;
  auto request = get(Type::con, 5, token("ab"), "/vitals");
  request.options.add(static_cast<OptionNumber>(65001), "x");
  peer.receive(request);
  const auto answer = peer.sent();
  EXPECT_EQ(answer.code, code::bad_option);
  EXPECT_EQ(answer.type, Type::ack);
  EXPECT_TRUE(peer.no_event());
}

// -- observing -----------------------------------------------------------------------------------------------------

struct Observed {
  explicit Observed(AckPolicy policy = AckPolicy::at_once, const Connection::Config& config = {}) : peer(config) {
    observation = peer.connection.observe({code::get, "/alarms", {}, {}, {}}, policy, peer.now);
    registration = peer.sent();
    auto first = message(Type::ack, code::content, registration.id, registration.token, "first");
    first.options.add_uint(OptionNumber::observe, 10);
    peer.receive(first);
    peer.event<event::NotificationReceived>();
  }
  Lockstep peer;
  ObservationId observation;
  Message registration;
};

TEST(Observation, RegistersUnderAFourByteTokenOfItsOwn) {  // OBS-11
  Observed observed;
  EXPECT_EQ(observed.registration.options.uint(OptionNumber::observe), 0u);
  EXPECT_EQ(observed.registration.token.size(), 4);
}

TEST(Observation, TakesNotificationsAndTellsStaleOnesApart) {  // OBS-02
  Observed observed;
  auto& peer = observed.peer;
  peer.receive(notification(Type::non, 100, observed.registration.token, 12, "new"));
  EXPECT_TRUE(peer.event<event::NotificationReceived>().fresh);
  peer.receive(notification(Type::non, 101, observed.registration.token, 11, "old"));
  const auto old = peer.event<event::NotificationReceived>();
  EXPECT_FALSE(old.fresh);
  EXPECT_EQ(old.payload, bytes("old")) << "it is handed on all the same";
  EXPECT_TRUE(peer.silent());
}

TEST(Observation, ResetsATokenThatWasNeverIssued) {  // OBS-06, OBS-12, SEC-ATK-3
  for (const auto type : {Type::con, Type::non}) {
    Observed observed;
    auto& peer = observed.peer;
    peer.receive(notification(type, 100, token("evil"), 12));
    EXPECT_EQ(peer.sent(), message(Type::rst, code::empty, 100));
    EXPECT_EQ(peer.event<event::NotificationRejected>().why, event::NotificationRejected::Why::unknown);
    EXPECT_EQ(peer.connection.counters().unknown_token, 1u);
    peer.receive(notification(Type::non, 101, observed.registration.token, 13));
    peer.event<event::NotificationReceived>();
  }
}

TEST(Observation, ResetsATokenThatWasCancelled) {  // OBS-07, OBS-12
  Observed observed;
  auto& peer = observed.peer;
  peer.connection.cancel(observed.observation, peer.now);
  const auto cancel = peer.sent();
  EXPECT_EQ(cancel.options.uint(OptionNumber::observe), 1u);
  EXPECT_EQ(cancel.token, observed.registration.token) << "RFC 7641 §3.6";
  peer.receive(notification(Type::non, 100, observed.registration.token, 12));
  EXPECT_EQ(peer.sent(), message(Type::rst, code::empty, 100)) << "while the cancellation is under way";
  peer.receive(message(Type::ack, code::content, cancel.id, cancel.token));
  peer.receive(notification(Type::con, 101, observed.registration.token, 13));
  EXPECT_EQ(peer.sent(), message(Type::rst, code::empty, 101)) << "and after it";
  EXPECT_EQ(peer.event<event::NotificationRejected>().why, event::NotificationRejected::Why::retired);
  EXPECT_EQ(peer.connection.counters().retired_token, 2u);
  EXPECT_EQ(peer.connection.counters().unknown_token, 0u);
}

TEST(Observation, HoldsTheAckUntilItIsToldTo) {
  Observed observed(AckPolicy::held);
  auto& peer = observed.peer;
  const auto alarm = notification(Type::con, 100, observed.registration.token, 12);
  peer.receive(alarm);
  const auto received = peer.event<event::NotificationReceived>();
  EXPECT_TRUE(received.confirmable);
  EXPECT_TRUE(peer.silent());
  peer.receive(alarm);
  EXPECT_TRUE(peer.silent()) << "a retransmission changes nothing";
  EXPECT_TRUE(peer.no_event());
  peer.connection.acknowledge(received.delivery, peer.now);
  EXPECT_EQ(peer.sent(), message(Type::ack, code::empty, 100));
  peer.receive(alarm);
  EXPECT_EQ(peer.sent(), message(Type::ack, code::empty, 100)) << "the ACK was lost";
  peer.connection.acknowledge(received.delivery, peer.now);
  EXPECT_TRUE(peer.silent());
}

TEST(Observation, HoldsSoManyAcksAndTakesTheRestForLost) {  // FAIR-1
  Connection::Config config;
  config.max_held = 3;
  Observed observed(AckPolicy::held, config);
  auto& peer = observed.peer;
  const auto notify = [&](std::uint16_t id) {
    peer.receive(notification(Type::con, id, observed.registration.token, id));
  };
  for (std::uint16_t id = 100; id < 200; ++id) notify(id);
  EXPECT_EQ(peer.connection.counters().held_over, 97u);
  const auto first = peer.event<event::NotificationReceived>();
  peer.event<event::NotificationReceived>();
  peer.event<event::NotificationReceived>();
  EXPECT_TRUE(peer.no_event());
  EXPECT_TRUE(peer.silent());
  peer.connection.acknowledge(first.delivery, peer.now);
  EXPECT_EQ(peer.sent().id, 100);
  notify(199);  // again
  peer.event<event::NotificationReceived>();
  peer.pass(248s);
  for (std::uint16_t id = 200; id < 203; ++id) notify(id);
  EXPECT_EQ(peer.connection.counters().held_over, 97u) << "old ones make room (EXCHANGE_LIFETIME)";
}

TEST(Observation, WhatIsDeclinedIsNewWhenItComesAgain) {  // FAIR-1, I5
  Observed observed(AckPolicy::held);
  auto& peer = observed.peer;
  const auto alarm = notification(Type::con, 100, observed.registration.token, 12);
  peer.receive(alarm);
  const auto declined = peer.event<event::NotificationReceived>();
  peer.connection.decline(declined.delivery);
  peer.connection.acknowledge(declined.delivery, peer.now);
  EXPECT_TRUE(peer.silent());
  peer.receive(alarm);
  const auto again = peer.event<event::NotificationReceived>();
  peer.receive(alarm);
  EXPECT_TRUE(peer.no_event());
  peer.connection.acknowledge(again.delivery, peer.now);
  EXPECT_EQ(peer.sent(), message(Type::ack, code::empty, 100));
}

TEST(Observation, TakesSoManyNotificationsASecondAndKeepsAPartForTheUrgent) {  // FAIR-1
  Connection::Config config;
  config.notifications = {.per_second = 2, .burst = 8};
  for (const auto policy : {AckPolicy::at_once, AckPolicy::held}) {
    Observed observed(policy, config);
    auto& peer = observed.peer;
    const auto flood = [&](std::uint16_t first) {
      std::size_t taken = 0;
      for (auto id = first; id < first + 100; ++id) {
        peer.receive(notification(Type::con, id, observed.registration.token, id));
        while (peer.connection.poll_event()) ++taken;
        while (!peer.silent()) {
        }
      }
      return taken;
    };
    EXPECT_EQ(flood(100), policy == AckPolicy::held ? 8u : 6u);
    EXPECT_EQ(flood(100), 0u) << "what was taken is a duplicate, what was not is beyond still";
    peer.pass(2s);
    EXPECT_EQ(flood(100), 4u);
    EXPECT_GT(peer.connection.counters().notifications_over, 200u);
    for (std::uint16_t id = 1000; id < 1100; ++id) peer.receive(notification(Type::non, id, token("nil"), id));
    EXPECT_EQ(peer.connection.counters().unknown_token, 0u) << "nor is what would be rejected answered beyond it";
  }
}

TEST(Budget, IsAMeanWithABurstAfterARest) {  // FAIR-1
  Budget budget({.per_second = 10, .burst = 5});
  Instant now{};
  const auto take_all = [&](unsigned kept = 0) {
    std::size_t taken = 0;
    while (budget.take(now, kept)) ++taken;
    return taken;
  };
  EXPECT_EQ(take_all(2), 3u);
  EXPECT_EQ(take_all(), 2u);
  now += 99ms;
  EXPECT_EQ(take_all(), 0u);
  now += 1ms;
  EXPECT_EQ(take_all(), 1u);
  now += 350ms;
  EXPECT_EQ(take_all(), 3u);
  now += 1h;
  EXPECT_EQ(take_all(), 5u);
  EXPECT_FALSE(budget.affords(now + 1h, 5)) << "nothing is left where all is kept";
  Budget unlimited({});
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(unlimited.take(now));
}

TEST(Observation, EndsWithAnErrorOrWithoutTheOption) {  // OBS-10
  for (const auto status : {code::not_found, code::content}) {
    Observed observed;
    auto& peer = observed.peer;
    peer.receive(message(Type::con, status, 100, observed.registration.token));
    EXPECT_EQ(peer.sent(), message(Type::ack, code::empty, 100));
    if (status == code::content) peer.event<event::NotificationReceived>();
    EXPECT_EQ(peer.event<event::ObservationEnded>().code, status);
    peer.receive(notification(Type::non, 101, observed.registration.token, 13));
    EXPECT_EQ(peer.sent().type, Type::rst);
  }
}

TEST(Observation, EndsWhenTheRegistrationIsNotAnswered) {
  Lockstep peer;
  const auto id = peer.connection.observe({code::get, "/vitals", {}, {}, {}}, AckPolicy::at_once, peer.now);
  peer.pass(93s);
  EXPECT_EQ(peer.event<event::ObservationEnded>().observation, id);
}

TEST(Observation, RefreshesUnderTheSameToken) {  // OBS-08
  Observed observed;
  auto& peer = observed.peer;
  peer.connection.refresh(observed.observation, peer.now);
  const auto again = peer.sent();
  EXPECT_EQ(again.token, observed.registration.token);
  EXPECT_EQ(again.options, observed.registration.options);
  peer.receive(notification(Type::con, 100, again.token, 12));
  EXPECT_EQ(peer.sent(), message(Type::ack, code::empty, 100));
  EXPECT_FALSE(peer.connection.next_deadline()) << "the response stands for the lost ACK";
}

/// The simulation found it (seed 41): what the answer held was taken from the device's queue, and is nowhere else.
TEST(Observation, TakesTheAnswerThatANotificationHasOvertaken) {  // I3, OBS-02
  Lockstep peer;
  peer.connection.observe({code::get, "/vitals", {}, {}, {}}, AckPolicy::at_once, peer.now);
  const auto asked = peer.sent();
  peer.receive(notification(Type::non, 100, asked.token, 12, "newer"));
  EXPECT_EQ(peer.event<event::NotificationReceived>().payload, bytes("newer"));
  peer.pass(3s);
  EXPECT_EQ(peer.sent(), asked) << "the answer may have been lost, too";
  auto answer = message(Type::ack, code::content, asked.id, asked.token, "older");
  answer.options.add_uint(OptionNumber::observe, 11);
  peer.receive(answer);
  const auto older = peer.event<event::NotificationReceived>();
  EXPECT_EQ(older.payload, bytes("older"));
  EXPECT_FALSE(older.fresh);
  EXPECT_FALSE(peer.connection.next_deadline());
}

TEST(Observation, StandsWhenItsRefreshIsNotAnswered) {  // OBS-08
  for (const bool acknowledged : {false, true}) {
    Observed observed;
    auto& peer = observed.peer;
    const auto& token = observed.registration.token;
    peer.connection.refresh(observed.observation, peer.now);
    const auto first = peer.sent();
    peer.connection.refresh(observed.observation, peer.now);
    EXPECT_TRUE(peer.silent()) << "one at a time";
    if (acknowledged) peer.receive(message(Type::ack, code::empty, first.id));
    peer.pass(93s);
    while (!peer.silent()) continue;
    EXPECT_TRUE(peer.no_event());
    peer.receive(notification(Type::non, 100, token, 12, "still here"));
    EXPECT_EQ(peer.event<event::NotificationReceived>().payload, bytes("still here"));
    EXPECT_TRUE(peer.silent()) << "no Reset";
    peer.connection.refresh(observed.observation, peer.now);
    const auto again = peer.sent();
    EXPECT_EQ(again.token, token);
    EXPECT_EQ(again.options, observed.registration.options);
    EXPECT_NE(again.id, first.id);
  }
}

TEST(Observation, EndsWhenItsRefreshIsReset) {  // OBS-08
  Observed observed;
  auto& peer = observed.peer;
  peer.connection.refresh(observed.observation, peer.now);
  peer.receive(message(Type::rst, code::empty, peer.sent().id));
  EXPECT_EQ(peer.event<event::ObservationEnded>().code, code::empty);
}

TEST(Observation, TellsTheMaxAgeOfEachNotification) {  // OBS-08
  Observed observed;
  auto& peer = observed.peer;
  peer.receive(notification(Type::non, 100, observed.registration.token, 12));
  EXPECT_EQ(peer.event<event::NotificationReceived>().max_age, 60s) << "RFC 7252 §5.10.5";
  std::uint16_t id = 101;
  for (const std::uint32_t seconds : {0u, 5u, 0xffffffffu}) {
    auto one = notification(Type::non, id++, observed.registration.token, 13);
    one.options.add_uint(OptionNumber::max_age, seconds);
    peer.receive(one);
    EXPECT_EQ(peer.event<event::NotificationReceived>().max_age, std::chrono::seconds{seconds});
  }
}

// -- being observed ------------------------------------------------------------------------------------------------

struct Observing {
  explicit Observing(Connection::Config config = {}) : peer(config) {
    peer.receive(get(Type::con, 1, token("tok1"), "/alarms", 0));
    const auto request = peer.event<event::RequestReceived>();
    EXPECT_EQ(request.observe, 0u);
    std::tie(observer, first) = peer.connection.respond_observed_separately(
        request.exchange, {code::content, 112, bytes("first"), {}}, Slot::alarm, peer.now);
  }
  DeliveryId notify(std::string_view payload, Reliability reliability = Reliability::con) {
    return peer.connection.notify(observer, {code::content, 112, bytes(payload), {}}, reliability, Slot::alarm,
                                  peer.now);
  }
  Lockstep peer;
  ObserverId observer;
  DeliveryId first;
};

TEST(Observer, GetsAnEmptyAckAndThenAConfirmableResponse) {  // MSG-09
  Observing observing;
  auto& peer = observing.peer;
  EXPECT_EQ(peer.sent(), message(Type::ack, code::empty, 1));
  const auto first = peer.sent();
  EXPECT_EQ(first.type, Type::con);
  EXPECT_EQ(first.token, token("tok1"));
  EXPECT_TRUE(first.options.uint(OptionNumber::observe));
  EXPECT_TRUE(peer.no_event());
  peer.receive(message(Type::ack, code::empty, first.id));
  EXPECT_EQ(peer.event<event::NotificationAcknowledged>().delivery, observing.first);
}

TEST(Observer, SequenceStrictlyIncreases) {  // OBS-03
  Observing observing;
  auto& peer = observing.peer;
  peer.sent();
  auto last = *peer.sent().options.uint(OptionNumber::observe);
  for (int i = 0; i < 100; ++i) {
    observing.notify("n", Reliability::non);
    const auto next = *peer.sent().options.uint(OptionNumber::observe);
    EXPECT_GT(next, last);
    last = next;
  }
}

TEST(Observer, AnAckNamesExactlyTheNotificationItAnswers) {  // MSG-09
  Observing observing;
  auto& peer = observing.peer;
  peer.sent();
  const auto first = peer.sent();
  observing.notify("second");
  const auto third = observing.notify("third");
  EXPECT_TRUE(peer.silent()) << "one in flight";
  peer.receive(message(Type::ack, code::empty, static_cast<std::uint16_t>(first.id + 7)));
  EXPECT_TRUE(peer.no_event()) << "an ACK of nothing";
  peer.receive(message(Type::ack, code::empty, first.id));
  EXPECT_EQ(peer.event<event::NotificationAcknowledged>().delivery, observing.first);
  const auto next = peer.sent();
  EXPECT_EQ(next.payload, bytes("third")) << "the newer took the waiting one's place";
  peer.receive(message(Type::ack, code::empty, next.id));
  EXPECT_EQ(peer.event<event::NotificationAcknowledged>().delivery, third);
  EXPECT_TRUE(peer.no_event());
}

TEST(Observer, ANewerNotificationTakesOverAtTheNextRetransmission) {  // RFC 7641 §4.5.2
  Observing observing;
  auto& peer = observing.peer;
  peer.sent();
  const auto first = peer.sent();
  const auto newer = observing.notify("newer");
  peer.pass(3s);
  const auto second = peer.sent();
  EXPECT_EQ(second.payload, bytes("newer"));
  EXPECT_NE(second.id, first.id);
  peer.receive(message(Type::ack, code::empty, first.id));
  EXPECT_EQ(peer.event<event::NotificationAcknowledged>().delivery, observing.first) << "a late ACK still counts";
  EXPECT_TRUE(peer.connection.busy(Slot::alarm)) << "but only for what it carried";
  peer.receive(message(Type::ack, code::empty, second.id));
  EXPECT_EQ(peer.event<event::NotificationAcknowledged>().delivery, newer);
}

TEST(Observer, IsLostWhenNothingIsAcknowledged) {  // OBS-05
  Observing observing;
  auto& peer = observing.peer;
  peer.pass(93s);
  const auto lost = peer.event<event::ObserverLost>();
  EXPECT_EQ(lost.observer, observing.observer);
  EXPECT_EQ(lost.why, event::Failure::timeout);
  EXPECT_EQ(lost.failed, std::vector{observing.first});
  while (peer.connection.poll_datagram()) continue;
  observing.notify("nobody");
  EXPECT_TRUE(peer.silent());
}

TEST(Observer, IsLostByAResetOfANonConfirmableNotification) {  // OBS-06
  Observing observing;
  auto& peer = observing.peer;
  peer.sent();
  const auto first = peer.sent();
  peer.receive(message(Type::ack, code::empty, first.id));
  peer.event<event::NotificationAcknowledged>();
  observing.notify("n", Reliability::non);
  const auto sent = peer.sent();
  peer.receive(message(Type::rst, code::empty, static_cast<std::uint16_t>(sent.id + 100)));
  EXPECT_TRUE(peer.no_event()) << "a reset of another message id";
  peer.receive(message(Type::rst, code::empty, sent.id));
  EXPECT_EQ(peer.event<event::ObserverLost>().why, event::Failure::reset);
}

TEST(Observer, LeavesByItself) {  // OBS-07
  Observing observing;
  auto& peer = observing.peer;
  peer.receive(get(Type::con, 2, token("tok1"), "/alarms", 1));
  EXPECT_EQ(peer.event<event::ObserverLeft>().observer, observing.observer);
  EXPECT_EQ(peer.event<event::RequestReceived>().observe, 1u);
  EXPECT_FALSE(peer.connection.busy(Slot::alarm));
}

TEST(Observer, RegistersTwiceUnderOneTokenAndIsOne) {  // OBS-09
  Observing observing;
  auto& peer = observing.peer;
  peer.receive(get(Type::con, 2, token("tok1"), "/alarms", 0));
  const auto request = peer.event<event::RequestReceived>();
  const auto again = peer.connection.respond_observed(request.exchange, {}, peer.now);
  EXPECT_EQ(again, observing.observer);
}

// -- slots, silence, the end ---------------------------------------------------------------------------------------

TEST(Connection, AHeldAlarmBlocksNothingElse) {  // MSG-04
  Observing observing;
  auto& peer = observing.peer;
  peer.sent();
  peer.sent();
  EXPECT_TRUE(peer.connection.busy(Slot::alarm));
  peer.connection.request({code::get, "/time", {}, {}, {}}, peer.now);
  EXPECT_EQ(uri_path(peer.sent().options), "/time");
}

TEST(Connection, ANonConfirmableRequestGoesAtOnceAndNeverAgain) {  // TIME-4
  Observing observing;
  auto& peer = observing.peer;
  peer.sent();
  peer.sent();
  peer.connection.ping(peer.now);
  peer.sent();
  const auto first = peer.connection.request({code::get, "/time", {"tk=1"}, {}, {}}, peer.now, Reliability::non);
  const auto sent = peer.sent();
  EXPECT_EQ(sent.type, Type::non) << "also while a Confirmable message awaits its ACK";
  const auto second = peer.connection.request({code::get, "/time", {"tk=2"}, {}, {}}, peer.now, Reliability::non);
  const auto other = peer.sent();
  EXPECT_NE(sent.id, other.id);
  EXPECT_NE(sent.token, other.token);
  for (const auto& [request, asked] : {std::pair{second, other}, std::pair{first, sent}}) {  // overtaken
    Message answer = message(Type::non, code::content, static_cast<std::uint16_t>(asked.id + 100));
    answer.token = asked.token;
    peer.receive(answer);
    EXPECT_EQ(peer.event<event::ResponseReceived>().request, request);
  }
  const auto lost = peer.connection.request({code::get, "/time", {"tk=3"}, {}, {}}, peer.now, Reliability::non);
  peer.sent();
  const auto non_out = peer.connection.counters().non_out;
  peer.pass(92s);
  EXPECT_EQ(peer.connection.counters().non_out, non_out);
  peer.pass(2s);
  EXPECT_EQ(peer.connection.counters().non_out, non_out);
  bool told = false;
  while (const auto event = peer.connection.poll_event())
    if (const auto* failed = std::get_if<event::RequestFailed>(&*event)) told = told || failed->request == lost;
  EXPECT_TRUE(told);
}

TEST(Connection, AHeldAckIsNotDeathWhileThePeerAnswersPings) {  // DTLS-23
  Connection::Config config;
  config.detect_silence = true;
  Observing observing(config);
  auto& peer = observing.peer;
  peer.sent();
  peer.sent();
  bool pinged = false;
  for (int second = 0; second < 60; ++second) {
    peer.pass(1s);
    while (const auto datagram = peer.connection.poll_datagram()) {
      const auto sent = *decode(*datagram);
      if (!sent.code.is_empty()) continue;
      pinged = true;
      peer.receive(message(Type::rst, code::empty, sent.id));
    }
  }
  EXPECT_TRUE(pinged);
  EXPECT_EQ(peer.connection.state(), SecureChannel::State::open);
}

TEST(Connection, TwoUnansweredRetransmissionsInTotalSilenceAreDeath) {  // DTLS-23
  Connection::Config config;
  config.detect_silence = true;
  Observing observing(config);
  auto& peer = observing.peer;
  peer.pass(21s);
  EXPECT_EQ(peer.event<event::ObserverLost>().why, event::Failure::closed);
  EXPECT_EQ(peer.event<event::Closed>().reason, CloseReason::peer_silent);
  EXPECT_EQ(peer.connection.state(), SecureChannel::State::closed);
}

TEST(Connection, FailsWhatIsOpenWhenItCloses) {  // OBS-13
  Observing observing;
  auto& peer = observing.peer;
  const auto request = peer.connection.request({code::get, "/time", {}, {}, {}}, peer.now);
  peer.connection.close(CloseReason::local, peer.now);
  EXPECT_EQ(peer.event<event::RequestFailed>().request, request);
  EXPECT_EQ(peer.event<event::ObserverLost>().failed, std::vector{observing.first});
  EXPECT_EQ(peer.event<event::Closed>().reason, CloseReason::local);
  EXPECT_FALSE(peer.connection.next_deadline());
  peer.connection.ping(peer.now);
  EXPECT_TRUE(peer.no_event());
}

TEST(Connection, WhatCannotBeAuthenticatedIsNoSignOfLife) {
  Lockstep peer;
  peer.pass(5s);
  EXPECT_FALSE(peer.connection.handle_datagram(Bytes{testing::MemoryChannel::kForged, 1, 2}, peer.now));
  EXPECT_EQ(peer.connection.last_heard(), Instant{});
}

}  // namespace
}  // namespace coap
