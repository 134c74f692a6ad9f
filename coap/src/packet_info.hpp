#pragma once
// Which of this machine's addresses a datagram came to, and which its answer leaves from (IP_PKTINFO, RFC 3542 §6). A
// socket that is bound to all addresses would else answer from whichever routing picks, and its peer drop it.

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstring>

#include "socket_address.hpp"

namespace coap {

/// Room for one control message, as the kernel wants it aligned.
struct PacketInfo {
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(in6_pktinfo))> bytes;
};

/// Asks the kernel to tell with each datagram where it came to.
inline bool ask_for_packet_info(int descriptor, int family) {
  const int yes = 1;
  return family == AF_INET6 ? setsockopt(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof yes) == 0
                            : setsockopt(descriptor, IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes) == 0;
}

/// Nobody answers from a group's address.
inline bool is_group(const std::array<std::uint8_t, 16>& ip) {
  const Address address{.ip = ip};
  return is_mapped(address) ? (ip[12] & 0xf0) == 0xe0 : ip[0] == 0xff;
}

/// Address::local, by what came with a datagram; zeros where it is not told.
inline std::array<std::uint8_t, 16> read_local(msghdr& header) {
  std::array<std::uint8_t, 16> local{};
  for (cmsghdr* one = CMSG_FIRSTHDR(&header); one != nullptr; one = CMSG_NXTHDR(&header, one)) {
    if (one->cmsg_level == IPPROTO_IPV6 && one->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(one), sizeof info);
      std::memcpy(local.data(), &info.ipi6_addr, 16);
    } else if (one->cmsg_level == IPPROTO_IP && one->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(one), sizeof info);
      std::copy(mapped_prefix.begin(), mapped_prefix.end(), local.begin());
      std::memcpy(local.data() + mapped_prefix.size(), &info.ipi_spec_dst, 4);
    }
  }
  return is_group(local) ? std::array<std::uint8_t, 16>{} : local;
}

/// Makes the datagram leave from `to.local`, where that is known. `room` lives until it is sent.
inline void write_local(const Address& to, int family, PacketInfo& room, msghdr& header) {
  if (to.local == std::array<std::uint8_t, 16>{}) return;
  header.msg_control = room.bytes.data();
  header.msg_controllen = family == AF_INET6 ? CMSG_SPACE(sizeof(in6_pktinfo)) : CMSG_SPACE(sizeof(in_pktinfo));
  room.bytes = {};
  cmsghdr* one = CMSG_FIRSTHDR(&header);
  if (family == AF_INET6) {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, to.local.data(), 16);
    info.ipi6_ifindex = to.scope;
    one->cmsg_level = IPPROTO_IPV6;
    one->cmsg_type = IPV6_PKTINFO;
    one->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(one), &info, sizeof info);
  } else {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, to.local.data() + mapped_prefix.size(), 4);
    one->cmsg_level = IPPROTO_IP;
    one->cmsg_type = IP_PKTINFO;
    one->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(one), &info, sizeof info);
  }
}

}  // namespace coap
