#pragma once
// Addresses of sessions that send so far beyond their rate that even reading it costs the others time: for a second
// nothing is heard from them.

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "coap/address.hpp"
#include "coap/instant.hpp"

namespace coap {

/// Datagrams that one session did not afford, of at most the last second.
struct Excess {
  unsigned count = 0;
  Instant since = {};
};

class MutedAddresses {
 public:
  static constexpr Duration time = std::chrono::seconds{1};

  /// `beyond`: datagrams of an excess that mute. At most `most` addresses are muted at once.
  MutedAddresses(unsigned beyond, std::size_t most) : beyond_(beyond), most_(most) {}

  /// One more datagram that the session at this address did not afford.
  void note(const Address& address, Excess& excess, Instant now) {
    if (now - excess.since >= time) excess = {0, now};
    if (++excess.count < beyond_ || muted_.size() >= most_) return;
    if (std::ranges::find(muted_, address, &Muted::address) != muted_.end()) return;  // what was in the socket before
    muted_.push_back({now + time, address});
    changed_ = true;
    excess.count = 0;
  }
  /// Those whose time is over are heard again.
  void expire(Instant now) {
    for (; !muted_.empty() && muted_.front().until <= now; muted_.pop_front()) changed_ = true;
  }
  std::optional<Instant> next_deadline() const {
    return muted_.empty() ? std::nullopt : std::optional(muted_.front().until);
  }
  /// All of them, where they have changed since the last call.
  std::optional<std::vector<Address>> poll() {
    if (!std::exchange(changed_, false)) return std::nullopt;
    std::vector<Address> addresses;
    for (const Muted& each : muted_) addresses.push_back(each.address);
    return addresses;
  }

 private:
  struct Muted {
    Instant until;
    Address address;
  };
  const unsigned beyond_;
  const std::size_t most_;
  std::deque<Muted> muted_;  // by time
  bool changed_ = false;
};

}  // namespace coap
