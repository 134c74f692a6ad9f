#pragma once
// A device of the tests' own making, message by message over real DTLS: says what no SDK would say.

#include <memory>
#include <optional>
#include <string>

#include "coap/dtls.hpp"
#include "coap/message.hpp"

namespace wardlink::testing {

/// A notification as a device's own hand writes it: CBOR of these records, given as SenML in JSON.
coap::Message notification_of(coap::Type type, std::uint16_t id, const coap::Token& token, std::uint32_t observe,
                              const std::string& senml_json);

class RawDevice {
 public:
  /// From a port of its own choice; 0: the kernel's.
  RawDevice(std::uint16_t port, const coap::Credentials& credentials, std::uint16_t local_port = 0);
  ~RawDevice();

  /// True when the session stands; else close_reason() says why not.
  bool handshake();
  bool closed() const { return channel_->state() == coap::SecureChannel::State::closed; }
  std::uint16_t local_port() const;
  /// Gone without a word: no close_notify, and its port is free.
  void vanish();
  coap::CloseReason close_reason() const { return channel_->close_reason(); }

  /// /time and /rd, then answers both registrations: `vitals` and `alarms` are their tokens afterwards.
  bool register_as(const std::string& urn, std::uint64_t boot);
  coap::Token vitals, alarms;

  void send(const coap::Message& message);
  /// From its own address, past its session: as a stranger would who writes that address on his datagrams.
  void send_forged(coap::ByteView datagram);
  int socket() const { return socket_; }
  /// The next message; empty when none comes within the limit.
  std::optional<coap::Message> receive(std::chrono::milliseconds limit = std::chrono::seconds{60});
  /// The next message that answers `id` (ACK or RST); others are answered as a device would, or passed over.
  std::optional<coap::Message> answer_to(std::uint16_t id, std::chrono::milliseconds limit = std::chrono::seconds{60});

  /// A notification with a SenML payload given as JSON, sent as CBOR.
  coap::Message notification(coap::Type type, const coap::Token& token, const std::string& senml_json);

 private:
  coap::Message request(coap::Code method, const std::string& path, const std::vector<std::string>& queries);
  void flush();
  bool read_datagram(std::chrono::milliseconds limit);

  std::unique_ptr<coap::SecureChannel> channel_;
  int socket_;
  std::uint16_t next_id_ = 1000;
  std::uint32_t observe_ = 1;
};

}  // namespace wardlink::testing
