#include "ingest/shard/owners.hpp"

namespace wardlink::ingest {
namespace {

constexpr coap::Duration pause = std::chrono::seconds{5};
constexpr unsigned at_once = 5;

}  // namespace

Owners::Claim Owners::claim(const std::string& device, Owner mine, coap::Instant now) {
  const locks::Lock lock(mutex_);
  forget_rested(now);
  auto& starts = starts_.try_emplace(device, pause, at_once).first->second;
  Claim claim{std::nullopt, starts.next()};
  if (starts.take(now)) until_rested_.emplace_back(now + pause * at_once, device);
  const auto [at, first] = owners_.try_emplace(device, mine);
  if (!first) claim.older = std::exchange(at->second, mine);
  return claim;
}

void Owners::forget_rested(coap::Instant now) {
  for (; !until_rested_.empty() && until_rested_.front().first <= now; until_rested_.pop_front()) {
    const auto at = starts_.find(until_rested_.front().second);
    if (at != starts_.end() && at->second.rested(now)) starts_.erase(at);
  }
}

void Owners::release(const std::string& device, Owner mine) {
  const locks::Lock lock(mutex_);
  const auto at = owners_.find(device);
  if (at != owners_.end() && at->second == mine) owners_.erase(at);
}

}  // namespace wardlink::ingest
