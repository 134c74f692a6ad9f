#pragma once
// Whose record goes next. Devices take turns (deficit round robin): each sends a quantum of bytes, its sessions one
// after the other and each in order, then it is the next one's turn. So what a device sends too much waits behind
// itself. No record is searched for; only forget() walks a device's sessions or the devices.

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <tuple>

#include "ingest/sink/lane_session.hpp"

namespace wardlink::ingest {

/// Not thread-safe. What it is given stays where it is until forget().
class Turns {
 public:
  /// `quantum`: bytes a device may send in its turn, by estimate.
  explicit Turns(std::size_t quantum) : quantum_(quantum) {}

  /// Behind what waits of its session, or before it.
  void put_last(LaneSession& session, WaitingRecord waiting);
  void put_first(LaneSession& session, WaitingRecord waiting);
  /// The oldest that waits of a session that has something waiting, whoever's turn it is.
  Record take_oldest(LaneSession& session);

  /// The session in turn; nullptr where empty().
  LaneSession* first();
  /// The oldest record of first(). Empty: it is larger than what the device may still send, so it is the next one's
  /// turn.
  std::optional<Record> serve(LaneSession& session);
  /// Of the device with most bytes waiting, the session in turn; nullptr where empty().
  LaneSession* greediest();
  /// Nothing waits but for what is suspended.
  bool empty() const { return by_bytes_.empty(); }

  /// The session has been parked: what waits of it has no turn until resume().
  void suspend(LaneSession& session);
  void resume(LaneSession& session);
  /// A session without anything waiting; a device without sessions.
  void forget(LaneSession& session);
  void forget(LaneDevice& device);

 private:
  void count_in(LaneSession& session, const Record& record);
  void weigh(LaneDevice& device, std::size_t bytes);
  void activate(LaneSession& session);
  static LaneSession* first_of(LaneDevice& device);

  std::size_t quantum_;
  // Those that have something waiting that is not suspended, in the order of their turns. One that has nothing any
  // longer leaves when its turn comes.
  std::deque<LaneDevice*> ring_;
  // Those that have something waiting that is not suspended, by its bytes.
  std::set<std::tuple<std::size_t, std::uint64_t, LaneDevice*>> by_bytes_;
};

}  // namespace wardlink::ingest
