// Many sessions behind one socket: who is let in, what a handshake may touch, and what is forgotten in time.

#include "coap/listener.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>

#include "../../coap/src/dtls_record.hpp"
#include "dtls_peers.hpp"
#include "raw_handshake.hpp"

namespace coap {
namespace {

using namespace std::chrono_literals;
using testing::Authorities;
using testing::CertificateSpec;
using testing::client_context;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::server_context;

Address at(std::uint8_t host, std::uint16_t port = 50'000) {
  return {.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, host}, .port = port};
}

CertificateSpec named(const std::string& handle) {
  CertificateSpec spec;
  spec.san = "URI:urn:dev:os:32473-" + handle;
  return spec;
}

/// A device at an address: a channel, and CoAP made by hand.
struct Device {
  Device(Address its_address, const std::shared_ptr<DtlsContext>& context)
      : address(its_address), channel(context->connect(testing::start)) {}
  explicit Device(Address its_address, const CertificateSpec& spec = {}) : Device(its_address, client_context(spec)) {}

  bool open() const { return channel->state() == SecureChannel::State::open; }
  std::vector<Bytes> take() {
    std::vector<Bytes> out;
    while (auto datagram = channel->poll_datagram()) out.push_back(std::move(*datagram));
    return out;
  }
  /// A sealed NON POST /x with a message id of its own.
  Bytes post() {
    Message message;
    message.type = Type::non;
    message.code = code::post;
    message.id = ++last_id;
    add_uri(message.options, "/x", {});
    EXPECT_TRUE(channel->send(encode(message)));
    return take().at(0);
  }

  Address address;
  std::unique_ptr<SecureChannel> channel;
  std::uint16_t last_id = 0;
};

/// Handshakes go on while nothing else is to be done.
void take_turns(Listener& listener, Instant now) {
  for (auto due = listener.next_deadline(); due && *due <= now; due = listener.next_deadline())
    listener.handle_timeout(now);
}

class ListenerTest : public ::testing::Test {
 protected:
  static Listener::Config config() {
    Listener::Config config;
    config.max_half_open = 3;
    config.handshake_rate = 10'000'000;  // time stands still in most of these tests
    return config;
  }
  static const std::shared_ptr<DtlsContext>& context() {
    static const auto shared = server_context();
    return shared;
  }

  void give(const Address& from, ByteView datagram) {
    listener.handle_datagram(from, datagram, now);
    take_turns(listener, now);
  }

  /// Carries datagrams between the listener and the devices until nothing moves. A device that shares its address with
  /// another sees what is meant for that one too.
  void carry(const std::vector<Device*>& devices) {
    for (bool moved = true; moved;) {
      moved = false;
      for (Device* device : devices) {
        for (const Bytes& datagram : device->take()) {
          give(device->address, datagram);
          moved = true;
        }
      }
      while (auto datagram = listener.poll_datagram()) {
        moved = true;
        for (Device* device : devices) {
          if (device->address == datagram->to) device->channel->handle_datagram(datagram->bytes, now);
        }
      }
    }
  }

  /// As far as a good cookie, and not an answer more.
  void begin(Device& device) {
    give(device.address, device.take().at(0));
    device.channel->handle_datagram(listener.poll_datagram().value().bytes, now);
    give(device.address, device.take().at(0));
  }
  void deliver(Device& device) {
    while (auto datagram = listener.poll_datagram()) device.channel->handle_datagram(datagram->bytes, now);
  }

  /// "1 opened", "1 request", "2 closed superseded": the session and what happened.
  std::vector<std::string> events() {
    std::vector<std::string> words;
    while (auto one = listener.poll_event()) {
      const std::string session = std::to_string(static_cast<std::uint64_t>(one->session));
      if (std::holds_alternative<event::Opened>(one->event)) words.push_back(session + " opened");
      if (std::holds_alternative<event::RequestReceived>(one->event)) words.push_back(session + " request");
      if (const auto* closed = std::get_if<event::Closed>(&one->event))
        words.push_back(session + " closed " + to_string(closed->reason));
    }
    return words;
  }

  /// A device with a live session, its events seen.
  std::unique_ptr<Device> connected(Address address, const CertificateSpec& spec = {}) {
    auto device = std::make_unique<Device>(address, spec);
    carry({device.get()});
    EXPECT_TRUE(device->open());
    events();
    return device;
  }
  bool lives(Device& device) {
    give(device.address, device.post());
    const auto seen = events();
    return seen.size() == 1 && seen[0].ends_with("request");
  }

  explicit ListenerTest(const Listener::Config& settings = config())
      : listener(context(), Bytes(32, 3), settings, secure_random()) {}

  Instant now = testing::start;
  Listener listener;
};

TEST_F(ListenerTest, LetsADeviceIn) {
  Device device(at(1), named("a"));
  carry({&device});
  EXPECT_TRUE(device.open());
  EXPECT_THAT(events(), ElementsAre("1 opened"));
  EXPECT_EQ(listener.sessions(), 1u);
  EXPECT_EQ(listener.half_open(), 0u);
  EXPECT_EQ(listener.counters().challenges, 1u);
  EXPECT_EQ(listener.counters().handshakes, 1u);
  ASSERT_NE(listener.find(SessionId{1}), nullptr);
  EXPECT_EQ(listener.find(SessionId{1})->peer().uri, "urn:dev:os:32473-a");
  EXPECT_EQ(listener.address_of(SessionId{1}), at(1));
  EXPECT_TRUE(lives(device));
}

TEST_F(ListenerTest, AllocatesNothingBeforeTheCookieComesBack) {  // DTLS-01
  for (std::uint16_t port = 1000; port < 1100; ++port) {
    Device device(at(1, port), client_context());
    const Bytes hello = device.take().at(0);
    give(device.address, hello);
    const auto reply = listener.poll_datagram();
    ASSERT_TRUE(reply);
    EXPECT_LE(reply->bytes.size(), hello.size());
    EXPECT_FALSE(listener.poll_datagram());
  }
  EXPECT_EQ(listener.half_open(), 0u);
  EXPECT_EQ(listener.next_deadline(), std::nullopt);
  EXPECT_THAT(events(), IsEmpty());
}

TEST_F(ListenerTest, DropsWhatBelongsToNobody) {
  give(at(1), testing::bytes("garbage"));
  give(at(1), {});
  give(at(1), Bytes{23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 9});
  EXPECT_EQ(listener.counters().no_session, 3u);
  Device device(at(1));
  Bytes fragment = device.take().at(0);
  fragment[dtls::record_header + 11]--;
  give(at(1), fragment);
  EXPECT_EQ(listener.counters().fragmented_hello, 1u);  // DTLS-03
  EXPECT_EQ(listener.poll_datagram(), std::nullopt);
  EXPECT_THAT(events(), IsEmpty());
}

TEST_F(ListenerTest, TellsWhyAHandshakeWasRefused) {  // DTLS-08, DTLS-14
  const auto good = connected(at(1));
  CertificateSpec expired = named("b");
  expired.to_seconds = -60;
  Device bad(at(2), expired);
  carry({&bad});
  EXPECT_EQ(bad.channel->close_reason(), CloseReason::peer_alert) << "the refused one is told";
  EXPECT_THAT(events(), ElementsAre("2 closed certificate_expired"));
  EXPECT_EQ(listener.counters().handshakes_failed, 1u);
  EXPECT_EQ(listener.counters().sessions_closed, 0u);
  EXPECT_EQ(listener.half_open(), 0u);
  EXPECT_EQ(listener.find(SessionId{2}), nullptr);
  EXPECT_TRUE(lives(*good)) << "a good device beside it is not disturbed";
}

TEST_F(ListenerTest, LetsAGoodDeviceInAfterManyBadOnes) {  // DTLS-08
  const auto foreign = client_context(testing::TestAuthority("other").issue({}));
  for (std::uint16_t port = 1000; port < 1050; ++port) {
    Device bad(at(2, port), foreign);
    carry({&bad});
  }
  EXPECT_EQ(events(), [] {
    std::vector<std::string> all;
    for (int i = 1; i <= 50; ++i) all.push_back(std::to_string(i) + " closed unknown_authority");
    return all;
  }());
  EXPECT_TRUE(connected(at(1))->open());
}

// -- DTLS-12: what a handshake may touch at an address where a session lives ------------------------------------------

TEST_F(ListenerTest, AForgedHelloTouchesNothing) {  // DTLS-12 (a)
  const auto device = connected(at(1));
  Device forger(at(1), named("f"));
  give(at(1), forger.take().at(0));
  deliver(*device);
  EXPECT_TRUE(lives(*device));
  EXPECT_EQ(listener.sessions(), 1u);
}

TEST_F(ListenerTest, AHandshakeThatNeverFinishesTouchesNothing) {  // DTLS-12 (b), DTLS-20
  const auto device = connected(at(1));
  Device forger(at(1), named("f"));
  begin(forger);
  EXPECT_EQ(listener.half_open(), 1u);
  deliver(*device);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(lives(*device)) << "its records go to it first";

  now += 29s;
  EXPECT_TRUE(lives(*device));
  listener.handle_timeout(now);
  EXPECT_EQ(listener.half_open(), 1u);
  now += 1s;
  ASSERT_LE(listener.next_deadline(), now);
  listener.handle_timeout(now);
  EXPECT_THAT(events(), ElementsAre("2 closed handshake_deadline"));
  EXPECT_EQ(listener.half_open(), 0u);
  EXPECT_EQ(listener.sessions(), 1u);
  EXPECT_TRUE(lives(*device));
}

TEST_F(ListenerTest, WordsInClearTouchNothing) {  // DTLS-12 (c)
  const auto device = connected(at(1));
  const std::vector<Bytes> strange{
      {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40},  // fatal alert
      {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0},   // close_notify
      {20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 1},     testing::bytes("garbage"), Bytes(1'000, 0xff),
  };
  for (const Bytes& datagram : strange) {
    give(at(1), datagram);
    EXPECT_TRUE(lives(*device));
  }
  // In one datagram in front of a record that is real.
  Bytes mixed = strange[0];
  const Bytes real = device->post();
  mixed.insert(mixed.end(), real.begin(), real.end());
  give(at(1), mixed);
  EXPECT_THAT(events(), ElementsAre("1 request"));
}

TEST_F(ListenerTest, AThousandForgeriesOfEachKindCostALiveSessionNothing) {  // DTLS-12
  const auto device = connected(at(1));
  const auto forger = client_context(named("f"));
  const Bytes alert{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
  int heard = 0;
  for (int i = 0; i < 1000; ++i) {
    now += 1s;  // so that each handshake supersedes the one before
    Device hello(at(1), forger);
    give(at(1), hello.take().at(0));
    deliver(*device);
    Device half(at(1), forger);
    begin(half);  // the cookie, and never a Finished
    give(at(1), alert);
    Bytes garbage(1 + static_cast<std::size_t>(i) % 200);
    secure_random()(garbage);
    give(at(1), garbage);
    deliver(*device);
    give(device->address, device->post());
    while (auto one = listener.poll_event()) {
      const auto* request = std::get_if<event::RequestReceived>(&one->event);
      if (request == nullptr) continue;  // of the handshakes that each new one supersedes
      ++heard;
      listener.command(one->session)->respond(request->exchange, {}, now);
    }
    deliver(*device);
  }
  EXPECT_EQ(heard, 1000);
  EXPECT_TRUE(device->open());
  EXPECT_EQ(listener.sessions(), 1u);
}

TEST_F(ListenerTest, AFinishedHandshakeTakesTheAddressOver) {  // DTLS-12 (d)
  const auto before = connected(at(1), named("a"));
  Device again(at(1), named("a"));
  carry({&again});
  EXPECT_TRUE(again.open());
  EXPECT_THAT(events(), ElementsAre("1 closed superseded", "2 opened"));
  EXPECT_EQ(listener.sessions(), 1u);
  EXPECT_EQ(listener.find(SessionId{1}), nullptr);
  EXPECT_TRUE(lives(again));
}

class RatedListener : public ListenerTest {
 protected:
  RatedListener() : ListenerTest(rated()) {}
  static Listener::Config rated() {
    auto rated = config();
    rated.datagrams = {.per_second = 10, .burst = 5};
    return rated;
  }
  void spend_all_of(Device& device) {
    for (int i = 0; i < 10; ++i) give(device.address, device.post());
    EXPECT_EQ(events().size(), 5u);
    EXPECT_EQ(listener.counters().over_rate, 5u);
  }
};

/// What a device had sent before it rebooted behind the same port is no reason to keep it out.
TEST_F(RatedListener, AFinishedHandshakeTakesOverFromASessionThatIsOverItsRate) {  // DTLS-12 (d), FAIR-1
  const auto before = connected(at(1), named("a"));
  spend_all_of(*before);
  Device again(at(1), named("a"));
  carry({&again});
  EXPECT_TRUE(again.open());
  EXPECT_THAT(events(), ElementsAre("1 closed superseded", "2 opened"));
  EXPECT_TRUE(lives(again)) << "with an allowance of its own";
  EXPECT_EQ(listener.counters().over_rate, 5u);
}

TEST_F(RatedListener, WhatIsOverTheRateIsNotDecryptedBesideAHandshakeEither) {  // DTLS-12 (b), FAIR-1
  const auto before = connected(at(1), named("a"));
  spend_all_of(*before);
  const auto device = before->address;
  Device other(device, named("b"));
  begin(other);
  deliver(other);
  for (int i = 0; i < 5; ++i) give(device, before->post());
  EXPECT_THAT(events(), IsEmpty());
  EXPECT_EQ(listener.counters().unauthenticated, 0u);
  carry({&other});
  EXPECT_TRUE(other.open()) << "records of another's keys are no harm to a handshake";
}

TEST_F(RatedListener, WhatIsOverTheRateIsCountedWhereNoHandshakeHasBegun) {  // FAIR-1
  const auto before = connected(at(1), named("a"));
  spend_all_of(*before);
  Device other(at(1), named("b"));
  listener.handle_datagram(at(1), other.take().at(0), now);
  other.channel->handle_datagram(listener.poll_datagram().value().bytes, now);
  listener.handle_datagram(at(1), other.take().at(0), now);
  listener.handle_datagram(at(1), before->post(), now);  // before the handshake's turn
  EXPECT_EQ(listener.counters().over_rate, 6u);
  EXPECT_EQ(listener.counters().unauthenticated, 0u);
}

TEST_F(ListenerTest, NothingOfTheOldDeviceIsCreditedToTheNewOne) {  // DTLS-12 (e), I4
  const auto before = connected(at(1), named("a"));
  const Bytes on_its_way = before->post();
  Device other(at(1), named("b"));
  carry({&other, before.get()});
  EXPECT_TRUE(other.open());
  EXPECT_THAT(events(), ElementsAre("1 closed superseded", "2 opened"));
  EXPECT_EQ(listener.find(SessionId{2})->peer().uri, "urn:dev:os:32473-b");
  give(at(1), on_its_way);
  give(at(1), before->post());
  EXPECT_THAT(events(), IsEmpty());
  EXPECT_EQ(listener.counters().unauthenticated, 2u);
  EXPECT_TRUE(lives(other));
}

TEST_F(ListenerTest, AnotherPortIsNobodyUntilItHasShakenHands) {  // DTLS-22: a NAT that maps anew
  const auto device = connected(at(1, 50'000), named("a"));
  give(at(1, 50'001), device->post());
  EXPECT_THAT(events(), IsEmpty());
  EXPECT_EQ(listener.counters().no_session, 1u);
  const auto again = connected(at(1, 50'001), named("a"));
  EXPECT_TRUE(lives(*again));
  EXPECT_TRUE(lives(*device)) << "two peers: who owns the device is decided above";
}

TEST_F(ListenerTest, WhoAsksAnotherOfOurAddressesIsAnotherPeer) {  // NET-1
  Address asked = at(1), other = at(1);
  asked.local[15] = 1;
  other.local[15] = 2;
  const auto device = connected(asked, named("a"));
  give(other, device->post());
  EXPECT_THAT(events(), IsEmpty());
  EXPECT_EQ(listener.counters().no_session, 1u);
  const auto beside = connected(other, named("b"));
  EXPECT_TRUE(lives(*device));
  EXPECT_TRUE(lives(*beside));
}

TEST_F(ListenerTest, TheOldSessionSpeaksUntilTheNewOneStands) {  // DTLS-12
  const auto before = connected(at(1), named("a"));
  Device other(at(1), named("b"));
  begin(other);
  deliver(other);
  EXPECT_TRUE(lives(*before));
  // The new one's last flight, each datagram with a record of the old session's behind it.
  for (Bytes datagram : other.take()) {
    const Bytes record = before->post();
    Bytes mixed = record;
    mixed.insert(mixed.end(), datagram.begin(), datagram.end());
    give(at(1), mixed);
  }
  deliver(other);
  EXPECT_TRUE(other.open());
  auto seen = events();
  ASSERT_GE(seen.size(), 3u);
  EXPECT_EQ(seen.front(), "1 request");
  EXPECT_EQ(seen[seen.size() - 2], "1 closed superseded");
  EXPECT_EQ(seen.back(), "2 opened");
}

TEST_F(ListenerTest, ARepeatedHelloDoesNotBeginAgain) {
  Device device(at(1));
  give(at(1), device.take().at(0));
  deliver(device);
  const Bytes hello = device.take().at(0);
  for (int i = 0; i < 5; ++i) give(at(1), hello);
  EXPECT_EQ(listener.half_open(), 1u);
  deliver(device);
  carry({&device});
  EXPECT_TRUE(device.open());
  EXPECT_THAT(events(), ElementsAre("1 opened"));
}

/// Its second hello finds a handshake younger than a second, and is heard when it is repeated (RFC 6347 §4.2.4.1).
TEST_F(ListenerTest, ADeviceMayBeginAgainInTheMiddle) {
  Device device(at(1));
  begin(device);
  deliver(device);
  now += 10ms;
  Device rebooted(at(1));
  give(at(1), rebooted.take().at(0));
  deliver(rebooted);
  const Bytes hello = rebooted.take().at(0);
  give(at(1), hello);
  EXPECT_EQ(listener.poll_datagram(), std::nullopt);
  EXPECT_THAT(events(), IsEmpty());
  EXPECT_EQ(listener.counters().hellos_dropped, 1u);

  now += 1s;
  give(at(1), hello);
  deliver(rebooted);
  carry({&rebooted});
  EXPECT_TRUE(rebooted.open());
  EXPECT_THAT(events(), ElementsAre("1 closed superseded", "2 opened"));
  EXPECT_EQ(listener.half_open(), 0u);
  EXPECT_EQ(listener.counters().handshakes_failed, 1u);
}

// -- bounds -----------------------------------------------------------------------------------------------------------

TEST_F(ListenerTest, CapsHandshakesAndFreesThemInTime) {  // DTLS-05, DTLS-19, DTLS-20
  const auto live = connected(at(9));
  std::vector<std::unique_ptr<Device>> storm;
  for (std::uint8_t host = 1; host <= 5; ++host) {
    storm.push_back(std::make_unique<Device>(at(host), client_context()));
    begin(*storm.back());
    while (listener.poll_datagram()) {
    }
  }
  EXPECT_EQ(listener.half_open(), 3u);
  EXPECT_THAT(events(), ElementsAre("2 closed displaced", "3 closed displaced")) << "the oldest make way";
  EXPECT_TRUE(lives(*live));
  now += 30s;
  listener.handle_timeout(now);
  EXPECT_THAT(events(), ::testing::UnorderedElementsAre("4 closed handshake_deadline", "5 closed handshake_deadline",
                                                        "6 closed handshake_deadline"));
  EXPECT_EQ(listener.half_open(), 0u);
  EXPECT_TRUE(connected(at(6))->open());
  EXPECT_TRUE(lives(*live));
}

// -- turns ------------------------------------------------------------------------------------------------------------

class TurnsTest : public ListenerTest {
 protected:
  TurnsTest() : ListenerTest(paced()) {}
  static Listener::Config paced() {
    Listener::Config config;
    config.max_half_open = 20;
    config.max_waiting = 10;
    config.handshake_rate = 100;
    return config;
  }

  /// With its good cookie in the listener's hands, and no turn taken.
  std::unique_ptr<Device> lined_up(const Address& address, const std::shared_ptr<DtlsContext>& as) {
    auto device = std::make_unique<Device>(address, as);
    listener.handle_datagram(address, device->take().at(0), now);
    device->channel->handle_datagram(listener.poll_datagram().value().bytes, now);
    listener.handle_datagram(address, device->take().at(0), now);
    return device;
  }
  /// Whose handshake a turn began, by the ports of those who are answered.
  std::vector<std::uint16_t> turn() {
    listener.handle_timeout(now);
    std::vector<std::uint16_t> ports;
    while (const auto datagram = listener.poll_datagram())
      if (ports.empty() || ports.back() != datagram->to.port) ports.push_back(datagram->to.port);
    return ports;
  }
  std::vector<std::uint16_t> turns(int count) {
    std::vector<std::uint16_t> ports;
    for (int i = 0; i < count; ++i) {
      now = std::max(now, listener.next_deadline().value());
      std::ranges::copy(turn(), std::back_inserter(ports));
    }
    return ports;
  }

  std::shared_ptr<DtlsContext> stranger = client_context(named("f"));
  std::vector<std::unique_ptr<Device>> line;
};

TEST_F(TurnsTest, AHandshakeWaitsUntilNothingElseIsToBeDone) {  // DTLS-19
  const auto live = connected(at(9));
  now += 1s;
  for (std::uint16_t port = 1; port <= 5; ++port) line.push_back(lined_up(at(1, port), stranger));
  EXPECT_EQ(listener.half_open(), 0u);
  listener.handle_datagram(live->address, live->post(), now);
  EXPECT_THAT(events(), ElementsAre("1 request")) << "who is in is heard before any of them begins";
  EXPECT_EQ(listener.poll_datagram(), std::nullopt);
  EXPECT_EQ(listener.next_deadline(), now) << "then there is time for one";
  EXPECT_THAT(turn(), ElementsAre(1));
  EXPECT_THAT(turn(), ElementsAre(2)) << "and one that was not used before";
  EXPECT_THAT(turn(), IsEmpty()) << "and no more at once";
  EXPECT_EQ(listener.half_open(), 2u);
  EXPECT_EQ(listener.next_deadline(), now + 10ms);
}

TEST_F(TurnsTest, AFlightWaitsLikeAHello) {  // DTLS-19
  const auto live = connected(at(9));
  now += 1s;
  const auto device = lined_up(at(1), client_context(named("a")));
  listener.handle_timeout(now);
  deliver(*device);
  for (const Bytes& datagram : device->take()) listener.handle_datagram(device->address, datagram, now);
  listener.handle_datagram(live->address, live->post(), now);
  EXPECT_THAT(events(), ElementsAre("1 request"));
  EXPECT_EQ(listener.next_deadline(), now) << "it is not paced: what has begun is to end";
  listener.handle_timeout(now);
  EXPECT_THAT(events(), ElementsAre("2 opened"));
  deliver(*device);
  EXPECT_TRUE(device->open());
}

TEST_F(TurnsTest, OnesThatHaveBegunAndOnesThatHaveNotTakeTurns) {
  for (std::uint8_t host = 1; host <= 3; ++host) {
    line.push_back(lined_up(at(host), client_context(named("a" + std::to_string(host)))));
    now += 10ms;
    listener.handle_timeout(now);
    deliver(*line.back());
  }
  for (std::uint16_t port = 1; port <= 3; ++port) line.push_back(lined_up(at(9, port), stranger));
  for (const auto& device : line)
    for (const Bytes& datagram : device->take()) listener.handle_datagram(device->address, datagram, now);
  now += 1s;
  std::vector<std::size_t> in;
  while (listener.next_deadline() <= now || listener.half_open() < 3) {
    now = std::max(now, listener.next_deadline().value());
    listener.handle_timeout(now);
    in.push_back(listener.sessions());
  }
  EXPECT_EQ(listener.sessions(), 3u);
  EXPECT_THAT(in, ::testing::ElementsAre(1u, 1u, 2u, 2u, 3u, 3u)) << "none of them waits for all of the others";
}

TEST_F(TurnsTest, SoManyASecondBeginAndNoMore) {  // DTLS-05, DTLS-19
  for (std::uint16_t port = 1; port <= 10; ++port) line.push_back(lined_up(at(1, port), stranger));
  const Instant first = now;
  turns(10);
  EXPECT_EQ(listener.half_open(), 10u);
  EXPECT_GE(now - first, 80ms);
  EXPECT_LE(now - first, 90ms);
  now += 10s;
  for (std::uint16_t port = 1; port <= 2; ++port) line.push_back(lined_up(at(2, port), stranger));
  EXPECT_THAT(turn(), ElementsAre(1));
  EXPECT_THAT(turn(), ElementsAre(2));
  line.push_back(lined_up(at(2, 3), stranger));
  EXPECT_THAT(turn(), IsEmpty()) << "of what was not used, one turn is made up for and no more";
}

TEST_F(TurnsTest, HostsTakeTurns) {  // DTLS-05, DTLS-19
  for (std::uint16_t port = 1; port <= 6; ++port) line.push_back(lined_up(at(1, port), stranger));
  for (std::uint16_t port = 11; port <= 12; ++port) line.push_back(lined_up(at(2, port), stranger));
  const auto began = turns(8);
  EXPECT_THAT(std::vector(began.begin(), began.begin() + 4), ::testing::UnorderedElementsAre(1, 2, 11, 12));
  EXPECT_THAT(std::vector(began.begin() + 4, began.end()), ElementsAre(3, 4, 5, 6)) << "alone, it has them all";
}

TEST_F(TurnsTest, WhoFillsTheLinePushesOutHisOwn) {  // DTLS-05, DTLS-19
  line.push_back(lined_up(at(2, 11), stranger));
  for (std::uint16_t port = 1; port <= 30; ++port) line.push_back(lined_up(at(1, port), stranger));
  EXPECT_EQ(listener.counters().hellos_dropped, 21u);
  EXPECT_THAT(turns(10), ::testing::UnorderedElementsAre(11, 22, 23, 24, 25, 26, 27, 28, 29, 30));
  EXPECT_THAT(events(), IsEmpty()) << "nothing had begun, so nothing has ended";
  EXPECT_EQ(listener.counters().handshakes_failed, 0u);
}

TEST_F(TurnsTest, WhoRepeatsHimselfKeepsHisPlace) {
  for (const std::uint16_t port : std::array<std::uint16_t, 3>{1, 2, 1})
    line.push_back(lined_up(at(1, port), stranger));
  EXPECT_EQ(listener.waiting(), 2u);
  EXPECT_THAT(turns(2), ElementsAre(1, 2));
}

TEST_F(TurnsTest, TheNewestHelloOfAnAddressIsTheOneThatBegins) {
  const auto before = lined_up(at(1), stranger);
  const auto rebooted = lined_up(at(1), client_context(named("a")));
  take_turns(listener, now);
  deliver(*rebooted);
  carry({rebooted.get()});
  EXPECT_TRUE(rebooted->open());
}

TEST_F(TurnsTest, KeepsNoMoreOfAFlightThanIsOne) {  // DTLS-04
  const auto device = lined_up(at(1), stranger);
  listener.handle_timeout(now);
  const auto before = listener.counters().no_session;
  const Bytes record = [] {
    Bytes bytes{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 3, 0xe8};
    bytes.resize(bytes.size() + 1000);
    return bytes;
  }();
  for (int i = 0; i < 20; ++i) listener.handle_datagram(device->address, record, now);
  EXPECT_EQ(listener.counters().no_session - before, 4u) << "16 KiB are kept";
}

TEST_F(TurnsTest, NobodyBeginsAfterAllIsClosed) {
  line.push_back(lined_up(at(1), stranger));
  listener.close_all(now);
  EXPECT_THAT(events(), IsEmpty());
  EXPECT_EQ(listener.waiting(), 0u);
  EXPECT_EQ(listener.next_deadline(), std::nullopt);
}

// A service that hands over what it has before it ends is there for seconds; its devices are back within one.
TEST_F(ListenerTest, AnswersNobodyAfterAllIsClosed) {
  const auto device = connected(at(1), named("a"));
  listener.close_all(now);
  carry({device.get()});
  events();
  const auto before = listener.counters();
  Device again(at(1), named("a"));
  for (const Bytes& datagram : again.take()) listener.handle_datagram(again.address, datagram, now);
  EXPECT_EQ(listener.poll_datagram(), std::nullopt);
  EXPECT_EQ(listener.counters().challenges, before.challenges);
  EXPECT_GT(listener.counters().no_session, before.no_session);
}

class FloodedListener : public ListenerTest {
 protected:
  FloodedListener() : ListenerTest(small()) {}
  static Listener::Config small() {
    Listener::Config config;
    config.max_half_open = 20;
    config.max_waiting = 40;
    config.handshake_rate = 80;
    return config;
  }

  /// So long, one host begins 200 handshakes a second, each from another port, and finishes none.
  void flood(Duration time) {
    for (const Instant until = now + time; now < until;) {
      now += 5ms;
      Device one(at(1, ++port), flooder);
      give(one.address, one.take().at(0));
      if (const auto challenge = answer_to(one.address)) one.channel->handle_datagram(challenge->bytes, now);
      give(one.address, one.take().at(0));
    }
  }
  /// What the listener sends to others meanwhile is kept for them.
  std::optional<Datagram> answer_to(const Address& address) {
    std::optional<Datagram> found;
    while (auto datagram = listener.poll_datagram()) {
      if (datagram->to == address) {
        found = std::move(*datagram);
      } else if (datagram->to == at(2)) {
        back.push_back(std::move(datagram->bytes));
      }
    }
    return found;
  }
  /// There and back again, each way through so much of the flood.
  void round_trip(Device& device, Duration each_way) {
    const auto there = device.take();
    flood(each_way);
    for (const Bytes& datagram : there) give(device.address, datagram);
    flood(each_way);
    answer_to({});
    for (const Bytes& datagram : std::exchange(back, {})) device.channel->handle_datagram(datagram, now);
  }

  std::shared_ptr<DtlsContext> flooder = client_context(named("f"));
  std::vector<Bytes> back;
  std::uint16_t port = 0;
};

TEST_F(FloodedListener, OneHostKeepsNoOtherOut) {  // DTLS-05, DTLS-19
  flood(2s);
  EXPECT_GT(listener.counters().hellos_dropped, 150u) << "the flood was no flood";
  Device device(at(2));
  for (int flight = 0; flight < 3; ++flight) round_trip(device, 50ms);
  EXPECT_TRUE(device.open());
}

TEST_F(FloodedListener, OneHostPushesNoOtherOut) {  // DTLS-05, DTLS-19
  flood(2s);
  EXPECT_EQ(listener.half_open(), 20u) << "the room was not filled";
  Device device(at(2));
  for (int flight = 0; flight < 3; ++flight)
    round_trip(device, 2s);  // the room would be filled more than once meanwhile
  EXPECT_TRUE(device.open());
}

/// They begin within one second. One host that is alone is kept from nothing.
TEST(Listener, LetsAWardBehindOneAddressIn) {  // DTLS-19
  constexpr std::size_t devices = 1'000;
  Instant now = testing::start;
  Listener listener(server_context(), Bytes(32, 3), {}, secure_random());
  const auto context = client_context();
  std::vector<std::unique_ptr<Device>> ward;
  for (std::size_t i = 0; i < devices; ++i)
    ward.push_back(std::make_unique<Device>(at(1, static_cast<std::uint16_t>(1'000 + i)), context));
  const auto carry = [&] {
    take_turns(listener, now);
    for (auto datagram = listener.poll_datagram(); datagram; datagram = listener.poll_datagram()) {
      auto& device = *ward.at(datagram->to.port - 1'000u);
      device.channel->handle_datagram(datagram->bytes, now);
      for (const Bytes& answer : device.take()) listener.handle_datagram(device.address, answer, now);
    }
  };
  for (std::size_t i = 0; i < devices; ++i, now += 1ms) {
    for (const Bytes& hello : ward[i]->take()) listener.handle_datagram(ward[i]->address, hello, now);
    carry();
  }
  while (now - testing::start < 2'500ms) {
    now += 1ms;
    carry();
  }
  EXPECT_EQ(listener.sessions(), devices) << "after 2.5 s";
  EXPECT_EQ(listener.counters().hellos_dropped, 0u);
}

TEST_F(ListenerTest, AHandshakeInDribsAndDrabsGetsNoMoreTime) {  // DTLS-20
  testing::ForeignClient client({.pair = Authorities::get().devices.issue({}), .chain = {}});
  for (int hello = 0; hello < 2; ++hello) {
    for (const Bytes& datagram : client.take()) give(at(1), datagram);
    while (auto datagram = listener.poll_datagram()) client.give(datagram->bytes);
  }
  const auto certificate = testing::whole(client.take().at(0));
  ASSERT_EQ(listener.half_open(), 1u);
  for (std::size_t second = 0; second < 30; ++second) {
    ASSERT_EQ(listener.half_open(), 1u) << second;
    give(at(1), certificate.part(second, second + 1).record());
    now += 1s;
    listener.handle_timeout(now);
  }
  EXPECT_THAT(events(), ElementsAre("1 closed handshake_deadline"));
  EXPECT_EQ(listener.half_open(), 0u);
}

TEST_F(ListenerTest, ClosesASessionThatIsSilent) {
  const auto device = connected(at(1));
  now += 29min;
  listener.handle_timeout(now);
  EXPECT_TRUE(lives(*device)) << "which puts the limit off";
  now += 29min;
  listener.handle_timeout(now);
  EXPECT_THAT(events(), IsEmpty());
  Bytes forged = device->post();
  forged.back() ^= 1;
  give(at(1), forged);  // a forgery is no sign of life
  now += 1min;
  ASSERT_LE(listener.next_deadline(), now);
  listener.handle_timeout(now);
  deliver(*device);
  EXPECT_THAT(events(), ElementsAre("1 closed idle"));
  EXPECT_EQ(device->channel->close_reason(), CloseReason::peer_closed);
  EXPECT_EQ(listener.sessions(), 0u);
  EXPECT_EQ(listener.counters().sessions_closed, 1u);
  EXPECT_EQ(listener.next_deadline(), std::nullopt);
}

TEST_F(ListenerTest, LivesThroughForgedRecords) {  // DTLS-18
  const auto device = connected(at(1));
  Bytes forged = device->post();
  const auto genuine = forged.back();
  for (int i = 0; i < 1000; ++i) {
    forged[9] = static_cast<std::uint8_t>(i >> 8);
    forged[10] = static_cast<std::uint8_t>(i);
    forged.back() = static_cast<std::uint8_t>(genuine ^ (1 + i % 255));
    give(at(1), forged);
  }
  EXPECT_EQ(listener.counters().unauthenticated, 1000u);
  EXPECT_THAT(events(), IsEmpty());
  EXPECT_TRUE(lives(*device));
}

TEST_F(ListenerTest, DropsReplayedRecords) {  // DTLS-06
  const auto device = connected(at(1));
  const Bytes record = device->post();
  give(at(1), record);
  give(at(1), record);
  EXPECT_THAT(events(), ElementsAre("1 request"));
  EXPECT_EQ(listener.counters().unauthenticated, 1u);
}

// -- commands ---------------------------------------------------------------------------------------------------------

TEST_F(ListenerTest, SendsWhatACommandMakes) {
  const auto first = connected(at(1), named("a"));
  const auto second = connected(at(2), named("b"));
  listener.command(SessionId{2})->ping(now);
  const auto ping = listener.poll_datagram();
  ASSERT_TRUE(ping);
  EXPECT_EQ(ping->to, at(2));
  EXPECT_FALSE(listener.poll_datagram());
  ASSERT_TRUE(listener.next_deadline());
  EXPECT_LE(*listener.next_deadline(), now + 3s) << "the ping is repeated";
  now = *listener.next_deadline();
  listener.handle_timeout(now);
  ASSERT_TRUE(listener.poll_datagram());
}

TEST_F(ListenerTest, ForgetsASessionThatIsClosedByCommand) {
  const auto device = connected(at(1));
  listener.command(SessionId{1})->close(CloseReason::superseded, now);
  deliver(*device);
  EXPECT_EQ(device->channel->close_reason(), CloseReason::peer_closed);
  EXPECT_THAT(events(), ElementsAre("1 closed superseded"));
  EXPECT_EQ(listener.find(SessionId{1}), nullptr);
  EXPECT_EQ(listener.address_of(SessionId{1}), std::nullopt);
  EXPECT_EQ(listener.sessions(), 0u);
}

TEST_F(ListenerTest, ForgetsASessionThatThePeerCloses) {
  const auto device = connected(at(1));
  device->channel->close();
  carry({device.get()});
  EXPECT_THAT(events(), ElementsAre("1 closed peer_closed"));
  EXPECT_EQ(listener.sessions(), 0u);
  EXPECT_TRUE(connected(at(1))->open());
}

TEST_F(ListenerTest, ClosesAll) {
  const auto first = connected(at(1), named("a"));
  const auto second = connected(at(2), named("b"));
  Device half(at(3));
  begin(half);
  listener.close_all(now);
  carry({first.get(), second.get()});
  EXPECT_EQ(first->channel->close_reason(), CloseReason::peer_closed);
  EXPECT_EQ(second->channel->close_reason(), CloseReason::peer_closed);
  EXPECT_THAT(events(), ::testing::UnorderedElementsAre("1 closed local", "2 closed local", "3 closed local"));
  EXPECT_EQ(listener.sessions(), 0u);
  EXPECT_EQ(listener.half_open(), 0u);
}

}  // namespace
}  // namespace coap
