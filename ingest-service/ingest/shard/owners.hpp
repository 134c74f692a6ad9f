#pragma once
// Which session owns a device, and how soon: who opens one session after the other is not given each time what a
// session may send at once. Shared by all shards; touched when a session opens or closes, never by a notification.

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "coap/budget.hpp"
#include "coap/listener.hpp"
#include "locks/mutex.hpp"

namespace wardlink::ingest {

class Shard;

/// Thread-safe.
class Owners {
 public:
  struct Owner {
    Shard* shard;
    coap::SessionId session;
    friend bool operator==(const Owner&, const Owner&) = default;
  };

  struct Claim {
    std::optional<Owner> older;  // whose place it takes
    coap::Instant from;          // before this it is not to be observed
  };
  /// Makes `mine` the device's owner. The first five sessions are observed at once, then one in 5 s.
  Claim claim(const std::string& device, Owner mine, coap::Instant now);
  /// Gives the device up; nothing happens when a newer session owns it.
  void release(const std::string& device, Owner mine);

 private:
  void forget_rested(coap::Instant now) REQUIRES(mutex_);

  locks::Mutex mutex_;
  std::unordered_map<std::string, Owner> owners_ GUARDED_BY(mutex_);
  std::unordered_map<std::string, coap::Budget> starts_ GUARDED_BY(mutex_);  // also of devices that have gone since, …
  std::deque<std::pair<coap::Instant, std::string>> until_rested_ GUARDED_BY(mutex_);  // … until this
};

}  // namespace wardlink::ingest
