#include "storage/rules/order.hpp"

namespace wardlink::storage {

std::map<std::pair<std::int64_t, std::uint16_t>, SetValue> newest_values(std::span<const Record* const> sets) {
  std::map<std::pair<std::int64_t, std::uint16_t>, SetValue> newest;
  for (const auto* record : sets) {
    const auto& signs = std::get<MeasurementSet>(record->body).signs;
    for (std::size_t i = 0; i < signs.size(); ++i) {
      auto [place, is_first] = newest.try_emplace({record->session->device_id, signs[i]}, SetValue{record, i});
      if (!is_first && age_of(*record) > age_of(*place->second.record)) place->second = {record, i};
    }
  }
  return newest;
}

}  // namespace wardlink::storage
