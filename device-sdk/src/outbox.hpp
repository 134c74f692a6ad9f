#pragma once
// What a device still has to say: measurement sets that wait, alarm records that are owed, and which delivery carries
// which of them. Bounded; not thread-safe (the recorder locks it).

#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "coap/connection.hpp"
#include "wardlink/measurement.hpp"

namespace wardlink {

class Outbox {
 public:
  Outbox(std::size_t set_capacity, std::size_t alarm_capacity)
      : set_capacity_(set_capacity), alarm_capacity_(alarm_capacity) {}

  // -- sets: sent once, oldest first
  /// False: the oldest had to go.
  bool push(SequencedSet set);
  /// The oldest, at most `most`, taken out.
  std::vector<SequencedSet> take_sets(std::size_t most);
  /// Back to the front, in order. Returns how many had to go, the oldest first.
  std::size_t give_back(std::vector<SequencedSet> sets);
  std::size_t sets_waiting() const { return sets_.size(); }

  // -- alarms: owed until the ACK of a delivery that carried them
  bool fits(std::size_t records) const { return owed_.size() + records <= alarm_capacity_; }
  void owe(SequencedAlarm alarm);
  /// Highest priority first, then oldest; only those numbered up to `through`, at most `most`.
  std::vector<SequencedAlarm> owed(std::uint64_t through, std::size_t most) const;
  std::size_t alarms_owed() const { return owed_.size(); }

  void carry(coap::DeliveryId delivery, const std::vector<SequencedAlarm>& records);
  /// Exactly what that delivery carried is owed no more. Returns what was released now.
  std::vector<std::uint64_t> release(coap::DeliveryId delivery);
  /// No ACK of any delivery can come any more; what they carried stays owed.
  void forget_deliveries() { carried_.clear(); }

 private:
  using Rank = std::pair<int, std::uint64_t>;  // (− priority, sequence): the order in which records are sent
  static Rank rank(const SequencedAlarm& alarm) { return {-static_cast<int>(alarm.alarm.priority), alarm.sequence}; }

  std::size_t set_capacity_, alarm_capacity_;
  std::deque<SequencedSet> sets_;
  std::map<Rank, SequencedAlarm> owed_;
  std::deque<std::pair<coap::DeliveryId, std::vector<Rank>>> carried_;
};

}  // namespace wardlink
