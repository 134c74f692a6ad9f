#pragma once
// Audit entries that wait for a stream to storage, and those on their way there. They are not answered: a stream is
// handled in order, so the answer to a later batch of records tells that they arrived.

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "coap/instant.hpp"
#include "ingest/sink/record_sink.hpp"

namespace wardlink::ingest {

/// Not thread-safe.
class AuditBacklog {
 public:
  struct Config {
    std::size_t capacity;  // entries that wait, and as many that are on their way
    /// Between two messages, each a COMMIT at storage before which the records behind it wait.
    coap::Duration pause;
    std::size_t batch;  // entries a message
  };

  explicit AuditBacklog(const Config& config) : config_(config) {}

  /// False: there is no room.
  bool put(AuditEntry entry);
  /// The next message; empty = nothing now. `last_batch`: of the records that were sent, the last batch's number.
  std::vector<AuditEntry> next(std::uint64_t last_batch, coap::Instant now);
  /// When next() may have something; empty = only after another put().
  std::optional<coap::Instant> next_deadline() const;
  /// That batch is answered.
  void answered(std::uint64_t batch);
  /// The stream is lost: what was on its way goes again, first.
  void restart();

  bool empty() const { return waiting_.empty(); }
  /// Entries of which it is not known that they arrived.
  std::size_t size() const { return waiting_.size() + sent_.size(); }

 private:
  Config config_;
  std::deque<AuditEntry> waiting_;
  coap::Instant due_{};                                    // not before
  std::deque<std::pair<std::uint64_t, AuditEntry>> sent_;  // with the last batch sent before
};

}  // namespace wardlink::ingest
