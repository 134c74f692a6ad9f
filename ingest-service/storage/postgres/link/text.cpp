#include "storage/postgres/link/text.hpp"

#include <array>
#include <cassert>
#include <cstdio>
#include <stdexcept>

namespace wardlink::storage::postgres {
namespace {

template <typename Number>
std::string shortest(Number value) {
  std::array<char, 32> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  assert(error == std::errc{});
  return {buffer.data(), end};
}

template <typename Number>
Number read(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) throw std::logic_error("the database sent no number");
  return value;
}

}  // namespace

std::string to_text(double value) { return shortest(value); }
std::string to_text(std::uint64_t value) { return shortest(value); }
std::string to_text(std::int64_t value) { return shortest(value); }
std::string to_text(Instant at) { return shortest(at.time_since_epoch().count()); }

std::string stamp_text(Instant at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(at - day);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u %02d:%02d:%02d.%06d+00", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()), static_cast<int>(time.subseconds().count()));
  return text.data();
}

double read_double(std::string_view text) { return read<double>(text); }
std::int64_t read_integer(std::string_view text) { return read<std::int64_t>(text); }
std::uint16_t read_small(std::string_view text) { return read<std::uint16_t>(text); }
Instant read_instant(std::string_view micros) { return Instant{std::chrono::microseconds{read_integer(micros)}}; }

std::string read_bytes(std::string_view text) {
  if (!text.starts_with("\\x") || text.size() % 2 != 0) throw std::logic_error("the database sent no bytes");
  std::string bytes;
  bytes.reserve(text.size() / 2 - 1);
  for (std::size_t i = 2; i < text.size(); i += 2) {
    unsigned byte = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (error != std::errc{} || end != text.data() + i + 2) throw std::logic_error("the database sent no bytes");
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

void ArrayText::separate() {
  if (size_++ > 0) items_ += ',';
}

ArrayText& ArrayText::add(std::string_view plain) {
  separate();
  items_ += plain;
  return *this;
}

ArrayText& ArrayText::add(std::int64_t value) {
  separate();
  append(value);
  return *this;
}

ArrayText& ArrayText::add(double value) {
  separate();
  append(value);
  return *this;
}

ArrayText& ArrayText::add_quoted(std::string_view text) {
  separate();
  items_ += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') items_ += '\\';
    items_ += c;
  }
  items_ += '"';
  return *this;
}

std::string array_of(const std::vector<std::string>& texts) {
  ArrayText array;
  for (const auto& text : texts) array.add_quoted(text);
  return std::move(array).text();
}

std::vector<std::string_view> elements(std::string_view array) {
  std::vector<std::string_view> found;
  if (array.size() < 2 || array.front() != '{' || array.back() != '}') return found;
  array = array.substr(1, array.size() - 2);
  while (!array.empty()) {
    const auto comma = array.find(',');
    found.push_back(array.substr(0, comma));
    array = comma == std::string_view::npos ? std::string_view{} : array.substr(comma + 1);
  }
  return found;
}

}  // namespace wardlink::storage::postgres
