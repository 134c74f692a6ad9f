#pragma once
// Records as the database tells them.

#include <pqxx/pqxx>
#include <string>

#include "storage/port/record_store.hpp"

namespace wardlink::storage::postgres {

/// Of measurement_set x and its device d.
const std::string& set_columns();
/// Of waveform_run x and its device d.
const std::string& run_columns();

/// The row's columns from `first` on are set_columns().
ReadingRow read_set(const pqxx::row& row, pqxx::row::size_type first = 0);
/// The row's columns from `first` on are run_columns().
RunRow read_run(const pqxx::row& row, pqxx::row::size_type first = 0);

}  // namespace wardlink::storage::postgres
