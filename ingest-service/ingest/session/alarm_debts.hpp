#pragma once
// Which held ACKs wait for which alarm records. An ACK is owed to a notification when every record in it is durable; a
// record that comes again before that is not carried twice.

#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "coap/connection.hpp"
#include "ingest/sink/record_sink.hpp"

namespace wardlink::ingest {

/// One session's. Not thread-safe. Bounded by `capacity` records, and as many notifications.
class AlarmDebts {
 public:
  explicit AlarmDebts(std::size_t capacity) : capacity_(capacity) {}

  struct Taken {
    std::vector<std::pair<Ticket, Fact>> to_append;  // not on their way yet
    bool complete = true;                            // nothing waits: acknowledge at once
    bool declined = false;    // there was no room: the ACK of this message will never leave, so it is to come again
    std::size_t refused = 0;  // records for which there was none
  };
  /// Takes a notification's records. `delivery` empty: nobody waits for an ACK. `draw` gives fresh tickets.
  Taken take(std::optional<coap::DeliveryId> delivery, std::vector<Fact> facts, coap::Instant now,
             const std::function<Ticket()>& draw);

  struct Released {
    coap::DeliveryId delivery;
    coap::Instant held_since;  // when the first of its records came, under this message id or an earlier one
  };
  struct Settled {
    std::vector<Released> released;          // their ACK may leave
    std::vector<coap::DeliveryId> declined;  // storage's end had no room: theirs never will, they are to come again
  };
  /// What that result decides.
  Settled settle(Ticket ticket, RecordResult result);

  bool empty() const { return pending_.empty(); }
  /// Records that wait for their result.
  std::size_t open() const { return pending_.size(); }
  /// Notifications that wait for their ACK.
  std::size_t held() const { return held_.size(); }

 private:
  struct Held {
    std::vector<Ticket> waits_for;
    coap::Instant since;
  };
  struct Pending {
    Fact fact;
    coap::Instant since;
    std::vector<coap::DeliveryId> deliveries;  // all of them in held_
  };
  std::optional<Ticket> find(const Fact& fact) const;
  void hold(coap::DeliveryId delivery, std::vector<Ticket> waits_for, coap::Instant now);
  void decline(coap::DeliveryId delivery);

  std::size_t capacity_;
  std::unordered_map<coap::DeliveryId, Held> held_;
  std::unordered_map<Ticket, Pending> pending_;
  std::multimap<std::uint64_t, Ticket> by_sequence_;  // quarantined ones under 0
};

}  // namespace wardlink::ingest
