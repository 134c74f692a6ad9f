#pragma once
// A TCP port of loopback's before a server: carries one connection after the other until it is told to cut them.

#include <cstdint>
#include <thread>

namespace wardlink::client {

/// Any thread; has one of its own.
class TcpRelay {
 public:
  enum class Cut : std::uint8_t {
    close,  // as when the process behind it ends (FIN)
    reset,  // as when its host has forgotten the connection (RST)
  };
  /// `to`: a port of 127.0.0.1; 0 = nobody is behind it, and each connection is cut once its client has said something.
  TcpRelay(std::uint16_t to, Cut how);
  ~TcpRelay();
  std::uint16_t port() const { return port_; }
  /// The connection that stands; later ones are refused.
  void cut();

 private:
  void run();
  void carry(int client);

  const std::uint16_t to_;
  const Cut how_;
  int listener_ = -1, wake_ = -1;  // wake_: readable from cut() on
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace wardlink::client
