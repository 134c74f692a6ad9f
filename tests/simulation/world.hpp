#pragma once
// A ward in virtual time: devices, their network, ingest, storage, the database, and what goes wrong with each. One
// seed, one run, byte for byte. One thread; nothing reads a clock.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "faults.hpp"
#include "ingest.hpp"
#include "link.hpp"
#include "oracle.hpp"
#include "sometimes.hpp"
#include "storage.hpp"
#include "store.hpp"
#include "trace.hpp"
#include "wearable.hpp"
#include "wearers.hpp"

namespace wardlink::simulation {

struct Run {
  std::uint64_t seed = 1;
  std::size_t devices = 8;
  /// All of it: faults come in its first two thirds, then the ward heals; in its last tenth nobody measures.
  coap::Duration length = std::chrono::minutes{30};
  std::optional<Schedule> schedule{};  // empty: drawn from the seed
};

struct Outcome {
  std::vector<std::string> violations;  // empty: all invariants hold
  Schedule schedule;
  Sometimes sometimes;
  std::uint64_t trace = 0;                       // the run's fingerprint
  std::uint64_t sets = 0, alarms = 0, runs = 0;  // stored sets and runs, generated alarm records
  std::uint64_t exchanges = 0;                   // of clocks
};

class World {
 public:
  explicit World(const Run& run);
  ~World();
  /// Before play(): the database keeps what was committed.
  void keep_log() { database_.keep_log(); }
  Outcome play();
  const Database& database() const { return database_; }

 private:
  void begin(const Fault& fault);
  void end(const Fault& fault);
  void plan();
  void heal();
  void break_streams(std::uint64_t times);
  void forge(const Fault& fault);
  void hand_over(const Wearable& device, coap::Duration ago);
  void note_consequences();

  Run run_;
  Chance chance_;
  Clock clock_;
  Sometimes sometimes_;
  Trace trace_;
  Schedule schedule_;
  Database database_;
  Wearers wearers_;
  Storage storage_;
  Network network_;
  Ingest ingest_;
  std::vector<std::unique_ptr<Wearable>> devices_;
  std::map<std::string, Wearable*> by_urn_;  // by URN
  std::vector<Network::Quality> usual_;      // of each device's link
  std::vector<coap::Bytes> overheard_;       // the last datagram of each device
  Oracle oracle_;
};

Outcome play(const Run& run);

/// Faults and consequences that were never reached.
std::vector<std::string> unreached(const Sometimes& sometimes);

}  // namespace wardlink::simulation
