#include "light_device.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "coap/udp_driver.hpp"
#include "intruder.hpp"
#include "raw_device.hpp"

namespace wardlink::testing {

using coap::Message;
using coap::OptionNumber;
using coap::Type;

constexpr std::chrono::seconds patience{2};

LightDevice::LightDevice(std::uint16_t port, const coap::Credentials& credentials, std::string urn, std::uint64_t boot,
                         coap::Instant epoch)
    : socket_(connected_socket(port)), urn_(std::move(urn)), boot_(boot), epoch_(epoch) {
  const auto context = coap::DtlsContext::client(credentials, "localhost");
  if (!context) throw std::runtime_error(context.error());
  channel_ = (*context)->connect(coap::EventLoop::now());
  flush();
}

LightDevice::~LightDevice() { close(socket_); }

void LightDevice::flush() {
  while (const auto datagram = channel_->poll_datagram()) ::send(socket_, datagram->data(), datagram->size(), 0);
}

void LightDevice::send(const Message& message) {
  channel_->send(coap::encode(message));
  flush();
}

std::int64_t LightDevice::tick(coap::Instant now) const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(now - epoch_).count();
}

void LightDevice::read(coap::Instant now) {
  std::array<std::uint8_t, 2048> buffer;
  for (;;) {
    const auto size = recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) break;
    channel_->handle_datagram({buffer.data(), static_cast<std::size_t>(size)}, now);
  }
  flush();
  while (const auto plaintext = channel_->poll_plaintext())
    if (const auto message = coap::decode(*plaintext)) take(*message, now);
}

void LightDevice::handle_timeout(coap::Instant now) {
  if (const auto due = channel_->deadline(); due && *due <= now) channel_->handle_timeout(now);
  flush();
  for (auto* waiting : {&request_, &alarm_})
    if (*waiting && now - (*waiting)->sent >= patience) {
      (*waiting)->sent = now;
      send((*waiting)->message);
    }
}

void LightDevice::take(const Message& message, coap::Instant now) {
  if (message.type == Type::con && message.code == coap::code::get) return answer_observation(message);
  if (message.type != Type::ack) return;
  if (alarm_ && message.id == alarm_->message.id) {
    alarm_times_.push_back(now - alarm_->first_sent);
    alarm_.reset();
  }
  if (!request_ || message.id != request_->message.id) return;
  request_.reset();
  if (message.code != coap::code::content) return;  // of /rd
  auto registration = request(coap::code::post, "/rd", {"ep=" + urn_, "lt=300", "boot=" + std::to_string(boot_)});
  const std::string links = "</vitals>;obs;rt=\"wardlink.vitals\";ct=112,</alarms>;obs;rt=\"wardlink.alarms\";ct=112";
  registration.options.add_uint(OptionNumber::content_format, 40);
  registration.payload.assign(links.begin(), links.end());
  ask(std::move(registration), now);
}

void LightDevice::answer_observation(const Message& message) {
  const bool is_alarms = coap::uri_path(message.options) == "/alarms";
  (is_alarms ? alarms_ : vitals_) = message.token;
  auto answer = notification(Type::ack, message.token, is_alarms ? R"([{"n":"owed","v":0}])" : "[]");
  answer.id = message.id;
  send(answer);
}

void LightDevice::ask(Message message, coap::Instant now) {
  send(message);
  request_ = {std::move(message), now, now};
}

void LightDevice::register_now(coap::Instant now) {
  ask(request(coap::code::get, "/time", {"tk=" + std::to_string(tick(now))}), now);
}

void LightDevice::send_set(coap::Instant now) {
  ++sets_sent_;
  send(notification(Type::non, vitals_,
                    R"([{"n":"q","v":)" + std::to_string(sets_sent_) + R"(},{"n":"tk","v":)" +
                        std::to_string(tick(now)) +
                        R"(},{"n":"hr","v":72},{"n":"spo2","v":97},{"n":"rr","v":14},{"n":"temp","v":36.8}])"));
}

void LightDevice::raise_alarm(coap::Instant now) {
  if (alarm_) return;
  ++alarms_sent_;
  auto message = notification(Type::con, alarms_,
                              R"([{"n":"owed","v":1},{"n":"q","v":)" + std::to_string(alarms_sent_) +
                                  R"(},{"n":"tk","v":)" + std::to_string(tick(now)) +
                                  R"(},{"n":"ev","vs":"raised"},{"n":"kind","vs":"phys"},{"n":"prio","v":3},)"
                                  R"({"n":"code","vs":"hr-high"},{"n":"lim","v":131},{"n":"hr","v":140}])");
  send(message);
  alarm_ = {std::move(message), now, now};
}

Message LightDevice::request(coap::Code method, const std::string& path, const std::vector<std::string>& queries) {
  Message message;
  message.type = Type::con;
  message.code = method;
  message.id = next_id_++;
  message.token =
      coap::Token{coap::Bytes{1, 2, static_cast<std::uint8_t>(message.id >> 8), static_cast<std::uint8_t>(message.id)}};
  coap::add_uri(message.options, path, queries);
  return message;
}

Message LightDevice::notification(Type type, const coap::Token& token, const std::string& senml_json) {
  return notification_of(type, next_id_++, token, ++observe_, senml_json);
}

}  // namespace wardlink::testing
