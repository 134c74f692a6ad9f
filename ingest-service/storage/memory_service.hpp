#pragma once
// --serve all --database memory:. Both ports in one process, on a store that ends with it.

#include "daemon/signals.hpp"
#include "storage/config.hpp"

namespace wardlink::storage {

/// Until told to end; the exit code. Throws as Server and read_credentials().
int serve_from_memory(const ProgramConfig& config, const daemon::Signals& signals);

}  // namespace wardlink::storage
