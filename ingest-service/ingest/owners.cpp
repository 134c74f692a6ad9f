#include "ingest/owners.hpp"

namespace wardlink::ingest {

std::optional<Owners::Owner> Owners::claim(const std::string& device, Owner mine) {
  const std::lock_guard lock(mutex_);
  const auto [at, first] = owners_.try_emplace(device, mine);
  if (first) return std::nullopt;
  return std::exchange(at->second, mine);
}

void Owners::release(const std::string& device, Owner mine) {
  const std::lock_guard lock(mutex_);
  const auto at = owners_.find(device);
  if (at != owners_.end() && at->second == mine) owners_.erase(at);
}

}  // namespace wardlink::ingest
