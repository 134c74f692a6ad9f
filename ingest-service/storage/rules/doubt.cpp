#include "storage/rules/doubt.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>

namespace wardlink::storage {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t highest_tick = 1ULL << 53;
// What PostgreSQL's calendar holds on either side of all that devices say.
constexpr Instant earliest{std::chrono::sys_days{std::chrono::year{1} / 1 / 1}};
constexpr Instant never{std::chrono::sys_days{std::chrono::year{9999} / 12 / 31}};

/// The wearer changes at an instant of [first, last]. Empty: nobody.
struct Boundary {
  Instant first, last;
  std::string before, after;
};

std::vector<Boundary> boundaries_of(std::span<const Wear> wears) {
  std::vector<Boundary> all;
  std::string present;
  std::optional<Instant> until;
  for (const auto& wear : wears) {
    if (until && *until < wear.from) {
      all.push_back({*until, *until, present, ""});
      present.clear();
    }
    if (present != wear.patient) all.push_back({wear.from, wear.from, present, wear.patient});
    present = wear.patient;
    until = wear.until;
  }
  if (until) all.push_back({*until, *until, present, ""});
  return all;
}

/// What that calendar dated lies on either side of a boundary.
struct Spread {
  std::uint64_t calendar;
  Boundary boundary;
};

/// A handover is written down by an instant, and it is not known by which calendar.
std::vector<Spread> out_of_order(std::span<const Boundary> boundaries, std::span<const CalendarStep> steps) {
  std::vector<Spread> all;
  for (const auto& each : boundaries)
    for (const auto& [calendar, first, last] : disordered_by(each.first, steps))
      all.push_back({calendar, {first, last, each.before, each.after}});
  return all;
}

/// The wearers about boundaries that lie together.
std::vector<std::string> wearers_about(std::span<const Boundary> boundaries) {
  std::set<std::string> names;
  for (const auto& each : boundaries) names.insert({each.before, each.after});
  names.erase("");
  return {names.begin(), names.end()};
}

/// [from, until).
struct Stretch {
  std::uint64_t from, until;
};

bool is_exact(std::span<const Boundary> boundaries) {
  return std::ranges::all_of(boundaries, [](const Boundary& each) { return each.first == each.last; });
}

/// Ticks that were counted from one anchor, in a piece: each lies in [first(), last()], which only moves forwards.
class Ticks {
 public:
  Ticks(const ClockLine& line, const ClockLine::Piece& piece, Instant anchor)
      : line_(line), piece_(piece), anchor_(anchor) {}

  Instant first(std::uint64_t tick) const { return span(tick).low + milliseconds{tick}; }
  Instant last(std::uint64_t tick) const { return span(tick).high + milliseconds{tick}; }
  std::chrono::microseconds width(std::uint64_t tick) const { return last(tick) - first(tick); }

  /// Those that may be before the wearer changed, and may be behind that.
  Stretch touching(const Boundary& boundary) const {
    return {first_that([&](std::uint64_t tick) { return last(tick) >= boundary.first; }),
            first_that([&](std::uint64_t tick) { return first(tick) >= boundary.last; })};
  }
  Doubt doubt(Stretch ticks, std::vector<std::string> candidates) const {
    return {anchor_, anchor_ + milliseconds{ticks.from},
            ticks.until == highest_tick ? never : anchor_ + milliseconds{ticks.until}, std::move(candidates)};
  }

 private:
  /// Also what the record was given counts: exchanges that agree, each a little farther off, do not move the anchor;
  /// and one that moves it leaves records that were on their way.
  AnchorSpan span(std::uint64_t tick) const {
    const auto span = line_.span_in(piece_, tick);
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
  const ClockLine::Piece& piece_;
  Instant anchor_;
};

/// Adds what these boundaries make doubtful: a doubt wherever ticks may lie on both sides of the same of them, or of
/// others between the same wearers.
void add_about(const Ticks& ticks, std::span<const Boundary> boundaries, std::vector<Doubt>& doubts) {
  std::vector<Stretch> touching;  // by boundary; both ends only rise
  std::set<std::uint64_t> ends;
  for (const auto& boundary : boundaries) {
    touching.push_back(ticks.touching(boundary));
    if (touching.back().from < touching.back().until) ends.insert({touching.back().from, touching.back().until});
  }
  std::optional<Stretch> open;
  std::vector<std::string> between;
  const auto close = [&] {
    if (open) doubts.push_back(ticks.doubt(*open, between));
    open.reset();
  };
  for (auto from = ends.begin(); from != ends.end() && std::next(from) != ends.end(); ++from) {
    const Stretch stretch{*from, *std::next(from)};
    const auto first = std::ranges::upper_bound(touching, stretch.from, {}, &Stretch::until) - touching.begin();
    const auto last = std::ranges::upper_bound(touching, stretch.from, {}, &Stretch::from) - touching.begin();
    const auto about =
        boundaries.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(std::max(first, last) - first));
    auto wearers = wearers_about(about);
    const auto widest = std::max(ticks.width(stretch.from), ticks.width(stretch.until - 1));
    const bool is_ignored = wearers.size() < 2 && widest <= 2 * ignored_unworn && is_exact(about);
    if (wearers.empty() || is_ignored) {
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

/// It was measured before it was received: by what is known of the clock, or by as much as it claimed too much.
void add_jumped(const ClockLine& line, const JumpedRecord& record, std::span<const Boundary> boundaries,
                std::span<const Spread> spread, std::vector<Doubt>& doubts) {
  const auto tick = counted(record.tick_ms);
  const auto first = std::min(line.span_at(record.tick_ms).low + tick, record.measured_at - record.jump);
  std::vector<Boundary> about;
  const auto add = [&](const Boundary& each) {
    if (each.last > first && each.first <= record.measured_at) about.push_back(each);
  };
  for (const auto& each : boundaries) add(each);
  for (const auto& each : spread) add(each.boundary);
  auto wearers = wearers_about(about);
  if (wearers.empty()) return;
  if (wearers.size() < 2 && record.measured_at - first <= 2 * ignored_unworn && is_exact(about)) return;
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

std::vector<Disorder> disordered_by(Instant at, std::span<const CalendarStep> steps) {
  const auto shown = [&](std::size_t calendar) {
    return std::pair(calendar == 0 ? Instant::min() : steps[calendar - 1].first_of_after(),
                     calendar == steps.size() ? Instant::max() : steps[calendar].last_of_before());
  };
  std::vector<Disorder> all;
  for (std::size_t calendar = 0; calendar <= steps.size(); ++calendar) {
    const auto [first, last] = shown(calendar);
    if (at < first || last < at) continue;
    for (std::size_t other = 0; other <= steps.size(); ++other) {
      auto [from, until] = shown(other);
      if (other < calendar) from = std::max(from, at);
      if (other > calendar) until = std::min(until, at);
      if (other != calendar && from < until) all.push_back({other, from, until});
    }
  }
  return all;
}

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
    const auto touches = [&](const DoubtfulTicks& last) {
      return last.last_ms >= each.first_ms || (last.last_ms + 1 == each.first_ms && last.candidates == each.candidates);
    };
    if (merged.empty() || !touches(merged.back())) {
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
  if (wears.empty()) return doubts;
  if (!line.is_dated()) return {{std::nullopt, earliest, never, all_wearers(wears)}};
  const auto boundaries = boundaries_of(wears);
  const auto spread = out_of_order(boundaries, line.steps());
  for (const auto& piece : line.pieces()) {
    for (const auto anchor : line.anchors_of(piece.from, piece.until)) {
      const Ticks ticks(line, piece, anchor);
      const auto first = std::ranges::upper_bound(boundaries, ticks.first(piece.from), {}, &Boundary::last);
      const auto last = std::ranges::upper_bound(boundaries, ticks.last(piece.until - 1), {}, &Boundary::first);
      if (first < last) add_about(ticks, {first, last}, doubts);
      for (const auto& [calendar, boundary] : spread)
        if (piece.may_be_by(calendar) && boundary.last > ticks.first(piece.from) &&
            boundary.first <= ticks.last(piece.until - 1))
          add_about(ticks, {&boundary, 1}, doubts);
    }
  }
  for (const auto& record : jumped) add_jumped(line, record, boundaries, spread, doubts);
  return doubts;
}

}  // namespace wardlink::storage
