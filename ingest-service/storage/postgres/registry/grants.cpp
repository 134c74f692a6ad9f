#include "storage/postgres/link/audit.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {

using namespace postgres;

void PostgresStore::ensure_grants(const std::vector<Grant>& grants) {
  impl_->pool.transact([&](pqxx::work& tx) {
    for (const auto& grant : grants) {
      if (!grant.ward.empty()) {
        tx.exec_params0("INSERT INTO ward (ward_id) VALUES ($1) ON CONFLICT DO NOTHING", grant.ward);
      }
      const auto made = tx.exec_params(
          "INSERT INTO grants (subject, role, ward_id) VALUES ($1, $2, NULLIF($3, '')) ON CONFLICT DO NOTHING",
          grant.subject, grant.role, grant.ward);
      if (made.affected_rows() == 0) continue;
      insert_audit(tx, {.subject = grant.subject,
                        .method = "grant",
                        .granted = true,
                        .resources = {},
                        .reason = "at start: " + grant.role + (grant.ward.empty() ? "" : " in wards/" + grant.ward)});
    }
    return 0;
  });
}

std::vector<Grant> PostgresStore::grants_of(const std::string& subject) {
  return impl_->pool.transact(
      [&](pqxx::work& tx) {
        std::vector<Grant> grants;
        for (const auto row : tx.exec_params("SELECT role, ward_id FROM grants WHERE subject = $1", subject)) {
          grants.push_back({subject, row[0].as<std::string>(), row[1].as<std::string>("")});
        }
        return grants;
      },
      Urgency::first);
}

std::string PostgresStore::ward_of(const Subject& subject) {
  if (subject.kind == Subject::Kind::all) return "";
  constexpr const char* of_patient = "SELECT ward_id FROM patient WHERE patient_id = $1::uuid";
  constexpr const char* of_wearer =
      "SELECT p.ward_id FROM device d JOIN assignment a USING (device_id) JOIN patient p USING (patient_id)"
      " WHERE d.urn = $1 AND upper_inf(a.recorded) AND a.held @> (SELECT calendar())";
  return impl_->pool.transact(
      [&](pqxx::work& tx) {
        const auto found = tx.exec_params(subject.kind == Subject::Kind::patient ? of_patient : of_wearer, subject.id);
        return found.empty() ? std::string() : found[0][0].as<std::string>("");
      },
      Urgency::first);
}

void PostgresStore::audit(const AuditFact& fact) {
  impl_->pool.transact(
      [&](pqxx::work& tx) {
        tx.exec0("SET LOCAL lock_timeout = '2s'");
        insert_audit(tx, fact);
        return 0;
      },
      Urgency::first);
}

}  // namespace wardlink::storage
