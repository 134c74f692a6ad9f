#include "storage/rules/order.hpp"

namespace wardlink::storage {

std::map<LatestKey, SetValue> newest_values(std::span<const Record* const> sets) {
  std::map<LatestKey, SetValue> newest;
  for (const auto* record : sets) {
    const auto& signs = std::get<MeasurementSet>(record->body).signs;
    for (std::size_t i = 0; i < signs.size(); ++i) {
      const LatestKey key{record->session->device_id, signs[i], record->stream == Stream::manual};
      auto [place, is_first] = newest.try_emplace(key, SetValue{record, i});
      if (!is_first && supersedes(word_of(*record), word_of(*place->second.record))) place->second = {record, i};
    }
  }
  return newest;
}

}  // namespace wardlink::storage
