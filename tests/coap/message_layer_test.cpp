// What RFC 7252 §4 demands for each kind of message, row by row, and message ids over a long session.

#include <gtest/gtest.h>

#include "hex.hpp"
#include "lockstep.hpp"

namespace coap {
namespace {

using namespace std::chrono_literals;
using test::hex;
using testing::bytes;
using testing::get;
using testing::Lockstep;
using testing::message;
using testing::notification;
using testing::token;

// -- malformed and misplaced messages ---------------------------------------------------------------------------------

struct Row {
  const char* what;
  const char* datagram;
  const char* answer;  // empty: silence
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.what; }

// Message id 0x1234 throughout.
constexpr Row kRows[] = {
    // §3: other versions are ignored in silence.
    {"version 0, CON", "00 01 12 34", ""},
    {"version 2, CON", "80 01 12 34", ""},
    {"version 3, CON", "c0 01 12 34", ""},
    {"three bytes", "40 01 12", ""},
    {"nothing", "", ""},
    // §4.2, §4.3: empty messages.
    {"empty CON: a ping", "40 00 12 34", "70 00 12 34"},
    {"empty NON", "50 00 12 34", ""},
    {"empty ACK of nothing", "60 00 12 34", ""},
    {"RST of nothing", "70 00 12 34", ""},
    {"empty CON with a token", "41 00 12 34 aa", "70 00 12 34"},
    {"empty CON with a payload", "40 00 12 34 ff 61", "70 00 12 34"},
    {"empty CON with an option", "40 00 12 34 60", "70 00 12 34"},
    {"empty NON with a payload", "50 00 12 34 ff 61", ""},
    {"empty ACK with a payload", "60 00 12 34 ff 61", ""},
    {"RST with a payload", "70 00 12 34 ff 61", ""},
    // §3: a token length of 9 to 15 is a format error.
    {"TKL 9, CON", "49 01 12 34 01 02 03 04 05 06 07 08 09", "70 00 12 34"},
    {"TKL 15, CON", "4f 01 12 34 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f", "70 00 12 34"},
    {"TKL 9, NON", "59 01 12 34 01 02 03 04 05 06 07 08 09", ""},
    {"TKL 15, ACK", "6f 45 12 34 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f", ""},
    {"TKL 4 and two bytes", "44 01 12 34 01 02", "70 00 12 34"},
    // §4.2, §12.1: reserved classes.
    {"class 1, CON", "40 21 12 34", "70 00 12 34"},
    {"class 6, CON", "40 c1 12 34", "70 00 12 34"},
    {"class 7, CON", "40 e1 12 34", "70 00 12 34"},
    {"class 1, NON", "50 21 12 34", ""},
    {"class 7, ACK", "60 e1 12 34", ""},
    {"class 6, RST", "70 c1 12 34", ""},
    // §3: a marker without payload; §3.1: options.
    {"marker and nothing, CON", "40 01 12 34 ff", "70 00 12 34"},
    {"marker and nothing, NON", "50 01 12 34 ff", ""},
    {"option delta 15, CON", "40 01 12 34 f0", "70 00 12 34"},
    {"option length 15, CON", "40 01 12 34 0f", "70 00 12 34"},
    {"option cut off, CON", "40 01 12 34 b5 74 69", "70 00 12 34"},
    {"option delta 15, NON", "50 01 12 34 f0", ""},
    // §5.4.1: a critical option that nobody knows (number 9).
    {"critical option, CON request", "41 01 12 34 aa 90", "61 82 12 34 aa"},
    {"critical option, NON request", "51 01 12 34 aa 90", ""},
    {"critical option, CON response", "41 45 12 34 aa 90", "70 00 12 34"},
    {"critical option, NON response", "51 45 12 34 aa 90", ""},
    {"repeated critical option that may not be, CON", "41 01 12 34 aa 31 61 01 61", "61 82 12 34 aa"},
    {"critical option of a wrong length, CON", "41 01 12 34 aa 30", "61 82 12 34 aa"},
    // §4.2: an ACK carries no request, a RST nothing at all.
    {"ACK that carries a request", "61 01 12 34 aa", ""},
    {"RST that carries a request", "71 01 12 34 aa", ""},
    {"RST that carries a response", "71 45 12 34 aa", ""},
    // RFC 7641 §3.6: a response that nobody asked for.
    {"CON response of no request", "41 45 12 34 aa", "70 00 12 34"},
    {"NON response of no request", "51 45 12 34 aa", "70 00 12 34"},
    {"ACK with a response of no request", "61 45 12 34 aa", ""},
};

class MessageTable : public ::testing::TestWithParam<Row> {};

TEST_P(MessageTable, GetsTheReactionThatTheRfcDemands) {  // MSG-08, COAP-01
  Lockstep peer;
  peer.connection.handle_datagram(hex(GetParam().datagram), peer.now);
  Bytes answer;
  if (const auto sent = peer.connection.poll_datagram()) answer = *sent;
  EXPECT_EQ(test::to_hex(answer), test::to_hex(hex(GetParam().answer)));
  EXPECT_TRUE(peer.silent());
  while (const auto told = peer.connection.poll_event()) {
    EXPECT_TRUE(std::holds_alternative<event::NotificationRejected>(*told)) << "the application heard of it";
  }
  peer.receive(message(Type::con, code::empty, 9));
  EXPECT_EQ(peer.sent(), message(Type::rst, code::empty, 9)) << "and the connection goes on";
}

INSTANTIATE_TEST_SUITE_P(Rfc7252, MessageTable, ::testing::ValuesIn(kRows));

struct Asking {
  Asking() {
    request = peer.connection.request({code::get, "/time", {}, {}, {}}, peer.now);
    asked = peer.sent();
  }
  Lockstep peer;
  RequestId request;
  Message asked;
};

TEST(Acknowledgement, ThatCarriesARequestIsIgnored) {  // MSG-08, RFC 7252 §4.2
  Asking asking;
  asking.peer.receive(message(Type::ack, code::get, asking.asked.id, asking.asked.token));
  EXPECT_TRUE(asking.peer.no_event());
  EXPECT_TRUE(asking.peer.connection.busy(Slot::ordinary));
}

TEST(Acknowledgement, WithACriticalOptionThatNobodyKnowsIsIgnored) {  // MSG-08, RFC 7252 §5.4.1
  Asking asking;
  auto answer = message(Type::ack, code::content, asking.asked.id, asking.asked.token, "x");
  answer.options.add(static_cast<OptionNumber>(9), "x");
  asking.peer.receive(answer);
  EXPECT_TRUE(asking.peer.no_event());
  asking.peer.pass(93s);
  EXPECT_EQ(asking.peer.event<event::RequestFailed>().why, event::Failure::timeout);
}

TEST(Reset, ThatIsNotEmptyIsIgnored) {  // MSG-08, RFC 7252 §4.2
  Asking asking;
  asking.peer.receive(message(Type::rst, code::content, asking.asked.id, asking.asked.token));
  EXPECT_TRUE(asking.peer.no_event());
  EXPECT_TRUE(asking.peer.connection.busy(Slot::ordinary));
  asking.peer.receive(message(Type::rst, code::empty, asking.asked.id));
  EXPECT_EQ(asking.peer.event<event::RequestFailed>().why, event::Failure::reset);
}

TEST(Notification, WithACriticalOptionThatNobodyKnowsEndsTheObservation) {  // MSG-08, RFC 7252 §5.4.1, RFC 7641 §3.6
  Lockstep peer;
  const auto id = peer.connection.observe({code::get, "/alarms", {}, {}, {}}, AckPolicy::held, peer.now);
  const auto asked = peer.sent();
  auto alarm = notification(Type::non, 100, asked.token, 1);
  alarm.options.add(static_cast<OptionNumber>(9), "x");
  peer.receive(alarm);
  EXPECT_TRUE(peer.silent());
  EXPECT_TRUE(peer.no_event()) << "a NON is ignored";
  alarm.type = Type::con;
  alarm.id = 101;
  for (int i = 0; i < 2; ++i) {
    peer.receive(alarm);
    EXPECT_EQ(peer.sent(), message(Type::rst, code::empty, 101));
  }
  EXPECT_EQ(peer.event<event::ObservationEnded>().observation, id) << "the peer drops an observer that resets";
  EXPECT_TRUE(peer.no_event());
  peer.pass(100s);
  EXPECT_TRUE(peer.silent());
}

// -- what comes twice -------------------------------------------------------------------------------------------------

TEST(Duplicates, OfARequestWhoseAnswerIsForgottenAreNotHandledAgain) {  // MSG-02, MSG-03
  Lockstep peer;
  for (std::uint16_t id = 0; id < 65; ++id) {
    peer.receive(get(Type::con, id, token("ab"), "/vitals"));
    peer.connection.respond(peer.event<event::RequestReceived>().exchange, {code::content, 112, bytes("v"), {}},
                            peer.now);
    peer.sent();
  }
  peer.receive(get(Type::con, 0, token("ab"), "/vitals"));
  EXPECT_TRUE(peer.silent()) << "the answer is gone, and its asker with it";
  EXPECT_TRUE(peer.no_event());
  peer.receive(get(Type::con, 1, token("ab"), "/vitals"));
  EXPECT_EQ(peer.sent().code, code::content);
}

TEST(Duplicates, AreKnownAmongAsManyAsAreRemembered) {  // MSG-03
  Connection::Config config;
  config.remembered_messages = 100;
  Lockstep peer(config);
  for (std::uint16_t id = 0; id < 100; ++id) peer.receive(get(Type::non, id, token("ab"), "/vitals"));
  const auto duplicates = [&] { return peer.connection.counters().duplicates; };
  EXPECT_EQ(duplicates(), 0u);
  peer.receive(get(Type::non, 0, token("ab"), "/vitals"));
  EXPECT_EQ(duplicates(), 1u) << "the oldest of a hundred";
  peer.receive(get(Type::non, 100, token("ab"), "/vitals"));
  peer.receive(get(Type::non, 1, token("ab"), "/vitals"));
  EXPECT_EQ(duplicates(), 2u) << "a duplicate took nobody's place";
  peer.receive(get(Type::non, 0, token("ab"), "/vitals"));
  EXPECT_EQ(duplicates(), 2u) << "the hundred and first did";
}

// -- message ids over a long session ----------------------------------------------------------------------------------

/// A wearable's end with an observer of its alarms and one of its vitals.
struct LongSession {
  LongSession() {
    alarms = observe(1, "tokA");
    vitals = observe(2, "tokV");
  }
  ObserverId observe(std::uint16_t id, std::string_view name) {
    peer.receive(get(Type::con, id, token(name), "/x", 0));
    const auto observer = peer.connection.respond_observed(peer.event<event::RequestReceived>().exchange, {}, peer.now);
    peer.sent();
    return observer;
  }
  DeliveryId raise(std::string_view text) {
    return peer.connection.notify(alarms, {code::content, 112, bytes(text), {}}, Reliability::con, Slot::alarm,
                                  peer.now);
  }
  /// NON notifications, until the next id to be drawn is `id`.
  void wrap_to(std::uint16_t id) {
    for (;;) {
      peer.now += 4ms;
      peer.connection.notify(vitals, {code::content, 112, {}, {}}, Reliability::non, Slot::ordinary, peer.now);
      if (peer.sent().id == static_cast<std::uint16_t>(id - 1)) return;
    }
  }
  static Connection::Config config() {
    Connection::Config config;
    config.probing_after = 24h;  // ids wrap sooner where nothing limits a peer that is silent
    return config;
  }
  Lockstep peer{config()};
  ObserverId alarms, vitals;
};

TEST(MessageIds, ThatComeAgainMeanTheNewMessage) {  // MSG-02, OBS-06
  LongSession session;
  auto& peer = session.peer;
  session.raise("one");
  const auto one = peer.sent();
  const auto two = session.raise("two");
  peer.pass(3s);
  const auto instead = peer.sent();
  EXPECT_EQ(instead.payload, bytes("two"));
  peer.receive(message(Type::ack, code::empty, instead.id));
  EXPECT_EQ(peer.event<event::NotificationAcknowledged>().delivery, two);
  session.wrap_to(one.id);
  peer.connection.notify(session.vitals, {}, Reliability::non, Slot::ordinary, peer.now);
  const auto again = peer.sent();
  ASSERT_EQ(again.id, one.id);
  peer.receive(message(Type::rst, code::empty, again.id));
  EXPECT_EQ(peer.event<event::ObserverLost>().observer, session.vitals) << "not that of the superseded alarm";
}

TEST(HeldAck, IsNotSentOnceItsMessageIdMayNameAnother) {  // MSG-02, MSG-09: it would release what was not committed
  Lockstep peer;
  peer.connection.observe({code::get, "/alarms", {}, {}, {}}, AckPolicy::held, peer.now);
  const auto asked = peer.sent();
  peer.receive(notification(Type::con, 100, asked.token, 1, "one"));
  const auto one = peer.event<event::NotificationReceived>();
  peer.pass(246s);
  peer.receive(notification(Type::con, 101, asked.token, 2, "two"));
  const auto two = peer.event<event::NotificationReceived>();
  peer.pass(1s);
  peer.receive(notification(Type::con, 100, asked.token, 3, "three"));
  const auto three = peer.event<event::NotificationReceived>();
  peer.connection.acknowledge(one.delivery, peer.now);
  EXPECT_TRUE(peer.silent()) << "its sender gave up long ago; the id names another alarm now";
  peer.receive(notification(Type::con, 100, asked.token, 3, "three"));
  EXPECT_TRUE(peer.silent());
  peer.connection.acknowledge(two.delivery, peer.now);
  EXPECT_EQ(peer.sent(), message(Type::ack, code::empty, 101));
  peer.connection.acknowledge(three.delivery, peer.now);
  EXPECT_EQ(peer.sent(), message(Type::ack, code::empty, 100));
}

}  // namespace
}  // namespace coap
