#include "raw_device.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "coap/senml.hpp"
#include "coap/udp_driver.hpp"
#include "intruder.hpp"

namespace wardlink::testing {

using coap::EventLoop;
using coap::Message;
using coap::OptionNumber;
using coap::Type;

RawDevice::RawDevice(std::uint16_t port, const coap::Credentials& credentials, std::uint16_t local_port)
    : socket_(connected_socket(port, local_port)) {
  auto context = coap::DtlsContext::client(credentials, "localhost");
  if (!context) throw std::runtime_error(context.error());
  channel_ = (*context)->connect(EventLoop::now());
}

std::uint16_t RawDevice::local_port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

void RawDevice::vanish() {
  close(socket_);
  socket_ = -1;
}

RawDevice::~RawDevice() {
  if (socket_ < 0) return;
  channel_->close();
  flush();
  close(socket_);
}

void RawDevice::flush() {
  while (const auto datagram = channel_->poll_datagram()) ::send(socket_, datagram->data(), datagram->size(), 0);
}

bool RawDevice::read_datagram(std::chrono::milliseconds limit) {
  pollfd waited{socket_, POLLIN, 0};
  auto wait = limit;
  if (const auto due = channel_->deadline()) {
    wait = std::min(wait, std::chrono::ceil<std::chrono::milliseconds>(*due - EventLoop::now()));
  }
  const int count = poll(&waited, 1, static_cast<int>(std::max<std::int64_t>(0, wait.count())));
  if (count == 0) {
    if (channel_->deadline() && *channel_->deadline() <= EventLoop::now()) channel_->handle_timeout(EventLoop::now());
    flush();
    return false;
  }
  std::array<std::uint8_t, 4096> buffer{};
  const auto size = recv(socket_, buffer.data(), buffer.size(), 0);
  if (size > 0) channel_->handle_datagram({buffer.data(), static_cast<std::size_t>(size)}, EventLoop::now());
  flush();
  return size > 0;
}

bool RawDevice::handshake() {
  flush();
  const auto end = EventLoop::now() + std::chrono::seconds{60};
  while (channel_->state() == coap::SecureChannel::State::handshaking && EventLoop::now() < end) {
    read_datagram(std::chrono::seconds{1});
  }
  return channel_->state() == coap::SecureChannel::State::open;
}

void RawDevice::send(const Message& message) {
  channel_->send(coap::encode(message));
  flush();
}

void RawDevice::send_forged(coap::ByteView datagram) { ::send(socket_, datagram.data(), datagram.size(), 0); }

std::optional<Message> RawDevice::receive(std::chrono::milliseconds limit) {
  const auto end = EventLoop::now() + limit;
  for (;;) {
    if (const auto plaintext = channel_->poll_plaintext()) {
      const auto message = coap::decode(*plaintext);
      if (message) return *message;
    }
    const auto left = std::chrono::floor<std::chrono::milliseconds>(end - EventLoop::now());
    if (left.count() <= 0 || channel_->state() == coap::SecureChannel::State::closed) return std::nullopt;
    read_datagram(left);
  }
}

std::optional<Message> RawDevice::answer_to(std::uint16_t id, std::chrono::milliseconds limit) {
  while (auto message = receive(limit)) {
    if ((message->type == Type::ack || message->type == Type::rst) && message->id == id) return message;
  }
  return std::nullopt;
}

Message RawDevice::request(coap::Code method, const std::string& path, const std::vector<std::string>& queries) {
  Message message;
  message.type = Type::con;
  message.code = method;
  message.id = next_id_++;
  message.token = coap::Token{coap::Bytes{1, 2, 3, static_cast<std::uint8_t>(next_id_)}};
  coap::add_uri(message.options, path, queries);
  return message;
}

bool RawDevice::register_as(const std::string& urn, std::uint64_t boot) {
  const auto time = request(coap::code::get, "/time", {"tk=1"});
  send(time);
  if (!answer_to(time.id)) return false;
  auto registration = request(coap::code::post, "/rd", {"ep=" + urn, "lt=300", "boot=" + std::to_string(boot)});
  const std::string links = "</vitals>;obs;rt=\"wardlink.vitals\";ct=112,</alarms>;obs;rt=\"wardlink.alarms\";ct=112";
  registration.options.add_uint(OptionNumber::content_format, 40);
  registration.payload.assign(links.begin(), links.end());
  send(registration);
  const auto created = answer_to(registration.id);
  if (!created || created->code != coap::code::created) return false;
  while (vitals.size() == 0 || alarms.size() == 0) {
    const auto observe = receive();
    if (!observe) return false;
    if (observe->code != coap::code::get) continue;
    const bool is_alarms = coap::uri_path(observe->options) == "/alarms";
    (is_alarms ? alarms : vitals) = observe->token;
    auto answer = notification(Type::ack, observe->token, is_alarms ? R"([{"n":"owed","v":0}])" : "[]");
    answer.id = observe->id;
    send(answer);
  }
  return true;
}

Message RawDevice::notification(Type type, const coap::Token& token, const std::string& senml_json) {
  return notification_of(type, next_id_++, token, ++observe_, senml_json);
}

Message notification_of(Type type, std::uint16_t id, const coap::Token& token, std::uint32_t observe,
                        const std::string& senml_json) {
  Message message;
  message.type = type;
  message.code = coap::code::content;
  message.id = id;
  message.token = token;
  message.options.add_uint(OptionNumber::observe, observe);
  message.options.add_uint(OptionNumber::content_format, coap::content_format::senml_cbor);
  const auto pack = coap::senml::decode_json(senml_json);
  if (!pack) throw std::invalid_argument("not SenML: " + senml_json);
  message.payload = coap::senml::encode_cbor(*pack);
  return message;
}

}  // namespace wardlink::testing
