#pragma once
// Texts that clients keep and give back, and should not read: page tokens, cursors.

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace wardlink::storage {

std::string to_opaque(std::string_view text);
/// Empty when it is none of ours.
std::string from_opaque(std::string_view opaque);

/// So many numbers, a comma between; nothing when it is anything else.
template <std::size_t count>
std::optional<std::array<std::int64_t, count>> read_numbers(std::string_view text) {
  std::array<std::int64_t, count> numbers{};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto [next, error] = std::from_chars(at, end, numbers[i]);
    const bool last = i + 1 == count;
    if (error != std::errc{} || (last ? next != end : next == end || *next != ',')) return std::nullopt;
    at = last ? end : next + 1;
  }
  return numbers;
}

}  // namespace wardlink::storage
