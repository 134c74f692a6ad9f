#pragma once
// Which instant a tick of a start's clock is, and what that may be wrong by. All that is known are exchanges: at that
// tick the calendar showed that instant. Between them the clock may have slept, or been set; and so may the calendar.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "storage/port/record_store.hpp"

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
  std::uint64_t calendar = 0;  // how often the calendar had been set of which the anchor is an instant
  /// The clock was not read then: that is what it says if it went on from, or to, where it was read, at this tick. It
  /// moves the start, and tells nothing of how well its clock is known.
  std::optional<std::uint64_t> read_at_tick{};
  bool calendar_is_guessed = false;  // it was kept before it was kept by which calendar it is
  bool operator==(const ClockExchange&) const = default;
};

/// What a request says of its start's clock, where the calendar is known to have been set `steps` times: whoever asks
/// may have known more, before the database was put back.
inline ClockExchange exchange_of(const AttachRequest& request, std::uint64_t steps) {
  return {request.tick_ms,     request.anchor, request.uncertainty, {}, std::min(request.calendar, steps),
          request.read_at_tick};
}

/// Where tick 0 lies for certain.
struct AnchorSpan {
  Instant low, high;
};

/// What all exchanges of a start say.
class ClockLine {
 public:
  /// Ticks [from, until) of which the same is known: between two exchanges, before the first or behind the last, as far
  /// as one calendar, or the same ones, may have been in force.
  struct Piece {
    /// What was read last before and first behind, as instants of that calendar.
    struct Bearing {
      std::uint64_t calendar = 0;
      std::optional<ClockExchange> before, next;
    };
    std::uint64_t from, until;
    std::vector<Bearing> bearings;  // none: nothing was read, or its ticks are what the calendar shows, whichever
    bool is_guessed = false;        // by which calendar what was read is

    bool may_be_by(std::uint64_t calendar) const {
      return is_guessed || bearings.empty() ||
             std::ranges::find(bearings, calendar, &Bearing::calendar) != bearings.end();
    }
  };
  /// Ticks from there on count from that anchor.
  struct Move {
    std::uint64_t from_tick;
    Instant anchor;
  };

  /// Two clocks that are set by nobody drift apart by this at most.
  static constexpr std::chrono::microseconds drift(std::chrono::milliseconds passed) {
    return std::chrono::microseconds{passed.count() / 5};  // 200 ppm
  }
  /// An exchange that is farther from what is in force than its uncertainty and this moves the start.
  static constexpr std::chrono::milliseconds agreement{500};

  /// `first`: the anchor that the start began with. Exchanges in any order. `steps`: of the calendar, all that there
  /// are, as they were found. `believed`: before the first exchange it was right, as far as anybody knows.
  ClockLine(Instant first, std::vector<ClockExchange> exchanges, std::span<const CalendarStep> steps = {},
            bool believed = false);

  /// Whether anything is known of it: ticks that are the calendar's (their anchor is 1970-01-01) are known as they are.
  bool is_dated() const { return is_calendar() || !read_.empty(); }
  bool is_calendar() const { return first_ == Instant{}; }
  Instant first_anchor() const { return first_; }
  /// All of them, by tick.
  const std::vector<ClockExchange>& exchanges() const { return exchanges_; }
  /// When the clock was read: by tick; of one tick, and calendar, the most certain first.
  const std::vector<ClockExchange>& read() const { return read_; }
  /// Those that moved the start, by tick. Where the calendar was set a start is moved as if its clock went on; what is
  /// read of it later, at a lower tick, refutes that.
  const std::vector<Move>& moves() const { return moves_; }

  /// What ticks count from there.
  Instant anchor_at(std::uint64_t tick_ms) const;
  /// All from which ticks of [from, until) may have been counted: at most 8 of them, what is in force at `from` first.
  std::vector<Instant> anchors_of(std::uint64_t from, std::uint64_t until) const;
  /// By tick; all ticks below 2^53. A start that was never dated has one without bearings.
  const std::vector<Piece>& pieces() const { return pieces_; }
  const std::vector<CalendarStep>& steps() const { return steps_; }
  /// is_dated() only. Before the first exchange and behind the last the clock drifts. Between two it may be anywhere
  /// between what they say; where these lie farther apart than it may have drifted, it has also drifted from the one
  /// until it slept or was set, nobody knows when, and from then on to the other. Where it may have been dated by more
  /// than one calendar: by any of them.
  AnchorSpan span_at(std::uint64_t tick_ms) const;
  /// The same of a tick of that piece.
  AnchorSpan span_in(const Piece& piece, std::uint64_t tick_ms) const;
  /// What an instant that a record of that tick was given may be wrong by. Nothing: it was never dated.
  std::optional<std::chrono::microseconds> uncertainty(std::uint64_t tick_ms, Instant given) const;
  /// The same of what is measured and dated while the calendar shows `present`, if the start runs on.
  std::optional<std::chrono::microseconds> uncertainty_now(Instant present) const;

  /// The exchange as it is to be kept. Nothing: it says nothing new. Where the clock was read, that is at a tick that
  /// is not above the last one's, unless it says that the clock is doubtful: at the last tick, twice as uncertain.
  /// Where it was not, an anchor is known already by that calendar or a later one, or it moves nothing, unless it is
  /// the first; and it counts from behind the last reading that it was counted back past. No two are kept of the same
  /// tick and uncertainty: the later is taken to be less certain by a microsecond.
  std::optional<ClockExchange> taken_in(ClockExchange exchange) const;

 private:
  using Bearing = Piece::Bearing;
  using Exchanges = std::vector<ClockExchange>;

  bool is_refuted(const ClockExchange& exchange) const;
  bool is_news(const ClockExchange& exchange) const;
  Exchanges by_each(ClockExchange exchange, std::uint64_t low, std::uint64_t high) const;
  void add_pieces(std::uint64_t from, std::uint64_t until, const ClockExchange* before, const ClockExchange* next);

  Instant first_;
  Exchanges exchanges_;  // by tick
  std::vector<CalendarStep> steps_;
  bool believed_;
  Exchanges read_;
  std::vector<Move> moves_;
  std::vector<Piece> pieces_;
};

/// The same of a record's row. What storage raised itself is as certain as the calendar.
std::optional<std::chrono::microseconds> uncertainty_of(const ClockLine& line, Stream stream, std::uint64_t tick_ms,
                                                        Instant given);

}  // namespace wardlink::storage
