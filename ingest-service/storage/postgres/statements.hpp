#pragma once
// The statements of the way in, prepared on every connection: planned once, not once a batch.

#include <map>
#include <string>

namespace wardlink::storage::postgres {

/// Text by name.
const std::map<std::string, std::string>& statements();

}  // namespace wardlink::storage::postgres
