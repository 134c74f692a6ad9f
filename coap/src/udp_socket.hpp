#pragma once
// One bound UDP socket that moves datagrams in batches. No loop and no clock.

#include <sys/socket.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "coap/result.hpp"
#include "coap/udp_driver.hpp"
#include "packet_info.hpp"
#include "socket_address.hpp"

namespace coap {

class UdpSocket {
 public:
  static constexpr std::size_t batch = 32;
  static constexpr std::size_t largest_datagram = 4096;  // a longer one is no handshake of ours and no CoAP message

  /// Binds; the error is one sentence for an administrator.
  static Result<std::unique_ptr<UdpSocket>, std::string> open(const UdpDriver::Config& config);
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  int descriptor() const { return descriptor_; }
  std::uint16_t port() const;
  std::uint64_t kernel_drops() const { return kernel_drops_ + (muting_ ? 0 : new_drops()); }
  std::uint64_t muted_drops() const { return muted_drops_ + (muting_ ? new_drops() : 0); }
  std::uint64_t send_drops() const { return send_drops_; }

  /// Reads at most one batch without waiting and hands each datagram to `take`. False when no more waits.
  bool receive(const std::function<void(const Address&, ByteView)>& take);
  /// The kernel drops what comes from these addresses (IPv6: of any scope), instead of those named before.
  void mute(std::span<const Address> addresses);
  /// Sends at most one batch; what the kernel refuses is dropped and counted.
  void send(std::span<const Datagram> datagrams);

 private:
  UdpSocket(int descriptor, int family, bool tells_local);
  std::uint32_t new_drops() const;
  void note_drops();

  struct Slot {
    std::array<std::uint8_t, largest_datagram> bytes;
    SocketAddress from;
    iovec part;
    PacketInfo asked;
  };
  int descriptor_;
  int family_;
  bool tells_local_;
  std::vector<Slot> slots_{batch};
  std::array<mmsghdr, batch> incoming_{};
  std::uint64_t send_drops_ = 0;
  bool muting_ = false;
  std::uint32_t noted_ = 0;  // of the kernel's count, which begins anew after 2^32
  std::uint64_t kernel_drops_ = 0, muted_drops_ = 0;
};

}  // namespace coap
