#include "udp_socket.hpp"

#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace coap {
namespace {

struct FreeResults {
  void operator()(addrinfo* results) const { freeaddrinfo(results); }
};
using Results = std::unique_ptr<addrinfo, FreeResults>;

Results look_up(const std::string& host, std::uint16_t port, int flags, int& error) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_DGRAM;
  wanted.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* results = nullptr;
  error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &results);
  return Results(error == 0 ? results : nullptr);
}

std::string words_of(int error) { return std::system_category().message(error); }

/// Why a socket cannot be had there, and what to do about it.
std::string explain(int error, const UdpDriver::Config& config) {
  const std::string port = std::to_string(config.port);
  switch (error) {
    case EADDRINUSE:
      return "UDP port " + port + " on " + config.host +
             " is in use by another program: stop it or choose another with --port.";
    case EACCES:
      return "UDP port " + port + " on " + config.host +
             " is reserved for the administrator: choose one above 1023 with --port.";
    case EADDRNOTAVAIL:
      return "This machine has no address " + config.host + ": listen on one of its own, or on :: for all.";
    case EMFILE:
    case ENFILE:
      return "No file descriptor is left for a UDP socket: raise the limit of open files (ulimit -n).";
    default:
      return "UDP port " + port + " on " + config.host + " cannot be opened: " + words_of(error) + ".";
  }
}

bool set(int descriptor, int level, int option, int value) {
  return setsockopt(descriptor, level, option, &value, sizeof value) == 0;
}

/// Drops datagrams from one address and port; all others go on behind it. A filter on a UDP socket reads from the UDP
/// header, and by SKF_NET_OFF from the IP header (Linux, Documentation/networking/filter.rst).
void append_filter(const Address& address, std::vector<sock_filter>& program) {
  struct Test {
    std::uint16_t size;
    std::uint32_t offset, value;
  };
  const auto word = [&](std::size_t at) {
    std::uint32_t value = 0;
    std::memcpy(&value, address.ip.data() + at, sizeof value);
    return ntohl(value);
  };
  constexpr auto network = static_cast<std::uint32_t>(SKF_NET_OFF);
  const bool is_v4 = is_mapped(address);
  std::vector<Test> tests{{BPF_B, network, is_v4 ? 0x40u : 0x60u}, {BPF_H, 0, address.port}};
  if (is_v4) tests.push_back({BPF_W, network + 12, word(12)});
  for (std::uint32_t at = 0; !is_v4 && at < 16; at += 4) tests.push_back({BPF_W, network + 8 + at, word(at)});
  // Two instructions a test, one more for the version, and the verdict.
  const std::size_t end = program.size() + 2 * tests.size() + 2;
  for (const Test& test : tests) {
    program.push_back(BPF_STMT(static_cast<std::uint16_t>(BPF_LD | BPF_ABS | test.size), test.offset));
    if (test.size == BPF_B) program.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0));
    const auto miss = static_cast<std::uint8_t>(end - program.size() - 1);
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, test.value, 0, miss));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
}

bool is_wildcard(const addrinfo& local) {
  SocketAddress address{};
  std::memcpy(&address, local.ai_addr, std::min<std::size_t>(local.ai_addrlen, sizeof address));
  const auto ip = from_socket_address(address).ip;
  std::array<std::uint8_t, 16> all_ipv4{};
  std::copy(mapped_prefix.begin(), mapped_prefix.end(), all_ipv4.begin());
  return ip == std::array<std::uint8_t, 16>{} || ip == all_ipv4;
}

/// A bound socket, or minus the error number.
int bind_to(const addrinfo& local, const UdpDriver::Config& config) {
  using Sharing = UdpDriver::Sharing;
  const int made = socket(local.ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
  if (made < 0) return -errno;
  if (local.ai_family == AF_INET6) set(made, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (config.sharing == Sharing::joins) set(made, SOL_SOCKET, SO_REUSEPORT, 1);
  const int size = static_cast<int>(std::min<std::size_t>(config.receive_buffer, 1u << 30));
  if (!set(made, SOL_SOCKET, SO_RCVBUFFORCE, size)) set(made, SOL_SOCKET, SO_RCVBUF, size);
  const bool told = !config.tells_local || !is_wildcard(local) || ask_for_packet_info(made, local.ai_family);
  // The option counts when somebody binds: set behind the first one's own bind, it lets in who binds from then on.
  if (told && bind(made, local.ai_addr, local.ai_addrlen) == 0 &&
      (config.sharing != Sharing::first || set(made, SOL_SOCKET, SO_REUSEPORT, 1))) {
    return made;
  }
  const int error = errno;
  close(made);
  return -error;
}

/// Not here: another address of the same name may be. One that is in use is no reason to go to another, where two
/// programs would then live under one name.
bool is_elsewhere(int made) { return made == -EAFNOSUPPORT || made == -EADDRNOTAVAIL; }

}  // namespace

UdpSocket::UdpSocket(int descriptor, int family, bool tells_local)
    : descriptor_(descriptor), family_(family), tells_local_(tells_local) {
  for (std::size_t i = 0; i < batch; ++i) {
    Slot& slot = slots_[i];
    slot.part = {slot.bytes.data(), slot.bytes.size()};
    incoming_[i].msg_hdr.msg_name = &slot.from;
    incoming_[i].msg_hdr.msg_iov = &slot.part;
    incoming_[i].msg_hdr.msg_iovlen = 1;
  }
}

UdpSocket::~UdpSocket() { close(descriptor_); }

Result<std::unique_ptr<UdpSocket>, std::string> UdpSocket::open(const UdpDriver::Config& config) {
  int error = 0;
  Results local = look_up(config.host, config.port, AI_PASSIVE, error);
  if (!local) return "The address " + config.host + " to listen on is not known: " + gai_strerror(error) + ".";
  const addrinfo* at = local.get();
  int made = bind_to(*at, config);
  while (is_elsewhere(made) && at->ai_next != nullptr) {
    at = at->ai_next;
    made = bind_to(*at, config);
  }
  if (is_elsewhere(made) && config.host == "::") {  // a machine without IPv6: all of IPv4
    local = look_up("0.0.0.0", config.port, AI_PASSIVE, error);
    at = local.get();
    if (local) made = bind_to(*at, config);
  }
  if (made < 0) return explain(-made, config);
  return std::unique_ptr<UdpSocket>(new UdpSocket(made, at->ai_family, config.tells_local && is_wildcard(*at)));
}

std::uint16_t UdpSocket::port() const {
  SocketAddress own{};
  socklen_t size = sizeof own;
  if (getsockname(descriptor_, reinterpret_cast<sockaddr*>(&own), &size) != 0) return 0;
  return from_socket_address(own).port;
}

void UdpSocket::mute(std::span<const Address> addresses) {
  note_drops();
  std::vector<sock_filter> program;
  for (const Address& address : addresses) append_filter(address, program);
  program.push_back(BPF_STMT(BPF_RET | BPF_K, UINT32_MAX));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  const int done = addresses.empty() ? setsockopt(descriptor_, SOL_SOCKET, SO_DETACH_FILTER, nullptr, 0)
                                     : setsockopt(descriptor_, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
  if (done != 0) return;  // then they are handed over, as before
  muting_ = muting_ || !addresses.empty();
  note_drops();
  muting_ = !addresses.empty();
}

void UdpSocket::note_drops() {
  const auto more = new_drops();
  (muting_ ? muted_drops_ : kernel_drops_) += more;
  noted_ += more;
}

/// Since note_drops().
std::uint32_t UdpSocket::new_drops() const {
  std::array<std::uint32_t, SK_MEMINFO_VARS> figures{};
  socklen_t size = sizeof figures;
  if (getsockopt(descriptor_, SOL_SOCKET, SO_MEMINFO, figures.data(), &size) != 0) return 0;
  return figures[SK_MEMINFO_DROPS] - noted_;
}

bool UdpSocket::receive(const std::function<void(const Address&, ByteView)>& take) {
  for (std::size_t i = 0; i < batch; ++i) {
    auto& header = incoming_[i].msg_hdr;
    header.msg_namelen = sizeof(SocketAddress);
    header.msg_control = tells_local_ ? slots_[i].asked.bytes.data() : nullptr;
    header.msg_controllen = tells_local_ ? slots_[i].asked.bytes.size() : 0;
  }
  const int got = recvmmsg(descriptor_, incoming_.data(), batch, MSG_DONTWAIT, nullptr);
  for (int i = 0; i < got; ++i) {
    const auto index = static_cast<std::size_t>(i);
    mmsghdr& message = incoming_[index];
    if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0) continue;
    Address from = from_socket_address(slots_[index].from);
    if (tells_local_) from.local = read_local(message.msg_hdr);
    take(from, ByteView(slots_[index].bytes).first(message.msg_len));
  }
  return got == static_cast<int>(batch);
}

void UdpSocket::send(std::span<const Datagram> datagrams) {
  std::array<mmsghdr, batch> outgoing{};
  std::array<SocketAddress, batch> addresses;
  std::array<iovec, batch> parts;
  std::array<PacketInfo, batch> asked;
  unsigned count = 0;
  for (const Datagram& datagram : datagrams.first(std::min(datagrams.size(), batch))) {
    auto& header = outgoing[count].msg_hdr;
    header.msg_namelen = to_socket_address(datagram.to, family_, addresses[count]);
    if (header.msg_namelen == 0) {
      ++send_drops_;
      continue;
    }
    parts[count] = {const_cast<std::uint8_t*>(datagram.bytes.data()), datagram.bytes.size()};
    header.msg_name = &addresses[count];
    header.msg_iov = &parts[count];
    header.msg_iovlen = 1;
    write_local(datagram.to, family_, asked[count], header);
    ++count;
  }
  for (unsigned sent = 0; sent < count;) {
    const int now = sendmmsg(descriptor_, outgoing.data() + sent, count - sent, MSG_DONTWAIT);
    if (now < 0 && errno == EINTR) continue;
    if (now <= 0) ++send_drops_;  // the first one would not go
    sent += now > 0 ? static_cast<unsigned>(now) : 1;
  }
}

Result<std::vector<Address>, std::string> resolve_all(const std::string& host, std::uint16_t port) {
  int error = 0;
  const Results found = look_up(host, port, 0, error);
  if (!found)
    return "The host " + host + " is not known (" + gai_strerror(error) + "): check its spelling and the name service.";
  std::vector<Address> addresses;
  for (const auto* one = found.get(); one != nullptr; one = one->ai_next) {
    SocketAddress next{};
    std::memcpy(&next, one->ai_addr, std::min<std::size_t>(one->ai_addrlen, sizeof next));
    const auto address = from_socket_address(next);
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) addresses.push_back(address);
  }
  return addresses;
}

Result<Address, std::string> resolve(const std::string& host, std::uint16_t port) {
  const auto all = resolve_all(host, port);
  if (!all) return all.error();
  return all->front();
}

}  // namespace coap
