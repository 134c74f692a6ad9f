#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;
using Kind = StoreError::Kind;

#define WARDLINK_PATIENT_COLUMNS                                                        \
  "SELECT p.patient_id, p.display_name, micros(p.created_at), p.ward_id FROM patient p" \
  " WHERE ($1 = '' OR p.ward_id = ANY (NULLIF($1, '')::text[]))"

constexpr const char* patient_page = WARDLINK_PATIENT_COLUMNS " AND p.patient_id::text > $2 ORDER BY 1 LIMIT $3";
constexpr const char* one_patient = WARDLINK_PATIENT_COLUMNS " AND p.patient_id = $2::uuid";

#undef WARDLINK_PATIENT_COLUMNS

PatientRow read_patient(const pqxx::row& row) {
  PatientRow patient;
  patient.id = row[0].as<std::string>();
  patient.display_name = row[1].as<std::string>();
  patient.created_at = read_instant(row[2].c_str());
  patient.ward = row[3].as<std::string>("");
  return patient;
}

/// Identifiers and devices of all the rows, each in one statement.
void complete(pqxx::work& tx, std::vector<PatientRow>& patients) {
  std::map<std::string, PatientRow*> by_id;
  std::vector<std::string> ids;
  for (auto& patient : patients) {
    by_id.emplace(patient.id, &patient);
    ids.push_back(patient.id);
  }
  const auto all = array_of(ids);
  for (const auto row : tx.exec_params("SELECT patient_id, system, value FROM patient_identifier"
                                       " WHERE patient_id = ANY ($1::uuid[]) ORDER BY system, value",
                                       all)) {
    by_id.at(row[0].as<std::string>())->identifiers.push_back({row[1].as<std::string>(), row[2].as<std::string>()});
  }
  for (const auto row : tx.exec_params("SELECT a.patient_id, d.urn FROM assignment a JOIN device d USING (device_id)"
                                       " WHERE a.patient_id = ANY ($1::uuid[]) AND upper_inf(a.recorded)"
                                       " AND a.held @> clock_timestamp() ORDER BY d.urn",
                                       all)) {
    by_id.at(row[0].as<std::string>())->devices.push_back(row[1].as<std::string>());
  }
}

}  // namespace

PatientRow PostgresStore::create_patient(const std::string& display_name, const std::vector<Identifier>& identifiers,
                                         const std::string& ward) {
  return impl_->pool.transact([&](pqxx::work& tx) {
    if (!ward.empty()) tx.exec_params0("INSERT INTO ward (ward_id) VALUES ($1) ON CONFLICT DO NOTHING", ward);
    const auto made = tx.exec_params1(
        "INSERT INTO patient (display_name, ward_id) VALUES ($1, NULLIF($2, ''))"
        " RETURNING patient_id, display_name, micros(created_at), ward_id",
        display_name, ward);
    auto patient = read_patient(made);
    for (const auto& identifier : identifiers) {
      const auto added = tx.exec_params(
          "INSERT INTO patient_identifier (patient_id, system, value) VALUES ($1::uuid, $2, $3) ON CONFLICT DO NOTHING",
          patient.id, identifier.system, identifier.value);
      if (added.affected_rows() == 0) {
        throw StoreError(Kind::exists, "patient.identifiers: another patient bears one of them");
      }
    }
    patient.identifiers = identifiers;
    return patient;
  });
}

std::vector<PatientRow> PostgresStore::patients(const Scope& scope, const std::string& after, std::size_t limit) {
  return impl_->pool.transact([&](pqxx::work& tx) {
    std::vector<PatientRow> rows;
    for (const auto row : tx.exec_params(patient_page, scope_text(scope), after, limit))
      rows.push_back(read_patient(row));
    complete(tx, rows);
    return rows;
  });
}

PatientRow PostgresStore::patient(const Scope& scope, const std::string& id) {
  return impl_->pool.transact([&](pqxx::work& tx) {
    const auto found = tx.exec_params(one_patient, scope_text(scope), id);
    if (found.empty()) throw StoreError(Kind::not_found, "patients/" + id + " does not exist");
    std::vector<PatientRow> rows{read_patient(found[0])};
    complete(tx, rows);
    return rows.front();
  });
}

}  // namespace wardlink::storage
