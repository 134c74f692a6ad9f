#pragma once
// Which session owns a device. Shared by all shards; touched when a session opens or closes, never by a notification.

#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "coap/listener.hpp"

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

  /// Makes `mine` the device's owner and returns the one whose place it takes.
  std::optional<Owner> claim(const std::string& device, Owner mine);
  /// Gives the device up; nothing happens when a newer session owns it.
  void release(const std::string& device, Owner mine);

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, Owner> owners_;
};

}  // namespace wardlink::ingest
