#pragma once
// Where one wearer's measurement sets come from: a recording at some speed, or the model. Driven by the time that has
// passed since the first sample.

#include <memory>
#include <optional>

#include "physiology.hpp"
#include "recording.hpp"

namespace ward {

class Feed {
 public:
  virtual ~Feed() = default;
  /// The next set that was taken by now, each once; nullptr when there is none yet. Stands until take().
  virtual const wardlink::MeasurementSet* due(double elapsed_s) = 0;
  virtual void take() = 0;
  /// Nothing will come any more.
  virtual bool over(double elapsed_s) const = 0;
};

/// `speed` empty: all is due at once.
std::unique_ptr<Feed> play(Recording recording, std::optional<double> speed);
std::unique_ptr<Feed> model(std::uint64_t seed);

}  // namespace ward
