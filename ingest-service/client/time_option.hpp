#pragma once
// A TIME on the command line.

#include <string>

#include "client/exit_code.hpp"
#include "client/time_text.hpp"

namespace wardlink::command_line {

/// Sets `field` to `typed`; leaves it alone where nothing was typed. Throws Failure (exit_usage).
template <class SetField>
void apply_time(const std::string& option, const std::string& typed, Instant now, SetField set_field) {
  if (typed.empty()) return;
  const auto instant = parse_time(typed, now);
  if (!instant) {
    throw Failure{exit_usage, option + " " + typed + " is no time: write 2026-03-01T12:00:00Z, now, or -1h30m."};
  }
  set_field(to_proto(*instant));
}

}  // namespace wardlink::command_line
