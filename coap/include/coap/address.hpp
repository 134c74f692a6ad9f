#pragma once
// A UDP endpoint as the core sees it: sixteen bytes and a port, no socket.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace coap {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

/// IPv4 is kept in its IPv6-mapped form (::ffff:a.b.c.d), so that one form serves both. Port in host order.
struct Address {
  std::array<std::uint8_t, 16> ip{};
  std::uint16_t port = 0;

  friend auto operator<=>(const Address&, const Address&) = default;
};

/// In its IPv6-mapped form.
bool is_ipv4(const Address& address);

/// "127.0.0.1:5684" or "[::1]:5684", for messages to people.
std::string to_string(const Address& address);

/// One UDP datagram on its way out.
struct Datagram {
  Address to;
  Bytes bytes;
};

}  // namespace coap

template <>
struct std::hash<coap::Address> {
  std::size_t operator()(const coap::Address& a) const noexcept {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    std::memcpy(&high, a.ip.data(), 8);
    std::memcpy(&low, a.ip.data() + 8, 8);
    std::uint64_t h = (high ^ (low * 0x9e3779b97f4a7c15ULL)) + a.port;
    h ^= h >> 32;
    return static_cast<std::size_t>(h * 0xd6e8feb86659fd93ULL);
  }
};
