#pragma once
// Bytes as tests write them: "44 01 3a 01".

#include <cctype>
#include <stdexcept>
#include <string>
#include <string_view>

#include "coap/address.hpp"

namespace coap::test {

inline Bytes hex(std::string_view text) {
  Bytes bytes;
  int held = -1;
  for (const char c : text) {
    if (std::isspace(static_cast<unsigned char>(c)) != 0) continue;
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) throw std::invalid_argument("not hex: " + std::string(text));
    const int digit = std::isdigit(static_cast<unsigned char>(c)) != 0
                          ? c - '0'
                          : std::tolower(static_cast<unsigned char>(c)) - 'a' + 10;
    if (held < 0) {
      held = digit;
    } else {
      bytes.push_back(static_cast<std::uint8_t>(held << 4 | digit));
      held = -1;
    }
  }
  if (held >= 0) throw std::invalid_argument("half a byte: " + std::string(text));
  return bytes;
}

inline std::string to_hex(ByteView bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 0x0f];
  }
  return text;
}

}  // namespace coap::test
