#include "storage/postgres/link/audit.hpp"

#include "storage/postgres/link/statement.hpp"
#include "storage/postgres/link/text.hpp"

namespace wardlink::storage::postgres {
namespace {

namespace sql {
const Statement insert_facts{
    "audit",
    "INSERT INTO audit (subject, method, outcome, resources, reason, address, count)"
    " SELECT k.subject, k.method, k.outcome, k.resources::text[], k.reason, k.address, k.times"
    " FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])"
    "   WITH ORDINALITY k(subject, method, outcome, resources, reason, address, times, place)"
    " ORDER BY k.place"};
}  // namespace sql

}  // namespace

void insert_audit(pqxx::transaction_base& tx, std::span<const AuditFact> facts) {
  ArrayText subjects, methods, outcomes, resources, reasons, addresses, counts;
  for (const auto& fact : facts) {
    std::vector<std::string> names;
    for (const auto& each : fact.resources) names.push_back(cleaned(each));
    subjects.add_quoted(cleaned(fact.subject));
    methods.add_quoted(cleaned(fact.method));
    outcomes.add_quoted(fact.granted ? "granted" : "refused");
    resources.add_quoted(array_of(names));
    reasons.add_quoted(cleaned(fact.reason));
    addresses.add_quoted(cleaned(fact.address));
    counts.add(capped(fact.count));
  }
  run(tx, sql::insert_facts, subjects.text(), methods.text(), outcomes.text(), resources.text(), reasons.text(),
      addresses.text(), counts.text());
}

}  // namespace wardlink::storage::postgres
