#include "storage/rules/start_clock.hpp"

#include <algorithm>

namespace wardlink::storage {
namespace {

/// By tick.
std::vector<ClockStep> moves_of(const ClockLine& line) {
  std::vector<ClockStep> moves;
  auto before = line.first_anchor();
  for (const auto& each : line.moves()) {
    moves.push_back({false, each.anchor + counted(each.from_tick), each.anchor - before});
    before = each.anchor;
  }
  return moves;
}

}  // namespace

StartClock told(const KnownStart& start, std::optional<Instant> next, std::span<const NotedStep> calendar) {
  StartClock clock{.boot = start.boot,
                   .ordinal = start.ordinal,
                   .registered_at = start.registered_at,
                   .never_dated = !start.line.is_dated() && !start.believed,
                   .believed = start.believed,
                   .readings = start.readings};
  if (const auto& exchanges = start.line.read(); !exchanges.empty()) {
    const auto& last = exchanges.back();
    clock.last = {last.anchor + counted(last.tick_ms), last.tick_ms, last.anchor, last.uncertainty};
  }
  auto& steps = clock.steps;
  steps = moves_of(start.line);
  // Of the first one that a store has, where there may be more, it is not known from where it moved.
  clock.more_steps = steps.size() > most_told_steps;
  if (clock.more_steps) steps.erase(steps.begin(), steps.end() - most_told_steps);
  for (const auto& [at, jump] : calendar)
    if (start.ordinal != 0 && start.registered_at && *start.registered_at <= at - jump && (!next || at <= *next))
      steps.push_back({true, at, jump});
  std::ranges::stable_sort(steps, std::ranges::greater{}, &ClockStep::from);
  clock.more_steps = clock.more_steps || steps.size() > most_told_steps;
  steps.resize(std::min(steps.size(), most_told_steps));
  return clock;
}

void tell_starts(DeviceClock& clock, std::span<const KnownStart> placed, std::span<const KnownStart> unplaced,
                 std::span<const NotedStep> calendar) {
  clock.more_starts = placed.size() > most_told_starts || unplaced.size() > most_told_starts;
  std::optional<Instant> next;
  for (const auto& start : placed.first(std::min(placed.size(), most_told_starts))) {
    clock.starts.push_back(told(start, next, calendar));
    next = start.registered_at;
  }
  for (const auto& start : unplaced.first(std::min(unplaced.size(), most_told_starts)))
    clock.unplaced.push_back(told(start, {}, calendar));
  if (!placed.empty()) clock.uncertainty = placed.front().line.uncertainty_now(clock.read_at);
}

void tell_day(DeviceClock& clock, std::vector<Instant> times) {
  clock.day_count = std::min(times.size(), most_counted_of_day);
  times.resize(std::min(times.size(), most_told_of_day));
  clock.day = std::move(times);
}

}  // namespace wardlink::storage
