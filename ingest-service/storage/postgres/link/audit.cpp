#include "storage/postgres/link/audit.hpp"

#include "storage/postgres/link/columns.hpp"

namespace wardlink::storage::postgres {
namespace {

std::vector<std::string> cleaned_all(std::vector<std::string> texts) {
  for (auto& text : texts) text = cleaned(std::move(text));
  return texts;
}

const Columns<AuditFact> columns(
    {column<AuditFact>("subject", [](const AuditFact& fact) { return cleaned(fact.subject); }),
     column<AuditFact>("method", [](const AuditFact& fact) { return cleaned(fact.method); }),
     column<AuditFact>("outcome",
                       [](const AuditFact& fact) { return std::string(fact.granted ? "granted" : "refused"); }),
     column<AuditFact>("resources", [](const AuditFact& fact) { return cleaned_all(fact.resources); }),
     column<AuditFact>("reason", [](const AuditFact& fact) { return cleaned(fact.reason); }),
     column<AuditFact>("address", [](const AuditFact& fact) { return cleaned(fact.address); }),
     column<AuditFact>("count", [](const AuditFact& fact) { return capped(fact.count); })});

const Statement insert_facts{"insert_audit", "INSERT INTO audit (" + columns.names() + ") SELECT " + columns.values() +
                                                 " FROM " + columns.rows_with_place() + " ORDER BY k.place"};

}  // namespace

void insert_audit(pqxx::transaction_base& tx, std::span<const AuditFact> facts) {
  run(tx, insert_facts, columns.arrays(facts));
}

}  // namespace wardlink::storage::postgres
