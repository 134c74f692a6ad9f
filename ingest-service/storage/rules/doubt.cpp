#include "storage/rules/doubt.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>

namespace wardlink::storage {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t highest_tick = 1ULL << 53;
constexpr std::size_t anchors_looked_at = 8;
// What PostgreSQL's calendar holds on either side of all that devices say.
constexpr Instant earliest{std::chrono::sys_days{std::chrono::year{1} / 1 / 1}};
constexpr Instant never{std::chrono::sys_days{std::chrono::year{9999} / 12 / 31}};

/// An instant at which the wearer changes. Empty: nobody.
struct Boundary {
  Instant at;
  std::string before, after;
};

std::vector<Boundary> boundaries_of(std::span<const Wear> wears) {
  std::vector<Boundary> all;
  std::string present;
  std::optional<Instant> until;
  for (const auto& wear : wears) {
    if (until && *until < wear.from) {
      all.push_back({*until, present, ""});
      present.clear();
    }
    if (present != wear.patient) all.push_back({wear.from, present, wear.patient});
    present = wear.patient;
    until = wear.until;
  }
  if (until) all.push_back({*until, present, ""});
  return all;
}

/// The wearers about boundaries that lie together.
std::vector<std::string> wearers_about(std::span<const Boundary> boundaries) {
  std::set<std::string> names;
  for (const auto& each : boundaries) names.insert({each.before, each.after});
  names.erase("");
  return {names.begin(), names.end()};
}

/// Ticks between two exchanges, or before the first or behind the last; [from, until).
struct Piece {
  std::uint64_t from, until;
};

std::vector<Piece> pieces_of(const ClockLine& line) {
  std::vector<Piece> pieces;
  std::uint64_t from = 0;
  for (const auto& each : line.exchanges()) {
    if (each.tick_ms > from) pieces.push_back({from, each.tick_ms});
    from = each.tick_ms;
  }
  pieces.push_back({from, highest_tick});
  return pieces;
}

/// Ticks that were counted from one anchor, in a piece: each lies in [first(), last()], which only moves forwards.
class Ticks {
 public:
  Ticks(const ClockLine& line, Piece piece, Instant anchor) : line_(line), piece_(piece), anchor_(anchor) {}

  Instant first(std::uint64_t tick) const { return span(tick).low + milliseconds{tick}; }
  Instant last(std::uint64_t tick) const { return span(tick).high + milliseconds{tick}; }
  std::chrono::microseconds width(std::uint64_t tick) const { return last(tick) - first(tick); }

  /// Those that may be before `low` and may be at or behind `high`: [from, until).
  Piece touching(Instant low, Instant high) const {
    return {first_that([&](std::uint64_t tick) { return last(tick) >= high; }),
            first_that([&](std::uint64_t tick) { return first(tick) >= low; })};
  }
  Doubt doubt(Piece ticks, std::vector<std::string> candidates) const {
    return {anchor_, anchor_ + milliseconds{ticks.from},
            ticks.until == highest_tick ? never : anchor_ + milliseconds{ticks.until}, std::move(candidates)};
  }

 private:
  /// Also what the record was given counts: exchanges that agree, each a little farther off, do not move the anchor;
  /// and one that moves it leaves records that were on their way.
  AnchorSpan span(std::uint64_t tick) const {
    const auto span = line_.span_at(tick);
    return {std::min(span.low, anchor_), std::max(span.high, anchor_)};
  }
  template <typename Is>
  std::uint64_t first_that(Is&& is) const {
    auto low = piece_.from, high = piece_.until;
    while (low < high) {
      const auto middle = low + (high - low) / 2;
      if (is(middle))
        high = middle;
      else
        low = middle + 1;
    }
    return low;
  }

  const ClockLine& line_;
  Piece piece_;
  Instant anchor_;
};

/// Adds what these boundaries make doubtful: a doubt wherever ticks may lie on both sides of the same of them, or of
/// others between the same wearers.
void add_about(const Ticks& ticks, std::span<const Boundary> boundaries, std::vector<Doubt>& doubts) {
  std::vector<Piece> touching;  // by boundary; both ends only rise
  std::set<std::uint64_t> ends;
  for (const auto& boundary : boundaries) {
    touching.push_back(ticks.touching(boundary.at, boundary.at));
    if (touching.back().from < touching.back().until) ends.insert({touching.back().from, touching.back().until});
  }
  std::optional<Piece> open;
  std::vector<std::string> between;
  const auto close = [&] {
    if (open) doubts.push_back(ticks.doubt(*open, between));
    open.reset();
  };
  for (auto from = ends.begin(); from != ends.end() && std::next(from) != ends.end(); ++from) {
    const Piece stretch{*from, *std::next(from)};
    const auto first = std::ranges::upper_bound(touching, stretch.from, {}, &Piece::until) - touching.begin();
    const auto last = std::ranges::upper_bound(touching, stretch.from, {}, &Piece::from) - touching.begin();
    auto wearers =
        first < last
            ? wearers_about(boundaries.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first)))
            : std::vector<std::string>();
    const auto widest = std::max(ticks.width(stretch.from), ticks.width(stretch.until - 1));
    if (wearers.empty() || (wearers.size() < 2 && widest <= 2 * ignored_unworn)) {
      close();
    } else if (open && wearers == between) {
      open->until = stretch.until;
    } else {
      close();
      open = stretch;
      between = std::move(wearers);
    }
  }
  close();
}

/// That ticks of the piece may have been counted from: what is in force, then what was.
std::vector<Instant> anchors_of(const ClockLine& line, Piece piece) {
  std::vector<Instant> anchors{line.anchor_at(piece.from)};
  const auto add = [&](Instant anchor) {
    if (std::ranges::find(anchors, anchor) == anchors.end()) anchors.push_back(anchor);
  };
  const auto& exchanges = line.exchanges();
  for (auto each = exchanges.rbegin(); each != exchanges.rend() && anchors.size() < anchors_looked_at; ++each)
    if (each->from_tick && *each->from_tick <= piece.from) add(each->anchor);
  add(line.first_anchor());
  return anchors;
}

/// It was measured before it was received: by what is known of the clock, or by as much as it claimed too much.
void add_jumped(const ClockLine& line, const JumpedRecord& record, std::span<const Boundary> boundaries,
                std::vector<Doubt>& doubts) {
  const auto tick = counted(record.tick_ms);
  const auto first = std::min(line.span_at(record.tick_ms).low + tick, record.measured_at - record.jump);
  const auto is_before = [&](const Boundary& each) { return each.at <= first; };
  const auto begin = std::ranges::find_if_not(boundaries, is_before);
  const auto end =
      std::find_if(begin, boundaries.end(), [&](const Boundary& each) { return each.at > record.measured_at; });
  auto wearers = wearers_about({begin, end});
  if (wearers.empty()) return;
  if (wearers.size() < 2 && record.measured_at - first <= 2 * ignored_unworn) return;
  // No calendar holds the tick 0 of the wildest.
  const auto anchor = record.measured_at - tick;
  doubts.push_back({anchor < earliest ? std::optional<Instant>() : anchor, record.measured_at,
                    record.measured_at + std::chrono::microseconds{1}, std::move(wearers)});
}

std::vector<std::string> all_wearers(std::span<const Wear> wears) {
  std::set<std::string> names;
  for (const auto& wear : wears) names.insert(wear.patient);
  return {names.begin(), names.end()};
}

/// Of the records that it holds.
DoubtfulTicks ticks_of(const Doubt& doubt) {
  DoubtfulTicks ticks{
      0, std::numeric_limits<std::int64_t>::max(), {doubt.candidates.begin(), doubt.candidates.end()}, {doubt}};
  if (!doubt.anchor) return ticks;
  const auto tick_at = [&](Instant at) {
    const auto tick = std::chrono::floor<milliseconds>(at - *doubt.anchor).count();
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, tick));
  };
  ticks.first_ms = tick_at(doubt.since + (milliseconds{1} - std::chrono::microseconds{1}));
  if (doubt.until != never) ticks.last_ms = tick_at(doubt.until - std::chrono::microseconds{1});
  return ticks;
}

}  // namespace

const Settlement* settlement_of(std::span<const Settlement> settlements, std::optional<std::uint64_t> tick_ms,
                                Instant measured_at, const std::set<std::string>& candidates) {
  for (auto each = settlements.rbegin(); each != settlements.rend(); ++each)
    if (each->holds(tick_ms, measured_at) && (each->patient.empty() || candidates.contains(each->patient)))
      return &*each;
  return nullptr;
}

std::vector<DoubtfulTicks> doubtful_ticks(std::span<const Doubt> doubts) {
  std::vector<DoubtfulTicks> all;
  for (const auto& doubt : doubts) all.push_back(ticks_of(doubt));
  std::ranges::sort(all, {}, &DoubtfulTicks::first_ms);
  std::vector<DoubtfulTicks> merged;
  for (auto& each : all) {
    if (merged.empty() || merged.back().last_ms < each.first_ms) {
      merged.push_back(std::move(each));
      continue;
    }
    auto& last = merged.back();
    last.last_ms = std::max(last.last_ms, each.last_ms);
    last.candidates.merge(each.candidates);
    last.doubts.push_back(std::move(each.doubts.front()));
  }
  return merged;
}

std::vector<Doubt> doubts_of(const ClockLine& line, std::span<const Wear> wears, std::span<const JumpedRecord> jumped) {
  std::vector<Doubt> doubts;
  if (wears.empty() || line.is_calendar()) return doubts;
  if (!line.is_dated()) return {{std::nullopt, earliest, never, all_wearers(wears)}};
  const auto boundaries = boundaries_of(wears);
  for (const auto piece : pieces_of(line)) {
    const auto anchors = anchors_of(line, piece);
    for (const auto anchor : anchors) {
      const Ticks ticks(line, piece, anchor);
      const auto first = std::ranges::upper_bound(boundaries, ticks.first(piece.from), {}, &Boundary::at);
      const auto last = std::ranges::upper_bound(boundaries, ticks.last(piece.until - 1), {}, &Boundary::at);
      if (first < last) add_about(ticks, {first, last}, doubts);
    }
  }
  for (const auto& record : jumped) add_jumped(line, record, boundaries, doubts);
  return doubts;
}

}  // namespace wardlink::storage
