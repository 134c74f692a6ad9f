#pragma once
// One line of the journal on file, as journal.hpp states it: from a record to the line and back. Pure.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "wardlink/journal.hpp"

namespace wardlink::journal_line {

/// Whole lines, the newline included.
std::string boot(const std::string& device, std::uint64_t boot);
std::string set(std::uint64_t boot, const SequencedSet& set);
std::string alarm(std::uint64_t boot, const SequencedAlarm& record);
std::string ack(std::uint64_t boot, std::uint64_t sequence, std::chrono::system_clock::time_point at);

struct Boot {
  std::string device;
  std::uint64_t boot;
};
struct Ack {
  std::uint64_t boot, sequence;
};
struct Other {};  // whole, but nothing that a debt depends on
using Line = std::variant<Other, Boot, OwedAlarm, Ack>;

/// `text` without its newline. Empty: it is not as it was written.
std::optional<Line> read(std::string_view text);

}  // namespace wardlink::journal_line
