#pragma once
// What storage says of one record.

#include <cstdint>
#include <optional>

#include "ingest/sink/record_sink.hpp"

namespace wardlink::ingest {

enum class StorageAnswer : std::uint8_t { committed, duplicate, quarantined, not_attached };

/// Empty: storage has not taken it.
constexpr std::optional<RecordResult> result_of(StorageAnswer answer) {
  switch (answer) {
    case StorageAnswer::committed:
      return RecordResult::committed;
    case StorageAnswer::duplicate:
      return RecordResult::duplicate;
    case StorageAnswer::quarantined:
      return RecordResult::quarantined;
    case StorageAnswer::not_attached:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace wardlink::ingest
