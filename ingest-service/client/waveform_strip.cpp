#include "client/waveform_strip.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>

namespace wardlink::command_line {
namespace {

constexpr std::size_t label_width = 8;

struct Range {
  double low, high, last;
};

std::string label(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, 4).ptr;
  std::string shown(text.data(), end);
  return std::string(shown.size() < label_width ? label_width - shown.size() : 0, ' ') + shown;
}

/// What each column of the paper holds. A stroke reaches back to where the column before it ended.
std::vector<std::optional<Range>> columns_of(std::span<const StripSample> samples, std::size_t count) {
  std::vector<std::optional<Range>> columns(count);
  for (const auto& sample : samples) {
    const auto place = static_cast<std::size_t>(std::clamp(sample.at, 0.0, 1.0) * static_cast<double>(count));
    auto& column = columns[std::min(place, count - 1)];
    if (!column) column = Range{sample.value, sample.value, sample.value};
    column = Range{std::min(column->low, sample.value), std::max(column->high, sample.value), sample.value};
  }
  for (std::size_t i = count; i-- > 1;) {
    if (!columns[i] || !columns[i - 1]) continue;
    columns[i]->low = std::min(columns[i]->low, columns[i - 1]->last);
    columns[i]->high = std::max(columns[i]->high, columns[i - 1]->last);
  }
  return columns;
}

}  // namespace

std::vector<std::string> draw_strip(std::span<const StripSample> samples, std::size_t width, std::size_t height) {
  if (samples.empty()) return {};
  height = std::max<std::size_t>(height, 2);
  const auto columns = columns_of(samples, std::max<std::size_t>(width, 20) - label_width - 2);
  const auto [least, most] = std::ranges::minmax(samples, {}, &StripSample::value);
  const double span = most.value > least.value ? most.value - least.value : 1;
  const auto line_of = [&, top = most.value](double value) {
    return static_cast<std::size_t>(std::lround((top - value) / span * static_cast<double>(height - 1)));
  };
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < height; ++i) {
    const bool labelled = i == 0 || i == height - 1 || i == height / 2;
    lines.push_back((labelled ? label(most.value - span * static_cast<double>(i) / static_cast<double>(height - 1))
                              : std::string(label_width, ' ')) +
                    " |");
  }
  for (const auto& column : columns) {
    for (std::size_t i = 0; i < height; ++i) {
      const bool drawn = column && i >= line_of(column->high) && i <= line_of(column->low);
      lines[i] += drawn ? '*' : ' ';
    }
  }
  for (auto& line : lines) line.erase(line.find_last_not_of(' ') + 1);
  return lines;
}

std::size_t terminal_width() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  if (const char* text = std::getenv("COLUMNS")) {
    std::size_t columns = 0;
    const auto [end, error] = std::from_chars(text, text + std::strlen(text), columns);
    if (error == std::errc{} && *end == '\0' && columns > 0) return columns;
  }
  return 80;
}

}  // namespace wardlink::command_line
