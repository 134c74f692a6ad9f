#include "ingest/healthcheck.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace wardlink::ingest {
namespace {

class Socket {
 public:
  Socket() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{2, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

std::uint16_t metrics_port(const Config& config) {
  if (config.ready_file.empty()) return config.metrics_port;
  std::ifstream file(config.ready_file);
  const auto told = nlohmann::json::parse(file, nullptr, false);
  return told.is_object() ? told.value("metrics_port", std::uint16_t{0}) : std::uint16_t{0};
}

}  // namespace

bool is_serving(const Config& config, std::string& why) {
  const std::uint16_t port = metrics_port(config);
  const Socket socket;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
  char status[12] = {};
  const bool serves =
      port != 0 && ::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::send(socket.fd(), request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size()) &&
      ::recv(socket.fd(), status, sizeof status, MSG_WAITALL) == static_cast<ssize_t>(sizeof status) &&
      std::string(status + 9, 3) == "200";
  if (!serves) why = "wardlink-ingest does not answer on TCP port " + std::to_string(port) + " of 127.0.0.1.";
  return serves;
}

}  // namespace wardlink::ingest
