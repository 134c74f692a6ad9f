#pragma once
// The catalogue of waveforms, beside that of the signs: one constexpr table. A new waveform is one row here and one
// stream in proto/wardlink/v1/record.proto.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace signs {

/// Permanent, as a sign's.
using WaveformId = std::uint16_t;

struct Waveform {
  WaveformId id;                // 1 …
  std::string_view wire;        // the last segment of its resource: "ecg"
  std::string_view display;     // "Electrocardiogram"
  std::string_view ucum;        // unit of offset + scale * sample: "mV"
  std::string_view senml_unit;  // the SenML unit (RFC 8428, RFC 8798) that means the same
  double lowest_hz;             // samples a second, both inclusive
  double highest_hz;
  std::uint32_t mdc;  // ISO/IEEE 11073-10101 code (partition << 16 | term)
};

inline constexpr std::size_t kWaveformCount = 3;
std::span<const Waveform> waveforms();
/// nullptr when there is none.
const Waveform* find_waveform(WaveformId id);
const Waveform* find_waveform(std::string_view wire);

/// What stands for a sample that was not measured: 0x8000 on the wire.
inline constexpr std::int16_t kMissingSample = std::numeric_limits<std::int16_t>::min();

/// Samples in so many seconds: 125 / 1, 256 / 3. A fraction, so that no rate is rounded.
struct SampleRate {
  std::uint32_t samples = 0, seconds = 1;
  double hz() const { return static_cast<double>(samples) / seconds; }
  friend bool operator==(const SampleRate&, const SampleRate&) = default;
};
inline constexpr std::uint32_t kHighestRatePart = 1'000'000;  // of both
/// Both parts from 1 to kHighestRatePart, and the quotient in the waveform's range.
bool allowed(const Waveform& waveform, SampleRate rate);

/// A run, one record, is at most so long.
inline constexpr std::uint32_t kLongestRunSeconds = 10;
/// Whether so many samples at that rate are a run: at least one, at most kLongestRunSeconds.
bool is_run(SampleRate rate, std::size_t samples);

}  // namespace signs
