#pragma once
// What the service counts while it works. Any thread.

#include <array>
#include <chrono>
#include <cstdint>
#include <span>

#include "daemon/latency.hpp"
#include "locks/mutex.hpp"
#include "storage/port/record.hpp"

namespace wardlink::storage {

class Tallies {
 public:
  /// The kinds of streams that records are counted by: vitals, alarms, manual, storage, waveforms.
  static constexpr std::array<const char*, 5> streams{"vitals", "alarms", "manual", "storage", "waveforms"};
  /// By RecordResult, less one.
  static constexpr std::array<const char*, 4> results{"committed", "duplicate", "quarantined", "not_attached"};

  /// Since the start, except what is `now`.
  struct Counts {
    std::array<std::array<std::uint64_t, results.size()>, streams.size()> records{};
    std::uint64_t batches = 0;
    std::uint64_t commit_failures = 0;  // tries that the database did not commit; the batch waits and is tried again
    daemon::Latency commit;             // from a batch's arrival to its COMMIT, waiting for the database included
    std::uint64_t ingest_streams = 0, ingest_streams_refused = 0, ingest_streams_now = 0;
    std::uint64_t watches = 0, watchers_now = 0;
    std::uint64_t watchers_dropped = 0;  // for reading too slowly
  };

  void batch(std::span<const Record> records, std::span<const RecordResult> made, std::chrono::duration<double> took);
  void commit_failed() { count(&Counts::commit_failures); }
  void ingest_stream_refused() { count(&Counts::ingest_streams_refused); }
  void watcher_dropped() { count(&Counts::watchers_dropped); }
  Counts counts() const;

  /// Something that stands: counted once, and as `now` while this lives.
  class Standing {
   public:
    using Number = std::uint64_t Counts::*;
    Standing(Tallies& tallies, Number all, Number now) : tallies_(tallies), now_(now) {
      tallies_.count(all);
      tallies_.count(now_);
    }
    ~Standing() { tallies_.count(now_, -1); }
    Standing(const Standing&) = delete;
    Standing& operator=(const Standing&) = delete;

   private:
    Tallies& tallies_;
    const Number now_;
  };
  Standing ingest_stream() { return {*this, &Counts::ingest_streams, &Counts::ingest_streams_now}; }
  Standing watcher() { return {*this, &Counts::watches, &Counts::watchers_now}; }

 private:
  void count(std::uint64_t Counts::*number, int by = 1) {
    const locks::Lock lock(mutex_);
    counts_.*number += static_cast<std::uint64_t>(by);
  }

  mutable locks::Mutex mutex_;
  Counts counts_ GUARDED_BY(mutex_);
};

}  // namespace wardlink::storage
