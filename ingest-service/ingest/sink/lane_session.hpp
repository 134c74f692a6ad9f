#pragma once
// What a lane knows of a device and of its sessions. Plain data, which LaneQueue owns and its parts work on.

#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <set>
#include <vector>

#include "coap/instant.hpp"
#include "ingest/sink/record_sink.hpp"

namespace wardlink::ingest {

struct LaneSession;

struct LaneDevice {
  std::uint64_t number = 0;    // in the order in which they came
  std::size_t sessions = 0;    // that are known here
  std::set<SinkSession> past;  // those of them that are detached
  std::size_t unanswered = 0;  // records

  // Of Turns.
  std::list<LaneSession*> active;  // in turn; leave when it comes if nothing waits or they are parked
  std::size_t bytes = 0;           // waiting, of sessions that are not parked
  std::size_t deficit = 0;         // bytes that it may still send in its turn
  bool in_turn = false, in_ring = false;
};

struct WaitingRecord {
  Record record;
  coap::Instant since;
};

struct LaneSession {
  Attachment attachment;
  LaneDevice* device = nullptr;
  bool told = false;      // attached on this stream
  bool news = false;      // … and its clock was exchanged since
  bool detached = false;  // by the shard
  bool refused = false;   // by storage, at least once
  std::size_t unanswered = 0;
  std::size_t in_flight = 0;  // records of it

  // Of Turns.
  std::deque<WaitingRecord> waiting;
  std::size_t bytes = 0;  // of them
  bool active = false;    // stands among its device's

  // Of Parking.
  std::optional<coap::Instant> retry;  // storage would not attach it: parked until then, and while any is in flight
  coap::Duration pause{};              // how long it was parked last; 0 = a record was taken since
  std::vector<Record> parked;          // were sent, and go before those that wait
  coap::Instant unparked = coap::Instant::min();  // what came before that waited for its session, not for its turn
};

}  // namespace wardlink::ingest
