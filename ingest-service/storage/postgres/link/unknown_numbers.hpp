#pragma once
// Numbers in the database that no enumerator of this version has: a newer version wrote them. Any thread.

#include <cstdint>
#include <string>

namespace wardlink::storage::postgres {

/// Counts it, and logs each number of a column once.
void note_unknown_number(const std::string& column, std::int64_t number);

/// How many were read in this process.
std::uint64_t unknown_numbers();

}  // namespace wardlink::storage::postgres
