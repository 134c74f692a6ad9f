#include "client/waveform_samples.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "client/table.hpp"

namespace wardlink::command_line {
namespace {

constexpr std::int32_t missing = -32768;
constexpr int most_decimals = 12;

int decimals(double value) {
  std::array<char, 512> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed).ptr;
  const std::string shown(text.data(), end);
  const auto point = shown.find('.');
  return point == std::string::npos ? 0 : static_cast<int>(shown.size() - point - 1);
}

}  // namespace

Instant instant_of(const v1::WaveformRun& run, int sample) {
  const double seconds = run.rate_samples() == 0 ? 0 : double(sample) * run.rate_seconds() / run.rate_samples();
  return from_proto(run.measured_at()) + std::chrono::microseconds(std::llround(seconds * 1e6));
}

std::optional<double> value_of(const v1::WaveformRun& run, int sample) {
  if (run.samples(sample) == missing) return std::nullopt;
  return run.offset() + run.scale() * run.samples(sample);
}

int decimals_of(const v1::WaveformRun& run) { return std::max(decimals(run.scale()), decimals(run.offset())); }

std::string decimal_text(double value, int decimals) {
  if (decimals > most_decimals || !(std::abs(value) < 1e15)) return number_text(value);
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, decimals).ptr;
  return {text.data(), end};
}

}  // namespace wardlink::command_line
