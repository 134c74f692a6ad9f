#pragma once
// The database's calendar, the only one that instants are taken from and compared with.

#include <pqxx/pqxx>

#include "storage/postgres/link/text.hpp"

namespace wardlink::storage::postgres {

inline Instant read_calendar(pqxx::transaction_base& tx) {
  return read_instant(tx.exec1("SELECT micros(calendar())")[0].c_str());
}

/// Looks at the calendar come one after the other, in all processes: a step that another has noted is known to who
/// reads the calendar after that.
inline void lock_calendar(pqxx::transaction_base& tx) { tx.exec1("SELECT pg_advisory_xact_lock(2002874982)"); }
/// For who writes who wears what: before all other locks. A step that is noted later finds what is written.
inline void share_calendar(pqxx::transaction_base& tx) { tx.exec1("SELECT pg_advisory_xact_lock_shared(2002874982)"); }

}  // namespace wardlink::storage::postgres
