#include "storage/postgres/read/spans.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;
using Kind = StoreError::Kind;

constexpr const char* columns = "SELECT p.patient_id, p.display_name, micros(p.created_at), p.ward_id FROM patient p";

// $1 the id before, $2 limit.
const std::string all_patients =
    std::string(columns) + " WHERE ($1 = '' OR p.patient_id > NULLIF($1, '')::uuid) ORDER BY p.patient_id LIMIT $2";
// $3 wards: of each so many, of these the first.
const std::string patients_of_wards =
    "SELECT p.* FROM unnest($3::text[]) w(ward_id) CROSS JOIN LATERAL (" + std::string(columns) +
    " WHERE p.ward_id = w.ward_id AND ($1 = '' OR p.patient_id > NULLIF($1, '')::uuid)"
    " ORDER BY p.patient_id LIMIT $2) p ORDER BY p.patient_id LIMIT $2";
// $1 the id, $2 scope.
const std::string one_patient =
    std::string(columns) + " WHERE p.patient_id = $1::uuid AND ($2 = '' OR p.ward_id = ANY (NULLIF($2, '')::text[]))";

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
                                       " AND a.held @> (SELECT calendar()) ORDER BY d.urn",
                                       all)) {
    by_id.at(row[0].as<std::string>())->devices.push_back(row[1].as<std::string>());
  }
}

}  // namespace

PatientRow PostgresStore::create_patient(const std::string& display_name, const std::vector<Identifier>& identifiers,
                                         const std::string& ward) {
  return impl_->pool.change([&](pqxx::work& tx) {
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

Page<PatientRow, std::string> PostgresStore::patients(const Scope& scope, const std::string& after, std::size_t limit) {
  return impl_->pool.transact([&](pqxx::work& tx) {
    begin_reading(tx);
    Page<PatientRow, std::string> page;
    const auto found = scope ? tx.exec_params(patients_of_wards, after, limit + 1, scope_text(scope))
                             : tx.exec_params(all_patients, after, limit + 1);
    for (const auto row : found) {
      if (page.size() == limit) {
        page.next = page.back().id;
        break;
      }
      page.push_back(read_patient(row));
    }
    complete(tx, page);
    return page;
  });
}

PatientRow PostgresStore::patient(const Scope& scope, const std::string& id) {
  return impl_->pool.transact([&](pqxx::work& tx) {
    const auto found = tx.exec_params(one_patient, id, scope_text(scope));
    if (found.empty()) throw StoreError(Kind::not_found, "patients/" + id + " does not exist");
    std::vector<PatientRow> rows{read_patient(found[0])};
    complete(tx, rows);
    return rows.front();
  });
}

}  // namespace wardlink::storage
