#pragma once
// The client as a function, so that tests can call what a shell would.

#include <ostream>

#include "client/time_text.hpp"

namespace wardlink::command_line {

/// Reads the arguments and the environment (WARDLINK_SERVER, _CERT, _KEY, _CA), does what they ask, returns an
/// ExitCode. Answers go to `out`, sentences about failures to `err`; ages and "-1h"
/// count from `now`.
int run(int argc, const char* const* argv, std::ostream& out, std::ostream& err, Instant now);

}  // namespace wardlink::command_line
