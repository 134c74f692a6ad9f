#pragma once
// When a record was measured, and which of several counts.

#include <algorithm>
#include <chrono>
#include <compare>
#include <map>
#include <optional>
#include <span>

#include "storage/port/record_store.hpp"
#include "storage/rules/clock.hpp"

namespace wardlink::storage {

/// The instant of a tick of the session's boot, whatever it claims; what lies beyond every calendar is far enough
/// ahead.
inline Instant claimed_at(const Session& session, std::uint64_t tick_ms) { return session.anchor + counted(tick_ms); }

/// An exchange of clocks is known to no more than this at worst (docs/wire.md: where no round trip is named); what is
/// less certain was made so by the tick that it is to judge.
constexpr std::chrono::seconds most_uncertain{60};
constexpr std::chrono::seconds clock_tolerance{1};

/// Measured before the calendar was set back, and received after that: by the calendar of before it is not ahead.
inline bool is_of_before(const Record& record) {
  const auto& session = *record.session;
  if (!record.shown_before || !session.newest_anchor) return false;
  const auto believed = std::min<std::chrono::microseconds>(session.uncertainty, most_uncertain);
  return claimed_at(session, record.tick_ms) <= *record.shown_before + believed &&
         *session.newest_anchor + counted(record.tick_ms) <= record.received_at + believed + clock_tolerance;
}

/// How far beyond its reception the record claims to be measured, where that is more than its clock may be wrong by.
inline std::optional<std::chrono::microseconds> clock_jump(const Record& record) {
  if (!record.session->dated || is_of_before(record)) return std::nullopt;
  const auto ahead = claimed_at(*record.session, record.tick_ms) - record.received_at;
  const auto believed = std::min<std::chrono::microseconds>(record.session->uncertainty, most_uncertain);
  return ahead > believed + clock_tolerance ? std::optional(ahead) : std::nullopt;
}

/// When the record was measured: never after it was received.
inline Instant measured_at(const Record& record) {
  const auto claimed = claimed_at(*record.session, record.tick_ms);
  if (!record.session->dated) return std::min(claimed, record.received_at);
  return clock_jump(record) ? record.received_at : claimed;
}

/// A record as a store has it. measured_at() is its instant, unless a store raised it itself.
struct DatedRecord {
  Record record;
  Instant measured_at;
  std::optional<AlarmOrigin> origin{};                    // an onset that a store raised anew
  std::optional<std::chrono::microseconds> clock_jump{};  // as clock_jump(record)
};

/// A record is late when its stream holds a higher sequence, or may be there already. `watermark`: the highest sequence
/// that was stored before the record's batch, 0 = none.
constexpr bool is_late(std::uint64_t sequence, std::uint64_t watermark) { return sequence <= watermark; }

/// What decides which value of a sign a device said last: no clock of the device does.
struct Word {
  std::uint64_t ordinal = 0, boot = 0, sequence = 0;
  Instant received_at;
};
inline Word word_of(const Record& record) {
  return {record.session->ordinal, record.session->boot, record.sequence, record.received_at};
}

/// Whether a value that is not late takes the place of the latest that is stored: that of a newer start does, and of
/// one start the higher sequence. Of two starts that have no place among the registered ones, what was received later.
constexpr bool supersedes(const Word& value, const Word& stored) {
  if (value.ordinal != stored.ordinal) return value.ordinal > stored.ordinal;
  if (value.boot != stored.boot) return value.received_at > stored.received_at;
  return value.sequence > stored.sequence;
}

/// What is posted by hand is kept apart from what the device sends.
struct LatestKey {
  std::int64_t device_id = 0;
  std::uint16_t sign = 0;
  bool manual = false;
  auto operator<=>(const LatestKey&) const = default;
};

/// A value of a record's measurement set.
struct SetValue {
  const Record* record = nullptr;
  std::size_t index = 0;  // in the set's lists
};

/// The last value of each key in these records, none of which is late. Their bodies are measurement sets.
std::map<LatestKey, SetValue> newest_values(std::span<const Record* const> sets);

}  // namespace wardlink::storage
