#pragma once
// At most one audit line a minute for each thing that keeps happening, so that no peer can flood the audit log: the
// first is told at once and opens a minute, those that follow within it are told together at its end. Nothing goes
// uncounted.

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coap/instant.hpp"

namespace wardlink::ingest {

/// Not thread-safe. Bounded: at most `max_keys` things at a time, those beyond it are counted together under "other".
class AuditTally {
 public:
  struct Key {
    std::string action;
    std::string reason;
    std::string address;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  using Line = std::pair<Key, std::uint64_t>;  // and how often

  explicit AuditTally(std::size_t max_keys = 64) : max_keys_(max_keys) {}

  /// The line to write now, if any.
  std::optional<Line> note(Key key, coap::Instant now, std::uint64_t times = 1);
  /// The lines whose minute is over.
  std::vector<Line> due(coap::Instant now);
  /// All that is not told yet: call it at the end.
  std::vector<Line> rest();
  std::optional<coap::Instant> next_deadline() const;

 private:
  using Untold = std::map<Key, std::uint64_t>;
  struct Minute {
    coap::Instant end;
    Untold::iterator of;
  };
  std::size_t max_keys_;
  Untold untold_;
  std::list<Minute> minutes_;  // one of each key, the first to end first: all are as long
};

}  // namespace wardlink::ingest
