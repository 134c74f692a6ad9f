// Who may what, and who did what.

#include <algorithm>

#include "storage/memory/attribution.hpp"
#include "storage/memory/memory_store.hpp"

namespace wardlink::storage {

using namespace memory;

void MemoryStore::ensure_grants(const std::vector<Grant>& grants) {
  const std::lock_guard lock(tables_->mutex);
  for (const auto& grant : grants) {
    if (!grant.ward.empty()) tables_->wards.insert(grant.ward);
    if (std::ranges::find(tables_->grants, grant) != tables_->grants.end()) continue;
    tables_->grants.push_back(grant);
    tables_->add_audit({.subject = grant.subject,
                        .method = "grant",
                        .granted = true,
                        .resources = {},
                        .reason = "at start: " + grant.role + (grant.ward.empty() ? "" : " in wards/" + grant.ward)});
  }
}

std::vector<Grant> MemoryStore::grants_of(const std::string& subject) {
  const std::lock_guard lock(tables_->mutex);
  std::vector<Grant> grants;
  std::ranges::copy_if(tables_->grants, std::back_inserter(grants),
                       [&](const Grant& grant) { return grant.subject == subject; });
  return grants;
}

std::string MemoryStore::ward_of(const Subject& subject) {
  const std::lock_guard lock(tables_->mutex);
  std::string patient = subject.kind == Subject::Kind::patient ? subject.id : "";
  const auto device = tables_->devices.find(subject.id);
  if (subject.kind == Subject::Kind::device && device != tables_->devices.end())
    if (const auto* worn = worn_at(*tables_, device->second.id, tables_->now())) patient = worn->patient;
  const auto known = tables_->patients.find(patient);
  return known == tables_->patients.end() ? std::string() : known->second.ward;
}

void MemoryStore::audit(const AuditFact& fact) {
  const std::lock_guard lock(tables_->mutex);
  tables_->add_audit(fact);
}

}  // namespace wardlink::storage
