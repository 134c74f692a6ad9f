#pragma once
// The secure channel's tenant in memory: open at once, a record is a datagram as it stands. Conversations over it read
// like the wire, in virtual time.

#include <deque>
#include <string>
#include <utility>

#include "coap/secure_channel.hpp"

namespace coap::testing {

class MemoryChannel : public SecureChannel {
 public:
  /// `peer`: whom the other end proved to be. A channel made with opened = false opens by its first datagram.
  explicit MemoryChannel(PeerIdentity peer, bool opened = true)
      : peer_(std::move(peer)), state_(opened ? State::open : State::handshaking) {}

  bool handle_datagram(ByteView datagram, Instant) override {
    if (state_ == State::closed) return false;
    if (!datagram.empty() && datagram[0] == kForged) return false;
    state_ = State::open;
    if (datagram.size() == 1 && datagram[0] == kCloseNotify) {
      state_ = State::closed;
      reason_ = CloseReason::peer_closed;
      return true;
    }
    in_.emplace_back(datagram.begin(), datagram.end());
    return true;
  }
  void handle_timeout(Instant) override {}
  bool send(ByteView plaintext) override {
    if (state_ != State::open) return false;
    out_.emplace_back(plaintext.begin(), plaintext.end());
    return true;
  }
  void close() override {
    if (state_ == State::open) out_.push_back({kCloseNotify});
    if (state_ != State::closed) reason_ = CloseReason::local;
    state_ = State::closed;
  }
  std::optional<Bytes> poll_datagram() override { return take(out_); }
  std::optional<Bytes> poll_plaintext() override { return take(in_); }
  State state() const override { return state_; }
  std::optional<Instant> deadline() const override { return std::nullopt; }
  const PeerIdentity& peer() const override { return peer_; }
  CloseReason close_reason() const override { return reason_; }
  std::string close_detail() const override { return {}; }

  static constexpr std::uint8_t kCloseNotify = 0x15;
  static constexpr std::uint8_t kForged = 0x00;  // no CoAP message begins so: what cannot be authenticated

 private:
  static std::optional<Bytes> take(std::deque<Bytes>& queue) {
    if (queue.empty()) return std::nullopt;
    auto first = std::move(queue.front());
    queue.pop_front();
    return first;
  }

  PeerIdentity peer_;
  State state_;
  CloseReason reason_ = CloseReason::none;
  std::deque<Bytes> in_, out_;
};

/// A seeded source of chance: the same seed, the same run.
inline Random seeded(std::uint64_t seed) {
  return [state = seed * 0x9e3779b97f4a7c15ULL + 1](std::span<std::uint8_t> out) mutable {
    for (auto& byte : out) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      byte = static_cast<std::uint8_t>(state >> 24);
    }
  };
}

}  // namespace coap::testing
