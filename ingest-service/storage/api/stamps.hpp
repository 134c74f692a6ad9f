#pragma once
// The stamps of one stream from ingest, and what is told after them.

#include <cstdint>
#include <deque>
#include <optional>

#include "storage/port/moment.hpp"

namespace wardlink::storage {

/// One thread at a time.
class Stamps {
 public:
  /// `received`: when the request for it arrived. A number that does not rise is not taken.
  bool take(std::uint64_t number, Moment received);
  /// So long after that stamp. Empty: it was none of this stream's, or is older than the last 1,024, or the moment lies
  /// more than a thousand years off.
  std::optional<Moment> after(std::uint64_t number, std::int64_t micros) const;
  bool empty() const { return taken_.empty(); }

 private:
  struct Taken {
    std::uint64_t number;
    Moment at;
  };
  std::deque<Taken> taken_;  // by number
};

}  // namespace wardlink::storage
