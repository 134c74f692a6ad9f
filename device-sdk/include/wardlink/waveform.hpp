#pragma once
// What a device samples too fast for measurement sets: ECG, PPG, respiration.

#include <cstdint>
#include <string>
#include <vector>

#include "signs/waveforms.hpp"

namespace wardlink {

/// One waveform that a device has. Told once, when the device is made.
struct WaveformOptions {
  std::string name;        // of the catalogue (signs/waveforms.hpp): "ecg", "ppg", "resp"
  signs::SampleRate rate;  // samples / seconds, within the catalogue's range: {125, 1}, {256, 3}
  /// How samples travel: int16, of which one step is `scale` and 0 is `offset`, in the catalogue's unit. Finite; scale
  /// not 0. The default spans ±32.767 in steps of 0.001.
  double scale = 0.001;
  double offset = 0;
};

/// One record: samples at equal distances, the first at `tick_ms`.
struct SequencedRun {
  std::uint64_t sequence;
  std::uint64_t tick_ms;
  std::vector<std::int16_t> samples;  // signs::kMissingSample = not measured
};

}  // namespace wardlink
