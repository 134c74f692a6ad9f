#pragma once
// Texts and numbers as every store keeps them.

#include <cstdint>
#include <string>
#include <string_view>

namespace wardlink::storage {

/// Whether a store can keep it as text: UTF-8 without NUL.
bool is_text(std::string_view bytes);
/// For names and reasons: at most 255 bytes, whole characters, '?' for NUL.
std::string cleaned(std::string text);
/// At most 2^63 - 1.
std::int64_t capped(std::uint64_t value);
/// \x and hex.
std::string to_text_of_bytes(std::string_view bytes);

}  // namespace wardlink::storage
