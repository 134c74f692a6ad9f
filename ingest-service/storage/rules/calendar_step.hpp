#pragma once
// Whether somebody has set the calendar: what it shows is compared with a clock that nobody sets.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/port/moment.hpp"
#include "storage/port/registry_store.hpp"

namespace wardlink::storage {

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
