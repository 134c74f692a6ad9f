#pragma once
// The TCP port, in front of gRPC. gRPC 1.51 accepts connections without end, and when the process runs out of file
// descriptors it stops accepting for ever; so connections are accepted and counted here, and handed to gRPC one by one.
//
// What holds: gRPC never has more connections than `connections`, nor more from one address than `per_host`, whether
// their TLS handshake has finished or not; what exceeds that is closed at once, before anything was read from it. A
// flood from one address thus never shuts another out, unless it has several addresses.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "locks/mutex.hpp"

namespace wardlink::storage {

/// The port cannot be opened; one sentence.
class ListenError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class ListeningPort {
 public:
  struct Limits {
    std::size_t connections = 256;
    std::size_t per_host = 128;
  };
  struct Counts {
    std::uint64_t taken = 0, refused = 0;  // since the start
    std::size_t open = 0;                  // now
  };
  /// Owns the file descriptor that it is given: a connected socket, non-blocking. What it returns is kept until that
  /// connection is closed.
  using Take = std::function<std::shared_ptr<void>(int)>;

  /// HOST:PORT, [HOST]:PORT; port 0: the kernel picks one. Raises the process's limit on file descriptors to what is
  /// needed. Throws ListenError.
  ListeningPort(const std::string& address, const Limits& limits);
  ~ListeningPort();
  ListeningPort(const ListeningPort&) = delete;
  ListeningPort& operator=(const ListeningPort&) = delete;

  int port() const { return port_; }
  /// Accepts from now on; `take` is called from a thread of its own.
  void start(Take take);
  /// No more is accepted. What was taken stays its taker's.
  void stop();
  /// Closes the connection of that peer, as grpc::ServerContext names it. Any thread.
  void hang_up(const std::string& peer);
  /// Any thread.
  Counts counts() const { return {taken_, refused_, open_}; }

 private:
  void open(const std::string& address);
  void watch(int descriptor, std::uint32_t events) const;
  void run();
  void accept_from(int listening);
  void admit(int connection, const std::string& host, int port);
  /// Nothing where it is no connection's.
  void forget(int watched);

  const Limits limits_;
  int port_ = 0;
  int epoll_ = -1, stop_ = -1;
  std::vector<int> listening_;
  Take take_;
  struct Connection {
    std::string host;
    int port;
    std::shared_ptr<void> kept;  // for its taker
  };
  // By a second descriptor of each connection that gRPC has: it tells when gRPC has shut the socket down.
  locks::Mutex mutex_;
  std::unordered_map<int, Connection> watched_ GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::size_t> by_host_;  // connections; for its own thread
  std::atomic<std::uint64_t> taken_ = 0, refused_ = 0;
  std::atomic<std::size_t> open_ = 0;  // of watched_
  std::thread thread_;
};

}  // namespace wardlink::storage
