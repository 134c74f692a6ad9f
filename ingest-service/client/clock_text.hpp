#pragma once
// What an instant may be wrong by, in a few letters.

#include <string>

#include "wardlink/v1/vitals.pb.h"

namespace wardlink::command_line {

/// Behind the instant (or age) of a set, a run, an alarm or a latest value: " clock" where it is dated by its
/// reception, as the device said that it was measured later; " +/-3s" where it is known to more than a second only, in
/// whole seconds; else nothing.
template <typename Message>
std::string clock_mark(const Message& message) {
  if (message.has_clock_jump()) return " clock";
  const auto& uncertainty = message.uncertainty();
  const bool more = uncertainty.seconds() > 1 || (uncertainty.seconds() == 1 && uncertainty.nanos() > 0);
  return more ? " +/-" + std::to_string(uncertainty.seconds() + (uncertainty.nanos() > 0 ? 1 : 0)) + "s" : "";
}

/// Behind an age or a value: " stale" of what is too old to be current, else nothing.
inline std::string stale_mark(const v1::LatestSign& sign) { return sign.stale() ? " stale" : ""; }

/// Whose an alarm or a record is that by its device's clock may be of more than one wearer.
constexpr const char* unattributed_text = "unattributed";

}  // namespace wardlink::command_line
