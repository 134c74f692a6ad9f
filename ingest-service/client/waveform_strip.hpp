#pragma once
// A waveform drawn in characters, as on a strip of paper: time to the right, values upwards.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace wardlink::command_line {

struct StripSample {
  double at;     // 0 at the left edge, 1 at the right one
  double value;  // finite
};

/// `height` lines (at least 2) of at most `width` characters (at least 20), the scale on the left included. Where there
/// is no sample the paper stays blank. Ordered by `at`; none: no lines.
std::vector<std::string> draw_strip(std::span<const StripSample> samples, std::size_t width, std::size_t height);

/// Of the terminal on standard output, else of the variable COLUMNS, else 80.
std::size_t terminal_width();

}  // namespace wardlink::command_line
