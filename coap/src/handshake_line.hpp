#pragma once
// Handshakes wait, so that those who are in do not: whose turn it is, whose makes way where there is no room, and how
// many may begin. Hosts are known by a keyed hash alone (HelloCookie::host()), and only while they have something here.

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>

#include "coap/listener.hpp"

namespace coap {

/// So many a second, evenly: who waits for the processor never waits behind a burst of them.
class Pace {
 public:
  explicit Pace(unsigned rate) : interval_(std::chrono::duration_cast<Duration>(std::chrono::seconds{1}) / rate) {}

  Instant next() const { return next_; }
  void step(Instant now) { next_ = std::max(next_, now - interval_) + interval_; }

 private:
  Duration interval_;
  Instant next_{Duration::min() / 2};
};

/// Sessions by host. Nothing is found by walking them.
class HostShares {
 public:
  void add(std::uint64_t host, SessionId id) {
    auto& share = shares_[host];
    unrank(share);
    size_ += share.insert(id).second ? 1 : 0;
    rank(share);
  }
  void remove(std::uint64_t host, SessionId id) {
    const auto at = shares_.find(host);
    if (at == shares_.end()) return;
    unrank(at->second);
    size_ -= at->second.erase(id);
    rank(at->second);
    if (at->second.empty()) shares_.erase(at);
  }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// Takes one out: hosts in turn, the oldest of each. There is one.
  SessionId take_in_turn() {
    auto at = shares_.upper_bound(last_host_);
    if (at == shares_.end()) at = shares_.begin();
    last_host_ = at->first;
    const SessionId id = *at->second.begin();
    remove(last_host_, id);
    return id;
  }
  /// The oldest of the host that has most; of hosts that have as many, of that with the oldest. There is one.
  SessionId first_to_go() const { return ranks_.begin()->oldest; }

 private:
  using Share = std::set<SessionId>;  // in the order in which they came
  struct Rank {
    std::size_t size;
    SessionId oldest;  // of one host, so no two ranks are alike
    bool operator<(const Rank& other) const { return size != other.size ? size > other.size : oldest < other.oldest; }
  };
  void rank(const Share& share) {
    if (!share.empty()) ranks_.insert({share.size(), *share.begin()});
  }
  void unrank(const Share& share) {
    if (!share.empty()) ranks_.erase({share.size(), *share.begin()});
  }

  std::map<std::uint64_t, Share> shares_;
  std::set<Rank> ranks_;
  std::size_t size_ = 0;
  std::uint64_t last_host_ = 0;
};

}  // namespace coap
