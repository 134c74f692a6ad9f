#include "udp_relay.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace wardlink::testing {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int udp_socket() {
  const int made = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int size = 8 << 20;
  if (setsockopt(made, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) {
    setsockopt(made, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }
  return made;
}

}  // namespace

UdpRelay::UdpRelay(std::uint16_t server_port, Weather weather)
    : server_port_(server_port), socket_(udp_socket()), weather_(weather), random_(weather.seed) {
  auto address = loopback(0);
  socklen_t length = sizeof address;
  if (bind(socket_, reinterpret_cast<sockaddr*>(&address), length) != 0) throw std::runtime_error("relay: bind");
  getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

UdpRelay::~UdpRelay() {
  stopping_ = true;
  const auto self = loopback(port_);  // an empty datagram wakes the thread
  sendto(socket_, "", 0, 0, reinterpret_cast<const sockaddr*>(&self), sizeof self);
  thread_.join();
  forget_clients();
  for (const int socket : forgotten_) close(socket);
  close(socket_);
}

void UdpRelay::set_weather(Weather weather) {
  const std::lock_guard lock(mutex_);
  weather_ = weather;
}

std::vector<coap::Bytes> UdpRelay::captured() const {
  const std::lock_guard lock(mutex_);
  return captured_;
}

void UdpRelay::run() {
  while (!stopping_) {
    std::vector<pollfd> waited{{socket_, POLLIN, 0}};
    for (const auto& client : clients_) waited.push_back({client.socket, POLLIN, 0});
    if (poll(waited.data(), waited.size(), wait()) < 0) continue;
    while (!held_.empty() && held_.begin()->first <= Clock::now()) {
      pass(held_.begin()->second);
      held_.erase(held_.begin());
    }
    if (change_ports_.exchange(false)) {
      forget_clients();
      continue;
    }
    for (const auto& one : waited) {
      if ((one.revents & (POLLIN | POLLERR)) != 0) receive(one.fd);
    }
  }
}

/// Milliseconds until the next held datagram is due.
int UdpRelay::wait() const {
  if (held_.empty()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(held_.begin()->first - Clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

void UdpRelay::receive(int from) {
  std::array<std::uint8_t, 2048> buffer{};
  sockaddr_in sender{};
  socklen_t length = sizeof sender;
  while (!stopping_) {
    const auto size =
        recvfrom(from, buffer.data(), buffer.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&sender), &length);
    if (size < 0) return;
    coap::Bytes bytes(buffer.begin(), buffer.begin() + size);
    if (from == socket_) {
      const auto& client = client_of(ntohs(sender.sin_port));
      judge({client.socket, server_port_, std::move(bytes)});
      continue;
    }
    const auto client =
        std::find_if(clients_.begin(), clients_.end(), [&](const Client& c) { return c.socket == from; });
    if (client != clients_.end()) judge({socket_, client->port, std::move(bytes)});
  }
}

UdpRelay::Client& UdpRelay::client_of(std::uint16_t port) {
  const auto known = std::find_if(clients_.begin(), clients_.end(), [&](const Client& c) { return c.port == port; });
  if (known != clients_.end()) return *known;
  return clients_.emplace_back(Client{port, udp_socket()});
}

void UdpRelay::forget_clients() {
  // Held datagrams still name these sockets: they close with the relay.
  for (const auto& client : clients_) forgotten_.push_back(client.socket);
  clients_.clear();
}

void UdpRelay::judge(Held datagram) {
  Weather weather;
  {
    const std::lock_guard lock(mutex_);
    weather = weather_;
  }
  if (cut_ || happens(weather.loss)) {
    ++lost_;
    return;
  }
  if (happens(weather.duplication)) pass(datagram);
  if (weather.delay.count() > 0 && happens(weather.reordering)) {
    const auto late = std::uniform_int_distribution<std::int64_t>(1, weather.delay.count())(random_);
    held_.emplace(Clock::now() + std::chrono::milliseconds{late}, std::move(datagram));
    return;
  }
  pass(datagram);
}

void UdpRelay::pass(const Held& datagram) {
  ++passed_;
  if (keeping_) {
    const std::lock_guard lock(mutex_);
    captured_.push_back(datagram.bytes);
  }
  const auto to = loopback(datagram.to);
  sendto(datagram.socket, datagram.bytes.data(), datagram.bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to),
         sizeof to);
}

}  // namespace wardlink::testing
