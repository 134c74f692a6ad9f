#pragma once
// The driver: the one place that sees sockets, the clock and Boost.Asio. It obeys an Endpoint.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coap/address.hpp"
#include "coap/instant.hpp"
#include "coap/result.hpp"

namespace coap {

/// What a driver drives: a listener with its sessions, or a device. Called on the loop's thread only.
class Endpoint {
 public:
  virtual ~Endpoint() = default;
  virtual void handle_datagram(const Address& from, ByteView datagram, Instant now) = 0;
  virtual void handle_timeout(Instant now) = 0;
  virtual std::optional<Datagram> poll_datagram() = 0;
  virtual std::optional<Instant> next_deadline() const = 0;
  /// Where this has changed since the last call: the addresses from which nothing is to be handed over.
  virtual std::optional<std::vector<Address>> poll_muted() { return std::nullopt; }
};

/// One thread's event loop. run() returns after stop(). post() and stop() may be called from any thread.
class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  void run();
  void stop();
  /// Runs `work` on the loop's thread, soon, in order.
  void post(std::function<void()> work);
  /// host_now()
  static Instant now();

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

class UdpSocket;

/// One UDP socket that carries an endpoint's datagrams in batches (recvmmsg, sendmmsg), and its timer.
/// Make, wake and destroy it on the loop's thread (or before run()).
class UdpDriver {
 public:
  /// Whether several sockets share the port (SO_REUSEPORT), as one a shard does. The first binds alone, which fails
  /// wherever another program has the port, one of our own that shares it too; then it lets the others join.
  enum class Sharing : std::uint8_t { none, first, joins };
  struct Config {
    std::string host = "::";  // local address to bind, of a name the first that this machine has; "::" takes IPv4 too
    std::uint16_t port = 0;   // 0: the kernel picks
    Sharing sharing = Sharing::none;
    bool tells_local = false;               // a server: Address::local is filled in where it listens on many addresses
    std::size_t receive_buffer = 8u << 20;  // bytes; SO_RCVBUFFORCE where permitted, else SO_RCVBUF
  };

  /// Binds, and reads nothing yet: who has the socket has the port. The error is one sentence for an administrator
  /// ("UDP port 5684 on … is in use …").
  static Result<std::shared_ptr<UdpSocket>, std::string> bind(const Config& config);
  static std::uint16_t port_of(const UdpSocket& bound);
  /// Reads from now on.
  static std::unique_ptr<UdpDriver> drive(EventLoop& loop, std::shared_ptr<UdpSocket> bound, Endpoint& endpoint);
  /// Both.
  static Result<std::unique_ptr<UdpDriver>, std::string> open(EventLoop& loop, const Config& config,
                                                              Endpoint& endpoint);
  ~UdpDriver();

  /// Drains the endpoint and re-arms the timer: call after commanding it outside of its callbacks.
  void wake();
  std::uint16_t port() const;
  /// Datagrams that the kernel dropped on this socket since it was opened, because nobody read fast enough (what
  /// SO_RXQ_OVFL counts, asked of the socket itself, so that the last drop is seen too).
  std::uint64_t kernel_drops() const;
  /// Those that it dropped while Endpoint::poll_muted() named an address: they are not among kernel_drops().
  std::uint64_t muted_drops() const;
  /// Datagrams that the kernel would not send (no buffer, no route). They are lost like any on the way: CoAP repeats.
  std::uint64_t send_drops() const;

 private:
  struct Impl;
  explicit UdpDriver(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Looks a host up (blocking; loop's thread or start-up). The error is one sentence.
Result<Address, std::string> resolve(const std::string& host, std::uint16_t port);
/// All of its addresses, at least one, each once, in the order of RFC 6724 (blocking; any thread).
Result<std::vector<Address>, std::string> resolve_all(const std::string& host, std::uint16_t port);

}  // namespace coap
