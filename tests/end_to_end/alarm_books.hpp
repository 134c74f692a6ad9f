#pragma once
// Two books that must agree: the alarm records that devices wrote down, and the rows that they became.

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "stack.hpp"

namespace wardlink::testing {

struct AlarmBooks {
  std::size_t journaled = 0, rows = 0;
  std::size_t missing = 0;  // written down, no row
  std::size_t doubled = 0;  // more than one row under a key
  std::size_t early = 0;    // ACKs that came before their row's COMMIT
  struct Compared {
    std::int64_t at_us;  // when the ACK came, since 1970-01-01 UTC
    bool early;
  };
  std::vector<Compared> compared;  // ACKs whose row is there
};

/// `folder` holds one audit book a device, <label>.jsonl, as alarm_ward writes it.
AlarmBooks compare_books(const Stack& stack, const std::string& folder);
std::ostream& operator<<(std::ostream& out, const AlarmBooks& books);

/// Lines of a type in all audit books of a folder: "alarm" or "ack".
std::size_t count_journaled(const std::string& folder, const std::string& type);

}  // namespace wardlink::testing
