#pragma once
// --healthcheck: asks a running ingest for its metrics, as a container's supervisor would.

#include <string>

#include "ingest/config.hpp"

namespace wardlink::ingest {

/// True when it answers 200 on the metrics port (that of the ready file, where one is named); else `why` is one
/// sentence.
bool is_serving(const Config& config, std::string& why);

}  // namespace wardlink::ingest
