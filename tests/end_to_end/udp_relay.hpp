#pragma once
// A UDP relay between devices and ingest: what a bad network does to datagrams, by a seed, and a record of what passed.

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "coap/address.hpp"

namespace wardlink::testing {

/// Chances from 0 to 1, for each datagram in each direction.
struct Weather {
  double loss = 0;
  double duplication = 0;
  double reordering = 0;  // held back until after the next ones, for up to `delay`
  std::chrono::milliseconds delay{0};
  std::uint64_t seed = 1;
};

class UdpRelay {
 public:
  /// Listens on a port of 127.0.0.1 that the kernel picks, and passes on to `server_port` there, from a socket of its
  /// own for each client.
  explicit UdpRelay(std::uint16_t server_port, Weather weather = {});
  ~UdpRelay();
  UdpRelay(const UdpRelay&) = delete;
  UdpRelay& operator=(const UdpRelay&) = delete;

  std::uint16_t port() const { return port_; }
  void set_weather(Weather weather);
  /// Nothing passes while it is cut.
  void cut(bool cut) { cut_ = cut; }
  /// Every client comes from another port from now on, as behind a NAT that forgot (DTLS-22).
  void change_ports() { change_ports_ = true; }

  /// From now on, what passes is kept.
  void keep() { keeping_ = true; }
  /// Every UDP payload that was kept, both ways.
  std::vector<coap::Bytes> captured() const;
  std::uint64_t passed() const { return passed_; }
  std::uint64_t lost() const { return lost_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Client {
    std::uint16_t port;  // the device's
    int socket;          // towards ingest
  };
  struct Held {
    int socket;
    std::uint16_t to;
    coap::Bytes bytes;
  };

  void run();
  void receive(int from);
  void judge(Held datagram);
  void pass(const Held& datagram);
  Client& client_of(std::uint16_t port);
  void forget_clients();
  int wait() const;
  bool happens(double chance) { return chance > 0 && std::uniform_real_distribution<>()(random_) < chance; }

  std::uint16_t server_port_;
  std::uint16_t port_ = 0;
  int socket_;
  std::atomic<bool> stopping_ = false, cut_ = false, change_ports_ = false, keeping_ = false;
  std::atomic<std::uint64_t> passed_ = 0, lost_ = 0;
  mutable std::mutex mutex_;  // weather_, captured_
  Weather weather_;
  std::vector<coap::Bytes> captured_;
  // The thread's own.
  std::mt19937_64 random_;
  std::vector<Client> clients_;
  std::vector<int> forgotten_;
  std::multimap<Clock::time_point, Held> held_;
  std::thread thread_;
};

}  // namespace wardlink::testing
