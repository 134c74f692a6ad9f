#pragma once
// Whether somebody has set the calendar: what it shows is compared with a clock that nobody sets.

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/port/moment.hpp"
#include "storage/port/registry_store.hpp"

namespace wardlink::storage {

/// The calendar was set, at some moment since it was compared last.
struct CalendarStep {
  Instant expected, shown;  // at the comparison that found it: unset it would show the one, and it shows the other
  std::chrono::microseconds since;  // so long before was the last comparison

  std::chrono::microseconds jump() const { return shown - expected; }
  /// Instants of [first, last] may mean either calendar.
  Instant first() const { return std::min(expected, shown) - since; }
  Instant last() const { return std::max(expected, shown); }
};

struct CalendarComparison {
  CalendarReading kept;  // in place of the one before
  std::optional<CalendarStep> step;
};

/// `kept` and `reading` agree where they differ by no more than 1 s beyond their uncertainties and 500 ppm of the time
/// between them: so fast a calendar is slewed, and so wrong two hosts' clocks may run. By no more than that drift does
/// what is kept follow the readings, so that small steps add up until they are one.
CalendarComparison compare(const CalendarReading& kept, const CalendarReading& reading);

/// When each of the steps was, by the clock of `kept`, which has taken them all in. The longer that was ago, the less
/// it is known (500 ppm). In the order in which they were found.
std::vector<CalendarChange> changes_of(const CalendarReading& kept, std::span<const CalendarStep> steps);

/// What the system alarm says. `touched`: the first assignments that began or ended in [first, last] of the step, `all`
/// there are. Ids only.
std::string detail_of(const CalendarStep& step, std::span<const AssignmentRow> touched, std::size_t all);

/// So many assignments are named.
constexpr std::size_t most_named = 20;

}  // namespace wardlink::storage
