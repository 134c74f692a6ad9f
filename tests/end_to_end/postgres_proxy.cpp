#include "postgres_proxy.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace wardlink::testing {
namespace {

constexpr int kLookUpMs = 100;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error("too long for a socket: " + path);
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

bool write_all(int to, const char* bytes, std::size_t size) {
  while (size > 0) {
    const auto written = ::send(to, bytes, size, MSG_NOSIGNAL);
    if (written <= 0) return false;
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

std::size_t length_at(const std::string& bytes, std::size_t at) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return length;
}

/// What stands between two quotes behind `name=`.
std::string value_of(const std::string& database, const std::string& name) {
  const auto begin = database.find(name + "='") + name.size() + 2;
  return database.substr(begin, database.find('\'', begin) - begin);
}

}  // namespace

struct PostgresProxy::Talk {
  ~Talk() {
    close(storage);
    close(server);
  }
  int storage, server;
  std::string unread{};  // of storage, not a whole message yet
  bool started = false;
  bool inserts_alarms = false;
};

PostgresProxy::PostgresProxy(const std::string& database) : socket_(socket(AF_UNIX, SOCK_STREAM, 0)) {
  const auto host = value_of(database, "host");
  server_path_ = host + "/.s.PGSQL.5432";
  database_ = database;
  database_.replace(database_.find(host), host.size(), folder_.path());
  const auto address = address_of(folder_.path() + "/.s.PGSQL.5432");
  if (bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(socket_, 64) != 0)
    throw std::runtime_error("the proxy cannot listen");
  accepting_ = std::thread([this] { accept(); });
}

PostgresProxy::~PostgresProxy() {
  stopping_ = true;
  accepting_.join();
  for (auto& talk : talks_) talk.join();
  close(socket_);
}

void PostgresProxy::accept() {
  while (!stopping_) {
    pollfd waited{socket_, POLLIN, 0};
    if (poll(&waited, 1, kLookUpMs) <= 0) continue;
    const int storage = ::accept(socket_, nullptr, nullptr);
    if (storage < 0) continue;
    talks_.emplace_back([this, storage] {
      Talk talk{.storage = storage, .server = socket(AF_UNIX, SOCK_STREAM, 0)};
      const auto address = address_of(server_path_);
      if (connect(talk.server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) carry(talk);
    });
  }
}

void PostgresProxy::carry(Talk& talk) {
  std::array<char, 16'384> buffer;
  while (!stopping_) {
    std::array<pollfd, 2> waited{pollfd{talk.storage, POLLIN, 0}, pollfd{talk.server, POLLIN, 0}};
    if (poll(waited.data(), waited.size(), kLookUpMs) < 0) return;
    if (waited[0].revents != 0) {
      const auto size = read(talk.storage, buffer.data(), buffer.size());
      if (size <= 0) return;
      talk.unread.append(buffer.data(), static_cast<std::size_t>(size));
      if (!from_storage(talk)) return;
    }
    if (waited[1].revents != 0) {
      const auto size = read(talk.server, buffer.data(), buffer.size());
      if (size <= 0 || !write_all(talk.storage, buffer.data(), static_cast<std::size_t>(size))) return;
    }
  }
}

/// Whole messages: a type (the first message has none) and a length that counts itself. False: the talk is over.
bool PostgresProxy::from_storage(Talk& talk) {
  for (;;) {
    const std::size_t type = talk.started ? 1 : 0;
    if (talk.unread.size() < type + 4) return true;
    const auto size = type + length_at(talk.unread, type);
    if (talk.unread.size() < size) return true;
    const auto message = talk.unread.substr(0, size);
    talk.unread.erase(0, size);
    if (!pass(talk, talk.started ? message[0] : '\0', message)) return false;
    talk.started = true;
  }
}

bool PostgresProxy::pass(Talk& talk, char type, const std::string& message) {
  if (type == 'B' && message.find("insert_alarm_event") != std::string::npos) talk.inserts_alarms = true;
  if (type == 'Q' && message.compare(5, 6, "COMMIT") == 0) {
    const int number = talk.inserts_alarms && left_ > 0 ? left_-- : 0;
    if (number > 0) return break_commit(talk, message, number);
    talk.inserts_alarms = false;
  }
  return write_all(talk.server, message.data(), message.size());
}

bool PostgresProxy::break_commit(Talk& talk, const std::string& message, int number) {
  if (number % 2 == 0) {
    ++never_done_;
    return false;
  }
  char byte = 0;
  // The first byte of the answer: the transaction is durable.
  if (write_all(talk.server, message.data(), message.size()) && read(talk.server, &byte, 1) == 1 && byte == 'C')
    ++done_unheard_;
  return false;
}

}  // namespace wardlink::testing
