#pragma once
// What is told of the clock of a start.

#include <span>

#include "storage/port/device_clock.hpp"
#include "storage/rules/clock.hpp"

namespace wardlink::storage {

constexpr std::size_t most_told_starts = 20, most_told_steps = 20, most_told_of_day = 100;
constexpr std::size_t most_counted_readings = 1000, most_counted_of_day = 1000;

/// What a store has of a start.
struct KnownStart {
  std::uint64_t boot = 0, ordinal = 0;
  std::optional<Instant> registered_at{};
  bool believed = false;
  std::uint64_t readings = 0;
  ClockLine line{{}, {}};  // its last exchange, and the last most_told_steps + 1 that moved it, at least
};

/// The calendar was set, as it was noted.
struct NotedStep {
  Instant at;  // what it showed since
  std::chrono::microseconds jump{};
};

/// `next`: when the device's next start registered. A step of the calendar reached a start where the calendar showed no
/// less than its registration before, and no more than the next start's after. Of one that set it back that may say of
/// a start too many, which began within the time that came twice.
StartClock told(const KnownStart& start, std::optional<Instant> next, std::span<const NotedStep> calendar);

/// With the clocks of these starts. `placed`: the newest first.
void tell_starts(DeviceClock& clock, std::span<const KnownStart> placed, std::span<const KnownStart> unplaced,
                 std::span<const NotedStep> calendar);

/// `times`: when it started in the last 24 h, the newest first.
void tell_day(DeviceClock& clock, std::vector<Instant> times);

}  // namespace wardlink::storage
