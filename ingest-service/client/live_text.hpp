#pragma once
// What happens, a line each, for people.

#include <string>

#include "client/time_text.hpp"
#include "wardlink/v1/vitals.pb.h"

namespace wardlink::command_line {

/// Empty where there is nothing to say (a heartbeat).
std::string line_of(const v1::WatchResponse& response, Zone zone);

}  // namespace wardlink::command_line
