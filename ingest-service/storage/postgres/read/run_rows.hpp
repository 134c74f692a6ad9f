#pragma once
// Runs of samples as the database tells them.

#include <pqxx/pqxx>
#include <string_view>

#include "storage/port/record_store.hpp"

namespace wardlink::storage::postgres {

/// Of waveform_run x and its device d.
constexpr std::string_view run_columns =
    "x.device_id, d.urn, x.boot_id, x.stream, x.sequence, x.tick_ms, micros(x.measured_at), micros(x.received_at),"
    " x.rate_samples, x.rate_seconds, x.scale, x.sample_offset, x.samples";

/// The row's columns from `first` on are run_columns.
RunRow read_run(const pqxx::row& row, pqxx::row::size_type first = 0);

}  // namespace wardlink::storage::postgres
