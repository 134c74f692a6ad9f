#pragma once
// A run of samples as instants and values.

#include <optional>
#include <string>

#include "client/time_text.hpp"
#include "wardlink/v1/vitals.pb.h"

namespace wardlink::command_line {

Instant instant_of(const v1::WaveformRun& run, int sample);
/// Empty where it was not measured.
std::optional<double> value_of(const v1::WaveformRun& run, int sample);
/// Decimals that the run's steps need: the value 0.145 in steps of 0.001 is "0.145", not 0.14500000000000002.
int decimals_of(const v1::WaveformRun& run);
std::string decimal_text(double value, int decimals);

}  // namespace wardlink::command_line
