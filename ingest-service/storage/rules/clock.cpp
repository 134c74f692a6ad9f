#include "storage/rules/clock.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace wardlink::storage {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::uint64_t highest_tick = 1ULL << 53;
constexpr std::size_t anchors_looked_at = 8;

AnchorSpan span_of(const ClockExchange& exchange) {
  return {exchange.anchor - exchange.uncertainty, exchange.anchor + exchange.uncertainty};
}

AnchorSpan hull(AnchorSpan one, AnchorSpan other) {
  return {std::min(one.low, other.low), std::max(one.high, other.high)};
}

AnchorSpan widened(AnchorSpan span, std::uint64_t passed_ms) {
  const auto drift = ClockLine::drift(milliseconds{passed_ms});
  return {span.low - drift, span.high + drift};
}

/// What lies between them may be drift alone.
bool have_drifted(const ClockExchange& before, const ClockExchange& next) {
  const auto most =
      before.uncertainty + next.uncertainty + ClockLine::drift(milliseconds{next.tick_ms - before.tick_ms});
  return std::chrono::abs(next.anchor - before.anchor) <= most;
}

AnchorSpan span_between(const ClockLine::Piece::Bearing& bearing, std::uint64_t tick_ms) {
  const auto& [calendar, before, next] = bearing;
  if (!before) return widened(span_of(*next), next->tick_ms - tick_ms);
  const auto since = tick_ms - before->tick_ms;
  if (!next) return widened(span_of(*before), since);
  const auto rest = next->tick_ms - tick_ms;
  if (have_drifted(*before, *next)) return widened(hull(span_of(*before), span_of(*next)), std::min(since, rest));
  return hull(widened(span_of(*before), since), widened(span_of(*next), rest));
}

bool is_earlier(const ClockExchange& one, const ClockExchange& other) {
  return std::tie(one.tick_ms, one.calendar, one.uncertainty) <
         std::tie(other.tick_ms, other.calendar, other.uncertainty);
}

/// The first of [from, until) of which that is true, and of all behind it.
template <typename Is>
std::uint64_t first_tick(std::uint64_t from, std::uint64_t until, Is&& is) {
  while (from < until) {
    const auto middle = from + (until - from) / 2;
    if (is(middle))
      until = middle;
    else
      from = middle + 1;
  }
  return from;
}

}  // namespace

ClockLine::ClockLine(Instant first, std::vector<ClockExchange> exchanges, std::span<const CalendarStep> steps,
                     bool believed)
    : first_(first), exchanges_(std::move(exchanges)), steps_(steps.begin(), steps.end()), believed_(believed) {
  std::ranges::sort(exchanges_, is_earlier);
  const auto was_read = [](const ClockExchange& each) { return !each.read_at_tick; };
  std::ranges::copy_if(exchanges_, std::back_inserter(read_), was_read);
  for (const auto& each : exchanges_)
    if (each.from_tick && !is_refuted(each)) moves_.push_back({*each.from_tick, each.anchor});
  std::ranges::stable_sort(moves_, {}, &Move::from_tick);
  std::uint64_t from = 0;
  const ClockExchange* before = nullptr;
  for (const auto& next : read_) {
    if (next.tick_ms > from) add_pieces(from, next.tick_ms, before, &next);
    from = next.tick_ms;
    before = &next;
  }
  add_pieces(from, highest_tick, before, nullptr);
}

/// The clock was read since, and had not come so far.
bool ClockLine::is_refuted(const ClockExchange& exchange) const {
  return exchange.read_at_tick && std::ranges::any_of(read_, [&](const ClockExchange& read) {
           return read.tick_ms > *exchange.read_at_tick && read.tick_ms <= exchange.tick_ms;
         });
}

/// What it says as an instant of each of these calendars: [low, high].
std::vector<ClockExchange> ClockLine::by_each(ClockExchange exchange, std::uint64_t low, std::uint64_t high) const {
  std::vector<ClockExchange> all(high - low + 1);
  const auto add = [&](const ClockExchange& each) {
    if (low <= each.calendar && each.calendar <= high) all[each.calendar - low] = each;
  };
  exchange.calendar = std::min<std::uint64_t>(exchange.calendar, steps_.size());
  add(exchange);
  for (auto later = exchange; later.calendar < high; add(later)) {
    later.anchor += steps_[later.calendar].jump();
    later.uncertainty += steps_[later.calendar].uncertainty;
    ++later.calendar;
  }
  for (auto earlier = exchange; earlier.calendar > low; add(earlier)) {
    --earlier.calendar;
    earlier.anchor -= steps_[earlier.calendar].jump();
    earlier.uncertainty += steps_[earlier.calendar].uncertainty;
  }
  return all;
}

/// A calendar was in force as long as what it would have shown lies behind the step that began it and before the next.
/// An exchange by one may have been dated by its neighbour: nobody saw the moment at which it was set.
void ClockLine::add_pieces(std::uint64_t from, std::uint64_t until, const ClockExchange* before,
                           const ClockExchange* next) {
  if (!before && (!next || believed_ || is_calendar())) return pieces_.push_back({from, until, {}});
  const auto steps = static_cast<std::uint64_t>(steps_.size());
  const auto low = before && before->calendar > 0 ? std::min(before->calendar, steps + 1) - 1 : 0;
  const auto high = std::max(low, next ? std::min(next->calendar + 1, steps) : steps);
  std::vector<Bearing> bearings(high - low + 1);
  for (auto calendar = low; calendar <= high; ++calendar) bearings[calendar - low].calendar = calendar;
  if (before)
    for (const auto& each : by_each(*before, low, high)) bearings[each.calendar - low].before = each;
  if (next)
    for (const auto& each : by_each(*next, low, high)) bearings[each.calendar - low].next = each;
  struct Reign {
    const Bearing& bearing;
    std::uint64_t from, until;
  };
  std::vector<Reign> reigns;
  std::set<std::uint64_t> cuts{from, until};
  for (auto calendar = low; calendar <= high; ++calendar) {
    const auto& bearing = bearings[calendar - low];
    const auto may_have_begun = [&](std::uint64_t tick) {
      return span_between(bearing, tick).high + milliseconds{tick} >= steps_[calendar - 1].first_of_after();
    };
    const auto is_over = [&](std::uint64_t tick) {
      return span_between(bearing, tick).low + milliseconds{tick} > steps_[calendar].last_of_before();
    };
    const auto begin = calendar == 0 ? from : first_tick(from, until, may_have_begun);
    const auto end = calendar == steps ? until : first_tick(from, until, is_over);
    if (begin >= end) continue;
    cuts.insert({begin, end});
    reigns.push_back({bearing, begin, end});
  }
  for (auto cut = cuts.begin(); std::next(cut) != cuts.end(); ++cut) {
    const bool is_guessed = (before && before->calendar_is_guessed) || (next && next->calendar_is_guessed);
    Piece piece{*cut, *std::next(cut), {}, is_guessed};
    for (const auto& reign : reigns)
      if (reign.from <= piece.from && piece.until <= reign.until) piece.bearings.push_back(reign.bearing);
    if (piece.bearings.empty()) piece.bearings = bearings;
    pieces_.push_back(std::move(piece));
  }
}

Instant ClockLine::anchor_at(std::uint64_t tick_ms) const {
  const auto next = std::ranges::upper_bound(moves_, tick_ms, {}, &Move::from_tick);
  return next == moves_.begin() ? first_ : std::prev(next)->anchor;
}

std::vector<Instant> ClockLine::anchors_of(std::uint64_t from, std::uint64_t until) const {
  std::vector<Instant> anchors{anchor_at(from)};
  const auto add = [&](Instant anchor) {
    if (std::ranges::find(anchors, anchor) == anchors.end()) anchors.push_back(anchor);
  };
  for (auto each = exchanges_.rbegin(); each != exchanges_.rend() && anchors.size() < anchors_looked_at; ++each)
    if (each->from_tick && *each->from_tick < until) add(each->anchor);
  add(first_);
  return anchors;
}

AnchorSpan ClockLine::span_at(std::uint64_t tick_ms) const {
  const auto next = std::ranges::upper_bound(pieces_, tick_ms, {}, &Piece::from);
  return span_in(*std::prev(next), tick_ms);
}

AnchorSpan ClockLine::span_in(const Piece& piece, std::uint64_t tick_ms) const {
  if (piece.bearings.empty()) return {first_, first_};
  auto span = span_between(piece.bearings.front(), tick_ms);
  for (const auto& bearing : piece.bearings) span = hull(span, span_between(bearing, tick_ms));
  return span;
}

std::optional<microseconds> ClockLine::uncertainty(std::uint64_t tick_ms, Instant given) const {
  if (!is_dated()) return std::nullopt;
  const auto [low, high] = span_at(tick_ms);
  const auto anchor = given - counted(tick_ms);
  return std::max({anchor - low, high - anchor, microseconds{0}});
}

/// The calendar may have been set back: its clock stands at the last exchange, and where it was moved last, at least.
std::optional<microseconds> ClockLine::uncertainty_now(Instant present) const {
  const auto last = std::max(read_.empty() ? 0 : read_.back().tick_ms, moves_.empty() ? 0 : moves_.back().from_tick);
  const auto anchor = anchor_at(last);
  const auto passed = std::chrono::floor<milliseconds>(present - anchor).count();
  const auto tick = std::max(last, passed > 0 ? static_cast<std::uint64_t>(passed) : 0);
  return uncertainty(tick, anchor + counted(tick));
}

bool ClockLine::is_news(const ClockExchange& exchange) const {
  if (exchange.read_at_tick)
    return std::ranges::none_of(
        exchanges_, [&](const ClockExchange& each) { return each.calendar >= exchange.calendar && !is_refuted(each); });
  if (read_.empty()) return true;
  const auto& last = read_.back();
  const bool doubtful =
      exchange.tick_ms == last.tick_ms && exchange.uncertainty >= 2 * last.uncertainty + std::chrono::seconds{1};
  return exchange.tick_ms > last.tick_ms || doubtful;
}

std::optional<ClockExchange> ClockLine::taken_in(ClockExchange exchange) const {
  exchange.from_tick.reset();
  if (is_calendar() || !is_news(exchange)) return std::nullopt;
  if (exchange.read_at_tick && !read_.empty() && read_.back().tick_ms < *exchange.read_at_tick)
    exchange.tick_ms = std::max(exchange.tick_ms, read_.back().tick_ms + 1);
  const auto has_its_key = [&](const ClockExchange& each) {
    return each.tick_ms == exchange.tick_ms && each.uncertainty == exchange.uncertainty;
  };
  while (std::ranges::any_of(exchanges_, has_its_key)) ++exchange.uncertainty;
  auto all = exchanges_;
  all.push_back(exchange);
  const auto in_force = ClockLine(first_, std::move(all), steps_, believed_).anchor_at(exchange.tick_ms);
  if (std::chrono::abs(exchange.anchor - in_force) > exchange.uncertainty + agreement)
    exchange.from_tick = exchanges_.empty() && !believed_ ? 0 : exchange.tick_ms;
  const bool is_first = exchanges_.empty();  // what it began with is known then, and no guess
  if (exchange.read_at_tick && !exchange.from_tick && !is_first) return std::nullopt;
  return exchange;
}

std::optional<microseconds> uncertainty_of(const ClockLine& line, Stream stream, std::uint64_t tick_ms, Instant given) {
  return stream == Stream::storage ? microseconds{0} : line.uncertainty(tick_ms, given);
}

}  // namespace wardlink::storage
