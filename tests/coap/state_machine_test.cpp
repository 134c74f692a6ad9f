// The twelve ways in which state machines of DTLS were found wanting, each as records that a peer may send.
// DTLS-07, DTLS-11.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coap/listener.hpp"
#include "raw_handshake.hpp"

namespace coap {
namespace {

using testing::alert;
using testing::change_cipher_spec;
using testing::Client;
using testing::client_context;
using ::testing::IsEmpty;
using testing::Piece;
using testing::RawHandshake;
using testing::Server;
using testing::server_context;
using testing::start;
using testing::whole;

constexpr std::uint8_t client_hello_type = 1, finished_type = 20;
const Address there{.ip = {1}, .port = 40'000};

Listener listener() { return {server_context(), Bytes(32, 7), {}, secure_random()}; }

TEST(StateMachine, ContinueAfterCloseNotify) {
  // In a session: what comes behind it is not read, though it was sealed before.
  Client client(client_context());
  Server server(server_context());
  testing::carry(client, server);
  ASSERT_TRUE(client.channel->send(testing::bytes("late")));
  const Bytes late = client.take().at(0);
  client.channel->close();
  server.give(client.take().at(0));
  server.give(late);
  EXPECT_THAT(server.read(), IsEmpty());
  EXPECT_EQ(server.reason(), CloseReason::peer_closed);
  // In a handshake: it is over.
  RawHandshake raw;
  raw.give(0, 2);
  raw.server.give(alert(1, 0));
  raw.give(2, 5);
  EXPECT_FALSE(raw.server.open());
  EXPECT_EQ(raw.server.reason(), CloseReason::peer_closed);
}

TEST(StateMachine, ContinueAfterFatalAlert) {
  RawHandshake raw;
  raw.give(0, 2);
  raw.server.give(alert(2, 40));
  raw.give(2, 5);
  EXPECT_FALSE(raw.server.open());
  EXPECT_EQ(raw.server.reason(), CloseReason::peer_alert);
}

TEST(StateMachine, CrashOnCCS) {
  for (std::size_t before = 0; before < 4; ++before) {
    RawHandshake raw;
    raw.give(0, before);
    raw.server.give(change_cipher_spec());
    raw.server.give(change_cipher_spec());
    EXPECT_FALSE(raw.server.open()) << before;
    EXPECT_THAT(raw.server.read(), IsEmpty());
  }
  auto door = listener();
  door.handle_datagram(there, change_cipher_spec(), start);
  EXPECT_EQ(door.poll_datagram(), std::nullopt);
  EXPECT_EQ(door.half_open(), 0u);
}

TEST(StateMachine, EarlyFinished) {
  for (std::size_t before = 0; before < 3; ++before) {
    RawHandshake raw;
    raw.give(0, before);
    raw.server.give(raw.cipher_change());
    raw.server.give(raw.finished());
    EXPECT_FALSE(raw.server.open()) << before;
    EXPECT_THAT(raw.server.read(), IsEmpty());
  }
}

TEST(StateMachine, FinishedBeforeCCS) {
  RawHandshake raw;
  raw.give(0, 3);
  const auto next = static_cast<std::uint16_t>(whole(raw.certificate_verify()).message + 1);
  raw.server.give(Piece{finished_type, 12, next, 0, Bytes(12, 7)}.record());
  EXPECT_FALSE(raw.server.open());
  raw.give(3, 5);
  EXPECT_FALSE(raw.server.open()) << "a Finished in clear is no Finished";
}

TEST(StateMachine, HandshakeRestarted) {
  RawHandshake raw, other;
  Piece hello = whole(Client(client_context()).take().at(0));
  ASSERT_EQ(hello.type, client_hello_type);
  // Where the Certificate is due, a ClientHello comes.
  hello.message = whole(raw.certificate()).message;
  raw.server.give(hello.record());
  raw.give(0, 5);
  EXPECT_FALSE(raw.server.open());
  // One from the past is nothing.
  hello.message = 1;
  other.give(0, 2);
  other.server.give(hello.record());
  other.give(2, 5);
  EXPECT_TRUE(other.carries());
}

TEST(StateMachine, HVRRetransmission) {  // HVR-Retransmission: a challenge that is repeated would need a state
  auto door = listener();
  door.handle_datagram(there, Client(client_context()).take().at(0), start);
  EXPECT_NE(door.poll_datagram(), std::nullopt);
  EXPECT_EQ(door.next_deadline(), std::nullopt);
  door.handle_timeout(start + std::chrono::hours{1});
  EXPECT_EQ(door.poll_datagram(), std::nullopt);
}

TEST(StateMachine, InsecureRenegotiation) {
  RawHandshake raw;
  raw.give(0, 5);
  ASSERT_TRUE(raw.carries());
  raw.client.write("sealed before");
  const auto sealed = raw.client.take();
  raw.server.give(Client(client_context()).take().at(0));  // in clear
  EXPECT_THAT(raw.server.take(), IsEmpty());
  raw.client.renegotiate();  // under the session's keys
  for (const Bytes& hello : raw.client.take()) raw.server.give(hello);
  for (const Bytes& answer : raw.server.take()) EXPECT_EQ(answer[0], 21) << "no more than an alert";
  raw.server.give(sealed.at(0));
  EXPECT_THAT(raw.server.read(), ::testing::ElementsAre("sealed before"));
}

TEST(StateMachine, InvalidFinishedAsRetransmission) {
  RawHandshake raw;
  raw.give(0, 4);
  Bytes forged = raw.finished();
  forged.back() ^= 1;
  raw.server.give(forged);
  EXPECT_FALSE(raw.server.open());
  EXPECT_THAT(raw.server.take(), IsEmpty()) << "no flight is repeated for it";
  raw.server.give(raw.finished());
  EXPECT_TRUE(raw.carries());
}

TEST(StateMachine, InvalidHandshakeStart) {
  auto door = listener();
  RawHandshake raw;
  for (const Bytes& record : raw.flight) door.handle_datagram(there, record, start);
  for (std::uint8_t type = 0; type < 30; ++type) {
    if (type != client_hello_type) door.handle_datagram(there, Piece{type, 40, 0, 0, Bytes(40)}.record(), start);
  }
  EXPECT_EQ(door.poll_datagram(), std::nullopt);
  EXPECT_EQ(door.half_open(), 0u);
}

TEST(StateMachine, InvalidHVRResponse) {
  auto door = listener();
  Client client(client_context());
  door.handle_datagram(there, client.take().at(0), start);
  client.give(door.poll_datagram()->bytes);
  const Bytes good = client.take().at(0);
  constexpr std::size_t cookie_at = dtls::record_header + dtls::handshake_header + 2 + 32 + 1 + 1;
  for (std::size_t i = 0; i < 16; ++i) {
    Bytes wrong = good;
    wrong[cookie_at + i] ^= 1;
    door.handle_datagram(there, wrong, start);
    const auto answer = door.poll_datagram();
    ASSERT_TRUE(answer) << i;
    EXPECT_EQ(answer->bytes[dtls::record_header], dtls::hello_verify_request) << i;
  }
  door.handle_datagram({.ip = {2}, .port = 40'000}, good, start);
  EXPECT_EQ(door.waiting(), 0u);
  door.handle_datagram(there, good, start);
  EXPECT_EQ(door.waiting(), 1u);
  door.handle_timeout(start);
  EXPECT_EQ(door.half_open(), 1u);
}

TEST(StateMachine, MultipleCCS) {
  RawHandshake raw;
  raw.give(0, 4);
  for (int i = 0; i < 3; ++i) raw.server.give(change_cipher_spec());
  EXPECT_FALSE(raw.server.open());
  raw.server.give(raw.finished());
  for (int i = 0; i < 3; ++i) raw.server.give(change_cipher_spec());
  EXPECT_TRUE(raw.carries()) << "the keys are those of the handshake";
}

}  // namespace
}  // namespace coap
