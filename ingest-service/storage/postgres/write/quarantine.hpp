#pragma once
// Where goes what cannot be taken: kept raw, audited, and a technical alarm raised, so that somebody looks.

#include <pqxx/pqxx>
#include <span>

#include "storage/port/record.hpp"

namespace wardlink::storage::postgres {

/// A record and why it is kept raw; both stay the caller's.
struct SetAside {
  const Record* record;
  const Unusable* why;
};

/// In the caller's transaction; a fixed number of statements. The same once more is the same row.
void quarantine(pqxx::work& tx, std::span<const SetAside> aside);

}  // namespace wardlink::storage::postgres
