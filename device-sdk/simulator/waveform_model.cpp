#include "waveform_model.hpp"

#include <cmath>
#include <numbers>

#include "waveform_recording.hpp"

namespace ward {
namespace {

constexpr unsigned kStepsASecond = 250;  // the fastest waveform's; the others' rates divide it

double bell(double x, double width) { return std::exp(-x * x / (2 * width * width)); }

/// mV, at so many seconds behind the R wave, or before it. P, Q, R and S keep their times; the T wave comes the sooner,
/// the faster the heart beats (Bazett: with the square root of the beat's length).
double near_r_wave(double seconds, double beat_s) {
  const double t_wave = 0.31 * std::sqrt(beat_s);
  return 0.12 * bell(seconds + 0.16, 0.022) - 0.13 * bell(seconds + 0.032, 0.009) + 1.1 * bell(seconds, 0.011) -
         0.22 * bell(seconds - 0.032, 0.010) + 0.28 * bell(seconds - t_wave, 0.045 * std::sqrt(beat_s));
}

/// The end of one beat is the beginning of the next one's P wave.
double ecg(double beat, double beat_s, double breath) {
  const double behind = beat * beat_s;
  const double sway = 0.04 * std::sin(2 * std::numbers::pi * breath);
  return near_r_wave(behind, beat_s) + near_r_wave(behind - beat_s, beat_s) + sway;
}

/// The pulse reaches the finger 0.2 s behind the R wave: a steep rise, a notch, a slow fall.
double ppg(double beat, double beat_s, double breath) {
  double pulse = beat - 0.2 / beat_s;
  pulse -= std::floor(pulse);
  const double wave = bell(pulse - 0.22, 0.085) + 0.38 * bell(pulse - 0.52, 0.13);
  return 0.3 + (0.4 + 0.03 * std::sin(2 * std::numbers::pi * breath)) * wave;
}

/// The chest widens quickly and falls back slowly.
double respiration(double breath) {
  return breath < 0.4 ? 0.5 - 0.5 * std::cos(std::numbers::pi * breath / 0.4)
                      : 0.5 + 0.5 * std::cos(std::numbers::pi * (breath - 0.4) / 0.6);
}

signs::SampleRate rate_of(const std::string& waveform) {
  return {waveform == "ecg" ? 250u : waveform == "ppg" ? 125u : 25u, 1};
}

}  // namespace

WaveformModel::WaveformModel(const std::vector<std::string>& waveforms) {
  for (const auto& waveform : waveforms) options_.push_back(options_of(waveform, rate_of(waveform)));
}

WaveformModel::Second WaveformModel::next(double heart_rate, double respiratory_rate) {
  Second second{std::vector<std::vector<double>>(options_.size())};
  for (unsigned step = 0; step < kStepsASecond; ++step) {
    // Breathing in, the heart beats a little faster.
    const double now_a_minute = heart_rate * (1 + 0.03 * std::sin(2 * std::numbers::pi * breath_));
    const double beat_s = 60 / now_a_minute;
    for (std::size_t i = 0; i < options_.size(); ++i) {
      const auto& [name, rate, scale, offset] = options_[i];
      if (step % (kStepsASecond / rate.samples) != 0) continue;
      second.samples[i].push_back(name == "ecg"   ? ecg(beat_, beat_s, breath_)
                                  : name == "ppg" ? ppg(beat_, beat_s, breath_)
                                                  : respiration(breath_));
    }
    beat_ += now_a_minute / 60 / kStepsASecond;
    beat_ -= std::floor(beat_);
    breath_ += respiratory_rate / 60 / kStepsASecond;
    breath_ -= std::floor(breath_);
  }
  return second;
}

}  // namespace ward
