#pragma once
// A secure session without cryptography: the device's end and the server's end of a handshake that may lose any of its
// datagrams, and records that only their session's key opens, once each. Deterministic, no OpenSSL, no clock.
//
//   device                        server
//   hello  random            ->
//                            <-   cookie  random cookie          no state yet
//   claim  random cookie     ->
//                            <-   key     random key
//   finish key urn           ->                                  the server's end is open
//                            <-   done    key                    the device's end is open
//   record key number bytes  <->  bye key number (close_notify)
//
// The device repeats itself after 1 s, doubling to 8 s; the server answers each repetition.

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "coap/secure_channel.hpp"

namespace wardlink::simulation {

enum class Kind : std::uint8_t { hello = 1, cookie, claim, key, finish, done, record = 0x17, bye = 0x15 };

/// The parts of a datagram; what a kind does not have is zero.
struct Packet {
  Kind kind;
  std::uint64_t first = 0, second = 0;  // as above, in that order
  coap::ByteView rest = {};             // the URN, or a record's plaintext
};
coap::Bytes encode(const Packet& packet);
/// Empty: no datagram of ours.
std::optional<Packet> decode(coap::ByteView datagram);

/// What both ends share: keys, numbers, the window of records already seen.
class Channel : public coap::SecureChannel {
 public:
  bool send(coap::ByteView plaintext) override;
  void close() override;
  std::optional<coap::Bytes> poll_datagram() override { return take(out_); }
  std::optional<coap::Bytes> poll_plaintext() override { return take(in_); }
  State state() const override { return state_; }
  const coap::PeerIdentity& peer() const override { return peer_; }
  coap::CloseReason close_reason() const override { return reason_; }
  std::string close_detail() const override { return {}; }

 protected:
  static std::optional<coap::Bytes> take(std::deque<coap::Bytes>& queue);
  /// A record or a bye of this session. False: not authentic, or seen before.
  bool open(const Packet& packet);
  void put(const Packet& packet) { out_.push_back(encode(packet)); }

  State state_ = State::handshaking;
  std::uint64_t key_ = 0;
  coap::PeerIdentity peer_;

 private:
  bool is_new(std::uint64_t number);

  coap::CloseReason reason_ = coap::CloseReason::none;
  std::uint64_t sent_ = 0;
  std::uint64_t newest_ = 0, window_ = 0;  // of the peer's numbers; bit i: newest_ − i was seen
  std::deque<coap::Bytes> in_, out_;
};

class DeviceChannel final : public Channel {
 public:
  DeviceChannel(std::string urn, std::uint64_t random, coap::Instant now);
  bool handle_datagram(coap::ByteView datagram, coap::Instant now) override;
  void handle_timeout(coap::Instant now) override;
  std::optional<coap::Instant> deadline() const override;

 private:
  void fly(Packet packet, coap::Instant now);

  std::string urn_;
  std::uint64_t random_;
  Packet flight_{};
  coap::Duration pause_{};
  coap::Instant again_{};
};

/// Made when the claim's cookie has proved good.
class ServerChannel final : public Channel {
 public:
  ServerChannel(std::uint64_t random, std::uint64_t key);
  bool handle_datagram(coap::ByteView datagram, coap::Instant now) override;
  void handle_timeout(coap::Instant) override {}
  std::optional<coap::Instant> deadline() const override { return std::nullopt; }

 private:
  std::uint64_t random_;
};

}  // namespace wardlink::simulation
