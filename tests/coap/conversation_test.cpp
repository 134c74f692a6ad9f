// What a wearable and ingest say to each other, message by message, and then again with every datagram of it lost,
// doubled, delayed past the next and echoed a minute later, and with pairs of such faults.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conversation_oracle.hpp"

namespace coap {
namespace {

using namespace std::chrono_literals;
using testing::Conversation;
using ::testing::ElementsAre;
using testing::play;
using testing::replay_with_faults;
using testing::Side;
using testing::transcript;

// -- requests --------------------------------------------------------------------------------------------------------

void both_ask(Conversation& it) {
  it.ask(Side::wearable, "/time");
  it.ask(Side::ingest, "/status");
  it.ask(Side::wearable, "/rd");
  it.pass(1s);
}

TEST(Requests, GoBothWaysOverOneSession) {  // MSG-04: one at a time and side
  EXPECT_THAT(transcript(*play(both_ask)),
              ElementsAre("wearable CON w1 GET /time?n=1 [a]",           //
                          "ingest   CON i1 GET /status?n=2 [b]",         //
                          "ingest   ACK w1 2.05 [a] \"answer to n=1\"",  //
                          "wearable ACK i1 2.05 [b] \"answer to n=2\"",  //
                          "wearable CON w2 GET /rd?n=3 [c]",             //
                          "ingest   ACK w2 2.05 [c] \"answer to n=3\""));
}

TEST(Requests, GoBothWaysWhateverTheNetworkDoes) { replay_with_faults(both_ask); }  // MSG-01, MSG-02, OBS-11

void slow_answers(Conversation& it) {
  it.answer_time = 1500ms;
  it.ask(Side::wearable, "/time");
  it.ask(Side::wearable, "/rd");
  it.pass(10s);
}

TEST(Requests, AreAcknowledgedFirstWhenTheAnswerTakesLong) {  // RFC 7252 §5.2.2
  EXPECT_THAT(transcript(*play(slow_answers)),
              ElementsAre("wearable CON w1 GET /time?n=1 [a]",           //
                          "ingest   ACK w1",                             //
                          "wearable CON w2 GET /rd?n=2 [b]",             //
                          "ingest   CON i1 2.05 [a] \"answer to n=1\"",  //
                          "wearable ACK i1",                             //
                          "ingest   ACK w2",                             //
                          "ingest   CON i2 2.05 [b] \"answer to n=2\"",  //
                          "wearable ACK i2"));
}

TEST(Requests, WithSlowAnswersEndOnceWhateverTheNetworkDoes) { replay_with_faults(slow_answers); }  // MSG-02

void answers_after_retransmissions(Conversation& it) {
  it.network.one_way = 1200ms;  // slower than the shortest timeout
  it.ask(Side::wearable, "/time");
  it.pass(20s);
}

TEST(Requests, OnASlowNetworkAreAnsweredOnce) { replay_with_faults(answers_after_retransmissions, {}, 200); }  // MSG-02

// -- vitals ----------------------------------------------------------------------------------------------------------

void vitals(Conversation& it) {
  const auto observation = it.observe("/vitals");
  it.pass(1s);
  it.notify("/vitals", "set 1", Reliability::non);
  it.pass(1s);
  it.notify("/vitals", "set 2", Reliability::con);
  it.notify("/vitals", "set 3", Reliability::non);
  it.pass(1s);
  it.cancel(observation);
  it.notify("/vitals", "set 4", Reliability::non);
  it.pass(1s);
}

TEST(Vitals, AreObservedAndCancelled) {  // OBS-03, OBS-07, OBS-12
  const auto it = play(vitals);
  EXPECT_THAT(transcript(*it), ElementsAre("ingest   CON i1 GET /vitals [a] observe 0",        //
                                           "wearable ACK i1 2.05 [a] observe 1 \"vitals 1\"",  //
                                           "wearable NON w1 2.05 [a] observe 2 \"set 1\"",     //
                                           "wearable CON w2 2.05 [a] observe 3 \"set 2\"",     //
                                           "wearable NON w3 2.05 [a] observe 4 \"set 3\"",     //
                                           "ingest   ACK w2",                                  //
                                           "ingest   CON i2 GET /vitals [a] observe 1",        //
                                           "wearable NON w4 2.05 [a] observe 5 \"set 4\"",     //
                                           "wearable ACK i2 2.05 [a] \"answer to \"",          //
                                           "ingest   RST w4"));
  EXPECT_EQ(it->ingest.counters().retired_token, 1u);
}

TEST(Vitals, AreObservedAndCancelledWhateverTheNetworkDoes) { replay_with_faults(vitals); }  // OBS-02, OBS-07, OBS-09

void vitals_cancelled_at_once(Conversation& it) {
  it.cancel(it.observe("/vitals"));
  it.pass(10ms);
  it.observe("/vitals");
  it.pass(1s);
  it.notify("/vitals", "set 1", Reliability::non);
  it.pass(1s);
}

TEST(Vitals, MayBeCancelledBeforeTheAnswerCame) {  // OBS-07
  const auto it = play(vitals_cancelled_at_once);
  EXPECT_THAT(transcript(*it), ElementsAre("ingest   CON i1 GET /vitals [a] observe 0",        //
                                           "ingest   CON i2 GET /vitals [a] observe 1",        //
                                           "wearable ACK i1 2.05 [a] observe 1 \"vitals 1\"",  //
                                           "wearable ACK i2 2.05 [a] \"answer to \"",          //
                                           "ingest   CON i3 GET /vitals [b] observe 0",        //
                                           "wearable ACK i3 2.05 [b] observe 2 \"vitals 2\"",  //
                                           "wearable NON w1 2.05 [b] observe 3 \"set 1\""));
}

TEST(Vitals, MayBeCancelledAtOnceWhateverTheNetworkDoes) { replay_with_faults(vitals_cancelled_at_once); }  // OBS-07

void stream(Conversation& it) {
  it.observe("/vitals");
  it.pass(1s);
  for (int i = 1; i <= 20; ++i) {
    it.notify("/vitals", "set " + std::to_string(i), i % 7 == 0 ? Reliability::con : Reliability::non);
    it.pass(25ms);  // the network takes 20 ms: a delayed one is passed by the next
  }
  it.pass(1s);
}

TEST(Vitals, NeverGoBackwardsWhateverTheNetworkDoes) { replay_with_faults(stream, {}, 200); }  // OBS-02

void vitals_refreshed(Conversation& it) {
  const auto observation = it.observe("/vitals");
  it.pass(1s);
  it.notify("/vitals", "set 1", Reliability::non);
  it.pass(70s);
  it.refresh(observation);
  it.pass(1s);
  it.notify("/vitals", "set 2", Reliability::non);
  it.pass(1s);
}

TEST(Vitals, AreRefreshedUnderTheSameToken) {  // OBS-08
  const auto it = play(vitals_refreshed);
  EXPECT_THAT(transcript(*it), ElementsAre("ingest   CON i1 GET /vitals [a] observe 0",        //
                                           "wearable ACK i1 2.05 [a] observe 1 \"vitals 1\"",  //
                                           "wearable NON w1 2.05 [a] observe 2 \"set 1\"",     //
                                           "ingest   CON i2 GET /vitals [a] observe 0",        //
                                           "wearable ACK i2 2.05 [a] observe 3 \"vitals 2\"",  //
                                           "wearable NON w2 2.05 [a] observe 4 \"set 2\""));
  EXPECT_EQ(it->sent[0].message.options, it->sent[3].message.options);
}

TEST(Vitals, AreRefreshedWhateverTheNetworkDoes) { replay_with_faults(vitals_refreshed); }  // OBS-08

// -- alarms ----------------------------------------------------------------------------------------------------------

void alarms(Conversation& it) {
  it.observe("/alarms");
  it.pass(1s);
  it.notify("/alarms", "alarm 1");
  it.pass(1s);
  it.notify("/alarms", "heartbeat");
  it.pass(1s);
}

TEST(Alarms, AreAcknowledgedWhenTheyAreCommitted) {                                                       // MSG-09
  EXPECT_THAT(transcript(*play(alarms)), ElementsAre("ingest   CON i1 GET /alarms [a] observe 0",         //
                                                     "wearable ACK i1",                                   //
                                                     "wearable CON w1 2.05 [a] observe 1 \"alarms 1\"",   //
                                                     "ingest   ACK w1",                                   //
                                                     "wearable CON w2 2.05 [a] observe 2 \"alarm 1\"",    //
                                                     "ingest   ACK w2",                                   //
                                                     "wearable CON w3 2.05 [a] observe 3 \"heartbeat\"",  //
                                                     "ingest   ACK w3"));
}

TEST(Alarms, AreCommittedWhateverTheNetworkDoes) { replay_with_faults(alarms); }  // MSG-09, OBS-05, SEC-ATK-1

void alarms_while_storage_is_away(Conversation& it) {
  it.observe("/alarms");
  it.pass(1s);
  it.storage(false);
  it.notify("/alarms", "alarm 1");
  it.pass(500ms);
  it.notify("/alarms", "alarm 2");  // waits
  it.notify("/alarms", "alarm 3");  // takes the place of 2, and goes instead of 1 at its retransmission
  it.pass(4s);
  it.notify("/alarms", "alarm 4");  // goes instead of 3
  it.pass(6s);
  it.storage(true);
  it.pass(1s);
  it.notify("/alarms", "alarm 5");
  it.pass(1s);
}

TEST(Alarms, ANewerOneGoesInsteadOfTheOlderAtItsRetransmission) {  // RFC 7641 §4.5.2, MSG-01, MSG-09
  const auto it = play(alarms_while_storage_is_away);
  EXPECT_THAT(transcript(*it), ElementsAre("ingest   CON i1 GET /alarms [a] observe 0",        //
                                           "wearable ACK i1",                                  //
                                           "wearable CON w1 2.05 [a] observe 1 \"alarms 1\"",  //
                                           "ingest   ACK w1",                                  //
                                           "wearable CON w2 2.05 [a] observe 2 \"alarm 1\"",   //
                                           "wearable CON w3 2.05 [a] observe 4 \"alarm 3\"",   //
                                           "wearable CON w4 2.05 [a] observe 5 \"alarm 4\"",   //
                                           "ingest   ACK w2",                                  //
                                           "ingest   ACK w3",                                  //
                                           "ingest   ACK w4",                                  //
                                           "wearable CON w5 2.05 [a] observe 6 \"alarm 5\"",   //
                                           "ingest   ACK w5"));
  for (const auto& [id, one] : it->deliveries) {
    EXPECT_EQ(one.acknowledged, one.text == "alarm 2" ? 0 : 1) << one.text << ": each ACK releases its own";
  }
}

TEST(Alarms, SupersedeEachOtherWhateverTheNetworkDoes) { replay_with_faults(alarms_while_storage_is_away, {}, 200); }

void alarms_given_up(Conversation& it) {
  it.observe("/alarms");
  it.pass(1s);
  it.storage(false);
  it.notify("/alarms", "alarm 1");
  it.pass(100s);
  it.notify("/alarms", "nobody hears this");
  it.pass(1s);
  it.storage(true);
  it.pass(1s);
  it.observe("/alarms");
  it.pass(1s);
  it.notify("/alarms", "alarm 1 once more");
  it.pass(1s);
}

TEST(Alarms, GivenUpLoseTheObserverAndComeToTheNext) {  // OBS-05
  const auto it = play(alarms_given_up);
  ASSERT_EQ(it->lost.size(), 1u);
  EXPECT_EQ(it->lost.begin()->second, event::Failure::timeout);
  EXPECT_THAT(transcript(*it), ElementsAre("ingest   CON i1 GET /alarms [a] observe 0",                 //
                                           "wearable ACK i1",                                           //
                                           "wearable CON w1 2.05 [a] observe 1 \"alarms 1\"",           //
                                           "ingest   ACK w1",                                           //
                                           "wearable CON w2 2.05 [a] observe 2 \"alarm 1\"",            //
                                           "wearable CON w2 2.05 [a] observe 2 \"alarm 1\"",            //
                                           "wearable CON w2 2.05 [a] observe 2 \"alarm 1\"",            //
                                           "wearable CON w2 2.05 [a] observe 2 \"alarm 1\"",            //
                                           "wearable CON w2 2.05 [a] observe 2 \"alarm 1\"",            //
                                           "ingest   ACK w2",                                           // too late
                                           "ingest   CON i2 GET /alarms [b] observe 0",                 //
                                           "wearable ACK i2",                                           //
                                           "wearable CON w3 2.05 [b] observe 3 \"alarms 2\"",           //
                                           "ingest   ACK w3",                                           //
                                           "wearable CON w4 2.05 [b] observe 4 \"alarm 1 once more\"",  //
                                           "ingest   ACK w4"));
}

TEST(Alarms, GivenUpComeToTheNextObserverWhateverTheNetworkDoes) { replay_with_faults(alarms_given_up); }  // OBS-05

void alarms_refreshed(Conversation& it) {
  const auto observation = it.observe("/alarms");
  it.pass(1s);
  it.notify("/alarms", "alarm 1");
  it.refresh(observation);
  it.pass(1s);
  it.refresh(observation);
  it.pass(1s);
  it.notify("/alarms", "alarm 2");
  it.pass(1s);
}

TEST(Alarms, ObservedAgainUnderTheSameTokenHaveOneObserver) {  // OBS-08, OBS-09
  const auto it = play(alarms_refreshed);
  EXPECT_THAT(transcript(*it), ElementsAre("ingest   CON i1 GET /alarms [a] observe 0",        //
                                           "wearable ACK i1",                                  //
                                           "wearable CON w1 2.05 [a] observe 1 \"alarms 1\"",  //
                                           "ingest   ACK w1",                                  //
                                           "wearable CON w2 2.05 [a] observe 2 \"alarm 1\"",   //
                                           "ingest   CON i2 GET /alarms [a] observe 0",        //
                                           "wearable ACK i2",                                  //
                                           "ingest   ACK w2",                                  //
                                           "wearable CON w3 2.05 [a] observe 3 \"alarms 2\"",  //
                                           "ingest   ACK w3",                                  //
                                           "ingest   CON i3 GET /alarms [a] observe 0",        //
                                           "wearable ACK i3",                                  //
                                           "wearable CON w4 2.05 [a] observe 4 \"alarms 3\"",  //
                                           "ingest   ACK w4",                                  //
                                           "wearable CON w5 2.05 [a] observe 5 \"alarm 2\"",   //
                                           "ingest   ACK w5"));
}

TEST(Alarms, AreRefreshedWhateverTheNetworkDoes) { replay_with_faults(alarms_refreshed); }  // OBS-08, OBS-09

void alarms_refreshed_after_the_observer_was_lost(Conversation& it) {
  const auto observation = it.observe("/alarms");
  it.pass(1s);
  it.notify("/alarms", "alarm 1");
  it.pass(1s);
  it.storage(false);
  it.notify("/alarms", "alarm 2");
  it.pass(100s);
  it.storage(true);
  it.pass(1s);
  it.refresh(observation);
  it.pass(1s);
  it.notify("/alarms", "alarm 3");
  it.pass(1s);
}

TEST(Alarms, RefreshedAfterTheObserverWasLostAreNewerThanBefore) {  // OBS-03, OBS-05
  const auto it = play(alarms_refreshed_after_the_observer_was_lost);
  for (const auto& one : it->heard) EXPECT_TRUE(one.fresh) << one.text;
  EXPECT_EQ(it->heard.back().text, "alarm 3");
}

TEST(Alarms, AreRefreshedAfterALossWhateverTheNetworkDoes) {  // OBS-03, OBS-05
  replay_with_faults(alarms_refreshed_after_the_observer_was_lost);
}

void alarms_cancelled_while_held(Conversation& it) {
  const auto observation = it.observe("/alarms");
  it.pass(1s);
  it.storage(false);
  it.notify("/alarms", "alarm 1");
  it.pass(1s);
  it.cancel(observation);
  it.pass(5s);
  it.storage(true);
  it.pass(5s);
}

TEST(Alarms, MayBeCancelledWhileOneIsHeld) {  // OBS-07
  const auto it = play(alarms_cancelled_while_held);
  EXPECT_EQ(transcript(*it).back(), "ingest   ACK w2") << "it was taken and committed";
  EXPECT_EQ(it->left.size(), 1u);
  replay_with_faults(alarms_cancelled_while_held);
}

void alarms_cancelled_at_once(Conversation& it) {
  it.cancel(it.observe("/alarms"));
  it.pass(30s);
}

TEST(Alarms, MayBeCancelledBeforeTheAnswerCame) {  // OBS-06, OBS-07: the answer is under way and is reset
  const auto it = play(alarms_cancelled_at_once);
  EXPECT_TRUE(it->observers.empty());
  EXPECT_TRUE(it->heard.empty());
  replay_with_faults(alarms_cancelled_at_once);
}

// -- all at once -----------------------------------------------------------------------------------------------------

void a_busy_session(Conversation& it) {
  it.ask(Side::wearable, "/time");
  it.ask(Side::wearable, "/rd");
  it.pass(200ms);
  it.observe("/vitals");
  it.observe("/alarms");
  it.pass(1s);
  it.storage(false);
  it.notify("/alarms", "alarm 1");
  it.notify("/vitals", "set 1", Reliability::non);
  it.pass(3500ms);
  it.notify("/alarms", "alarm 2");
  it.notify("/vitals", "set 2", Reliability::con);
  it.ask(Side::ingest, "/status");
  it.pass(10s);
  it.storage(true);
  it.pass(100ms);
  it.ping(Side::ingest);
  it.notify("/vitals", "set 3", Reliability::non);
  it.notify("/alarms", "alarm 3");
  it.pass(1s);
}

TEST(Session, CarriesAllAtOnceWhateverTheNetworkDoes) {  // MSG-04
  Conversation::Config config;
  config.wearable.detect_silence = true;
  const auto it = play(a_busy_session, config);
  EXPECT_TRUE(it->closed.empty()) << "a held ACK is no death";
  replay_with_faults(a_busy_session, config, 300);
}

}  // namespace
}  // namespace coap
