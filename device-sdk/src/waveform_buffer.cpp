#include "waveform_buffer.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace wardlink {
namespace {

// With the longest numbers around it, a run of so many samples fits the 1,024 bytes of one payload. A slow waveform is
// cut sooner, so that who looks at it sees it move.
constexpr std::size_t kMostSamples = 460;
constexpr double kLongestRun = 4;  // s

std::size_t samples_a_run(signs::SampleRate rate) {
  return std::clamp<std::size_t>(static_cast<std::size_t>(kLongestRun * rate.hz()), 1, kMostSamples);
}

}  // namespace

WaveformBuffer::WaveformBuffer(WaveformOptions options, std::size_t capacity)
    : options_(std::move(options)),
      capacity_(std::max<std::size_t>(capacity, 1)),
      samples_a_run_(samples_a_run(options_.rate)) {}

void WaveformBuffer::add(std::span<const double> samples, std::optional<std::uint64_t> tick_ms, std::uint64_t clock) {
  if (tick_ms && !(begun_ && follows(*tick_ms))) {
    begin_at(static_cast<double>(*tick_ms));
  } else if (!begun_) {
    const auto length_ms = static_cast<double>(samples.size()) * 1000 / options_.rate.hz();
    begin_at(std::max(0.0, static_cast<double>(clock) - length_ms));
  }
  for (const double sample : samples) {
    if (open_.empty()) open_tick_ = static_cast<std::uint64_t>(std::llround(tick_of_next()));
    open_.push_back(quantised(sample));
    ++since_origin_;
    if (open_.size() == samples_a_run_) flush();
  }
}

void WaveformBuffer::flush() {
  if (open_.empty()) return;
  latest_ = SequencedRun{++last_sequence_, open_tick_, std::exchange(open_, {})};
  runs_.push_back(*latest_);
  drop_surplus();
}

std::vector<SequencedRun> WaveformBuffer::take(std::size_t most) {
  const auto end = runs_.begin() + static_cast<std::ptrdiff_t>(std::min(most, runs_.size()));
  std::vector<SequencedRun> taken(std::make_move_iterator(runs_.begin()), std::make_move_iterator(end));
  runs_.erase(runs_.begin(), end);
  return taken;
}

void WaveformBuffer::give_back(std::vector<SequencedRun> runs) {
  runs_.insert(runs_.begin(), std::make_move_iterator(runs.begin()), std::make_move_iterator(runs.end()));
  drop_surplus();
}

void WaveformBuffer::drop_surplus() {
  while (runs_.size() > capacity_) {
    runs_.pop_front();
    ++dropped_;
  }
}

double WaveformBuffer::tick_of_next() const {
  return origin_ms_ + static_cast<double>(since_origin_) * 1000 * options_.rate.seconds / options_.rate.samples;
}

void WaveformBuffer::begin_at(double tick_ms) {
  flush();
  begun_ = true;
  origin_ms_ = tick_ms;
  since_origin_ = 0;
}

/// Within a sample's distance and the tick's own coarseness it is the next sample: clocks are read a little late.
bool WaveformBuffer::follows(std::uint64_t tick_ms) const {
  return std::abs(static_cast<double>(tick_ms) - tick_of_next()) <= 1000 / options_.rate.hz() + 1;
}

/// What lies beyond the range is held at its edge, as a sensor's converter does.
std::int16_t WaveformBuffer::quantised(double value) const {
  if (std::isnan(value)) return signs::kMissingSample;
  const double steps = std::round((value - options_.offset) / options_.scale);
  return static_cast<std::int16_t>(std::clamp(steps, -32767.0, 32767.0));
}

}  // namespace wardlink
