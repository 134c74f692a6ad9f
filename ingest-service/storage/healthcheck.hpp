#pragma once
// Asks a running service over its own port whether it serves: for container health checks and scripts.

#include "storage/server.hpp"

namespace wardlink::storage {

/// 0 when it serves, else 1 and a sentence on stderr. `config` holds a client's certificate and key.
int healthcheck(const Server::Config& config);

}  // namespace wardlink::storage
