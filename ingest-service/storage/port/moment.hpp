#pragma once
// Instants of a clock that counts the host's sleep and is set by nobody (CLOCK_BOOTTIME), and how the calendar stands
// to it.

#include <algorithm>
#include <functional>
#include <vector>

#include "storage/port/record.hpp"

namespace wardlink::storage {

/// A clock that nothing here reads: whoever needs it is given one.
struct BootClock {
  using rep = std::int64_t;
  using period = std::micro;
  using duration = std::chrono::duration<rep, period>;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using Moment = BootClock::time_point;
/// Reads it. Any thread.
using ReadBootClock = std::function<Moment()>;

/// Both clocks, read at once.
struct CalendarReading {
  Instant calendar;
  Moment at;
  std::chrono::microseconds uncertainty{};  // what the one may be off against the other, either way

  /// What the calendar shows at that moment, if nobody sets it between.
  Instant instant_of(Moment moment) const { return calendar + (moment - at); }
};

/// The calendar was set, at some moment since it was compared last.
struct CalendarStep {
  Instant expected, shown;  // at the comparison that found it: unset it would show the one, and it shows the other
  std::chrono::microseconds since;          // so long before was the last comparison
  std::chrono::microseconds uncertainty{};  // what the one may be off against the other, either way

  std::chrono::microseconds jump() const { return shown - expected; }
  /// Instants of [first, last] may mean either calendar.
  Instant first() const { return std::min(expected, shown) - since; }
  Instant last() const { return std::max(expected, shown); }
  /// No calendar of before showed more, and none of after it less.
  Instant last_of_before() const { return expected + uncertainty; }
  Instant first_of_after() const { return shown - since - uncertainty; }
};

/// The same, between two readings of it by one host's clock.
struct CalendarChange {
  CalendarReading before, after;
  std::uint64_t number = 0;  // of the step: how often the calendar had been set with it

  /// What it may have come to before it was set.
  Instant last_of_before() const { return before.instant_of(after.at); }
};

/// What a look at the calendar found.
struct CalendarSight {
  CalendarReading kept;                   // what it goes on from, if nobody sets it
  std::uint64_t steps = 0;                // how often it was set, as far as any process of this database has seen
  bool first = false;                     // this look was the first to see the last of them
  std::vector<CalendarChange> changes{};  // each of them, in their order, by the host's clock
};

}  // namespace wardlink::storage
