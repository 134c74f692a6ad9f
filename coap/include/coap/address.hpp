#pragma once
// A UDP endpoint as the core sees it: who is at the other end of which path, no socket.

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

/// IPv4 is kept in its IPv6-mapped form (::ffff:a.b.c.d), so that one form serves both. Port in host order. All of it
/// is the peer's identity: who writes to two of our addresses is two peers, and each hears from the one that he asked.
struct Address {
  std::array<std::uint8_t, 16> ip{};
  std::uint16_t port = 0;
  std::uint32_t scope = 0;               // index of the interface that a link-local address belongs to; 0: none
  std::array<std::uint8_t, 16> local{};  // our address that was asked, and that answers; zeros: routing picks one

  friend auto operator<=>(const Address&, const Address&) = default;
};

/// In its IPv6-mapped form.
bool is_ipv4(const Address& address);

/// The peer alone: "127.0.0.1:5684", "[::1]:5684" or "[fe80::1%2]:5684", for messages to people.
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
    std::uint64_t h = (std::uint64_t{a.scope} << 16) + a.port;
    for (const auto* bytes : {a.local.data(), a.local.data() + 8, a.ip.data(), a.ip.data() + 8}) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes, 8);
      h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
      h ^= h >> 32;
    }
    return static_cast<std::size_t>(h * 0xd6e8feb86659fd93ULL);
  }
};
