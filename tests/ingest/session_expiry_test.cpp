// A session ends with its certificates, whatever the calendar does. DTLS-15, ISO-2

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coap/dtls_peers.hpp"
#include "coap/memory_channel.hpp"
#include "ingest/memory_sink.hpp"
#include "ingest/shard/shard.hpp"

namespace wardlink::ingest {
namespace {

using coap::testing::Authorities;
using coap::testing::CertificateSpec;
using coap::testing::TestAuthority;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::MemorySink;

constexpr auto expired = static_cast<std::size_t>(coap::CloseReason::certificate_expired);

/// One shard with a calendar of its own, and one device. OpenSSL judges the handshake by the machine's calendar, so the
/// certificates hold from now on.
class SessionExpiryTest : public ::testing::Test {
 protected:
  SessionExpiryTest() {
    Shard::Environment environment{[this] { return WallTime{calendar}; }, [this] { return now; }, [](auto) {}, [] {}};
    auto config = listener_config();
    config.handshake_rate = 10'000'000;
    config.idle_limit = hours{1000};
    shard =
        std::make_unique<Shard>(std::make_unique<coap::Listener>(coap::testing::server_context(), coap::Bytes(32, 7),
                                                                 config, coap::testing::seeded(1)),
                                Shard::Config{}, coap::testing::seeded(1), sink, owners, environment);
  }

  /// With an intermediate that ends when it is said, where it is said.
  void connect(std::chrono::seconds leaf, std::optional<std::chrono::seconds> issuer = {}) {
    CertificateSpec spec;
    spec.to_seconds = leaf.count();
    const auto& authorities = Authorities::get();
    auto pair = authorities.devices.issue(spec);
    if (issuer) {
      const TestAuthority below = authorities.devices.subordinate("below", {}, {}, issuer->count());
      pair = below.issue(spec);
      pair.certificate_pem += below.certificate_pem();
    }
    channel = coap::testing::client_context(pair)->connect(now);
    carry();
  }

  void carry() {
    for (bool moved = true; moved;) {
      moved = false;
      while (const auto datagram = channel->poll_datagram()) {
        moved = true;
        shard->handle_datagram(device, *datagram, now);
      }
      if (const auto due = shard->next_deadline(); due && *due <= now) moved = true, shard->handle_timeout(now);
      while (const auto datagram = shard->poll_datagram()) {
        moved = true;
        channel->handle_datagram(datagram->bytes, now);
      }
    }
  }
  /// Both clocks go on, and what is due on the way happens.
  void pass(std::chrono::seconds time) {
    for (const auto end = now + time; now < end;) {
      const auto to = std::max(now + seconds{1}, std::min(end, shard->next_deadline().value_or(end)));
      calendar += std::chrono::duration_cast<std::chrono::microseconds>(to - now);
      now = to;
      carry();
    }
  }
  bool lives() const { return channel->state() == coap::SecureChannel::State::open; }
  std::uint64_t ended() { return shard->stats().closed_sessions[expired]; }

  const coap::Address device{.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}, .port = 40'000};
  coap::Instant now = coap::testing::start;
  std::chrono::microseconds calendar =
      std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch());
  MemorySink sink{[](auto) {}};
  Owners owners;
  std::unique_ptr<Shard> shard;
  std::unique_ptr<coap::SecureChannel> channel;
};

TEST_F(SessionExpiryTest, ACertificateThatExpiresEndsItsSession) {  // DTLS-15, ISO-2
  connect(hours{2});
  ASSERT_TRUE(lives());
  pass(hours{2} - minutes{1});
  EXPECT_TRUE(lives());
  pass(minutes{1} + seconds{10});
  EXPECT_FALSE(lives());
  EXPECT_EQ(channel->close_reason(), coap::CloseReason::peer_closed);
  EXPECT_EQ(ended(), 1u);
  EXPECT_EQ(shard->stats().sessions, 0u);
}

TEST_F(SessionExpiryTest, TheIssuersEndCountsWhereItComesFirst) {  // DTLS-15, ISO-2
  connect(hours{20}, hours{1});
  ASSERT_TRUE(lives());
  pass(hours{1} - minutes{1});
  EXPECT_TRUE(lives());
  pass(minutes{1} + seconds{10});
  EXPECT_FALSE(lives());
  EXPECT_EQ(ended(), 1u);
}

TEST_F(SessionExpiryTest, TheTrustedAuthoritysEndCountsToo) {  // DTLS-15: it holds for a day
  connect(hours{48}, hours{48});
  ASSERT_TRUE(lives());
  pass(hours{24} + minutes{1});
  EXPECT_EQ(ended(), 1u);
}

TEST_F(SessionExpiryTest, ACalendarThatStepsOverTheEndIsNoticed) {  // DTLS-15, TIME-1
  connect(hours{20});
  ASSERT_TRUE(lives());
  calendar += hours{21};
  pass(seconds{11});
  EXPECT_FALSE(lives());
  EXPECT_EQ(ended(), 1u);
}

TEST_F(SessionExpiryTest, ACalendarThatStepsBackGivesTime) {  // DTLS-15, TIME-1: it is asked anew each time
  connect(hours{2});
  pass(minutes{90});
  calendar -= hours{1};
  pass(hours{1});
  EXPECT_TRUE(lives());
  pass(minutes{31});
  EXPECT_FALSE(lives());
  EXPECT_EQ(ended(), 1u);
}

TEST_F(SessionExpiryTest, NobodyIsLookedAfterWhenNobodyIsHere) {
  connect(hours{2});
  channel->close();
  carry();
  pass(seconds{11});
  EXPECT_EQ(shard->stats().sessions, 0u);
  EXPECT_EQ(shard->next_deadline(), std::nullopt);
  EXPECT_EQ(ended(), 0u);
}

}  // namespace
}  // namespace wardlink::ingest
