#pragma once
// Which instant a tick of a start's clock is, and what that may be wrong by. All that is known are exchanges: at that
// tick the calendar showed that instant. Between them the clock may have slept, or been set.

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "storage/port/record.hpp"

namespace wardlink::storage {

/// A tick above this, a hundred thousand years, counts for it: no calendar holds it, and no sum with it overflows.
constexpr std::uint64_t highest_counted = 100'000ULL * 366 * 86'400 * 1000;
constexpr std::chrono::milliseconds counted(std::uint64_t tick_ms) {
  return std::chrono::milliseconds{tick_ms < highest_counted ? tick_ms : highest_counted};
}

/// A start's clock as it was read once.
struct ClockExchange {
  std::uint64_t tick_ms = 0;
  Instant anchor;                           // of tick 0, by this exchange
  std::chrono::microseconds uncertainty{};  // either way
  /// It moves the start: ticks from here on count from its anchor. Nothing: it agrees with what is in force.
  std::optional<std::uint64_t> from_tick{};
  bool operator==(const ClockExchange&) const = default;
};

/// Where tick 0 lies for certain.
struct AnchorSpan {
  Instant low, high;
};

/// What all exchanges of a start say.
class ClockLine {
 public:
  /// Two clocks that are set by nobody drift apart by this at most.
  static constexpr std::chrono::microseconds drift(std::chrono::milliseconds passed) {
    return std::chrono::microseconds{passed.count() / 5};  // 200 ppm
  }
  /// An exchange that is farther from what is in force than its uncertainty and this moves the start.
  static constexpr std::chrono::milliseconds agreement{500};

  /// `first`: the anchor that the start began with. Exchanges in any order. `believed`: before the first of them it was
  /// right, as far as anybody knows.
  ClockLine(Instant first, std::vector<ClockExchange> exchanges, bool believed = false);

  /// Whether anything is known of it: ticks that are the calendar's (their anchor is 1970-01-01) are known as they are.
  bool is_dated() const { return is_calendar() || !exchanges_.empty(); }
  bool is_calendar() const { return first_ == Instant{}; }
  Instant first_anchor() const { return first_; }
  /// By tick; of one tick the most certain first.
  const std::vector<ClockExchange>& exchanges() const { return exchanges_; }

  /// What ticks count from there.
  Instant anchor_at(std::uint64_t tick_ms) const;
  /// is_dated() only. Before the first exchange and behind the last the clock drifts. Between two it may be anywhere
  /// between what they say; where these lie farther apart than it may have drifted, it has also drifted from the one
  /// until it slept or was set, nobody knows when, and from then on to the other.
  AnchorSpan span_at(std::uint64_t tick_ms) const;
  /// What an instant that a record of that tick was given may be wrong by. Nothing: it was never dated.
  std::optional<std::chrono::microseconds> uncertainty(std::uint64_t tick_ms, Instant given) const;
  /// The same of what is measured and dated while the calendar shows `present`, if the start runs on.
  std::optional<std::chrono::microseconds> uncertainty_now(Instant present) const;

  /// The exchange as it is to be kept. Nothing: it says nothing new, as its tick is not above the last one's, unless it
  /// says that the clock is doubtful: at the last tick, twice as uncertain.
  std::optional<ClockExchange> taken_in(ClockExchange read) const;

 private:
  Instant first_;
  std::vector<ClockExchange> exchanges_;
  bool believed_;
};

/// The same of a record's row. What storage raised itself is as certain as the calendar.
std::optional<std::chrono::microseconds> uncertainty_of(const ClockLine& line, Stream stream, std::uint64_t tick_ms,
                                                        Instant given);

}  // namespace wardlink::storage
