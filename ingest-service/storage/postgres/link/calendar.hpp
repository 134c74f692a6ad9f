#pragma once
// The database's calendar, the only one that instants are taken from and compared with.

#include <pqxx/pqxx>

#include "storage/postgres/link/text.hpp"

namespace wardlink::storage::postgres {

inline Instant read_calendar(pqxx::transaction_base& tx) {
  return read_instant(tx.exec1("SELECT micros(calendar())")[0].c_str());
}

}  // namespace wardlink::storage::postgres
