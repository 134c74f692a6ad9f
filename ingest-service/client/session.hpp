#pragma once
// What every command gets: the connection, where to print, and how.

#include <chrono>
#include <ostream>

#include "client/time_text.hpp"
#include "wardlink/client/connection.hpp"

namespace wardlink::command_line {

struct Session {
  client::Connection& connection;
  std::ostream& out;
  std::ostream& err;
  bool json = false;  // protobuf JSON instead of tables
  Zone zone = Zone::local;
  Instant now;  // when the command began; "-1h" and, at a server that says no time, ages count from here
};

}  // namespace wardlink::command_line
