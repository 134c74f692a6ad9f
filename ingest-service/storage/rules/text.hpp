#pragma once
// Texts and numbers as every store keeps them.

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/port/record.hpp"

namespace wardlink::storage {

/// Whether a store can keep it as text: UTF-8 without NUL.
bool is_text(std::string_view bytes);
/// For names and reasons: at most 255 bytes, whole characters, '?' for NUL.
std::string cleaned(std::string text);
/// At most 2^63 - 1.
std::int64_t capped(std::uint64_t value);
/// RFC 3339, in UTC, with as many digits of the second as there are: 2026-03-01T12:00:00Z, 2026-03-01T12:00:00.250001Z.
std::string to_text_of_instant(Instant at);
/// \x and hex.
std::string to_text_of_bytes(std::string_view bytes);

}  // namespace wardlink::storage
