#include "recording.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <istream>
#include <optional>
#include <stdexcept>
#include <string_view>

namespace ward {
namespace {

struct Column {
  std::string_view header;
  std::string_view sign;
};

constexpr std::array kColumns{
    Column{"heart_rate_bpm", "hr"},        Column{"spo2_percent", "spo2"}, Column{"respiration_rate_bpm", "rr"},
    Column{"temperature_celsius", "temp"}, Column{"systolic_mmhg", "sbp"}, Column{"diastolic_mmhg", "dbp"},
};

std::vector<std::string_view> split(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  std::vector<std::string_view> cells;
  for (;;) {
    const auto comma = line.find(',');
    cells.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return cells;
    line.remove_prefix(comma + 1);
  }
}

/// The double that the decimal text names; empty when the text is anything else.
std::optional<double> number(std::string_view cell) {
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc{} || end != cell.data() + cell.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// Which sign a column holds; 0 = none that we know.
struct Layout {
  std::optional<std::size_t> time;
  std::vector<signs::SignId> sign;  // by column
};

Layout read_header(std::string_view line) {
  Layout layout;
  for (const auto header : split(line)) {
    if (header == "t_seconds") layout.time = layout.sign.size();
    signs::SignId id = 0;
    for (const auto& column : kColumns) {
      if (column.header == header) id = signs::find(column.sign)->id;
    }
    layout.sign.push_back(id);
  }
  return layout;
}

[[noreturn]] void refuse(const std::string& path, std::size_t line, const std::string& why) {
  throw std::runtime_error(path + ", line " + std::to_string(line) + ": " + why + ".");
}

}  // namespace

Recording read_recording(std::istream& text, const std::string& path) {
  Recording recording;
  recording.name = std::filesystem::path(path).stem().string();
  std::string line;
  std::size_t count = 1;
  if (!std::getline(text, line)) refuse(path, count, "the file is empty");
  const auto layout = read_header(line);
  if (!layout.time) refuse(path, count, "there is no column t_seconds");

  std::optional<std::uint64_t> previous;
  while (std::getline(text, line)) {
    ++count;
    if (line.empty() || line == "\r") continue;
    const auto cells = split(line);
    if (cells.size() != layout.sign.size()) refuse(path, count, "the number of columns is not the header's");
    const auto seconds = number(cells[*layout.time]);
    if (!seconds || *seconds < 0 || *seconds > 1e10) refuse(path, count, "t_seconds is not a time");
    const auto tick = static_cast<std::uint64_t>(std::llround(*seconds * 1000));
    if (previous && tick <= *previous) refuse(path, count, "t_seconds does not rise");
    previous = tick;
    wardlink::MeasurementSet set;
    set.tick_ms = tick;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (layout.sign[i] == 0 || cells[i].empty()) continue;
      const auto value = number(cells[i]);
      if (!value) refuse(path, count, "'" + std::string(cells[i]) + "' is not a number");
      set.readings.push_back({layout.sign[i], *value});
    }
    recording.length_ms = tick;
    if (!set.readings.empty()) recording.sets.push_back(std::move(set));
  }
  return recording;
}

Recording load_recording(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("The recording " + path + " cannot be opened.");
  return read_recording(file, path);
}

}  // namespace ward
