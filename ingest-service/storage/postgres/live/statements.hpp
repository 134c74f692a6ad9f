#pragma once
// What live streams read with.

#include "storage/port/live_store.hpp"
#include "storage/postgres/link/statement.hpp"

namespace wardlink::storage::postgres {

/// The rows of that kind behind a position. $1 scope, $2 patient, $3 device, $4 to $8 the position before (transaction,
/// device, boot, stream, sequence), $9 the first transaction that is too young, $10 limit; of partitioned tables $11
/// and $12 the window of days. Rows begin with the position, then device, patient, patient's name, ward and whether it
/// is late.
const Statement& live_rows(LiveKind kind);

/// The days that transactions wrote rows to. $1 whether runs of samples, else sets; $2 the first transaction, $3 the
/// first that is too young.
const Statement& live_days();

}  // namespace wardlink::storage::postgres
