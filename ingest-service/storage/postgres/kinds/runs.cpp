// Runs of samples.

#include "storage/postgres/kinds/kind.hpp"

namespace wardlink::storage::postgres {

const RecordKind& runs() {
  static const RecordKind kind(
      "waveform_run", "stored_runs", WaveformRun{},
      {body_column<&WaveformRun::rate_samples>("rate_samples"), body_column<&WaveformRun::rate_seconds>("rate_seconds"),
       body_column<&WaveformRun::scale>("scale"), body_column<&WaveformRun::offset>("sample_offset"),
       body_column<&WaveformRun::samples, Bytes>("samples")});
  return kind;
}

}  // namespace wardlink::storage::postgres
