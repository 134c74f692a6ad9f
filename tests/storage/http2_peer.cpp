#include "http2_peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

namespace wardlink::storage::test {
namespace {

constexpr int patience_ms = 30'000;

sockaddr_in loopback(const std::string& address, int port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<std::uint16_t>(port));
  inet_pton(AF_INET, address.c_str(), &name.sin_addr);
  return name;
}

struct FreePem {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
std::unique_ptr<BIO, FreePem> reader(const std::string& text) {
  return std::unique_ptr<BIO, FreePem>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

void show(SSL_CTX* context, const std::string& certificate, const std::string& key) {
  const std::unique_ptr<X509, FreePem> leaf(PEM_read_bio_X509(reader(certificate).get(), nullptr, nullptr, nullptr));
  const std::unique_ptr<EVP_PKEY, FreePem> own(PEM_read_bio_PrivateKey(reader(key).get(), nullptr, nullptr, nullptr));
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1 || SSL_CTX_use_PrivateKey(context, own.get()) != 1)
    throw std::runtime_error("the peer's certificate cannot be used");
}

/// An integer of RFC 7541 §5.1 with a prefix of 7 bits: the length of a string that is not Huffman-coded.
void add_string(std::string& to, const std::string& text) {
  std::size_t left = text.size();
  if (left < 127) {
    to += static_cast<char>(left);
  } else {
    to += static_cast<char>(127);
    for (left -= 127; left >= 128; left /= 128) to += static_cast<char>(left % 128 + 128);
    to += static_cast<char>(left);
  }
  to += text;
}

}  // namespace

TcpPeer::TcpPeer(int port, const std::string& from) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval patience{patience_ms / 1000, 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const auto here = loopback(from, 0), there = loopback("127.0.0.1", port);
  if (bind(socket_, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 ||
      connect(socket_, reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0) {
    close(socket_);
    throw std::runtime_error("no connection from " + from);
  }
}

TcpPeer::~TcpPeer() {
  if (socket_ >= 0) close(socket_);
}

TcpPeer::TcpPeer(TcpPeer&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}

bool TcpPeer::is_closed() const {
  pollfd one{socket_, POLLRDHUP, 0};
  return poll(&one, 1, patience_ms) == 1;
}

void Http2Peer::Free::operator()(SSL* ssl) const { SSL_free(ssl); }
void Http2Peer::Free::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

Http2Peer::Http2Peer(int port, const std::string& certificate, const std::string& key, const std::string& from)
    : tcp_(port, from), context_(SSL_CTX_new(TLS_client_method())) {
  // A write to a connection that is gone is an answer here, not the end of the test.
  signal(SIGPIPE, SIG_IGN);
  if (!certificate.empty()) show(context_.get(), certificate, key);
  static constexpr unsigned char http2[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context_.get(), http2, sizeof http2);
  ssl_.reset(SSL_new(context_.get()));
  SSL_set_fd(ssl_.get(), tcp_.socket());
  ERR_clear_error();
  if (SSL_connect(ssl_.get()) != 1) return;
  static constexpr char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  open_ = SSL_write(ssl_.get(), preface, sizeof preface - 1) > 0 && send({settings, 0, 0, ""});
}

Http2Peer::~Http2Peer() = default;
Http2Peer::Http2Peer(Http2Peer&&) noexcept = default;

bool Http2Peer::send(const Frame& frame) {
  const auto size = static_cast<std::uint32_t>(frame.payload.size());
  std::string bytes;
  for (const int shift : {16, 8, 0}) bytes += static_cast<char>(size >> shift);
  bytes += static_cast<char>(frame.type);
  bytes += static_cast<char>(frame.flags);
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(frame.stream >> shift);
  bytes += frame.payload;
  ERR_clear_error();
  return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0;
}

std::string Http2Peer::request(const std::string& path, const std::vector<std::pair<std::string, std::string>>& more) {
  std::vector<std::pair<std::string, std::string>> fields = {{":method", "POST"}, {":scheme", "https"},
                                                             {":path", path},     {":authority", "localhost"},
                                                             {"te", "trailers"},  {"content-type", "application/grpc"}};
  fields.insert(fields.end(), more.begin(), more.end());
  std::string block;
  for (const auto& [name, value] : fields) block += field(name, value);
  return block;
}

std::string Http2Peer::field(const std::string& name, const std::string& value) {
  std::string bytes(1, '\0');
  add_string(bytes, name);
  add_string(bytes, value);
  return bytes;
}

std::optional<std::string> Http2Peer::read(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t have = 0; have < size;) {
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), bytes.data() + have, static_cast<int>(size - have));
    if (got <= 0) {
      ended_ = SSL_get_error(ssl_.get(), got) != SSL_ERROR_WANT_READ;
      return std::nullopt;
    }
    have += static_cast<std::size_t>(got);
  }
  return bytes;
}

std::optional<Http2Peer::Frame> Http2Peer::hear() {
  const auto head = read(9);
  if (!head) return std::nullopt;
  const auto byte = [&](std::size_t at) { return static_cast<std::uint32_t>(static_cast<unsigned char>((*head)[at])); };
  Frame frame;
  frame.type = static_cast<std::uint8_t>(byte(3));
  frame.flags = static_cast<std::uint8_t>(byte(4));
  frame.stream = (byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8)) & 0x7fffffffU;
  const auto payload = read(byte(0) << 16 | byte(1) << 8 | byte(2));
  if (!payload) return std::nullopt;
  frame.payload = *payload;
  return frame;
}

bool Http2Peer::hear_until(std::uint8_t type) {
  while (const auto frame = hear()) {
    if (frame->type == type) return true;
  }
  return false;
}

bool Http2Peer::hear_the_end() {
  while (hear()) {
  }
  return ended_;
}

}  // namespace wardlink::storage::test
