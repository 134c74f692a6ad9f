#pragma once
// The message layer's memory (RFC 7252 §4): message ids that are not reused too soon, messages of the peer's that came
// before, and Confirmable messages in flight. Each class is one of the three, with no knowledge of the others.

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "coap/connection.hpp"

namespace coap {

/// Message ids of one session: consecutive from a random start, none drawn again within EXCHANGE_LIFETIME (§4.4). That
/// caps the rate at about 261 messages a second.
class MessageIds {
 public:
  MessageIds(std::uint16_t first, Duration exchange_lifetime) : first_(first), lifetime_(exchange_lifetime) {}

  /// Empty when the next id was in use too recently: try again at available_at().
  std::optional<std::uint16_t> draw(Instant now);
  /// An instant that has passed, when the next id may be drawn at once.
  Instant available_at() const;

 private:
  static constexpr std::uint64_t kBlock = 1024;
  static constexpr std::uint64_t kAll = 65536;

  bool begins_used_block() const { return drawn_ >= kAll && drawn_ % kBlock == 0; }

  std::uint16_t first_;
  Duration lifetime_;
  std::uint64_t drawn_ = 0;
  Instant last_draw_{};
  std::array<Instant, kAll / kBlock> last_use_{};  // one instant a block of ids: bytes, not kilobytes
};

/// Messages of the peer's that were seen (§4.5), by message id, each for its lifetime; and what was answered.
class Deduplication {
 public:
  enum class Reply : std::uint8_t { none, ack, rst, stored };
  struct Seen {
    Reply reply;
    const Bytes* stored;  // Reply::stored, while it is remembered: the response's bytes; else nullptr
  };

  Deduplication(std::size_t messages, std::size_t responses) : max_messages_(messages), max_responses_(responses) {}

  /// Empty: it is new, and from now on known until now + lifetime.
  std::optional<Seen> check(std::uint16_t id, Instant now, Duration lifetime);
  void answered(std::uint16_t id, Reply reply);
  void answered(std::uint16_t id, Bytes response);
  /// As if it had been lost on the way: it takes no place.
  void forget(std::uint16_t id);

 private:
  struct Entry {
    Instant expiry;
    Reply reply = Reply::none;
  };
  void forget_expired(Instant now);
  void forget_oldest();

  std::size_t max_messages_;
  std::size_t max_responses_;
  bool stands(const std::pair<std::uint16_t, Instant>& one) const;

  std::unordered_map<std::uint16_t, Entry> entries_;
  std::deque<std::pair<std::uint16_t, Instant>> order_;  // of entries_; some have been forgotten, at most as many again
  std::deque<std::pair<std::uint16_t, Bytes>> responses_;
};

/// What may go Non-confirmable to a peer that says nothing (§4.7). Once nothing has been heard of it for `after`, each
/// message of n bytes puts off the next by n / rate; one word from the peer, and there is no limit again.
class Probing {
 public:
  Probing(Duration after, double bytes_per_second) : after_(after), rate_(bytes_per_second) {}

  /// When the next may go; long past where there is no limit.
  Instant next(Instant last_heard) const { return last_heard == heard_ ? next_ : Instant{}; }
  void sent(std::size_t bytes, Instant last_heard, Instant now) {
    if (now - last_heard < after_) return;
    heard_ = last_heard;
    next_ =
        now + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(static_cast<double>(bytes) / rate_));
  }

 private:
  Duration after_;
  double rate_;
  std::optional<Instant> heard_;  // last heard of the peer when `next_` was reckoned
  Instant next_;
};

/// Whom the outcome of a Confirmable message concerns.
struct Owner {
  enum class Kind : std::uint8_t { request, response, notification, ping } kind;
  RequestId request{};
  ObserverId observer{};  // of a notification, or of the response that took it in
  DeliveryId delivery{};
};

struct Confirmable {
  Message message;  // its id is drawn when it is first sent
  Owner owner;
};

/// One Confirmable message in flight and those that wait behind it (§4.2; §4.7 with NSTART = 1 a slot).
class ConfirmableSlot {
 public:
  struct Timing {
    Duration initial;  // ACK_TIMEOUT times a random factor, drawn for each message
    int max_retransmit;
  };
  struct InFlight {
    Confirmable item;
    Bytes datagram;
    int retransmissions = 0;
    Duration timeout{};
    Instant deadline{};
    Instant first_sent{};
  };

  /// Waits its turn. A notification takes the place of one to the same observer that still waits.
  void submit(Confirmable item);
  bool idle_with_work() const { return !in_flight_ && !waiting_.empty(); }
  std::size_t waiting_responses() const;
  /// Puts the first waiting message in flight under `id`; its bytes are in_flight()->datagram.
  void start(std::uint16_t id, Instant now, const Timing& timing);

  bool exhausted(const Timing& timing) const { return in_flight_->retransmissions >= timing.max_retransmit; }
  /// True when a newer notification to the observer in flight waits: it goes in its stead (RFC 7641 §4.5.2).
  bool has_successor() const;
  /// Once the deadline has passed: the same bytes again, or the successor's under `successor_id`. The count goes on.
  const Bytes& retransmit(Instant now, std::optional<std::uint16_t> successor_id);

  struct Match {
    Owner owner;
    Token token;
    bool current;  // false: it had been superseded
  };
  std::optional<Match> match(std::uint16_t id) const;
  /// Ends the message in flight, or forgets the superseded one.
  void finish(std::uint16_t id);
  void forget_superseded(std::uint16_t id);
  /// Removes all that is in flight, superseded or waiting for that observer, and names it.
  std::vector<DeliveryId> remove(ObserverId observer);
  void remove(RequestId request);

  const std::optional<InFlight>& in_flight() const { return in_flight_; }

 private:
  std::deque<Confirmable>::const_iterator successor() const;

  std::optional<InFlight> in_flight_;
  std::deque<Confirmable> waiting_;
  std::deque<std::pair<std::uint16_t, Owner>> superseded_;  // the last 16
};

}  // namespace coap
