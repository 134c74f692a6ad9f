#pragma once
// How long a run of samples is.

#include <cmath>

#include "storage/port/record.hpp"

namespace wardlink::storage {

/// Behind its last sample, to the microsecond.
inline Instant run_end(Instant measured_at, const WaveformRun& run) {
  const auto samples = static_cast<double>(run.samples.size() / 2);
  return measured_at + std::chrono::microseconds(std::llrint(samples * run.rate_seconds / run.rate_samples * 1e6));
}

}  // namespace wardlink::storage
