#pragma once
// Cursors of live streams: a position in the course of transactions of one database, and which database that is.

#include <string>

#include "storage/port/live_store.hpp"

namespace wardlink::storage {

std::string make_cursor(const std::string& epoch, const LivePosition& position);

/// InvalidArgument when it is no cursor; OutOfRange when it is of another epoch or version.
LivePosition read_cursor(const std::string& epoch, const std::string& cursor);

}  // namespace wardlink::storage
