#include "storage/postgres/quarantine.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>

#include "storage/postgres/connection.hpp"
#include "storage/postgres/text.hpp"

namespace wardlink::storage::postgres {
namespace {

std::string cleaned(std::string text) {
  // PostgreSQL's text holds no NUL.
  std::ranges::replace(text, '\0', '?');
  return text.substr(0, 255);
}

std::int64_t capped(std::uint64_t value) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(value, std::numeric_limits<std::int64_t>::max()));
}

bool alarm_stands(pqxx::work& tx, std::int64_t device_id, std::int64_t boot) {
  return tx.exec_prepared1("has_quarantine_alarm", device_id, boot)[0].as<bool>();
}

void raise_alarm(pqxx::work& tx, const Record& record, std::int64_t boot) {
  const auto& session = *record.session;
  if (alarm_stands(tx, session.device_id, boot)) return;
  const auto last = tx.exec_prepared1("lock_storage_stream", session.device_id, boot)[0].as<std::int64_t>();
  // Another stream of the same device may have raised it while we waited for the lock.
  if (alarm_stands(tx, session.device_id, boot)) return;
  const auto tick = std::max<std::int64_t>(
      0, std::chrono::duration_cast<std::chrono::milliseconds>(record.received_at - session.anchor).count());
  tx.exec_prepared0("raise_quarantine_alarm", session.device_id, boot, last + 1, tick, to_text(record.received_at));
  tx.exec_prepared0("advance_storage_stream", session.device_id, boot, last + 1);
}

}  // namespace

void quarantine(pqxx::work& tx, const Record& record, const Unusable& why) {
  const auto& session = *record.session;
  const auto boot = capped(session.boot);
  tx.exec_prepared0("quarantine", session.device_id, boot, int(record.stream), capped(record.sequence),
                    pqxx::binarystring(why.payload), cleaned(why.reason), cleaned(why.resource),
                    to_text(record.received_at));
  raise_alarm(tx, record, boot);
  try_audit(tx, {.subject = session.device,
                 .method = "quarantine",
                 .granted = false,
                 .resources = {"devices/" + session.device},
                 .reason = cleaned(why.reason)});
}

void insert_audit(pqxx::transaction_base& tx, const AuditFact& fact) {
  std::vector<std::string> resources;
  for (const auto& each : fact.resources) resources.push_back(cleaned(each));
  tx.exec_prepared0("audit", cleaned(fact.subject), cleaned(fact.method),
                    std::string(fact.granted ? "granted" : "refused"), array_of(resources), cleaned(fact.reason),
                    cleaned(fact.address), capped(fact.count));
}

bool try_audit(pqxx::work& tx, const AuditFact& fact) {
  try {
    pqxx::subtransaction savepoint(tx, "audit");
    savepoint.exec0("SET LOCAL lock_timeout = '500ms'");
    insert_audit(savepoint, fact);
    savepoint.exec0("SET LOCAL lock_timeout = '10s'");
    savepoint.commit();
    return true;
  } catch (const pqxx::sql_error& error) {
    const auto& state = error.sqlstate();
    if (state.starts_with("57P") || state.starts_with("08")) throw;  // the connection itself is gone
    spdlog::error(fmt::format("the audit refused a row of {}: {}", fact.method, cause(error)));
    return false;
  }
}

}  // namespace wardlink::storage::postgres
