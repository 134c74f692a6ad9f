#pragma once
// Which held ACKs wait for which alarm records. An ACK is owed to a notification when every record in it is durable; a
// record that comes again before that is not carried twice.

#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "coap/connection.hpp"
#include "ingest/record_sink.hpp"

namespace wardlink::ingest {

/// One session's. Not thread-safe. Bounded by `capacity` records.
class AlarmDebts {
 public:
  explicit AlarmDebts(std::size_t capacity) : capacity_(capacity) {}

  struct Taken {
    std::vector<std::pair<Ticket, Fact>> to_append;  // not on their way yet
    bool complete = true;                            // nothing waits: acknowledge at once
    std::size_t refused = 0;  // beyond the capacity: the ACK will never leave, so the device owes them all the same
  };
  /// Takes a notification's records. `delivery` empty: nobody waits for an ACK. `draw` gives fresh tickets.
  Taken take(std::optional<coap::DeliveryId> delivery, std::vector<Fact> facts, coap::Instant now,
             const std::function<Ticket()>& draw);

  struct Released {
    coap::DeliveryId delivery;
    coap::Instant held_since;  // when the first of its records came, under this message id or an earlier one
  };
  /// What that result sets free.
  std::vector<Released> settle(Ticket ticket, RecordResult result);

  bool empty() const { return pending_.empty(); }
  std::size_t held() const { return held_.size(); }

 private:
  struct Held {
    std::size_t waits_for = 0;
    coap::Instant since;
  };
  struct Pending {
    Fact fact;
    coap::Instant since;
    std::vector<coap::DeliveryId> deliveries;
  };
  std::optional<Ticket> find(const Fact& fact) const;

  std::size_t capacity_;
  std::map<coap::DeliveryId, Held> held_;
  std::unordered_map<Ticket, Pending> pending_;
  std::multimap<std::uint64_t, Ticket> by_sequence_;  // quarantined ones under 0
};

}  // namespace wardlink::ingest
