#pragma once
// RFC 7252 §4.2 and RFC 7641 §4.5.2 for one slot, told by what is seen on the wire: what is in flight, what it
// superseded, and at which instants it may speak.

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "conversation.hpp"

namespace fuzz {

class RetransmissionModel {
 public:
  struct InFlight {
    Bytes bytes;
    Message message;
    Instant first, last;
    Duration timeout{};  // known after the first retransmission
    int count = 0;
  };

  /// A notification for `token` was handed over; it is the newest one of that observer.
  void submit(std::uint32_t serial) { newest_ = serial; }
  /// Its observer is gone: nothing of it is in flight, superseded or waiting.
  void clear_notifications() {
    ended.reset();
    if (in_flight && is_notification(in_flight->message)) in_flight.reset();
    superseded.clear();
    newest_.reset();
  }

  /// A Confirmable message left. `gone`: the one in flight has ended by itself (its request ran out of time).
  void sent(const Bytes& bytes, const Message& message, bool gone, Instant now) {
    if (in_flight && in_flight->message.id == message.id) {
      must(bytes == in_flight->bytes, "a retransmission has the same bytes");
      must(!newer_waits(), "a newer notification goes in the stead of an older one");
      return count_retransmission(now);
    }
    if (in_flight && !gone && !given_up(now)) {
      must(is_notification(message) && message.token == in_flight->message.token,
           "one Confirmable message a slot, unless a newer notification takes over");
      superseded.push_back(in_flight->message);
      if (superseded.size() > 16) superseded.pop_front();
      count_retransmission(now);
      in_flight->bytes = bytes;
      in_flight->message = message;
    } else {
      if (in_flight && given_up(now)) ended = in_flight;
      in_flight = InFlight{bytes, message, now, now, {}, 0};
    }
    if (is_notification(message)) must(serial_of(message) == newest_, "the newest notification goes");
  }

  /// Nothing may be late. A message that has used up its retransmissions is forgotten here.
  void check(Instant now) {
    ended.reset();
    if (!in_flight) return;
    if (given_up(now)) return in_flight.reset();
    if (in_flight->count == 0) must(now <= in_flight->first + std::chrono::seconds{3}, "ACK_TIMEOUT is at most 3 s");
    if (in_flight->count > 0) must(now < next(), "a retransmission is not late");
  }

  bool newer_waits() const { return in_flight && is_notification(in_flight->message) && waiting().has_value(); }
  /// The newest notification, where it has not been sent yet.
  std::optional<std::uint32_t> waiting() const {
    if (!newest_) return std::nullopt;
    const bool is_sent = sent_serial_ && *sent_serial_ >= *newest_;
    return is_sent ? std::nullopt : newest_;
  }
  void note_sent(const Message& message) {
    if (is_notification(message)) sent_serial_ = serial_of(message);
  }

  static bool is_notification(const Message& message) {
    return message.code.is_response() && message.options.first(coap::OptionNumber::observe).has_value();
  }
  static std::uint32_t serial_of(const Message& message) {
    std::uint32_t serial = 0;
    for (const auto byte : message.payload) serial = serial << 8 | byte;
    return serial;
  }

  std::optional<InFlight> in_flight;
  std::optional<InFlight> ended;   // given up in this step, with the next one in flight already
  std::deque<Message> superseded;  // the last 16

 private:
  Instant next() const { return in_flight->last + in_flight->timeout * (1 << in_flight->count); }
  bool given_up(Instant now) const { return in_flight->count == 4 && now >= next(); }

  void count_retransmission(Instant now) {
    must(in_flight->count < 4, "four retransmissions at most");
    if (in_flight->count == 0) {
      in_flight->timeout = now - in_flight->first;
      must(in_flight->timeout >= std::chrono::seconds{2} && in_flight->timeout <= std::chrono::seconds{3},
           "ACK_TIMEOUT lies between 2 s and 3 s");
    } else {
      must(now == next(), "each timeout is twice the last one");
    }
    in_flight->last = now;
    ++in_flight->count;
  }

  std::optional<std::uint32_t> newest_, sent_serial_;
};

}  // namespace fuzz
