#pragma once
// What ingest told of a session, by the clock that nobody sets, and how the calendar dates it.

#include <optional>
#include <span>
#include <vector>

#include "storage/port/moment.hpp"
#include "storage/port/record_store.hpp"

namespace wardlink::storage {

struct Told {
  AttachRequest request;               // without its instants
  std::optional<Moment> exchanged_at;  // when the device's clock was read; empty: its ticks are the calendar's
  Moment registered_at;

  /// By a calendar that had been set so often.
  AttachRequest dated(const CalendarReading& reading, std::uint64_t calendar) const;
  /// As if the device's clock had been read about each change of the calendar since the start began, also those after
  /// it was read: by the calendar of before, and by that of after it. The clock has gone on, and drifted; as far as it
  /// is not known, so far before and behind the change lies what may be of either. In the order of `changes`, two each.
  std::vector<AttachRequest> dated_about(std::span<const CalendarChange> changes) const;
  /// These, and when the clock was read in its place among them. At least one; `reading`: after all changes.
  std::vector<AttachRequest> dated(std::span<const CalendarChange> changes, const CalendarReading& reading) const;

 private:
  AttachRequest dated_then(const CalendarReading& reading, std::uint64_t calendar, int side) const;
};

}  // namespace wardlink::storage
