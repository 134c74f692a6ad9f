#pragma once
// What the instants of rows may be wrong by, as the clocks of their starts are known now.

#include <pqxx/pqxx>
#include <span>

#include "storage/port/record_store.hpp"

namespace wardlink::storage::postgres {

/// One statement for all; none where there are no rows. Throws what pqxx throws.
void state_uncertainty(pqxx::work& tx, std::span<ReadingRow> rows);
void state_uncertainty(pqxx::work& tx, std::span<RunRow> rows);
void state_uncertainty(pqxx::work& tx, std::span<AlarmCondition> rows);

}  // namespace wardlink::storage::postgres
