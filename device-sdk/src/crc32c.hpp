#pragma once
// CRC-32C (Castagnoli, RFC 3720 §12.1): finds what a torn or altered line would otherwise pass off as whole.

#include <array>
#include <cstdint>
#include <string_view>

namespace wardlink {

namespace crc32c_detail {

inline constexpr std::array<std::uint32_t, 256> kTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1) != 0 ? 0x82F63B78u : 0u);
    table[byte] = rest;
  }
  return table;
}();

}  // namespace crc32c_detail

constexpr std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0u;
  for (const char one : bytes) {
    crc = (crc >> 8) ^ crc32c_detail::kTable[(crc ^ static_cast<unsigned char>(one)) & 0xff];
  }
  return ~crc;
}
static_assert(crc32c("123456789") == 0xE3069283u);

}  // namespace wardlink
