#pragma once
// What every command gets: the connection, where to print, and how.

#include <chrono>
#include <ostream>

#include "client/connection.hpp"
#include "client/time_text.hpp"

namespace wardlink::command_line {

struct Session {
  const Connection& connection;
  std::ostream& out;
  std::ostream& err;
  bool json = false;  // protobuf JSON instead of tables
  Zone zone = Zone::local;
  Instant now;  // when the command began; ages count from here
};

}  // namespace wardlink::command_line
