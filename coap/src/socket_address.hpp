#pragma once
// Address and the kernel's own form of it.

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "coap/address.hpp"

namespace coap {

/// Large enough for both families.
using SocketAddress = sockaddr_in6;

inline constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

inline bool is_mapped(const Address& address) {
  return std::equal(mapped_prefix.begin(), mapped_prefix.end(), address.ip.begin());
}

inline Address from_socket_address(const SocketAddress& from) {
  Address address;
  if (from.sin6_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &from, sizeof v4);
    std::copy(mapped_prefix.begin(), mapped_prefix.end(), address.ip.begin());
    std::memcpy(address.ip.data() + mapped_prefix.size(), &v4.sin_addr, 4);
    address.port = ntohs(v4.sin_port);
  } else {
    std::memcpy(address.ip.data(), &from.sin6_addr, 16);
    address.port = ntohs(from.sin6_port);
    address.scope = from.sin6_scope_id;
  }
  return address;
}

/// For a socket of that family. The size is 0 where the family cannot reach the address (IPv6 from an IPv4 socket).
inline socklen_t to_socket_address(const Address& address, int family, SocketAddress& to) {
  to = {};
  if (family == AF_INET6) {
    to.sin6_family = AF_INET6;
    std::memcpy(&to.sin6_addr, address.ip.data(), 16);
    to.sin6_port = htons(address.port);
    to.sin6_scope_id = address.scope;
    return sizeof(sockaddr_in6);
  }
  if (!is_mapped(address)) return 0;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  std::memcpy(&v4.sin_addr, address.ip.data() + mapped_prefix.size(), 4);
  v4.sin_port = htons(address.port);
  std::memcpy(&to, &v4, sizeof v4);
  return sizeof v4;
}

}  // namespace coap
