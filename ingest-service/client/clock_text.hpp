#pragma once
// The mark of what a device said was measured after it was received.

#include <string>

namespace wardlink::command_line {

/// " clock" behind the instant of a set, a run or an alarm that is dated by its reception, else nothing.
template <typename Message>
std::string clock_mark(const Message& message) {
  return message.has_clock_jump() ? " clock" : "";
}

}  // namespace wardlink::command_line
