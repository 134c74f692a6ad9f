#pragma once
// Instants of a clock that counts the host's sleep and is set by nobody (CLOCK_BOOTTIME), and how the calendar stands
// to it.

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

/// Both clocks, read at once.
struct CalendarReading {
  Instant calendar;
  Moment at;

  /// What the calendar shows at that moment, if nobody sets it between.
  Instant instant_of(Moment moment) const { return calendar + (moment - at); }
};

}  // namespace wardlink::storage
