#include "storage/postgres/read/reading_rows.hpp"

#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage::postgres {

ReadingRow read_set(const pqxx::row& row, pqxx::row::size_type first) {
  ReadingRow reading;
  reading.device_id = row[first].as<std::int64_t>();
  reading.device = row[first + 1].as<std::string>();
  reading.boot = row[first + 2].as<std::uint64_t>();
  reading.stream = static_cast<Stream>(row[first + 3].as<int>());
  reading.sequence = row[first + 4].as<std::uint64_t>();
  reading.tick_ms = row[first + 5].as<std::uint64_t>();
  reading.measured_at = read_instant(row[first + 6].c_str());
  reading.received_at = read_instant(row[first + 7].c_str());
  reading.set = {read_array<std::uint16_t>(row[first + 8].c_str()), read_array<double>(row[first + 9].c_str()),
                 read_array<std::uint16_t>(row[first + 10].c_str())};
  return reading;
}

std::string text_of(const Subject& subject, Subject::Kind kind) {
  return subject.kind == kind ? subject.id : std::string();
}

void require_known(pqxx::work& tx, const Subject& subject) {
  if (subject.kind == Subject::Kind::patient &&
      tx.exec_params("SELECT FROM patient WHERE patient_id = $1::uuid", subject.id).empty()) {
    throw StoreError(StoreError::Kind::not_found, "patients/" + subject.id + " does not exist");
  }
  if (subject.kind == Subject::Kind::device &&
      tx.exec_params("SELECT FROM device WHERE urn = $1", subject.id).empty()) {
    throw StoreError(StoreError::Kind::not_found, "devices/" + subject.id + " does not exist");
  }
}

}  // namespace wardlink::storage::postgres
