#pragma once
// A recording of one patient: CSV with `t_seconds` first, then one column a vital sign, blank = not measured.

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "wardlink/measurement.hpp"

namespace ward {

struct Recording {
  std::string name;                            // the file's, without folder and extension
  std::vector<wardlink::MeasurementSet> sets;  // in time order; a row without any value makes none
  std::uint64_t length_ms = 0;                 // up to the last row
};

/// Columns: t_seconds, heart_rate_bpm, spo2_percent, respiration_rate_bpm, temperature_celsius, systolic_mmhg,
/// diastolic_mmhg, any order; others are ignored. Throws std::runtime_error with one sentence naming file and line.
Recording read_recording(std::istream& text, const std::string& path);
Recording load_recording(const std::string& path);

}  // namespace ward
