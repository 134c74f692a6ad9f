// How observations and sessions end, as conversations with every fault of the network.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conversation_oracle.hpp"

namespace coap {
namespace {

using namespace std::chrono_literals;
using testing::Conversation;
using ::testing::ElementsAre;
using testing::message;
using testing::notification;
using testing::play;
using testing::replay_with_faults;
using testing::Side;
using testing::transcript;

// -- by what the wearable answers (RFC 7641 §3.2, §4.2) ---------------------------------------------------------------

void refused(Conversation& it) {
  it.observe("/gone");
  it.observe("/once");
  it.pass(1s);
}

TEST(ObservationEnd, IsAnErrorOrAnAnswerWithoutTheOption) {  // OBS-10
  const auto it = play(refused);
  EXPECT_THAT(transcript(*it), ElementsAre("ingest   CON i1 GET /gone [a] observe 0",  //
                                           "wearable ACK i1 4.04 [a] \"gone 1\"",      //
                                           "ingest   CON i2 GET /once [b] observe 0",  //
                                           "wearable ACK i2 2.05 [b] \"once 1\""));
  EXPECT_EQ(it->ended.size(), 2u);
  ASSERT_EQ(it->heard.size(), 1u) << "the answer counts all the same";
  EXPECT_EQ(it->heard[0].text, "once 1");
  replay_with_faults(refused);
}

void taken_away(Conversation& it, Reliability reliability) {
  it.observe("/vitals");
  it.pass(1s);
  it.notify("/vitals", "set 1", Reliability::non);
  it.pass(1s);
  const auto observer = it.observers["/vitals"];
  it.notify("/vitals", "no more", reliability, code::not_found);
  it.wearable.notify(observer, {}, Reliability::non, Slot::ordinary, it.now);
  it.pass(1s);
  it.observe("/vitals");
  it.pass(1s);
  it.notify("/vitals", "set 2", Reliability::non);
  it.pass(1s);
}

TEST(ObservationEnd, IsANotificationWithAnErrorOnBothSides) {  // OBS-10, RFC 7641 §4.2
  const auto script = [](Conversation& it) { taken_away(it, Reliability::con); };
  const auto it = play(script);
  EXPECT_THAT(transcript(*it), ElementsAre("ingest   CON i1 GET /vitals [a] observe 0",        //
                                           "wearable ACK i1 2.05 [a] observe 1 \"vitals 1\"",  //
                                           "wearable NON w1 2.05 [a] observe 2 \"set 1\"",     //
                                           "wearable CON w2 4.04 [a] \"no more\"",             //
                                           "ingest   ACK w2",                                  //
                                           "ingest   CON i2 GET /vitals [b] observe 0",        //
                                           "wearable ACK i2 2.05 [b] observe 3 \"vitals 2\"",  //
                                           "wearable NON w3 2.05 [b] observe 4 \"set 2\""));
  EXPECT_TRUE(it->rejected.empty());
}

TEST(ObservationEnd, IsANonConfirmableErrorToo) {  // OBS-10
  const auto it = play([](Conversation& conversation) { taken_away(conversation, Reliability::non); });
  EXPECT_EQ(it->ended.size(), 1u);
  EXPECT_TRUE(it->rejected.empty());
}

void observed_twice(Conversation& it) {
  it.observe("/alarms");
  it.pass(1s);
  it.storage(false);
  it.notify("/alarms", "alarm 1");
  it.pass(1s);
  it.observe("/alarms");  // the wearable takes the newer for the older
  it.pass(1s);
  it.storage(true);
  it.pass(1s);
}

TEST(ObservationEnd, OfTheOlderObserverMakesWayForTheNewer) {  // OBS-09
  const auto it = play(observed_twice);
  EXPECT_THAT(transcript(*it), ElementsAre("ingest   CON i1 GET /alarms [a] observe 0",        //
                                           "wearable ACK i1",                                  //
                                           "wearable CON w1 2.05 [a] observe 1 \"alarms 1\"",  //
                                           "ingest   ACK w1",                                  //
                                           "wearable CON w2 2.05 [a] observe 2 \"alarm 1\"",   //
                                           "ingest   CON i2 GET /alarms [b] observe 0",        //
                                           "wearable ACK i2",                                  //
                                           "wearable CON w3 2.05 [b] observe 1 \"alarms 2\"",  //
                                           "ingest   ACK w2",                                  //
                                           "ingest   ACK w3"));
  replay_with_faults(observed_twice);
}

// -- by a reset -------------------------------------------------------------------------------------------------------

void reset_while_the_answer_is_late(Conversation& it) {
  it.answer_time = 1500ms;
  const auto observation = it.observe("/vitals");
  it.pass(1510ms);  // the separate answer is on its way
  it.network.cut(true);
  it.cancel(observation);  // and what cancels is lost
  it.network.cut(false);
  it.pass(200ms);
}

TEST(ObservationEnd, IsAResetOfTheLateFirstAnswer) {  // OBS-06, RFC 7641 §3.6
  const auto it = play(reset_while_the_answer_is_late);
  ASSERT_EQ(it->lost.size(), 1u);
  EXPECT_EQ(it->lost.begin()->second, event::Failure::reset);
}

TEST(ObservationEnd, IsOnlyAResetOfItsOwnMessage) {  // OBS-06
  Conversation it;
  it.observe("/vitals");
  it.observe("/alarms");
  it.pass(1s);
  it.notify("/vitals", "set 1", Reliability::non);
  const auto id = it.sent.back().message.id;
  for (const int off : {-1, 1, 1000}) {
    it.forge(Side::wearable, encode(message(Type::rst, code::empty, static_cast<std::uint16_t>(id + off))));
  }
  EXPECT_TRUE(it.lost.empty());
  it.forge(Side::wearable, encode(message(Type::rst, code::empty, id)));
  EXPECT_EQ(it.lost.size(), 1u);
  EXPECT_FALSE(it.observers.contains("/vitals"));
  EXPECT_TRUE(it.observers.contains("/alarms")) << "that observation only";
  it.notify("/alarms", "alarm 1");
  it.pass(1s);
  EXPECT_EQ(it.heard.back().text, "alarm 1");
}

// -- with the session -------------------------------------------------------------------------------------------------

void closed_in_the_middle(Conversation& it, Side who) {
  it.observe("/vitals");
  it.observe("/alarms");
  it.pass(1s);
  it.storage(false);
  it.ask(Side::wearable, "/time");
  it.notify("/alarms", "alarm 1");
  it.notify("/vitals", "set 1", Reliability::con);
  it.pass(30ms);
  it.ask(Side::ingest, "/status");
  it.ask(Side::ingest, "/status");
  it.close(who);
  it.pass(1s);
  it.storage(true);  // what was held is acknowledged to nobody
  it.ask(who, "/after-the-end");
  it.pass(1s);
}

TEST(SessionEnd, FailsWhatIsOpenWhateverTheNetworkDoes) {  // OBS-13
  for (const auto who : {Side::wearable, Side::ingest}) {
    const auto script = [who](Conversation& it) { closed_in_the_middle(it, who); };
    const auto it = play(script);
    EXPECT_EQ(it->closed.size(), 2u);
    const auto at_close = it->sent.size();
    it->pass(200s);
    EXPECT_EQ(it->sent.size(), at_close) << "nothing is sent again after the end";
    replay_with_faults(script);
  }
}

TEST(SessionEnd, LeavesNothingToTheNextSession) {  // OBS-12, OBS-13
  Conversation first;
  first.observe("/alarms");
  first.pass(1s);
  first.storage(false);
  first.notify("/alarms", "alarm 1");
  const auto alarm = first.sent.back();
  first.pass(1s);
  first.close(Side::wearable);

  Conversation::Config config;
  config.seed = 2;
  Conversation second({}, config);
  const auto observation = second.observe("/alarms");
  second.pass(1s);
  second.forge(Side::ingest, alarm.bytes);
  ASSERT_EQ(second.rejected.size(), 1u);
  EXPECT_EQ(second.rejected[0].why, event::NotificationRejected::Why::unknown);
  EXPECT_EQ(second.ingest.counters().unknown_token, 1u);
  EXPECT_EQ(second.sent.back().message, message(Type::rst, code::empty, alarm.message.id));

  second.storage(false);
  second.notify("/alarms", "alarm 1");  // the same record, as a new message
  const auto again = second.sent.back();
  EXPECT_NE(again.message.id, alarm.message.id);
  EXPECT_NE(again.message.token, alarm.message.token);
  second.pass(1s);
  second.forge(Side::wearable, encode(message(Type::ack, code::empty, alarm.message.id)));
  second.forge(Side::wearable, encode(message(Type::rst, code::empty, alarm.message.id)));
  EXPECT_TRUE(second.wearable.busy(Slot::alarm)) << "an ACK of the last session releases nothing";
  EXPECT_TRUE(second.lost.empty());

  second.cancel(observation);
  second.pass(1s);
  const auto rejected = second.rejected.size();
  second.forge(Side::ingest, encode(notification(Type::con, 7, again.message.token, 99)));
  ASSERT_EQ(second.rejected.size(), rejected + 1);
  EXPECT_EQ(second.rejected.back().why, event::NotificationRejected::Why::retired);
}

}  // namespace
}  // namespace coap
