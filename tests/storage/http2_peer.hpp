#pragma once
// A client of HTTP/2 over TLS without manners: it writes the frames that a test names (RFC 9113), keeps to no limit and
// says nothing else. Blocking, one thread.

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace wardlink::storage::test {

/// A TCP connection to 127.0.0.1:port from that loopback address; closed with the object.
class TcpPeer {
 public:
  explicit TcpPeer(int port, const std::string& from = "127.0.0.1");
  ~TcpPeer();
  TcpPeer(TcpPeer&& other) noexcept;
  TcpPeer& operator=(TcpPeer&&) = delete;
  int socket() const { return socket_; }
  /// Waits until the other side has closed; false after 30 s.
  bool is_closed() const;

 private:
  int socket_ = -1;
};

class Http2Peer {
 public:
  struct Frame {
    std::uint8_t type = 0, flags = 0;
    std::uint32_t stream = 0;
    std::string payload;
  };
  static constexpr std::uint8_t data = 0, headers = 1, rst_stream = 3, settings = 4, ping = 6, goaway = 7,
                                continuation = 9;
  static constexpr std::uint8_t end_stream = 1, end_headers = 4;

  /// Connects with that certificate and key (PEM texts) and sends the preface. open() says whether it was let in.
  Http2Peer(int port, const std::string& certificate, const std::string& key, const std::string& from = "127.0.0.1");
  ~Http2Peer();
  Http2Peer(Http2Peer&&) noexcept;

  bool open() const { return open_; }
  /// False once the connection is gone.
  bool send(const Frame& frame);
  /// A block of header fields, literal and unindexed (RFC 7541 §6.2.2): a gRPC request for `path`, and what is added.
  static std::string request(const std::string& path,
                             const std::vector<std::pair<std::string, std::string>>& more = {});
  static std::string field(const std::string& name, const std::string& value);
  /// The next frame; empty when the connection has ended, or after 30 s of silence.
  std::optional<Frame> hear();
  /// Reads until a frame of that type has come; false when the connection ended first.
  bool hear_until(std::uint8_t type);
  /// Reads until the connection has ended; false after 30 s of silence.
  bool hear_the_end();

 private:
  struct Free {
    void operator()(SSL* ssl) const;
    void operator()(SSL_CTX* context) const;
  };
  std::optional<std::string> read(std::size_t size);

  TcpPeer tcp_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  bool open_ = false, ended_ = false;
};

}  // namespace wardlink::storage::test
