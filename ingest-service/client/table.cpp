#include "client/table.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>

namespace wardlink::command_line {
namespace {

/// Code points, not bytes: names have accents.
std::size_t width(const std::string& utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

void make_printable(std::string& cell) {
  for (char& c : cell) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
}

}  // namespace

void Table::add(std::vector<std::string> row) {
  assert(row.size() == columns_.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    make_printable(row[i]);
    if (row[i].empty() && !columns_[i].title.empty()) row[i].assign(1, '-');
  }
  rows_.push_back(std::move(row));
}

void Table::print(std::ostream& out) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(width(columns_[i].title));
    for (const auto& row : rows_) widths[i] = std::max(widths[i], width(row[i]));
  }
  const auto print_line = [&](const auto& cell_of) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string& cell = cell_of(i);
      const std::size_t padding = widths[i] - width(cell);
      line.append(i > 0 ? 2 : 0, ' ');
      if (columns_[i].align == Align::right) line.append(padding, ' ');
      line.append(cell);
      if (columns_[i].align == Align::left) line.append(padding, ' ');
    }
    while (line.ends_with(' ')) line.pop_back();
    out << line << '\n';
  };
  print_line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  for (const auto& row : rows_) print_line([&](std::size_t i) -> const std::string& { return row[i]; });
}

std::string number_text(double value) {
  std::array<char, 64> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), result.ptr};
}

}  // namespace wardlink::command_line
