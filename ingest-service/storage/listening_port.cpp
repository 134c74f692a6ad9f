#include "storage/listening_port.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

namespace wardlink::storage {
namespace {

constexpr int backlog = 128;
constexpr rlim_t descriptors_for_all_else = 512;  // PostgreSQL, logs, gRPC's own
constexpr int accepted_in_a_row = 64;             // then it is looked who has left

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

[[noreturn]] void cannot_listen(const std::string& address, const std::string& why) {
  throw ListenError("Cannot listen on " + address + ": " + why + ".");
}

Addresses resolve(const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) cannot_listen(address, "it is not HOST:PORT");
  auto host = address.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(host.empty() ? nullptr : host.c_str(), address.c_str() + colon + 1, &wanted, &found);
  if (failed != 0) cannot_listen(address, gai_strerror(failed));
  return Addresses(found);
}

void set_port(sockaddr* address, int port) {
  const auto number = htons(static_cast<std::uint16_t>(port));
  if (address->sa_family == AF_INET) reinterpret_cast<sockaddr_in*>(address)->sin_port = number;
  if (address->sa_family == AF_INET6) reinterpret_cast<sockaddr_in6*>(address)->sin6_port = number;
}

int port_of(int listening) {
  sockaddr_in6 name{};
  socklen_t size = sizeof name;
  if (getsockname(listening, reinterpret_cast<sockaddr*>(&name), &size) != 0) return 0;
  return ntohs(name.sin6_port);  // at the same place in sockaddr_in
}

int port_in(const sockaddr_storage& address) {
  return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);  // at the same place in sockaddr_in
}

/// The address without the port; one of IPv4 is the same through a socket of IPv6.
std::string host_of(const sockaddr_storage& peer, socklen_t size) {
  std::array<char, NI_MAXHOST> text{};
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&peer), size, text.data(), text.size(), nullptr, 0,
                  NI_NUMERICHOST) != 0) {
    return "unknown";
  }
  constexpr std::string_view mapped = "::ffff:";
  const std::string_view host = text.data();
  return std::string(host.starts_with(mapped) ? host.substr(mapped.size()) : host);
}

void raise_descriptor_limit(rlim_t needed) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return;
  limit.rlim_cur = std::min(needed, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= needed) return;
  throw ListenError("This process may open " + std::to_string(limit.rlim_max) + " files, and needs " +
                    std::to_string(needed) + ": raise the limit (ulimit -n), or lower --max-connections.");
}

}  // namespace

ListeningPort::ListeningPort(const std::string& address, const Limits& limits) : limits_(limits) {
  raise_descriptor_limit(2 * limits.connections + descriptors_for_all_else);
  try {
    open(address);
  } catch (...) {
    for (const int one : listening_) close(one);
    throw;
  }
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  stop_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  watch(stop_, EPOLLIN);
  for (const int one : listening_) watch(one, EPOLLIN);
}

ListeningPort::~ListeningPort() {
  stop();
  for (const int one : listening_) close(one);
  for (const auto& [watched, connection] : watched_) close(watched);
  close(stop_);
  close(epoll_);
}

/// Every address that the host's name stands for, all with one port.
void ListeningPort::open(const std::string& address) {
  const auto found = resolve(address);
  for (const addrinfo* one = found.get(); one != nullptr; one = one->ai_next) {
    const int socket = ::socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, one->ai_protocol);
    if (socket < 0) continue;
    listening_.push_back(socket);
    constexpr int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (port_ != 0) set_port(one->ai_addr, port_);
    if (bind(socket, one->ai_addr, one->ai_addrlen) != 0 || listen(socket, backlog) != 0)
      cannot_listen(address, std::strerror(errno));
    port_ = port_of(socket);
  }
  if (listening_.empty()) cannot_listen(address, "this machine has no such address family");
}

void ListeningPort::watch(int descriptor, std::uint32_t events) const {
  epoll_event event{};
  event.events = events;
  event.data.fd = descriptor;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event);
}

void ListeningPort::start(Take take) {
  take_ = std::move(take);
  thread_ = std::thread([this] { run(); });
}

void ListeningPort::stop() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_, 1);
  thread_.join();
}

void ListeningPort::run() {
  std::array<epoll_event, 64> events;
  for (;;) {
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
    // Who has left makes room for who comes.
    for (int i = 0; i < count; ++i) forget(events[static_cast<std::size_t>(i)].data.fd);
    for (int i = 0; i < count; ++i) {
      const int ready = events[static_cast<std::size_t>(i)].data.fd;
      if (ready == stop_) return;
      if (std::ranges::find(listening_, ready) != listening_.end()) accept_from(ready);
    }
  }
}

void ListeningPort::accept_from(int listening) {
  for (int i = 0; i < accepted_in_a_row; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int connection = accept4(listening, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection < 0) {
      // Out of descriptors or memory: those who wait stay in the backlog for a moment.
      if (errno != EAGAIN && errno != ECONNABORTED) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      return;
    }
    admit(connection, host_of(peer, size), port_in(peer));
  }
}

void ListeningPort::admit(int connection, const std::string& host, int port) {
  const bool full = open_ >= limits_.connections;
  const auto of_host = by_host_.find(host);
  const bool host_full = of_host != by_host_.end() && of_host->second >= limits_.per_host;
  const int second = full || host_full ? -1 : fcntl(connection, F_DUPFD_CLOEXEC, 0);
  if (second < 0) {
    if (refused_++ % 1000 == 0) {
      spdlog::warn(fmt::format("connections are refused: {} stand, {} of them from {}; refused since the start: {}",
                               open_.load(), host_full ? of_host->second : 0, host, refused_.load()));
    }
    close(connection);
    return;
  }
  constexpr int yes = 1;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  ++by_host_[host];
  ++taken_;
  auto kept = take_(connection);
  {
    const locks::Lock lock(mutex_);
    watched_.emplace(second, Connection{host, port, std::move(kept)});
    open_ = watched_.size();
  }
  watch(second, 0);  // EPOLLHUP is always told: both directions are shut, which gRPC does before it closes
}

void ListeningPort::forget(int watched) {
  std::shared_ptr<void> kept;  // ends after the lock
  {
    const locks::Lock lock(mutex_);
    const auto at = watched_.find(watched);
    if (at == watched_.end()) return;
    const auto host = by_host_.find(at->second.host);
    if (--host->second == 0) by_host_.erase(host);
    kept = std::move(at->second.kept);
    watched_.erase(at);
    open_ = watched_.size();
  }
  close(watched);
}

void ListeningPort::hang_up(const std::string& peer) {
  const locks::Lock lock(mutex_);
  for (const auto& [second, connection] : watched_) {
    const auto port = ":" + std::to_string(connection.port);
    // Whole, brackets as gRPC escapes them: 10.0.0.1 is not the peer at 10.0.0.12 who chose the same port.
    if (peer == "ipv4:" + connection.host + port || peer == "ipv6:%5B" + connection.host + "%5D" + port)
      shutdown(second, SHUT_RDWR);
  }
}

}  // namespace wardlink::storage
