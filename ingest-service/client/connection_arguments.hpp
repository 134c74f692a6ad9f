#pragma once
// The connection as the command line names it, and its errors in the command line's words.

#include <string>

#include "client/exit_code.hpp"
#include "wardlink/client/connection.hpp"

namespace wardlink::command_line {

/// Where the server is and who we are. Files are PEM.
struct ConnectionArguments {
  std::string server = "localhost:50051";  // HOST:PORT; the host must be in the server's certificate
  std::string certificate_file;
  std::string key_file;
  std::string authority_file;
  double timeout_seconds = 10;  // for each call, above 0
};

/// Throws Failure: exit_usage when a file is not named, exit_file when it cannot be read or is no PEM.
client::ConnectionOptions to_options(const ConnectionArguments& arguments);

/// How a command ends that an error of the library ends.
Failure failure_of(const client::Error& error, const ConnectionArguments& arguments);

}  // namespace wardlink::command_line
