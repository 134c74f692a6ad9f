#pragma once
// What storage keeps, as plain structs: no protobuf, no SQL.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace wardlink::storage {

/// Microseconds since 1970-01-01 UTC: what PostgreSQL keeps. From year 1 to year 9999.
using Instant = std::chrono::sys_time<std::chrono::microseconds>;

/// Numbers are in the database and on the wire; never renumbered.
/// That of a waveform is 16 + its id of the catalogue.
enum class Stream : std::uint8_t { vitals = 1, alarms = 2, manual = 3, storage = 4 };
constexpr Stream waveform_stream(std::uint16_t waveform) { return Stream{static_cast<std::uint8_t>(16 + waveform)}; }
/// 0 = none.
constexpr std::uint16_t waveform_of(Stream stream) {
  const auto number = static_cast<std::uint16_t>(stream);
  return number > 16 ? static_cast<std::uint16_t>(number - 16) : std::uint16_t{0};
}
enum class AlarmEvent : std::uint8_t { raised = 1, ended = 2 };
enum class AlarmKind : std::uint8_t { physiological = 1, technical = 2 };
enum class AlarmPriority : std::uint8_t { low = 1, medium = 2, high = 3 };
enum class AlarmState : std::uint8_t { raised = 1, ended = 2, acknowledged = 3, ended_acknowledged = 4 };
enum class AlarmEndCause : std::uint8_t { device = 1, restarted = 2, released = 3, discharged = 4, person = 5 };

/// A device session as storage knows it, from RecordWriter::attach().
struct Session {
  std::int64_t device_id = 0;
  std::string device;                       // URN
  std::uint64_t boot = 0;                   // below 2^53
  Instant anchor{};                         // the first one of this boot
  std::chrono::microseconds uncertainty{};  // what the anchor may be wrong by, either way
  /// Its place among the device's starts that registered: the highest is the newest. 0: it has none, as it came late or
  /// only debts and posts by hand tell of it.
  std::uint64_t ordinal = 0;
  bool dated = true;                       // false: storage has never heard of its clock, and the anchor is a guess
  std::optional<Instant> newest_anchor{};  // what its ticks count from by now, where that is another
};

/// The signs sampled together: parallel lists of the same length.
struct MeasurementSet {
  std::vector<std::uint16_t> signs;  // ids of the catalogue
  std::vector<double> values;        // finite
  std::vector<std::uint16_t> qualities;
};

struct AlarmFact {
  AlarmEvent event = AlarmEvent::raised;
  AlarmKind kind = AlarmKind::physiological;
  AlarmPriority priority = AlarmPriority::low;
  std::string code;
  std::uint16_t sign = 0;  // 0 = none
  std::optional<double> value, limit;
  std::uint64_t onset_sequence = 0;  // ended only; 0 = not known
  bool operator==(const AlarmFact&) const = default;
};

/// Samples at equal distances, the first at the record's tick.
struct WaveformRun {
  std::uint32_t rate_samples = 0, rate_seconds = 1;  // samples in so many seconds
  double scale = 1, offset = 0;                      // a sample's value is offset + scale * sample
  std::string samples;                               // int16 each, big-endian; 0x8000 = missing
  bool operator==(const WaveformRun&) const = default;
};

/// What could not be taken, as it came.
struct Unusable {
  std::string reason;  // a name: undecodable, conflict, not_a_number, …
  std::string resource;
  std::string payload;  // bytes
};

struct Record {
  std::shared_ptr<const Session> session;  // nullptr = not attached
  Stream stream = Stream::vitals;
  std::uint64_t sequence = 0;  // with device, boot and stream: the record key. Below 2^63
  std::uint64_t tick_ms = 0;   // of its start, milliseconds
  Instant received_at;
  std::variant<MeasurementSet, AlarmFact, WaveformRun, Unusable> body;
  /// The calendar had come so far when it was set back, where that is beyond received_at.
  std::optional<Instant> shown_before{};
};

/// 0 is none of them, so that a result which nobody has given is none.
enum class RecordResult : std::uint8_t { committed = 1, duplicate = 2, quarantined = 3, not_attached = 4 };

}  // namespace wardlink::storage
