#include "storage/api/tallies.hpp"

#include <algorithm>

namespace wardlink::storage {

void Tallies::batch(std::span<const Record> records, std::span<const RecordResult> made,
                    std::chrono::duration<double> took) {
  const locks::Lock lock(mutex_);
  ++counts_.batches;
  counts_.commit.observe(took);
  for (std::size_t i = 0; i < std::min(records.size(), made.size()); ++i) {
    const auto stream = std::clamp<std::size_t>(static_cast<std::size_t>(records[i].stream), 1, streams.size());
    const auto result = std::clamp<std::size_t>(static_cast<std::size_t>(made[i]), 1, results.size());
    ++counts_.records[stream - 1][result - 1];
  }
}

Tallies::Counts Tallies::counts() const {
  const locks::Lock lock(mutex_);
  return counts_;
}

}  // namespace wardlink::storage
