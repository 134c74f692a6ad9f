#pragma once
// A run's schedule: which fault happens when, to whom, for how long. Drawn from the seed; shortened where it fails;
// written as text to be replayed.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chance.hpp"

namespace wardlink::simulation {

enum class FaultKind : std::uint8_t {
  loss,         // a device's link loses datagrams
  doubling,     // … doubles them
  delay,        // … delays each by up to 5 s, so that one overtakes another
  cut,          // … is cut
  cut_up,       // … from the device only
  cut_down,     // … to the device only
  rebind,       // its NAT gives it another port
  swap,         // two devices' ports change places
  forge,        // somebody at its address begins a handshake, repeats an old record, sends noise
  stop_device,  // a clean stop; for a while
  kill_device,
  cut_power,
  cut_power_writing,  // within a write to the disk
  fail_disk,          // synchronisations fail
  burst,              // many alarms, within seconds
  sleep,              // a device sleeps
  suspend,            // … and its ticks do not count that
  step_clock,         // its ticks jump ahead
  hand_over,          // to another patient
  hand_over_late,     // … as people write down minutes later
  unworn,             // by nobody, then by another patient
  kill_ingest,
  stop_ingest,  // a clean stop
  kill_storage,
  break_streams,  // several times in a row
  database_away,
  database_refuses,  // now and then
  database_unknown,  // commits whose outcome is not known
  database_slow,
  step_calendar,  // the database's, ahead or back
};
inline constexpr std::size_t fault_kind_count = 30;
const char* to_string(FaultKind kind);

struct Fault {
  coap::Duration at{};  // since the run's beginning
  FaultKind kind{};
  std::size_t device = 0;
  coap::Duration lasts{};
  std::uint64_t amount = 0;  // of what the kind counts
  friend bool operator==(const Fault&, const Fault&) = default;
};
using Schedule = std::vector<Fault>;

/// By how much step_calendar sets it: ahead by an even amount, back by an odd one, 2 s at least, an hour at most. All
/// are multiples of 2 s: what several come to is nothing, or can be told.
coap::Duration calendar_step(std::uint64_t amount);

/// Faults begin and end within [0, length).
Schedule draw_schedule(Chance chance, coap::Duration length, std::size_t devices);

/// "at_ms kind device lasts_ms amount", one after the other, divided by commas.
std::string to_text(const Schedule& schedule);
/// Empty: not such a text.
std::optional<Schedule> read_schedule(std::string_view text);

}  // namespace wardlink::simulation
