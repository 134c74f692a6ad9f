// wardlink: the command-line client. An interrupt ends it at once, where a command does not say otherwise: it holds
// nothing that would need tidying.

#include <grpc/support/log.h>

#include <cstdlib>
#include <iostream>

#include "client/run.hpp"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  // gRPC's own log would stand between a person and the one sentence; GRPC_VERBOSITY brings it back.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  return wardlink::command_line::run(argc, argv, std::cout, std::cerr, now);
}
