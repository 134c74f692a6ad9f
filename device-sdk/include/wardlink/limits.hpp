#pragma once
// Alarm limits: when a sign's value becomes an alarm condition, and when it stops being one. Pure: values and ticks in,
// raised and ended out.

#include <cstdint>
#include <optional>
#include <vector>

#include "wardlink/measurement.hpp"

namespace wardlink {

/// One band: the condition holds at or beyond `threshold`.
struct AlarmLimit {
  enum class Side : std::uint8_t { high, low } side;  // high: value >= threshold; low: value <= threshold
  signs::SignId sign;
  double threshold;
  AlarmPriority priority = AlarmPriority::high;
};

struct AlarmSettings {
  /// Default: the outermost NEWS2 bands: HR >= 131, <= 40; SpO2 <= 91; RR >= 25, <= 8; temperature >= 39.1, <= 35.0;
  /// systolic >= 220, <= 90.
  std::vector<AlarmLimit> limits = news2_extremes();
  /// As a fraction of the threshold: a high alarm ends below threshold·(1−h), a low one above threshold·(1+h). At 0 it
  /// ends at the first sample outside the band. 0 to 0.5. A condition that stands has the band so widened: what does
  /// not end it is inside, and the last sample inside is where it ended.
  double hysteresis = 0.02;
  /// A condition that has stood uncontradicted for so long is raised; one contradicted earlier never was. A missing
  /// value contradicts nothing. 0: raised by its first sample. Counted in ticks of the sign's samples, in the order
  /// given, while these rise; between two samples, by the device's clock since the sign's last one was reported.
  /// A sample whose tick does not rise above that of the sign's sample before it (a late one, a counter that restarts)
  /// ends nothing; at or beyond the threshold, it raises at once. Where one came while a condition stands, it is ended
  /// only by samples with rising ticks that contradict it for so long, not by the first. The onset is the first sample
  /// beyond the threshold, in the order given; the end the highest tick inside, never before the onset.
  std::uint64_t shortest_ms = 10'000;

  static std::vector<AlarmLimit> news2_extremes();
};

}  // namespace wardlink
