#pragma once
// A recorded waveform: `#` lines of which one says `sampling_hz: 125`, then one sample a line, blank = not measured.

#include <iosfwd>
#include <string>
#include <vector>

#include "wardlink/waveform.hpp"

namespace ward {

struct WaveformRecording {
  wardlink::WaveformOptions options;
  std::vector<double> samples;  // NaN = not measured
  std::uint64_t length_ms() const;
};

/// How samples of that waveform travel here: steps of 0.001 mV for the ECG, finer ones for what has no unit.
wardlink::WaveformOptions options_of(const std::string& waveform, signs::SampleRate rate);

/// Throws std::runtime_error with one sentence naming file and line.
WaveformRecording read_waveform(std::istream& text, const std::string& waveform, const std::string& path);
/// bed_1.csv and ecg: bed_1_ecg.csv beside it. Those that are there.
std::vector<WaveformRecording> load_waveforms(const std::string& recording, const std::vector<std::string>& waveforms);

}  // namespace ward
