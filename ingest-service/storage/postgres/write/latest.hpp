#pragma once
// The latest value of each sign.

#include <pqxx/pqxx>
#include <span>

#include "storage/port/record.hpp"

namespace wardlink::storage::postgres {

/// Where these records, which are measurement sets and not late, have values that the device said after those that are
/// the latest. Throws what pqxx throws.
void advance_latest(pqxx::work& tx, std::span<const Record* const> sets);

}  // namespace wardlink::storage::postgres
