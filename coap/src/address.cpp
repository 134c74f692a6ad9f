#include "coap/address.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace coap {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

bool is_ipv4(const Address& address) {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.ip.begin());
}

std::string to_string(const Address& address) {
  char text[INET6_ADDRSTRLEN] = {};
  const std::string port = ":" + std::to_string(address.port);
  if (is_ipv4(address)) {
    ::inet_ntop(AF_INET, address.ip.data() + kMappedPrefix.size(), text, sizeof text);
    return text + port;
  }
  ::inet_ntop(AF_INET6, address.ip.data(), text, sizeof text);
  const std::string scope = address.scope == 0 ? "" : "%" + std::to_string(address.scope);
  return "[" + std::string(text) + scope + "]" + port;
}

}  // namespace coap
