#pragma once
// What a record says: whether a store may keep it, whether two say the same, and how it reads in the quarantine.

#include <optional>
#include <string>

#include "storage/port/record.hpp"

namespace wardlink::storage {

/// Why no store must keep the record; an Unusable body is its own reason. Nothing: it may.
std::optional<Unusable> unusable(const Record& record);
/// The record as JSON, for whoever looks into the quarantine.
std::string described(const Record& record);
/// The same content: what the device said, not what was made of it on the way (quality, instant of receipt).
bool same_content(const Record& a, const Record& b);

}  // namespace wardlink::storage
