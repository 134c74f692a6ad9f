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

inline constexpr std::uint64_t kFormat = 2;

/// Whole lines, the newline included.
std::string header(const std::string& device);
std::string boot(const std::string& device, std::uint64_t boot);
std::string set(std::uint64_t boot, const SequencedSet& set);
std::string alarm(std::uint64_t boot, const SequencedAlarm& record);
std::string ack(std::uint64_t boot, std::uint64_t sequence, std::chrono::system_clock::time_point at);
std::string good_date(std::int64_t at);  // seconds since 1970

struct Header {};
struct Boot {
  std::string device;
  std::uint64_t boot;
};
struct Set {};
struct Ack {
  std::uint64_t boot, sequence;
};
struct GoodDate {
  std::int64_t at;
};
/// As it was written, but not by this version: another kind of line, or one with a sign, a number or a word that this
/// version does not know. `sequence`: of an alarm record.
struct Unknown {
  std::optional<std::uint64_t> boot, sequence;
};
using Line = std::variant<Header, Boot, Set, OwedAlarm, Ack, GoodDate, Unknown>;

/// `text` without its newline. Empty: damaged, it is not as it was written.
std::optional<Line> read(std::string_view text);

}  // namespace wardlink::journal_line
