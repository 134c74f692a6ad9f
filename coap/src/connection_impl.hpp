#pragma once
// The inside of a connection. connection.cpp holds what concerns the session (datagrams, timers, the message layer),
// exchange.cpp what concerns requests, responses and notifications above it.

#include <array>
#include <deque>
#include <map>

#include "coap/connection.hpp"
#include "observation.hpp"
#include "reliability.hpp"

namespace coap {

struct Connection::Impl {
  Impl(std::unique_ptr<SecureChannel> secure_channel, const Config& settings, Random chance, Instant now);

  // -- connection.cpp: the session and the message layer
  bool handle_datagram(ByteView datagram, Instant now);
  void handle_timeout(Instant now);
  std::optional<Instant> next_deadline() const;
  void after_channel(Instant now);  // what the channel brought: open, plaintext, the end
  void receive(ByteView plaintext, Instant now);
  bool affords(const Message& message, Instant now);
  void receive_ack(const Message& message, Instant now);
  void receive_reset(const Message& message);
  void repeat_reply(const Message& message, const Deduplication::Seen& seen);
  void expire(Slot which, Instant now);
  bool peer_is_silent(const ConfirmableSlot& slot) const;
  void give_up(ConfirmableSlot& slot);
  std::optional<std::uint16_t> draw_id(Instant now);
  void pump(Instant now);  // puts waiting Confirmable messages in flight
  void transmit(const Bytes& datagram, Type type);
  void transmit(const Message& message);
  void send_empty(Type type, std::uint16_t id);
  void measure_round_trip(Duration sample);
  void close(CloseReason reason, const std::string& detail);
  void emit(Event event) { events.push_back(std::move(event)); }
  ConfirmableSlot& slot(Slot which) { return slots[static_cast<std::size_t>(which)]; }
  template <class Name>
  Name fresh() {
    return static_cast<Name>(++last_name);
  }

  // -- exchange.cpp: requests, responses, notifications
  struct Pending {  // a request that this side sent
    enum class Kind : std::uint8_t { plain, registration, refresh, cancellation } kind;
    Token token;
    ObservationId observation{};
    Instant deadline;
  };
  struct Exchange {  // a request that the peer sent and that is not answered yet
    bool confirmable;
    bool acknowledged = false;
    std::uint16_t id;
    Token token;
    Instant ack_deadline;
  };

  RequestId send_request(const Request& request, const Token& token, Pending::Kind kind, ObservationId observation,
                         std::optional<std::uint32_t> observe, Instant now, Reliability reliability = Reliability::con);
  void receive_request(const Message& message, Instant now);
  void receive_response(const Message& message, Instant now);
  void receive_notification(ObservationId id, const Message& message, Instant now);
  void reject(const Message& message);
  void reject_critical(const Message& message);
  void acknowledge_now(const Message& message);
  void request_failed(RequestId id, event::Failure why);
  std::optional<RequestId> pending_by_token(const Token& token) const;
  void complete(RequestId id);
  std::optional<Exchange> take_exchange(ExchangeId id);
  void answer(const Exchange& exchange, Message message, Instant now, ObserverId observer = {});
  Message to_message(const Response& response, const Token& token, std::optional<std::uint32_t> observe) const;
  ObserverId admit(const Exchange& exchange);
  void lose_observer(ObserverId id, event::Failure why);
  void notification_acknowledged(const Owner& owner);
  void notify_non(ObserverId observer, Message message, Instant now);
  void expire_exchanges(Instant now);

  std::unique_ptr<SecureChannel> channel;
  Config config;
  Random random;
  ConnectionCounters counters;
  MessageIds ids;
  Deduplication seen;
  Budget notification_budget, request_budget;
  std::array<ConfirmableSlot, 2> slots;
  Probing probing;
  TokenBook tokens;
  ObservationTable observations;
  ObserverList observers;
  // Few at a time (NSTART bounds both sides), so ordered maps serve.
  std::map<RequestId, Pending> pending;
  std::map<ExchangeId, Exchange> exchanges;
  struct Held {
    std::uint16_t id;
    Instant until;  // RFC 7252 §4.4: then the id may name another message
  };
  std::map<DeliveryId, Held> held;  // notifications whose ACK is owed; the first is the oldest
  std::deque<Event> events;
  std::optional<Duration> round_trip;
  Instant last_heard;
  std::uint64_t last_name = 0;
  bool opened = false;
  bool closed = false;
};

}  // namespace coap
