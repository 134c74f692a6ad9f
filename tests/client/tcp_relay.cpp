#include "tcp_relay.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <utility>

namespace wardlink::client {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// False: there is nothing more.
bool pass_on(int from, int to) {
  std::array<char, 16'384> bytes;
  const auto size = ::recv(from, bytes.data(), bytes.size(), 0);
  return size > 0 && ::send(to, bytes.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL) == size;
}

}  // namespace

TcpRelay::TcpRelay(std::uint16_t to, Cut how)
    : to_(to), how_(how), listener_(::socket(AF_INET, SOCK_STREAM, 0)), wake_(::eventfd(0, 0)) {
  auto address = loopback(0);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_, raw, size) != 0 || ::listen(listener_, 8) != 0 || ::getsockname(listener_, raw, &size) != 0)
    throw std::runtime_error("no port of loopback's");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

TcpRelay::~TcpRelay() {
  cut();
  thread_.join();
  ::close(wake_);
}

void TcpRelay::cut() { ::eventfd_write(wake_, 1); }

void TcpRelay::run() {
  std::array<pollfd, 2> ready{{{wake_, POLLIN, 0}, {listener_, POLLIN, 0}}};
  while (::poll(ready.data(), ready.size(), -1) > 0 && ready[0].revents == 0) {
    const int client = ::accept(listener_, nullptr, nullptr);
    if (client >= 0) carry(client);
  }
  if (listener_ >= 0) ::close(listener_);
}

void TcpRelay::carry(int client) {
  const int server = ::socket(AF_INET, SOCK_STREAM, 0);
  const auto address = loopback(to_);
  const bool is_there = to_ != 0 && ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  std::array<pollfd, 3> ready{{{wake_, POLLIN, 0}, {client, POLLIN, 0}, {is_there ? server : -1, POLLIN, 0}}};
  while (::poll(ready.data(), ready.size(), -1) > 0 && ready[0].revents == 0) {
    if (ready[1].revents != 0 && (!is_there || !pass_on(client, server))) break;
    if (ready[2].revents != 0 && !pass_on(server, client)) break;
  }
  if (ready[0].revents != 0) ::close(std::exchange(listener_, -1));  // whoever comes back is refused
  if (how_ == Cut::reset) {
    const linger at_once{1, 0};
    ::setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  } else {
    // What was not read would make a reset of it.
    std::array<char, 16'384> bytes;
    while (::recv(client, bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
    }
  }
  ::close(client);
  ::close(server);
}

}  // namespace wardlink::client
