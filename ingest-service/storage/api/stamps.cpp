#include "storage/api/stamps.hpp"

#include <algorithm>

namespace wardlink::storage {
namespace {

constexpr std::size_t most = 1024;  // ingest asks for six a minute, and uses one until another is as good
constexpr std::int64_t longest = std::chrono::microseconds{std::chrono::years{1000}}.count();

}  // namespace

bool Stamps::take(std::uint64_t number, Moment received) {
  if (!taken_.empty() && number <= taken_.back().number) return false;
  taken_.push_back({number, received});
  if (taken_.size() > most) taken_.pop_front();
  return true;
}

std::optional<Moment> Stamps::after(std::uint64_t number, std::int64_t micros) const {
  const auto at = std::ranges::lower_bound(taken_, number, {}, &Taken::number);
  if (at == taken_.end() || at->number != number || micros < -longest || micros > longest) return std::nullopt;
  return at->at + std::chrono::microseconds{micros};
}

}  // namespace wardlink::storage
