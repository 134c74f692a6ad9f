#pragma once
// Starts of devices, each with its anchor: looked up, and begun where they are not there.

#include <pqxx/pqxx>
#include <span>
#include <vector>

#include "storage/port/record_store.hpp"

namespace wardlink::storage::postgres {

/// One session a request, in their order. A fixed number of statements, and none that writes where all are known. The
/// caller begins and commits. Throws what pqxx throws.
std::vector<std::shared_ptr<const Session>> open_starts(pqxx::work& tx, std::span<const AttachRequest> requests);

/// The same, with what the requests say of the starts' clocks, and the watermarks.
std::vector<Attached> attach_starts(pqxx::work& tx, std::span<const AttachRequest> requests);

}  // namespace wardlink::storage::postgres
