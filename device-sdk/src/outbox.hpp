#pragma once
// What a device still has to say: measurement sets that wait, alarm records that are owed, and which delivery carries
// which of them. Bounded; not thread-safe (the recorder locks it).

#include <cstdint>
#include <deque>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "coap/connection.hpp"
#include "wardlink/journal.hpp"
#include "wardlink/measurement.hpp"

namespace wardlink {

/// With device and stream, the record key of an alarm record.
struct AlarmKey {
  std::uint64_t boot, sequence;
  friend bool operator==(const AlarmKey&, const AlarmKey&) = default;
};

class Outbox {
 public:
  /// `boot`: of this start.
  Outbox(std::uint64_t boot, std::size_t set_capacity, std::size_t alarm_capacity)
      : boot_(boot), set_capacity_(set_capacity), alarm_capacity_(alarm_capacity) {}

  // -- sets: sent once, oldest first
  /// False: the oldest had to go.
  bool push(SequencedSet set);
  /// The oldest, at most `most`, taken out.
  std::vector<SequencedSet> take_sets(std::size_t most);
  /// Back to the front, in order. Returns how many had to go, the oldest first.
  std::size_t give_back(std::vector<SequencedSet> sets);
  std::size_t sets_waiting() const { return sets_.size(); }

  /// A new start without a new process: what is owed becomes an earlier start's, sets are dropped. Returns how many.
  std::size_t begin_boot(std::uint64_t boot);

  // -- alarms: owed until the ACK of a delivery that carried them
  bool fits(std::size_t records) const { return owed_.size() + records <= alarm_capacity_; }
  /// Made at this start.
  void owe(SequencedAlarm alarm);
  /// An earlier start that left debts; the oldest is told first.
  void add_earlier_boot(std::uint64_t boot);
  /// Left by an earlier start that was told.
  void inherit(OwedAlarm alarm);
  /// Highest priority first, then oldest, at most `most`; of this start only those numbered up to `through`.
  std::vector<OwedAlarm> owed(std::uint64_t through, std::size_t most) const;
  std::size_t alarms_owed() const { return owed_.size(); }

  void carry(coap::DeliveryId delivery, const std::vector<OwedAlarm>& records);
  /// Exactly what that delivery carried is owed no more. Returns what was released now.
  std::vector<AlarmKey> release(coap::DeliveryId delivery);
  /// No ACK of any delivery can come any more; what they carried stays owed.
  void forget_deliveries() { carried_.clear(); }

 private:
  // The order in which records are sent: − priority, age of the start, sequence.
  using Rank = std::tuple<int, std::size_t, std::uint64_t>;
  Rank rank(const OwedAlarm& alarm) const;
  std::size_t age(std::uint64_t boot) const;

  std::uint64_t boot_;
  std::size_t set_capacity_, alarm_capacity_;
  std::deque<SequencedSet> sets_;
  std::vector<std::uint64_t> earlier_boots_;  // oldest first
  std::map<Rank, OwedAlarm> owed_;
  std::deque<std::pair<coap::DeliveryId, std::vector<Rank>>> carried_;
};

}  // namespace wardlink
