#include "storage/postgres/link/system_alarms.hpp"

#include <unistd.h>

#include <array>

namespace wardlink::storage::postgres {

std::string this_program() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) return "wardlink-storage";
  return std::string("wardlink-storage at ") + host.data();
}

void raise_system_alarm(pqxx::transaction_base& tx, const SystemAlarmFact& fact) {
  tx.exec_params0(
      "INSERT INTO system_alarm (code, subject, priority, detail, source) VALUES ($1, $2, $3, $4, $5)"
      " ON CONFLICT (code, subject) WHERE ended_at IS NULL DO NOTHING",
      fact.code, fact.subject, static_cast<int>(fact.priority), fact.detail, this_program());
}

void end_system_alarm(pqxx::transaction_base& tx, const std::string& code, const std::string& subject) {
  tx.exec_params0("UPDATE system_alarm SET ended_at = calendar() WHERE code = $1 AND subject = $2 AND ended_at IS NULL",
                  code, subject);
}

bool system_alarm_stands(pqxx::transaction_base& tx, const std::string& code, const std::string& subject) {
  return tx
      .exec_params1("SELECT EXISTS (SELECT FROM system_alarm WHERE code = $1 AND subject = $2 AND ended_at IS NULL)",
                    code, subject)[0]
      .as<bool>();
}

}  // namespace wardlink::storage::postgres
