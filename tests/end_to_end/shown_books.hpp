#pragma once
// Two books that must agree: what devices measured, when, and who wore them then; and what is shown of whom. Moments
// are milliseconds of the host's clock that nobody sets (CLOCK_BOOTTIME), as the devices' ticks are.

#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "stack.hpp"

namespace wardlink::testing {

/// Whoever asked began not before `first` and had the answer not after `last`.
struct Asked {
  std::uint64_t first = 0, last = 0;
};

/// The wearer changed in between. An empty name: nobody.
struct Handover {
  Asked at;
  std::string to;  // patients/…
};

/// What the database's calendar shows is the moment and `ahead`, give or take `off`.
struct CalendarEra {
  Asked from;  // it was set in between
  std::chrono::microseconds ahead{}, off{};
};

struct WornDevice {
  std::string label, name;          // device-0001, devices/…
  std::vector<Handover> handovers;  // in the order in which they were; at least one
};

struct Truth {
  std::vector<WornDevice> devices;
  std::vector<CalendarEra> eras;  // at least one
  /// The devices' clocks stood still from that moment on, for so many ms.
  std::uint64_t stood_from = ~std::uint64_t{0}, stood_ms = 0;
};

/// Reads the database's calendar.
CalendarEra read_calendar(const Stack& stack, Asked set = {});

struct ShownBooks {
  std::size_t sets = 0, alarms = 0;  // written down; alarms: onsets
  std::size_t sets_shown = 0, quarantined = 0;
  std::size_t uncertain = 0;           // of those that are shown, sets and alarms: known to no better than 2 s
  std::size_t nobodys = 0;             // of those that are shown, sets and alarms
  std::size_t either = 0;              // whose instant the calendar showed twice: nobody's, or either wearer's
  std::chrono::microseconds widest{};  // that was stated
  std::vector<std::string> wrong;      // a sentence each
};

/// `folder` holds one audit book a device, <label>.jsonl, as alarm_ward writes it. What is shown is dated as well as is
/// said, and shown as its wearer's or as nobody's; what is surely somebody's is not nobody's; every alarm is listed,
/// with its end, or in quarantine.
ShownBooks compare_shown(const Stack& stack, const std::string& folder, const Truth& truth);
std::ostream& operator<<(std::ostream& out, const ShownBooks& books);

}  // namespace wardlink::testing
