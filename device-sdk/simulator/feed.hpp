#pragma once
// Where one wearer's measurement sets and samples come from: a recording at some speed, or the model. Driven by the
// time that has passed since the first sample.

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "physiology.hpp"
#include "recording.hpp"
#include "waveform_model.hpp"
#include "waveform_recording.hpp"

namespace ward {

/// Samples of one waveform, about a second's worth.
struct SampleBlock {
  const std::string* waveform;
  std::span<const double> samples;
  std::optional<std::uint64_t> tick_ms;  // of the first; empty = they follow the last ones
};

class Feed {
 public:
  virtual ~Feed() = default;
  /// The next set that was taken by now, each once; nullptr when there is none yet. Stands until take().
  virtual const wardlink::MeasurementSet* due(double elapsed_s) = 0;
  virtual void take() = 0;
  /// The same of samples, until take_block().
  virtual std::optional<SampleBlock> due_block(double elapsed_s) = 0;
  virtual void take_block() = 0;
  /// Nothing will come any more.
  virtual bool over(double elapsed_s) const = 0;
};

/// `speed` empty: all is due at once.
std::unique_ptr<Feed> play(Recording recording, std::vector<WaveformRecording> waveforms, std::optional<double> speed);
/// The clock of a device that replays a recording of that length: it stands at the recording's end now, and goes on. So
/// all samples lie in its past.
std::function<std::uint64_t()> replay_clock(std::uint64_t length_ms);
std::unique_ptr<Feed> model(std::uint64_t seed, const std::vector<std::string>& waveforms);

}  // namespace ward
