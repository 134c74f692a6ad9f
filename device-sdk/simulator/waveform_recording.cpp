#include "waveform_recording.hpp"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <istream>
#include <limits>
#include <stdexcept>
#include <string_view>

namespace ward {
namespace {

constexpr std::string_view kRateLine = "# sampling_hz: ";

[[noreturn]] void refuse(const std::string& path, std::size_t line, const std::string& why) {
  throw std::runtime_error(path + ", line " + std::to_string(line) + ": " + why + ".");
}

/// "125" is 125 / 1, "62.5" is 625 / 10. 0 samples: no rate.
signs::SampleRate rate_of(std::string_view text) {
  std::string digits;
  std::uint32_t seconds = 1;
  bool fraction = false;
  for (const char c : text) {
    if (c == '.' && !fraction) {
      fraction = true;
    } else if (c >= '0' && c <= '9' && digits.size() < 7) {
      digits += c;
      if (fraction) seconds *= 10;
    } else {
      return {};
    }
  }
  std::uint32_t samples = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), samples);
  return {samples, seconds};
}

}  // namespace

std::uint64_t WaveformRecording::length_ms() const {
  return static_cast<std::uint64_t>(std::llround(static_cast<double>(samples.size()) * 1000 / options.rate.hz()));
}

wardlink::WaveformOptions options_of(const std::string& waveform, signs::SampleRate rate) {
  return {waveform, rate, waveform == "ecg" ? 0.001 : 0.0001, 0};
}

WaveformRecording read_waveform(std::istream& text, const std::string& waveform, const std::string& path) {
  WaveformRecording recording{options_of(waveform, {}), {}};
  std::size_t count = 0;
  for (std::string line; std::getline(text, line);) {
    ++count;
    if (line.ends_with('\r')) line.pop_back();
    if (line.starts_with(kRateLine)) recording.options.rate = rate_of(std::string_view(line).substr(kRateLine.size()));
    if (line.starts_with('#')) continue;
    if (!allowed(*signs::find_waveform(waveform), recording.options.rate)) {
      refuse(path, count, "no line before it says '# sampling_hz: ' and a rate that the waveform may have");
    }
    double value = std::numeric_limits<double>::quiet_NaN();
    if (!line.empty()) {
      const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
      if (error != std::errc{} || end != line.data() + line.size() || !std::isfinite(value)) {
        refuse(path, count, "'" + line + "' is not a number");
      }
    }
    recording.samples.push_back(value);
  }
  if (recording.samples.empty()) refuse(path, count, "there are no samples");
  return recording;
}

std::vector<WaveformRecording> load_waveforms(const std::string& recording, const std::vector<std::string>& waveforms) {
  std::vector<WaveformRecording> found;
  for (const auto& waveform : waveforms) {
    auto path = std::filesystem::path(recording);
    path.replace_filename(path.stem().string() + "_" + waveform + path.extension().string());
    std::ifstream file(path);
    if (file) found.push_back(read_waveform(file, waveform, path.string()));
  }
  return found;
}

}  // namespace ward
