#pragma once
// What an instant may be wrong by, in a few letters.

#include <string>

namespace wardlink::command_line {

/// Behind the instant of a set, a run or an alarm: " clock" where it is dated by its reception, as the device said that
/// it was measured later; " +/-3s" where it is known to more than a second only, in whole seconds; else nothing.
template <typename Message>
std::string clock_mark(const Message& message) {
  if (message.has_clock_jump()) return " clock";
  const auto& uncertainty = message.uncertainty();
  const bool more = uncertainty.seconds() > 1 || (uncertainty.seconds() == 1 && uncertainty.nanos() > 0);
  return more ? " +/-" + std::to_string(uncertainty.seconds() + (uncertainty.nanos() > 0 ? 1 : 0)) + "s" : "";
}

/// Whose an alarm or a record is that by its device's clock may be of more than one wearer.
constexpr const char* unattributed_text = "unattributed";

}  // namespace wardlink::command_line
