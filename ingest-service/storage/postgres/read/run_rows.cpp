#include "storage/postgres/read/run_rows.hpp"

#include "storage/postgres/link/text.hpp"

namespace wardlink::storage::postgres {

RunRow read_run(const pqxx::row& row, pqxx::row::size_type first) {
  const auto column = [&](pqxx::row::size_type at) { return row[first + at]; };
  RunRow run;
  run.device_id = column(0).as<std::int64_t>();
  run.device = column(1).as<std::string>();
  run.boot = column(2).as<std::uint64_t>();
  run.stream = static_cast<Stream>(column(3).as<int>());
  run.sequence = column(4).as<std::uint64_t>();
  run.tick_ms = column(5).as<std::uint64_t>();
  run.measured_at = read_instant(column(6).c_str());
  run.received_at = read_instant(column(7).c_str());
  run.run = {column(8).as<std::uint32_t>(), column(9).as<std::uint32_t>(), read_double(column(10).c_str()),
             read_double(column(11).c_str()), read_bytes(column(12).c_str())};
  return run;
}

}  // namespace wardlink::storage::postgres
