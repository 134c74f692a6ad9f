#pragma once
// Who may begin a handshake, and whose makes way when there is no room. Hosts are known by a keyed hash alone, in 64
// groups, so that one that floods takes a part of the whole and no more, and nothing is kept of who came.

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "coap/listener.hpp"

namespace coap {

/// So many a second, and a burst of so many after a pause.
class Ration {
 public:
  Ration(unsigned rate, unsigned burst)
      : interval_(std::chrono::duration_cast<Duration>(std::chrono::seconds{1}) / std::max(rate, 1u)), burst_(burst) {}

  bool left(Instant now) const { return after_one(now) <= now; }
  void spend(Instant now) { spent_until_ = after_one(now); }

 private:
  Instant after_one(Instant now) const { return std::max(spent_until_, now - interval_ * burst_) + interval_; }

  Duration interval_;
  unsigned burst_;
  Instant spent_until_{Duration::min() / 2};
};

/// `host` is HelloCookie::host() throughout.
class HandshakeRation {
 public:
  /// A host's share is an eighth of the rate; what it does not use piles up to one second of the whole rate. A crowd
  /// behind one address that begins together repeats itself together, after 1, 3, 7 and 15 s (RFC 6347 §4.2.4.1): what
  /// piled up between is there for it.
  HandshakeRation(unsigned rate, unsigned burst)
      : all_(rate, burst), hosts_(groups, Host{Ration(rate / 8, rate), {}}) {}

  /// False: neither the host's share nor the whole is touched.
  bool take(std::uint64_t host, Instant now) {
    Ration& share = of(host).ration;
    if (!share.left(now) || !all_.left(now)) return false;
    share.spend(now);
    all_.spend(now);
    return true;
  }

  void began(std::uint64_t host, SessionId id) { under_way_ += of(host).under_way.insert(id).second ? 1 : 0; }
  void ended(std::uint64_t host, SessionId id) { under_way_ -= of(host).under_way.erase(id); }
  std::size_t under_way() const { return under_way_; }

  /// The oldest of the group that has most under way; of groups with as many, of that with the oldest. There is one.
  SessionId first_to_go() const {
    const auto most = std::ranges::max_element(hosts_, [](const Host& a, const Host& b) {
      if (a.under_way.size() != b.under_way.size()) return a.under_way.size() < b.under_way.size();
      return !a.under_way.empty() && *a.under_way.begin() > *b.under_way.begin();
    });
    return *most->under_way.begin();
  }

 private:
  static constexpr std::size_t groups = 64;
  struct Host {
    Ration ration;
    std::set<SessionId> under_way;  // in the order in which they began
  };
  Host& of(std::uint64_t host) { return hosts_[host % groups]; }

  Ration all_;
  std::vector<Host> hosts_;
  std::size_t under_way_ = 0;
};

}  // namespace coap
