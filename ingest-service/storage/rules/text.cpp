#include "storage/rules/text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>

namespace wardlink::storage {
namespace {

/// A character of several bytes (RFC 3629 §4): so many, of which the second lies in [low, high].
struct Lead {
  std::size_t size = 0;  // 0 = begins no such character
  unsigned char low = 0x80, high = 0xbf;
};

Lead lead_of(unsigned char byte) {
  if (byte >= 0xc2 && byte <= 0xdf) return {2};
  if (byte == 0xe0) return {3, 0xa0};
  if (byte == 0xed) return {3, 0x80, 0x9f};  // no surrogates
  if (byte >= 0xe1 && byte <= 0xef) return {3};
  if (byte == 0xf0) return {4, 0x90};
  if (byte >= 0xf1 && byte <= 0xf3) return {4};
  if (byte == 0xf4) return {4, 0x80, 0x8f};
  return {};
}

/// Of the character that the bytes begin with; 0 = it is none.
std::size_t size_of_first(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (at(0) < 0x80) return at(0) == 0 ? 0 : 1;
  const auto lead = lead_of(at(0));
  if (lead.size == 0 || bytes.size() < lead.size || at(1) < lead.low || at(1) > lead.high) return 0;
  for (std::size_t i = 2; i < lead.size; ++i)
    if ((at(i) & 0xc0) != 0x80) return 0;
  return lead.size;
}

}  // namespace

bool is_text(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto size = size_of_first(bytes);
    if (size == 0) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

std::string cleaned(std::string text) {
  std::ranges::replace(text, '\0', '?');
  std::size_t end = std::min<std::size_t>(text.size(), 255);
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

std::int64_t capped(std::uint64_t value) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(value, std::numeric_limits<std::int64_t>::max()));
}

std::string to_text_of_instant(Instant at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(at - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()));
  std::string whole = text.data();
  if (const auto micros = time.subseconds().count(); micros != 0) {
    std::snprintf(text.data(), text.size(), ".%06d", static_cast<int>(micros));
    whole += text.data();
    whole.erase(whole.find_last_not_of('0') + 1);
  }
  return whole + "Z";
}

std::string to_text_of_bytes(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text = "\\x";
  text.reserve(2 + 2 * bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

}  // namespace wardlink::storage
