#pragma once
// What a device measures and what it warns of.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "signs/catalogue.hpp"

namespace wardlink {

/// One vital sign's value, in the catalogue's unit (UCUM).
struct Reading {
  signs::SignId sign;
  double value;
};

inline constexpr std::size_t kMostReadings = 16;  // of a set

/// The signs sampled together. One set becomes one record: one sequence number, one row.
struct MeasurementSet {
  std::vector<Reading> readings;  // at most kMostReadings; each sign at most once
  /// The device's clock when sampled: below 2^53, at most 1,000 ms ahead of what it says now, and as far back as may
  /// be; empty = now.
  std::optional<std::uint64_t> tick_ms;
};

enum class AlarmKind : std::uint8_t { physiological = 1, technical = 2 };
enum class AlarmPriority : std::uint8_t { low = 1, medium = 2, high = 3 };

/// An alarm condition (IEC 60601-1-8).
struct Alarm {
  AlarmKind kind = AlarmKind::physiological;
  AlarmPriority priority = AlarmPriority::high;
  std::string code;  // "hr-high", "lead-off": lower case, digits and '-', 1 to 32 bytes
  std::optional<signs::SignId> sign;
  std::optional<double> value;           // of the sign, at onset
  std::optional<double> limit;           // the limit in force
  std::optional<std::uint64_t> tick_ms;  // onset, of the range of a set's; empty = now
};

struct SequencedSet {
  std::uint64_t sequence;
  std::uint64_t tick_ms;
  std::vector<Reading> readings;
};

/// One alarm record as it is owed: onset and end are two.
struct SequencedAlarm {
  enum class Event : std::uint8_t { raised = 1, ended = 2 };
  std::uint64_t sequence;
  std::uint64_t tick_ms;
  Event event;
  std::uint64_t onset_sequence;  // ended: of its raised record; raised: 0
  Alarm alarm;                   // ended: value = that of the last sample inside the band
};

}  // namespace wardlink
