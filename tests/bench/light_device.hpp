#pragma once
// A wearable reduced to what it sends, so that one thread holds ten thousand: one set of vital signs a second, or one
// alarm after the other.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coap/dtls.hpp"
#include "coap/message.hpp"

namespace wardlink::testing {

/// Not thread-safe. Its datagrams come through socket(), which whoever owns it polls.
class LightDevice {
 public:
  /// `epoch`: instant 0 of its tick.
  LightDevice(std::uint16_t port, const coap::Credentials& credentials, std::string urn, std::uint64_t boot,
              coap::Instant epoch);
  ~LightDevice();
  LightDevice(const LightDevice&) = delete;
  LightDevice& operator=(const LightDevice&) = delete;

  int socket() const { return socket_; }
  bool open() const { return channel_->state() == coap::SecureChannel::State::open; }
  bool closed() const { return channel_->state() == coap::SecureChannel::State::closed; }
  /// Its resources are observed.
  bool ready() const { return vitals_.size() > 0 && alarms_.size() > 0; }

  /// Takes all that has arrived.
  void read(coap::Instant now);
  /// What is due: a handshake's flight, a request that was not answered for 2 s.
  void handle_timeout(coap::Instant now);

  /// GET /time, then POST /rd. Call when open.
  void register_now(coap::Instant now);
  /// Non-confirmable: four signs, measured now.
  void send_set(coap::Instant now);
  /// Confirmable; nothing while one is on its way.
  void raise_alarm(coap::Instant now);
  /// From an alarm to its ACK, of each that was acknowledged.
  const std::vector<coap::Duration>& alarm_times() const { return alarm_times_; }
  std::uint64_t sets_sent() const { return sets_sent_; }

 private:
  void take(const coap::Message& message, coap::Instant now);
  void answer_observation(const coap::Message& message);
  void ask(coap::Message message, coap::Instant now);
  coap::Message request(coap::Code method, const std::string& path, const std::vector<std::string>& queries);
  coap::Message notification(coap::Type type, const coap::Token& token, const std::string& senml_json);
  void send(const coap::Message& message);
  void flush();
  std::int64_t tick(coap::Instant now) const;

  struct Waiting {
    coap::Message message;
    coap::Instant first_sent, sent;
  };

  std::unique_ptr<coap::SecureChannel> channel_;
  const int socket_;
  const std::string urn_;
  const std::uint64_t boot_;
  const coap::Instant epoch_;
  coap::Token vitals_, alarms_;
  std::optional<Waiting> request_, alarm_;
  std::uint16_t next_id_ = 1;
  std::uint32_t observe_ = 1;
  std::uint64_t sets_sent_ = 0, alarms_sent_ = 0;
  std::vector<coap::Duration> alarm_times_;
};

}  // namespace wardlink::testing
