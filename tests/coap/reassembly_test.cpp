// Handshake messages in pieces (RFC 6347 §4.2.3): put together whatever the order, never from what does not belong
// together, and never more kept than there may be. DTLS-04.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../../coap/src/handshake_budget.hpp"
#include "raw_handshake.hpp"

namespace coap {
namespace {

using testing::Piece;
using testing::RawHandshake;
using testing::whole;

constexpr std::uint8_t certificate_type = 11, certificate_verify_type = 15;

class Reassembly : public ::testing::Test {
 protected:
  void give(const Piece& piece) { raw.server.give(piece.record()); }
  bool opens() {
    raw.give(1, 5);
    return raw.carries();
  }
  RawHandshake raw;
  Piece certificate = whole(raw.certificate());
  std::size_t size = certificate.bytes.size();
};

TEST_F(Reassembly, OfPiecesInOrder) {
  for (std::size_t at = 0; at < size; at += 50) give(certificate.part(at, std::min(at + 50, size)));
  EXPECT_TRUE(opens());
}

TEST_F(Reassembly, OfPiecesInReverseOrder) {
  for (std::size_t at = size / 50 * 50 + 50; at > 0; at -= 50) give(certificate.part(at - 50, std::min(at, size)));
  EXPECT_TRUE(opens());
}

TEST_F(Reassembly, OfPiecesThatOverlap) {
  for (std::size_t at = 0; at < size; at += 50) give(certificate.part(at, std::min(at + 120, size)));
  EXPECT_TRUE(opens());
}

TEST_F(Reassembly, OfPiecesThatComeTwice) {
  for (std::size_t at = 0; at < size; at += 50) {
    give(certificate.part(at, std::min(at + 50, size)));
    give(certificate.part(at, std::min(at + 50, size)));
  }
  give(certificate);
  EXPECT_TRUE(opens());
}

TEST_F(Reassembly, OfPiecesOfNothing) {
  give(certificate.part(0, 0));
  give(certificate.part(size / 2, size / 2));
  give(certificate.part(size, size));
  give(certificate.part(0, size / 2));
  give(certificate.part(size / 2, size));
  raw.give(1, 5);
  EXPECT_TRUE(!raw.server.open() || raw.carries()) << "refused, or as if they were not there";
}

TEST_F(Reassembly, PiecesOfAnotherTypeDoNotBelong) {
  auto other = certificate.part(size / 2, size);
  other.type = certificate_verify_type;
  give(certificate.part(0, size / 2));
  give(other);
  raw.give(1, 5);
  EXPECT_FALSE(raw.server.open());
  give(certificate.part(size / 2, size));
  EXPECT_TRUE(opens()) << "nor do they spoil what does";
}

TEST_F(Reassembly, PiecesOfAnotherLengthDoNotBelong) {
  auto other = certificate.part(size / 2, size);
  other.length += 100;
  give(certificate.part(0, size / 2));
  give(other);
  raw.give(1, 5);
  EXPECT_FALSE(raw.server.open());
  give(certificate.part(size / 2, size));
  EXPECT_TRUE(opens());
}

TEST_F(Reassembly, APieceThatReachesBeyondItsMessageIsRefused) {
  auto beyond = certificate;
  beyond.offset = 10;
  give(beyond);
  raw.give(1, 5);
  EXPECT_TRUE(!raw.server.open());
}

/// What the first piece of a message makes the library keep room for, as the budget sees it.
Bytes announced(std::uint8_t type, std::uint16_t message, std::uint32_t length) {
  return Piece{type, length, message, 0, Bytes(length == 0 ? 0 : 1)}.record();
}
bool admits(dtls::HandshakeBudget& budget, const Bytes& bytes) {
  ByteView rest = bytes;
  return budget.admits(*dtls::next_record(rest));
}

/// Each first piece would make the library keep room for all of its message.
TEST_F(Reassembly, NoMoreThan16KiBAreKeptForAPeer) {
  const auto piece = [](std::uint16_t message, std::uint32_t length) {
    return announced(certificate_type, message, length);
  };
  dtls::HandshakeBudget budget;
  for (int again = 0; again < 100; ++again) {
    EXPECT_TRUE(admits(budget, piece(3, 8'000)));
    EXPECT_TRUE(admits(budget, piece(4, 8'000)));
  }
  EXPECT_FALSE(admits(budget, piece(5, 349)));
  EXPECT_FALSE(admits(budget, piece(3, 8'001))) << "nor by growing";
  EXPECT_TRUE(admits(budget, piece(5, 348)));
  EXPECT_FALSE(admits(budget, piece(6, 1)));
  EXPECT_TRUE(admits(budget, testing::change_cipher_spec()));

  for (std::uint16_t ahead = 1; ahead < 10; ++ahead)
    raw.server.give(piece(static_cast<std::uint16_t>(certificate.message + ahead), 8'000));
  raw.give(0, 5);
  EXPECT_FALSE(raw.server.open()) << "its room is taken: the peer begins again";
}

TEST_F(Reassembly, MessagesOfNothingTakeRoomToo) {  // DTLS-09
  dtls::HandshakeBudget budget;
  std::size_t admitted = 0;
  for (std::uint32_t message = 0; message <= 0xffff; ++message)
    admitted += admits(budget, announced(certificate_type, static_cast<std::uint16_t>(message), 0)) ? 1 : 0;
  EXPECT_EQ(admitted, dtls::HandshakeBudget::most / dtls::handshake_header);
}

/// Some servers give the number of their HelloVerifyRequest to their ServerHello again, so that one is not counted;
/// what merely calls itself one is.
TEST_F(Reassembly, OnlyWhatCanBeAHelloVerifyRequestTakesNoRoom) {
  constexpr std::uint8_t server_hello = 2;
  dtls::HandshakeBudget budget;
  EXPECT_TRUE(admits(budget, announced(dtls::hello_verify_request, 0, 2 + 1 + 255)));
  EXPECT_TRUE(admits(budget, announced(server_hello, 0, 100)));
  EXPECT_FALSE(admits(budget, announced(dtls::hello_verify_request, 0, 2 + 1 + 256)));
  EXPECT_TRUE(admits(budget, announced(dtls::hello_verify_request, 1, 8'000)));
  EXPECT_TRUE(admits(budget, announced(dtls::hello_verify_request, 2, 8'000)));
  EXPECT_FALSE(admits(budget, announced(dtls::hello_verify_request, 3, 8'000)));
}

TEST_F(Reassembly, AMessageOfMegabytesIsDropped) {
  const Piece huge{certificate_type, 0xffffff, certificate.message, 0, Bytes(1)};
  for (int i = 0; i < 100; ++i) give(huge);
  raw.give(0, 5);
  EXPECT_TRUE(raw.carries()) << "nothing was kept of it";
}

}  // namespace
}  // namespace coap
