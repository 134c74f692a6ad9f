#include "storage/wire/opaque.hpp"

namespace wardlink::storage {
namespace {

constexpr std::string_view digits = "0123456789abcdef";

}  // namespace

std::string to_opaque(std::string_view text) {
  std::string opaque;
  for (const unsigned char byte : text) {
    opaque += digits[byte >> 4];
    opaque += digits[byte & 15];
  }
  return opaque;
}

std::string from_opaque(std::string_view opaque) {
  std::string text;
  if (opaque.size() % 2 != 0) return {};
  for (std::size_t i = 0; i < opaque.size(); i += 2) {
    const auto high = digits.find(opaque[i]), low = digits.find(opaque[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return {};
    text += static_cast<char>(high * 16 + low);
  }
  return text;
}

}  // namespace wardlink::storage
