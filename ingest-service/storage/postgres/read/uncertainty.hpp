#pragma once
// What the instants of rows may be wrong by, as the clocks of their starts are known now.

#include <pqxx/pqxx>
#include <span>

#include "storage/port/record_store.hpp"

namespace wardlink::storage::postgres {

/// A value that is shown as current, and where it was measured.
struct ShownValue {
  std::int64_t device_id = 0;
  std::uint64_t boot = 0, tick_ms = 0;
  Stream stream{};
  LatestRow* row = nullptr;
  std::size_t place = 0;  // in the row's values

  LatestValue& value() const { return row->values[place]; }
};

/// One statement for all; none where there are no rows. Throws what pqxx throws.
void state_uncertainty(pqxx::work& tx, std::span<ReadingRow> rows);
void state_uncertainty(pqxx::work& tx, std::span<RunRow> rows);
void state_uncertainty(pqxx::work& tx, std::span<AlarmCondition> rows);
void state_uncertainty(pqxx::work& tx, std::span<ShownValue> values);

}  // namespace wardlink::storage::postgres
