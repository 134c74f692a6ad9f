#pragma once
// The statements of the way in and of live streams, prepared on every connection: planned once, not once a batch.

#include <map>
#include <string>

namespace wardlink::storage::postgres {

/// Text by name.
const std::map<std::string, std::string>& statements();

/// Those of them that live streams read with.
std::map<std::string, std::string> live_statements();

}  // namespace wardlink::storage::postgres
