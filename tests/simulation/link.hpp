#pragma once
// The network between devices and ingest. Each device has a link of its own that loses, doubles, delays (and so
// reorders) datagrams, can be cut, and whose NAT gives it another port, or another device's.

#include <functional>
#include <map>
#include <vector>

#include "chance.hpp"
#include "clock.hpp"
#include "coap/address.hpp"
#include "sometimes.hpp"
#include "trace.hpp"

namespace wardlink::simulation {

class Network {
 public:
  enum class Way : std::uint8_t { up, down };  // from the device; to it
  struct Quality {
    double loss = 0, doubling = 0;  // of a datagram, 0 to 1
    coap::Duration delay{}, jitter{};
    bool cut_up = false, cut_down = false;
  };
  struct Seams {
    std::function<bool(const coap::Address& from, coap::ByteView)> to_server;  // false: nobody took it
    std::function<void(std::size_t device, std::uint32_t socket, coap::ByteView)> to_device;
    std::function<void(std::size_t device, const coap::Bytes&)> sent_up;  // before what becomes of it
    std::function<void(std::size_t device, const coap::Bytes&)> lost_up;  // a copy that nobody took
  };

  Network(Clock& clock, Chance chance, Sometimes& sometimes, Trace& trace, std::size_t devices, Seams seams);

  static coap::Address server();

  /// A device opens a socket: a port of its own. What is on its way to the former one is lost.
  void open(std::size_t device);
  void close(std::size_t device);
  void send_up(std::size_t device, coap::Bytes datagram);
  /// The device's power went before it could.
  void drop_up(std::size_t device, const coap::Bytes& datagram);
  void send_down(const coap::Address& to, coap::Bytes datagram);

  Quality& quality(std::size_t device) { return links_[device].quality; }
  /// The NAT forgets the device: its next datagram comes from a new port.
  void rebind(std::size_t device);
  /// Each gets the port that was the other's.
  void swap(std::size_t one, std::size_t other);
  /// A datagram of somebody who forges the device's address.
  void forge_up(std::size_t device, coap::Bytes datagram);

 private:
  struct Link {
    Quality quality;
    coap::Address outside;
    std::uint32_t socket = 0;  // counts those that it opened
    bool open = false;
    coap::Instant last_up{}, last_down{};  // when the last one arrives that was sent
  };
  bool lose(const Link& link, bool cut);
  void deliver(Link& link, Way way, Clock::Work work);
  void place(std::size_t device);

  Clock& clock_;
  Chance chance_;
  Sometimes& sometimes_;
  Trace& trace_;
  Seams seams_;
  std::vector<Link> links_;
  std::map<coap::Address, std::size_t> outside_;  // whose address it is
  std::uint16_t last_port_ = 1024;
};

}  // namespace wardlink::simulation
