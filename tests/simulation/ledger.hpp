#pragma once
// Where measurement sets were lost, for I3: a set is sent once, Non-confirmable, so that each that is not stored must
// have been lost on a link, or be counted by whoever dropped it.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "book.hpp"
#include "coap/address.hpp"

namespace wardlink::simulation {

/// Of one device.
class Ledger {
 public:
  /// Each datagram that a device sends, in its order: with the keys of sessions it learns whose start they are.
  void sent(std::uint64_t boot, const coap::Bytes& datagram);
  /// Nobody took it: a copy was lost, found nobody, or was turned away and counted.
  void lost(coap::ByteView datagram);
  /// Ingest has given it to a lane.
  void reached(Key set) { reached_.insert(set); }

  bool was_lost(Key set) const { return lost_.contains(set); }
  bool has_reached(Key set) const { return reached_.contains(set); }

 private:
  std::unordered_map<std::uint64_t, std::uint64_t> boots_;  // by session key
  std::set<Key> lost_, reached_;
};

}  // namespace wardlink::simulation
