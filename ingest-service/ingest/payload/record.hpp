#pragma once
// What intake makes of a payload and a sink carries to storage: plain structs, nothing of the wire and nothing of gRPC.

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "coap/address.hpp"
#include "coap/instant.hpp"
#include "ingest/payload/enum_count.hpp"
#include "signs/catalogue.hpp"
#include "signs/waveforms.hpp"

namespace wardlink::ingest {

/// Calendar time, UTC, microseconds.
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;
/// The calendar as an argument: products pass storage's, as far as it is known, tests their own. For what devices and
/// people are told: nothing is stored by it.
using Calendar = std::function<WallTime()>;

/// The stream that a record's sequence counts in; together with device, boot and sequence it is the record key. That of
/// a waveform is 16 + its id; `manual` is what was posted without a key of its own.
enum class Stream : std::uint8_t { vitals = 1, alarms = 2, manual = 3, ecg = 17, ppg = 18, resp = 19 };
inline constexpr std::array streams{Stream::vitals, Stream::alarms, Stream::ecg,
                                    Stream::ppg,    Stream::resp,   Stream::manual};
static_assert(streams.size() == 3 + signs::kWaveformCount);
/// Its place among `streams`.
std::size_t index_of(Stream stream);
/// The wire name of a waveform, else "vitals", "alarms" or "manual".
const char* to_string(Stream stream);

struct SignValue {
  signs::SignId sign;
  double value;      // in the catalogue's unit
  bool implausible;  // outside the catalogue's range: stored, flagged, never dropped
  friend bool operator==(const SignValue&, const SignValue&) = default;
};

/// One measurement set.
struct SignValues {
  std::vector<SignValue> values;
  friend bool operator==(const SignValues&, const SignValues&) = default;
};

/// One alarm record; onset and end are two.
struct AlarmFact {
  enum class Event : std::uint8_t { raised = 1, ended = 2 } event = Event::raised;
  enum class Kind : std::uint8_t { physiological = 1, technical = 2 } kind = Kind::physiological;
  enum class Priority : std::uint8_t { low = 1, medium = 2, high = 3 } priority = Priority::high;
  std::string code;        // lower case, digits and '-', 1 to 32 bytes
  signs::SignId sign = 0;  // 0 = none
  std::optional<double> value;
  std::optional<double> limit;
  std::uint64_t onset_sequence = 0;  // ended: of its raised record; 0 = not known
  friend bool operator==(const AlarmFact&, const AlarmFact&) = default;
};

/// A run of samples of one waveform, the first at the record's tick; the stream says which.
struct WaveformRun {
  signs::SampleRate rate;
  double scale = 1, offset = 0;  // a sample's value is offset + scale * sample
  coap::Bytes samples;           // int16 each, big-endian, 0x8000 = missing: as they came
  friend bool operator==(const WaveformRun&, const WaveformRun&) = default;
};

/// Why a payload, or a part of it, could not be taken.
enum class QuarantineReason : std::uint8_t {
  undecodable,         // not the SenML that its content format says
  unsupported_format,  // neither SenML CBOR nor SenML JSON
  foreign_name,        // names another device
  wrong_resource,      // what belongs under the token of another resource
  unknown_sign,        // a name that the catalogue does not have
  unknown_unit,        // a unit that is not the sign's
  bad_set,             // SenML, but not a measurement set
  bad_alarm,           // SenML, but not an alarm record
  bad_run,             // SenML, but not a run of samples
};
/// snake_case, for counters, audit and storage.
constexpr const char* to_string(QuarantineReason reason) {
  switch (reason) {
    case QuarantineReason::undecodable:
      return "undecodable";
    case QuarantineReason::unsupported_format:
      return "unsupported_format";
    case QuarantineReason::foreign_name:
      return "foreign_name";
    case QuarantineReason::wrong_resource:
      return "wrong_resource";
    case QuarantineReason::unknown_sign:
      return "unknown_sign";
    case QuarantineReason::unknown_unit:
      return "unknown_unit";
    case QuarantineReason::bad_set:
      return "bad_set";
    case QuarantineReason::bad_alarm:
      return "bad_alarm";
    case QuarantineReason::bad_run:
      return "bad_run";
  }
  return "";
}

/// The payload as it came. `resource` is the path that its token stood for.
struct Quarantined {
  QuarantineReason reason;
  std::string resource;
  coap::Bytes payload;
  friend bool operator==(const Quarantined&, const Quarantined&) = default;
};

/// One thing that a payload says. Sequence and tick of a quarantined one are 0.
struct Fact {
  Stream stream;
  std::uint64_t sequence = 0;
  std::uint64_t tick_ms = 0;
  std::variant<SignValues, AlarmFact, WaveformRun, Quarantined> body;
  std::uint64_t boot = 0;  // of an alarm record that outlived its device's reboot; 0 = the session's
  friend bool operator==(const Fact&, const Fact&) = default;
};

/// Whatever its stream: what is posted by hand counts in `manual`.
inline bool is_alarm(const Fact& fact) {
  return fact.stream == Stream::alarms || std::holds_alternative<AlarmFact>(fact.body);
}

/// A device session towards storage. Unique within a sink, never 0.
enum class SinkSession : std::uint64_t {};
inline constexpr std::uint64_t by_hand_bit = std::uint64_t{1} << 63;
/// What a session posts without keys is attached beside it, under a boot and a clock of its own.
constexpr SinkSession by_hand(SinkSession session) {
  return SinkSession{static_cast<std::uint64_t>(session) | by_hand_bit};
}
/// The session itself, of either.
constexpr SinkSession base(SinkSession session) {
  return SinkSession{static_cast<std::uint64_t>(session) & ~by_hand_bit};
}
/// Names a record whose result somebody waits for. Unique within a sink; none = nobody waits.
enum class Ticket : std::uint64_t { none = 0 };

struct Record {
  SinkSession session;
  Ticket ticket = Ticket::none;
  coap::Instant received_at;
  Fact fact;
};

}  // namespace wardlink::ingest
