// What a peer gets that says nothing (RFC 7252 §4.7). MSG-04.

#include <gtest/gtest.h>

#include "coap/connection.hpp"
#include "lockstep.hpp"

namespace coap {
namespace {

using namespace std::chrono_literals;
using testing::get;
using testing::Lockstep;
using testing::message;
using testing::token;

struct Quiet {
  Lockstep peer;
  ObserverId observer{};
  std::size_t nons = 0, non_bytes = 0, pings = 0;
  std::optional<std::uint16_t> ping;

  Quiet() {
    peer.receive(get(Type::con, 1, token("tok1"), "/vitals", 0));
    const auto asked = peer.event<event::RequestReceived>();
    observer = peer.connection.respond_observed(asked.exchange, {code::content, {}, {}, {}}, peer.now);
    peer.sent();
  }
  void drain() {
    while (const auto datagram = peer.connection.poll_datagram()) {
      const auto sent = decode(*datagram);
      if (sent->type == Type::non) {
        ++nons;
        non_bytes += datagram->size();
      }
      if (sent->code.is_empty() && ping != sent->id) {
        ++pings;
        ping = sent->id;
      }
    }
  }
  /// One notification of 100 bytes a second.
  void notify_for(std::chrono::seconds time) {
    for (auto left = time; left > 0s; left -= 1s) {
      peer.connection.notify(observer, {code::content, {}, Bytes(92, 'v'), {}}, Reliability::non, Slot::ordinary,
                             peer.now);
      drain();
      peer.pass(1s);
      drain();
    }
  }
};

TEST(Probing, ASilentPeerGetsOneByteASecond) {  // MSG-04
  Quiet quiet;
  quiet.notify_for(93s);
  EXPECT_EQ(quiet.nons, 93u) << "until then all of it";
  quiet.non_bytes = 0;
  quiet.notify_for(10'000s);
  EXPECT_LE(quiet.non_bytes, 10'000u + 110u);
  EXPECT_GT(quiet.non_bytes, 9'000u);
  EXPECT_GT(quiet.peer.connection.non_at(), quiet.peer.now);
}

TEST(Probing, OneWordLiftsTheLimit) {  // MSG-04
  Quiet quiet;
  quiet.notify_for(300s);
  ASSERT_GT(quiet.peer.connection.non_at(), quiet.peer.now);
  quiet.peer.receive(message(Type::con, code::empty, 900));
  EXPECT_LE(quiet.peer.connection.non_at(), quiet.peer.now);
  quiet.drain();
  quiet.nons = 0;
  quiet.notify_for(60s);
  EXPECT_EQ(quiet.nons, 60u);
}

TEST(Probing, APeerThatAnswersPingsIsNeverLimited) {  // MSG-04
  Quiet quiet;
  for (int i = 0; i < 1'000; ++i) {
    quiet.notify_for(1s);
    if (quiet.ping) quiet.peer.receive(message(Type::rst, code::empty, *std::exchange(quiet.ping, std::nullopt)));
  }
  EXPECT_EQ(quiet.nons, 1'000u);
  EXPECT_GT(quiet.pings, 15u);
  EXPECT_LT(quiet.pings, 25u) << "one in 46 seconds";
}

TEST(Probing, ConfirmableNotificationsAreNotLimited) {  // MSG-04
  Quiet quiet;
  quiet.notify_for(300s);
  quiet.drain();
  quiet.peer.pass(100s);
  quiet.drain();
  quiet.peer.connection.notify(quiet.observer, {code::content, {}, {}, {}}, Reliability::con, Slot::alarm,
                               quiet.peer.now);
  EXPECT_EQ(quiet.peer.sent().type, Type::con);
}

}  // namespace
}  // namespace coap
