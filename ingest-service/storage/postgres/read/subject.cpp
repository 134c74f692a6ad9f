#include "storage/postgres/read/subject.hpp"

#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage::postgres {

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
