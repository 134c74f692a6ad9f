#include "channel.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace wardlink::simulation {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t header = 17;

}  // namespace

coap::Bytes encode(const Packet& packet) {
  coap::Bytes bytes(header + packet.rest.size());
  bytes[0] = static_cast<std::uint8_t>(packet.kind);
  std::memcpy(&bytes[1], &packet.first, 8);
  std::memcpy(&bytes[9], &packet.second, 8);
  std::ranges::copy(packet.rest, bytes.begin() + header);
  return bytes;
}

std::optional<Packet> decode(coap::ByteView datagram) {
  if (datagram.size() < header) return std::nullopt;
  Packet packet{static_cast<Kind>(datagram[0])};
  std::memcpy(&packet.first, &datagram[1], 8);
  std::memcpy(&packet.second, &datagram[9], 8);
  packet.rest = datagram.subspan(header);
  return packet;
}

// -- both ends --------------------------------------------------------------------------------------------------------

bool Channel::send(coap::ByteView plaintext) {
  if (state_ != State::open) return false;
  put({Kind::record, key_, ++sent_, plaintext});
  return true;
}

void Channel::close() {
  if (state_ == State::open) put({Kind::bye, key_, ++sent_});
  if (state_ != State::closed) reason_ = coap::CloseReason::local;
  state_ = State::closed;
}

std::optional<coap::Bytes> Channel::take(std::deque<coap::Bytes>& queue) {
  if (queue.empty()) return std::nullopt;
  auto first = std::move(queue.front());
  queue.pop_front();
  return first;
}

/// RFC 6347 §4.1.2.6: 64 numbers back.
bool Channel::is_new(std::uint64_t number) {
  if (number > newest_) {
    const auto ahead = number - std::exchange(newest_, number);
    window_ = ahead >= 64 ? 1 : window_ << ahead | 1;
    return true;
  }
  const auto back = newest_ - number;
  if (back >= 64 || (window_ >> back & 1) != 0) return false;
  window_ |= std::uint64_t{1} << back;
  return true;
}

bool Channel::open(const Packet& packet) {
  if (state_ != State::open || packet.first != key_ || !is_new(packet.second)) return false;
  if (packet.kind == Kind::record) {
    in_.emplace_back(packet.rest.begin(), packet.rest.end());
  } else {
    state_ = State::closed;
    reason_ = coap::CloseReason::peer_closed;
  }
  return true;
}

// -- the device's end -------------------------------------------------------------------------------------------------

DeviceChannel::DeviceChannel(std::string urn, std::uint64_t random, coap::Instant now)
    : urn_(std::move(urn)), random_(random) {
  fly({Kind::hello, random_}, now);
}

void DeviceChannel::fly(Packet packet, coap::Instant now) {
  flight_ = packet;
  pause_ = 1s;
  again_ = now + pause_;
  put(flight_);
}

bool DeviceChannel::handle_datagram(coap::ByteView datagram, coap::Instant now) {
  const auto packet = decode(datagram);
  if (!packet || state_ == State::closed) return false;
  if (packet->kind == Kind::record || packet->kind == Kind::bye) return open(*packet);
  if (state_ != State::handshaking) return false;
  if (packet->kind == Kind::cookie && packet->first == random_ && flight_.kind == Kind::hello) {
    fly({Kind::claim, random_, packet->second}, now);
  } else if (packet->kind == Kind::key && packet->first == random_ && flight_.kind == Kind::claim) {
    key_ = packet->second;
    fly({Kind::finish, key_, 0, {reinterpret_cast<const std::uint8_t*>(urn_.data()), urn_.size()}}, now);
  } else if (packet->kind == Kind::done && key_ != 0 && packet->first == key_) {
    state_ = State::open;
    return true;
  }
  return false;
}

void DeviceChannel::handle_timeout(coap::Instant now) {
  if (state_ != State::handshaking || now < again_) return;
  pause_ = std::min<coap::Duration>(pause_ * 2, 8s);
  again_ = now + pause_;
  put(flight_);
}

std::optional<coap::Instant> DeviceChannel::deadline() const {
  if (state_ != State::handshaking) return std::nullopt;
  return again_;
}

// -- the server's end -------------------------------------------------------------------------------------------------

ServerChannel::ServerChannel(std::uint64_t random, std::uint64_t key) : random_(random) {
  key_ = key;
  put({Kind::key, random_, key_});
}

bool ServerChannel::handle_datagram(coap::ByteView datagram, coap::Instant) {
  const auto packet = decode(datagram);
  if (!packet || state_ == State::closed) return false;
  if (packet->kind == Kind::record || packet->kind == Kind::bye) return open(*packet);
  if (packet->kind == Kind::claim && packet->first == random_ && state_ == State::handshaking) {
    put({Kind::key, random_, key_});
  } else if (packet->kind == Kind::finish && packet->first == key_) {
    if (std::exchange(state_, State::open) == State::handshaking) {
      peer_.uri.assign(packet->rest.begin(), packet->rest.end());
      peer_.not_after = std::int64_t{1} << 40;
    }
    put({Kind::done, key_});
    return true;
  }
  return false;
}

}  // namespace wardlink::simulation
