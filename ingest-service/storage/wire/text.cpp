#include "storage/wire/text.hpp"

#include <algorithm>

#include "storage/wire/status.hpp"

namespace wardlink::storage {
namespace {

/// Characters, not bytes: the first byte of each in UTF-8, which protobuf has checked.
std::size_t length_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

void require_text(const std::string& field, const std::string& text) {
  const auto length = length_of(text);
  if (length < 1 || length > 200) throw InvalidArgument(field, "must have 1 to 200 characters");
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) throw InvalidArgument(field, "must not be blank");
  if (text.find('\0') != std::string::npos) throw InvalidArgument(field, "must not hold the character NUL");
}

}  // namespace wardlink::storage
