// A name has several addresses, and most faults leave only some of them dead. Virtual time. NET-1

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "../coap/memory_channel.hpp"
#include "coap/message.hpp"
#include "device_core.hpp"

namespace wardlink {
namespace {

using coap::Address;
using coap::Instant;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

constexpr std::uint8_t kRefusal = 0, kFinished = 1, kJunk = 2, kChallenge = 3;

/// Sends one datagram, and again each second where it repeats itself. What comes back opens it, refuses it, is no part
/// of a handshake, or has it send one more, as a HelloVerifyRequest does.
class Flight final : public coap::testing::MemoryChannel {
 public:
  explicit Flight(Instant now, bool repeats)
      : MemoryChannel(coap::PeerIdentity{"", 0}, false), repeat_at_(repeats ? now + 1s : Instant::max()) {}
  std::optional<coap::Bytes> poll_datagram() override {
    if (!std::exchange(flown_, true)) return coap::Bytes{0x16};
    return MemoryChannel::poll_datagram();
  }
  std::optional<Instant> deadline() const override {
    return state() == State::handshaking && repeat_at_ < Instant::max() ? std::optional(repeat_at_) : std::nullopt;
  }
  void handle_timeout(Instant now) override {
    flown_ = false;
    repeat_at_ = now + 1s;
  }
  bool handle_datagram(coap::ByteView datagram, Instant now) override {
    if (state() != State::handshaking) return MemoryChannel::handle_datagram(datagram, now);
    if (datagram[0] == kChallenge) flown_ = false;
    if (datagram[0] == kChallenge || datagram[0] == kJunk) return false;
    const coap::Bytes verdict{datagram[0] == 0 ? kCloseNotify : std::uint8_t{0x60}, 0, 0, 0};
    return MemoryChannel::handle_datagram(datagram[0] == 0 ? coap::ByteView(verdict).first(1) : coap::ByteView(verdict),
                                          now);
  }

 private:
  bool flown_ = false;
  Instant repeat_at_;
};

Address v4(std::uint8_t last) { return {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, last}, 5684}; }
Address v6(std::uint8_t last) { return {{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}, 5684}; }

class ServerAddresses : public ::testing::Test {
 protected:
  enum class Kind : std::uint8_t { dead, answers, refuses, talks_junk, challenges_once, challenges };
  struct Sent {
    Address to;
    coap::Duration after;
    bool operator==(const Sent&) const = default;
  };

  void found(std::vector<Address> addresses) { core_.handle_addresses(std::move(addresses), now_), exchange(); }
  void is(const Address& address, Kind kind) { kinds_[address] = kind; }

  void start() {
    core_.start(now_);
    exchange();
  }
  void pass(coap::Duration duration) {
    const auto until = now_ + duration;
    for (auto due = core_.next_deadline(); due && *due <= until; due = core_.next_deadline()) {
      now_ = std::max(now_, *due);
      core_.handle_timeout(now_);
      exchange();
    }
    now_ = until;
  }
  void pass_until_look_up(int number) {
    while (look_ups_ < number && now_ - Instant{} < 1h) pass(1ms);
    ASSERT_EQ(look_ups_, number);
  }
  std::string problem() const { return recorder_.status().last_problem; }

  /// Whom the first flights went to, and how long after the start.
  std::vector<Sent> flights_;
  /// Whom GET /time went to.
  std::set<Address> asked_;
  int look_ups_ = 0;
  bool repeats_ = false;  // flights
  Instant now_{};
  Recorder recorder_{{1, {{}, 0, 0}, 10, 8, [] { return 0ull; }, nullptr}};
  DeviceCore core_{{"urn:dev:os:32473-a", std::chrono::seconds{30}, {}},
                   {[this] { ++look_ups_; }, [this](Instant now) { return std::make_unique<Flight>(now, repeats_); },
                    coap::testing::seeded(7), [] { return std::chrono::system_clock::time_point{}; }},
                   recorder_};

 private:
  void exchange() {
    while (const auto datagram = core_.poll_datagram()) {
      if (datagram->bytes != coap::Bytes{0x16}) {
        if (datagram->bytes.size() > 1) asked_.insert(datagram->to);
        continue;
      }
      flights_.push_back({datagram->to, now_ - Instant{}});
      answer(datagram->to);
    }
  }
  void answer(const Address& from) {
    const auto give = [&](std::uint8_t what) { core_.handle_datagram(from, coap::Bytes{what}, now_); };
    switch (kinds_[from]) {
      case Kind::dead:
        return;
      case Kind::answers:
        return give(kFinished);
      case Kind::refuses:
        return give(kRefusal);
      case Kind::talks_junk:
        return give(kJunk);
      case Kind::challenges_once:
        is(from, Kind::dead);
        return give(kChallenge);
      case Kind::challenges:
        if (now_ - last_challenge_ < 900ms) return;
        last_challenge_ = now_;
        return give(kChallenge);
    }
  }
  Instant last_challenge_{-1s};
  std::map<Address, Kind> kinds_;
};

TEST_F(ServerAddresses, TheFirstIsTakenWhereItAnswers) {  // NET-1
  is(v6(1), Kind::answers);
  is(v4(1), Kind::answers);
  start();
  found({v6(1), v4(1)});
  pass(1s);
  EXPECT_THAT(flights_, ElementsAre(Sent{v6(1), 0s}));
  EXPECT_THAT(asked_, ElementsAre(v6(1)));
}

TEST_F(ServerAddresses, ADeadOneIsNotWaitedFor) {  // NET-1
  is(v4(1), Kind::answers);
  start();
  found({v6(1), v4(1)});
  pass(1s);
  EXPECT_THAT(flights_, ElementsAre(Sent{v6(1), 0s}, Sent{v4(1), 250ms}));
  EXPECT_THAT(asked_, ElementsAre(v4(1)));
}

TEST_F(ServerAddresses, AllAreTriedFamiliesInTurn) {  // NET-1
  is(v6(3), Kind::answers);
  start();
  found({v6(1), v6(2), v6(3), v4(1), v4(2)});
  pass(2s);
  EXPECT_THAT(flights_, ElementsAre(Sent{v6(1), 0ms}, Sent{v4(1), 250ms}, Sent{v6(2), 500ms}, Sent{v4(2), 750ms},
                                    Sent{v6(3), 1000ms}));
  EXPECT_THAT(asked_, ElementsAre(v6(3)));
}

TEST_F(ServerAddresses, OneThatAnswersLateIsStillTaken) {  // NET-1
  start();
  found({v6(1), v4(1)});
  pass(1s);
  core_.handle_datagram(v6(1), coap::Bytes{1}, now_);
  while (const auto datagram = core_.poll_datagram()) asked_.insert(datagram->to);
  EXPECT_THAT(asked_, ElementsAre(v6(1)));
  core_.handle_datagram(v4(1), coap::Bytes{1}, now_);
  EXPECT_EQ(core_.poll_datagram(), std::nullopt) << "the other one's flight is over";
}

TEST_F(ServerAddresses, OneThatRefusesIsFollowedByTheNextAtOnce) {  // NET-1
  is(v6(1), Kind::refuses);
  is(v4(1), Kind::answers);
  start();
  found({v6(1), v4(1)});
  EXPECT_THAT(flights_, ElementsAre(Sent{v6(1), 0s}, Sent{v4(1), 0s}));
  EXPECT_THAT(asked_, ElementsAre(v4(1)));
}

// Anybody can forge a datagram, and a HelloVerifyRequest comes also from a server that is half dead.

TEST_F(ServerAddresses, OneThatTalksJunkIsNotChosen) {  // NET-1
  is(v6(1), Kind::talks_junk);
  is(v4(1), Kind::answers);
  start();
  found({v6(1), v4(1)});
  pass(3s);
  EXPECT_THAT(flights_, ElementsAre(Sent{v6(1), 0s}, Sent{v4(1), 2s}));
  EXPECT_THAT(asked_, ElementsAre(v4(1)));
}

TEST_F(ServerAddresses, OneThatOnlyChallengesIsNotChosen) {  // NET-1
  is(v6(1), Kind::challenges_once);
  is(v4(1), Kind::answers);
  start();
  found({v6(1), v4(1)});
  pass(3s);
  EXPECT_THAT(flights_, ElementsAre(Sent{v6(1), 0s}, Sent{v6(1), 0s}, Sent{v4(1), 2s}));
  EXPECT_THAT(asked_, ElementsAre(v4(1)));
}

TEST_F(ServerAddresses, OneThatGoesOnChallengingIsNotChosen) {  // NET-1
  repeats_ = true;
  is(v6(1), Kind::challenges);
  is(v4(1), Kind::answers);
  start();
  found({v6(1), v4(1)});
  pass(3s);
  EXPECT_THAT(asked_, ElementsAre(v4(1)));
}

TEST_F(ServerAddresses, OneForgedDatagramEndsNoOtherAttempt) {  // NET-1
  start();
  found({v6(1), v4(1)});
  pass(1s);  // both are under way
  core_.handle_datagram(v6(1), coap::Bytes{kJunk}, now_);
  core_.handle_datagram(v4(1), coap::Bytes{kFinished}, now_);
  while (const auto datagram = core_.poll_datagram()) asked_.insert(datagram->to);
  EXPECT_THAT(asked_, ElementsAre(v4(1)));
  core_.handle_datagram(v6(1), coap::Bytes{kFinished}, now_);
  EXPECT_EQ(core_.poll_datagram(), std::nullopt) << "one that stands is enough";
}

TEST_F(ServerAddresses, OneThatTalkedJunkIsStillTakenWhenItAnswers) {  // NET-1
  is(v6(1), Kind::talks_junk);
  start();
  found({v6(1), v4(1)});
  pass(3s);
  core_.handle_datagram(v6(1), coap::Bytes{kFinished}, now_);
  while (const auto datagram = core_.poll_datagram()) asked_.insert(datagram->to);
  EXPECT_THAT(asked_, ElementsAre(v6(1)));
}

TEST_F(ServerAddresses, OneThatChallengesForEverIsGivenUp) {  // NET-1
  repeats_ = true;
  is(v4(1), Kind::challenges);
  start();
  found({v4(1)});
  pass(14'900ms);
  EXPECT_EQ(problem(), "");
  pass(200ms);
  EXPECT_THAT(problem(), HasSubstr("did not complete"));
  pass_until_look_up(2);
}

TEST_F(ServerAddresses, AFlightThatIsLostIsRepeated) {  // NET-1
  repeats_ = true;
  start();
  found({v4(1)});
  pass(900ms);
  is(v4(1), Kind::answers);
  pass(200ms);
  EXPECT_THAT(flights_, ElementsAre(Sent{v4(1), 0s}, Sent{v4(1), 1s}));
  EXPECT_THAT(asked_, ElementsAre(v4(1)));
}

TEST_F(ServerAddresses, WhereNoneAnswersItSaysSoAndLooksTheNameUpAgain) {  // NET-1
  start();
  found({v6(1), v4(1)});
  pass(5200ms);
  EXPECT_EQ(problem(), "");
  pass(100ms);
  EXPECT_THAT(problem(), HasSubstr("Nothing answers"));
  pass_until_look_up(2);
  is(v4(7), Kind::answers);
  found({v4(7)});
  EXPECT_THAT(asked_, ElementsAre(v4(7)));
}

TEST_F(ServerAddresses, WhileTheNameServiceIsSilentNothingElseIsDue) {  // DUR-2, NET-1
  start();
  pass(2s);
  EXPECT_THAT(problem(), HasSubstr("name service"));
  EXPECT_EQ(core_.next_deadline(), std::nullopt);
  pass(1h);
  EXPECT_EQ(look_ups_, 1) << "one look-up hangs, not a thousand";
  is(v4(1), Kind::answers);
  found({v4(1)});
  EXPECT_THAT(asked_, ElementsAre(v4(1)));
}

TEST_F(ServerAddresses, OfAnEarlierLookUpHaveToDoWhileTheNameServiceIsSilent) {  // NET-1
  start();
  found({v4(1)});
  pass_until_look_up(2);  // it is dead
  is(v4(1), Kind::answers);
  pass(2s);
  EXPECT_THAT(asked_, ElementsAre(v4(1)));
  found({v4(1), v4(2)});  // what comes late disturbs nothing
  EXPECT_THAT(asked_, ElementsAre(v4(1)));
}

TEST_F(ServerAddresses, NewOnesThatComeLateAreTriedAtOnce) {  // NET-1
  start();
  found({v4(1)});
  pass_until_look_up(2);
  is(v4(2), Kind::answers);
  pass(2100ms);  // the old one is being tried
  found({v4(1), v4(2)});
  EXPECT_THAT(asked_, ElementsAre(v4(2)));
  EXPECT_EQ(flights_.size(), 3u) << "the one under way is not begun again";
}

TEST_F(ServerAddresses, AnUnknownNameIsAskedForAgain) {  // NET-1
  start();
  core_.handle_addresses(std::string("The host x is not known."), now_);
  EXPECT_EQ(look_ups_, 1);
  EXPECT_THAT(problem(), HasSubstr("not known"));
  pass_until_look_up(2);
}

TEST_F(ServerAddresses, AStoppedDeviceTakesNoAnswer) {
  start();
  core_.stop(now_);
  found({v4(1)});
  pass(1h);
  EXPECT_THAT(flights_, IsEmpty());
  EXPECT_EQ(core_.next_deadline(), std::nullopt);
}

}  // namespace
}  // namespace wardlink
