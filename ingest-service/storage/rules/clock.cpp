#include "storage/rules/clock.hpp"

#include <algorithm>
#include <tuple>

namespace wardlink::storage {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

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

bool is_earlier(const ClockExchange& one, const ClockExchange& other) {
  return std::tie(one.tick_ms, one.uncertainty) < std::tie(other.tick_ms, other.uncertainty);
}

}  // namespace

ClockLine::ClockLine(Instant first, std::vector<ClockExchange> exchanges, bool believed)
    : first_(first), exchanges_(std::move(exchanges)), believed_(believed) {
  std::ranges::sort(exchanges_, is_earlier);
}

Instant ClockLine::anchor_at(std::uint64_t tick_ms) const {
  auto anchor = first_;
  for (const auto& each : exchanges_)
    if (each.from_tick && *each.from_tick <= tick_ms) anchor = each.anchor;
  return anchor;
}

AnchorSpan ClockLine::span_at(std::uint64_t tick_ms) const {
  if (is_calendar()) return {first_, first_};
  const auto next = std::ranges::upper_bound(exchanges_, tick_ms, {}, &ClockExchange::tick_ms);
  if (next == exchanges_.begin() && believed_) return {first_, first_};
  if (next == exchanges_.begin()) return widened(span_of(*next), next->tick_ms - tick_ms);
  const auto& before = *std::prev(next);
  const auto since = tick_ms - before.tick_ms;
  if (next == exchanges_.end()) return widened(span_of(before), since);
  const auto rest = next->tick_ms - tick_ms;
  if (have_drifted(before, *next)) return widened(hull(span_of(before), span_of(*next)), std::min(since, rest));
  return hull(widened(span_of(before), since), widened(span_of(*next), rest));
}

std::optional<microseconds> ClockLine::uncertainty(std::uint64_t tick_ms, Instant given) const {
  if (!is_dated()) return std::nullopt;
  const auto [low, high] = span_at(tick_ms);
  const auto anchor = given - counted(tick_ms);
  return std::max({anchor - low, high - anchor, microseconds{0}});
}

/// The calendar may have been set back: its clock stands at the last exchange at least.
std::optional<microseconds> ClockLine::uncertainty_now(Instant present) const {
  const std::uint64_t last = exchanges_.empty() ? 0 : exchanges_.back().tick_ms;
  const auto anchor = anchor_at(last);
  const auto passed = std::chrono::floor<milliseconds>(present - anchor).count();
  const auto tick = std::max(last, passed > 0 ? static_cast<std::uint64_t>(passed) : 0);
  return uncertainty(tick, anchor + counted(tick));
}

std::optional<ClockExchange> ClockLine::taken_in(ClockExchange read) const {
  if (is_calendar()) return std::nullopt;
  if (!exchanges_.empty()) {
    const auto& last = exchanges_.back();
    const bool doubtful =
        read.tick_ms == last.tick_ms && read.uncertainty >= 2 * last.uncertainty + std::chrono::seconds{1};
    if (read.tick_ms <= last.tick_ms && !doubtful) return std::nullopt;
  }
  const auto off = read.anchor - anchor_at(read.tick_ms);
  read.from_tick.reset();
  if (off > read.uncertainty + agreement || off < -(read.uncertainty + agreement))
    read.from_tick = exchanges_.empty() && !believed_ ? 0 : read.tick_ms;
  return read;
}

std::optional<microseconds> uncertainty_of(const ClockLine& line, Stream stream, std::uint64_t tick_ms, Instant given) {
  return stream == Stream::storage ? microseconds{0} : line.uncertainty(tick_ms, given);
}

}  // namespace wardlink::storage
