#pragma once
// When a record was measured, and which of several counts.

#include <compare>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "storage/port/record_store.hpp"

namespace wardlink::storage {

/// The instant of a tick of the session's boot.
inline Instant measured_at(const Session& session, std::uint64_t tick_ms) {
  return session.anchor + std::chrono::milliseconds(tick_ms);
}
inline Instant measured_at(const Record& record) { return measured_at(*record.session, record.tick_ms); }

/// A record as a store has it. measured_at() is its instant, unless a store raised it itself.
struct DatedRecord {
  Record record;
  Instant measured_at;
  std::optional<AlarmOrigin> origin{};  // an onset that a store raised anew
};

/// A record is late when its stream holds a higher sequence, or may be there already. `watermark`: the highest sequence
/// that was stored before the record's batch, 0 = none.
constexpr bool is_late(std::uint64_t sequence, std::uint64_t watermark) { return sequence <= watermark; }

/// What decides which value of a sign is the latest.
struct Age {
  Instant measured_at;
  std::uint64_t boot = 0, sequence = 0;
  auto operator<=>(const Age&) const = default;
};
inline Age age_of(const Record& record) { return {measured_at(record), record.session->boot, record.sequence}; }

/// Whether a value takes the place of the latest that is stored. Between two boots at the same instant the first stays.
constexpr bool supersedes(const Age& value, const Age& stored) {
  if (value.measured_at != stored.measured_at) return value.measured_at > stored.measured_at;
  return value.boot == stored.boot && value.sequence > stored.sequence;
}

/// A value of a record's measurement set.
struct SetValue {
  const Record* record = nullptr;
  std::size_t index = 0;  // in the set's lists
};

/// The newest value of each (device, sign) in these records, whose bodies are measurement sets.
std::map<std::pair<std::int64_t, std::uint16_t>, SetValue> newest_values(std::span<const Record* const> sets);

}  // namespace wardlink::storage
