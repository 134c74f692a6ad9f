#include "intruder.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <stdexcept>

#include "coap/dtls.hpp"
#include "coap/udp_driver.hpp"

namespace wardlink::testing {
namespace {

// RFC 6347 §4.1, §4.2.2: where things stand in a datagram that holds one handshake message.
constexpr std::size_t kRecordLength = 11;
constexpr std::size_t kSequence = 10;  // the record's last byte of it
constexpr std::size_t kMessage = 13;   // type, length 3, message_seq 2, fragment offset 3, fragment length 3
constexpr std::size_t kBody = kMessage + 12;
constexpr std::size_t kSessionId = kBody + 2 + 32;
constexpr std::uint8_t kHelloVerifyRequest = 3;

void grow(coap::Bytes& datagram, std::size_t at, std::size_t width, std::size_t by) {
  std::size_t value = by;
  for (std::size_t i = 0; i < width; ++i) value += static_cast<std::size_t>(datagram[at + i]) << 8 * (width - 1 - i);
  for (std::size_t i = 0; i < width; ++i) datagram[at + i] = static_cast<std::uint8_t>(value >> 8 * (width - 1 - i));
}

}  // namespace

coap::Bytes client_hello(const coap::Credentials& credentials) {
  auto context = coap::DtlsContext::client(credentials, "localhost");
  if (!context) throw std::runtime_error(context.error());
  return (*context)->connect(coap::EventLoop::now())->poll_datagram().value();
}

coap::Bytes with_cookie(const coap::Bytes& hello, coap::ByteView challenge) {
  const auto cookie = challenge.subspan(kBody + 3, challenge[kBody + 2]);
  coap::Bytes second = hello;
  const std::size_t cookie_at = kSessionId + 1 + hello.at(kSessionId);  // its length, 0 so far
  second[cookie_at] = static_cast<std::uint8_t>(cookie.size());
  second.insert(second.begin() + static_cast<std::ptrdiff_t>(cookie_at) + 1, cookie.begin(), cookie.end());
  second[kSequence] = 1;
  second[kMessage + 5] = 1;
  grow(second, kRecordLength, 2, cookie.size());
  grow(second, kMessage + 1, 3, cookie.size());
  grow(second, kMessage + 9, 3, cookie.size());
  return second;
}

bool is_challenge(coap::ByteView datagram) {
  return datagram.size() > kBody + 3 && datagram[0] == 22 && datagram[kMessage] == kHelloVerifyRequest;
}

coap::Bytes forged_alert(bool fatal) {
  // DTLS 1.2, epoch 0: handshake_failure, or close_notify as a warning.
  return {21,
          0xfe,
          0xfd,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          9,
          0,
          2,
          static_cast<std::uint8_t>(fatal ? 2 : 1),
          static_cast<std::uint8_t>(fatal ? 40 : 0)};
}

coap::Bytes forged_record(std::size_t length) {
  coap::Bytes record{23,
                     0xfe,
                     0xfd,
                     0,
                     1,
                     0,
                     0,
                     0,
                     0,
                     0xff,
                     static_cast<std::uint8_t>(length),
                     static_cast<std::uint8_t>(length >> 8),
                     static_cast<std::uint8_t>(length)};
  record.resize(record.size() + length, 0x5a);
  return record;
}

int connected_socket(std::uint16_t port, std::uint16_t local_port, const char* local_address) {
  const int made = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(local_port);
  if (inet_pton(AF_INET, local_address, &address.sin_addr) != 1) throw std::runtime_error("no address");
  if (bind(made, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) throw std::runtime_error("bind");
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (connect(made, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) throw std::runtime_error("connect");
  return made;
}

bool open_halfway(int socket, const coap::Bytes& hello) {
  send(socket, hello.data(), hello.size(), 0);
  std::array<std::uint8_t, 2048> buffer{};
  for (pollfd waited{socket, POLLIN, 0}; poll(&waited, 1, 60'000) == 1;) {
    const auto size = recv(socket, buffer.data(), buffer.size(), 0);
    if (size < 0) return false;
    const coap::ByteView datagram{buffer.data(), static_cast<std::size_t>(size)};
    if (!is_challenge(datagram)) continue;  // meant for whoever owns this address
    const auto second = with_cookie(hello, datagram);
    return send(socket, second.data(), second.size(), 0) == static_cast<ssize_t>(second.size());
  }
  return false;
}

}  // namespace wardlink::testing
