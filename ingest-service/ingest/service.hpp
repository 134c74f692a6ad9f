#pragma once
// Ingest as a whole: a thread a shard, each with its event loop, its UDP socket and its sink, and the registry of
// owners between them.

#include <memory>
#include <vector>

#include "ingest/config.hpp"
#include "ingest/shard/owners.hpp"
#include "ingest/shard/shard_stats.hpp"
#include "ingest/sink/grpc_sink.hpp"
#include "locks/mutex.hpp"

namespace wardlink::ingest {

/// All shards together.
struct ServiceStats {
  ShardStats shards;
  PerLane<GrpcLane::Stats> lanes;    // `connected` = all of them are
  PerLane<std::uint64_t> connected;  // streams that stand
  std::uint64_t shard_count = 0;
  std::uint64_t silent_shards = 0;  // did not tell in time; their part is what they told last
};

/// Made, stopped and destroyed on one thread.
class Service {
 public:
  /// Serves when it returns; storage may be away. Throws std::runtime_error with one sentence.
  explicit Service(const Config& config);
  /// stop(), where it was not called.
  ~Service();

  /// UDP
  std::uint16_t port() const { return port_; }
  /// Handshakes of devices, and connections to storage, that begin from now on use these; what stands goes on. Throws
  /// std::runtime_error with one sentence when they cannot be used, and changes nothing.
  void renew(const IngestCredentials& credentials);
  /// Closes all sessions, hands over what waits for at most `patience`, and ends the threads. False: something was
  /// left.
  bool stop(std::chrono::milliseconds patience);
  /// Any thread until stop(); then the last numbers. A shard that does not answer within half a second shows its last.
  ServiceStats stats() const;

 private:
  struct Worker;
  void tell(const GrpcLane::Change& change);
  ServiceStats collect(std::chrono::steady_clock::time_point until) const REQUIRES(collecting_);

  coap::DtlsOptions dtls_options_;
  Owners owners_;
  std::uint16_t port_ = 0;
  locks::Mutex telling_;
  PerLane<std::size_t> away_ GUARDED_BY(telling_);
  mutable locks::Mutex collecting_;
  bool stopped_ GUARDED_BY(collecting_) = false;
  ServiceStats final_ GUARDED_BY(collecting_);
  /// Other threads look into them under collecting_, until stopped_. Ends first: their threads call tell().
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace wardlink::ingest
