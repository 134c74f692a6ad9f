#pragma once
// What the shell is told, and how a command that cannot go on says so.

#include <string>

namespace wardlink::command_line {

enum ExitCode : int {
  exit_ok = 0,
  exit_nothing = 1,  // nothing matched, or a reconciliation found a difference
  exit_usage = 2,    // the command line makes no sense
  exit_refused = 3,  // the server understood and refused
  exit_away = 4,     // no server, no TLS with it, or no answer in time
  exit_file = 5,     // a certificate, key or journal cannot be read
};

/// Ends a command: one sentence for a person, one number for the shell.
struct Failure {
  ExitCode code;
  std::string sentence;
};

}  // namespace wardlink::command_line
