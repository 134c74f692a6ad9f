#pragma once
// ECG, PPG and respiration of a wearer without a recording, beat by beat and breath by breath: in time with each other
// and with the heart and respiratory rates that they are given. Deterministic.

#include <string>
#include <vector>

#include "wardlink/waveform.hpp"

namespace ward {

class WaveformModel {
 public:
  /// `waveforms`: of ecg, ppg, resp.
  explicit WaveformModel(const std::vector<std::string>& waveforms);

  /// One second's worth.
  struct Second {
    std::vector<std::vector<double>> samples;  // in the order of options()
  };
  /// With a heart rate and a respiratory rate, /min, both above 0.
  Second next(double heart_rate, double respiratory_rate);

  /// ECG at 250 samples a second, PPG at 125, respiration at 25.
  const std::vector<wardlink::WaveformOptions>& options() const { return options_; }

 private:
  std::vector<wardlink::WaveformOptions> options_;
  double beat_ = 0;    // of the present beat, 0 at its R wave to 1
  double breath_ = 0;  // of the present breath, 0 to 1
};

}  // namespace ward
