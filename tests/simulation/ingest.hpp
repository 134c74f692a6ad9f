#pragma once
// The ingest process: real shards with their owners, behind one port, each over two lanes to storage. It dies with all
// its sessions and all that waits in it, and starts anew.

#include <array>
#include <functional>
#include <memory>

#include "chance.hpp"
#include "clock.hpp"
#include "ingest/shard/shard.hpp"
#include "lane.hpp"
#include "link.hpp"
#include "sessions.hpp"
#include "sometimes.hpp"

namespace wardlink::simulation {

class Ingest {
 public:
  struct Shared {
    Clock& clock;
    Network& network;
    Storage& storage;
    Sometimes& sometimes;
    LaneSink::Reached reached;
    LaneSink::Exchanged exchanged;
  };
  /// How much may wait: as in products, or so little that it is reached. A datagram of alarms fits all the same.
  enum class Room : std::uint8_t { usual, narrow_lanes, few_open_alarms };
  struct Counts {  // over all processes so far
    ingest::ShardStats shards;
    ingest::LaneQueue::Counters readings, alarms;
    std::uint64_t lost_readings = 0;  // waited, or were on their way, when the process died
  };

  Ingest(Shared shared, Chance chance, Room room);
  ~Ingest();

  void start();
  void die();
  /// close_notify to all; what waits has a second to go.
  void stop();
  bool is_up() const { return process_ != nullptr; }

  /// False: nobody is there to hear it, or it was turned away and counted.
  bool handle_datagram(const coap::Address& from, coap::ByteView datagram);

  Counts counts() const;
  /// Records that wait in the process, of both lanes.
  std::size_t waiting() const;

 private:
  static constexpr std::size_t shards = 2;
  struct Worker;
  struct Process;
  static void add(Counts& sum, const Process& process);

  Shared shared_;
  Chance chance_;
  Room room_;
  std::unique_ptr<Process> process_;
  Counts past_;
};

}  // namespace wardlink::simulation
