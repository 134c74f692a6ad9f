#pragma once
// All that a store has of records, as rows: two stores that were told the same have equal rows.

#include <string>
#include <variant>
#include <vector>

#include "storage/port/record_store.hpp"
#include "storage/rules/clock.hpp"

namespace wardlink::storage {

struct StoredRecord {
  std::string device;  // URN
  std::uint64_t boot = 0;
  Stream stream{};
  std::uint64_t sequence = 0, tick_ms = 0;
  Instant measured_at, received_at;
  bool late = false;
  std::optional<std::chrono::microseconds> clock_jump{};
  bool operator==(const StoredRecord&) const = default;
};

struct StoredSet : StoredRecord {
  std::vector<std::uint16_t> signs;
  std::vector<double> values;
  std::vector<std::uint16_t> qualities;
  bool operator==(const StoredSet&) const = default;
};

/// An onset or an end, the device's or storage's own (stream `storage`).
struct StoredAlarm : StoredRecord {
  AlarmFact fact;
  bool operator==(const StoredAlarm&) const = default;
};

struct StoredRun : StoredRecord {
  WaveformRun run;
  bool operator==(const StoredRun&) const = default;
};

struct QuarantinedRecord {
  std::string device;
  std::uint64_t boot = 0;
  Stream stream{};
  std::uint64_t sequence = 0;
  std::string reason, payload, resource;
  Instant received_at;  // the first time
  std::uint64_t seen = 1;
  bool operator==(const QuarantinedRecord&) const = default;
};

struct StoredLatest {
  std::string device;
  std::uint16_t sign = 0;
  bool manual = false;  // posted by hand
  double value = 0;
  std::uint16_t quality = 0;
  Instant measured_at, received_at;
  std::uint64_t boot = 0, sequence = 0;
  bool operator==(const StoredLatest&) const = default;
};

struct StoredStream {
  std::string device;
  std::uint64_t boot = 0;
  Stream stream{};
  std::uint64_t high_sequence = 0;
  std::optional<Instant> last_received_at;
  bool operator==(const StoredStream&) const = default;
};

struct StoredStart {
  std::string device;
  std::uint64_t boot = 0;
  Instant anchor;
  std::vector<ClockExchange> exchanges;  // by tick
  bool operator==(const StoredStart&) const = default;
};

/// Each list by device (its URN's bytes), then boot, stream and sequence; quarantine then by reason and payload, latest
/// by device, sign and whether it was posted by hand.
struct StoredRows {
  std::vector<StoredStart> starts;
  std::vector<StoredStream> streams;
  std::vector<StoredSet> sets;
  std::vector<StoredAlarm> alarms;
  std::vector<StoredRun> runs;
  std::vector<QuarantinedRecord> quarantine;
  std::vector<StoredLatest> latest;
  bool operator==(const StoredRows&) const = default;
};

}  // namespace wardlink::storage
