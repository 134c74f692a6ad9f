#pragma once
// What is known of a device's clock.

#include <optional>
#include <string>
#include <vector>

#include "storage/port/record.hpp"

namespace wardlink::storage {

/// A start's clock as it was read once.
struct ClockReading {
  Instant at;  // by the calendar as it was then
  std::uint64_t tick_ms = 0;
  Instant anchor;  // of tick 0
  std::chrono::microseconds uncertainty{};
};

/// What dates a start's records was moved.
struct ClockStep {
  bool of_calendar = false;        // somebody set the calendar; else its clock was read, and stood elsewhere
  Instant from;                    // instants from here on, as they are told since
  std::chrono::microseconds by{};  // later by so much; below 0: earlier
};

struct StartClock {
  std::uint64_t boot = 0;
  std::uint64_t ordinal = 0;               // as Session's
  std::optional<Instant> registered_at{};  // when the first registration was received; nothing: it has not registered
  bool never_dated = false;                // only debts tell of it
  bool believed = false;                   // it is of before its clock was kept, and believed until it was read
  std::uint64_t readings = 0;              // how often it was read; counted up to 1,000
  std::optional<ClockReading> last{};
  std::vector<ClockStep> steps{};  // the newest first; at most 20
  bool more_steps = false;
};

struct DeviceClock {
  std::string urn;
  std::vector<StartClock> starts{};    // that have an ordinal, the newest first; at most 20
  std::vector<StartClock> unplaced{};  // the others, those that were heard of last first; at most 20
  bool more_starts = false;            // of either
  std::optional<std::chrono::microseconds> uncertainty{};  // of what its newest start measures now; nothing: unknown
  std::vector<Instant> day{};   // when it started in the last 24 h, the newest first; at most 100
  std::uint64_t day_count = 0;  // how often; counted up to 1,000
  Instant read_at;              // by the store's calendar
};

}  // namespace wardlink::storage
