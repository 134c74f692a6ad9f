#include "storage/postgres/link/durability.hpp"

#include <algorithm>

#include "storage/port/store_error.hpp"
#include "storage/postgres/link/system_alarms.hpp"

namespace wardlink::storage::postgres {
namespace {

constexpr const char* code = "durability";

// The tables that an answer of ours rests on, and the daily partitions of two (whose own triggers note the days).
// Names, so that it can be asked before the schema is there. One row, the first sentence that applies.
constexpr const char* ask_obstacle =
    "WITH ours AS ("
    "  SELECT c.oid, c.oid::regclass AS name, c.relpersistence FROM pg_class c"
    "  WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind IN ('r', 'p') AND c.relname IN "
    "('alarm_acknowledgement',"
    "    'alarm_end', 'alarm_event', 'alarm_reattribution', 'assignment', 'assignment_change', 'audit', 'bed', "
    "'calendar_pair', 'calendar_step', 'calendar_step_settled', 'clock_exchange', 'device', 'device_boot', "
    "'discharge', 'doubt',"
    "    'grants', 'jumped_record', 'latest', 'live_day', 'live_epoch', 'open_alarm', 'patient', 'patient_identifier', "
    "'quarantine', 'registered_start',"
    "    'settlement', 'stream_day', 'stream_state', 'system_alarm', 'ward', 'measurement_set', 'waveform_run')"
    "  UNION ALL"
    "  SELECT c.oid, c.oid::regclass, c.relpersistence FROM pg_class p"
    "  JOIN pg_inherits i ON i.inhparent = p.oid JOIN pg_class c ON c.oid = i.inhrelid"
    "  WHERE p.relnamespace = quote_ident(current_schema())::regnamespace AND p.relname IN ('measurement_set', "
    "'waveform_run')),"
    " found(place, says) AS ("
    "  SELECT 1, format('PostgreSQL runs with %s=off, so that a commit may be lost; switch it on.', s.name)"
    "  FROM unnest(ARRAY['fsync', 'full_page_writes']) s(name) WHERE current_setting(s.name) = 'off'"
    "  UNION ALL"
    "  SELECT 2, 'PostgreSQL runs with data_sync_retry=on, so that a commit may be lost; switch it off.'"
    "  WHERE current_setting('data_sync_retry') = 'on'"
    "  UNION ALL"
    "  SELECT 3, format('The table %s is UNLOGGED, so that a crash empties it: ALTER TABLE %s SET LOGGED.', name, name)"
    "  FROM ours WHERE relpersistence <> 'p'"
    "  UNION ALL"
    "  SELECT 4, format('The trigger %s of the table %s is disabled: ALTER TABLE %s ENABLE TRIGGER %I.', t.tgname, "
    "o.name,"
    "    o.name, t.tgname)"
    "  FROM ours o JOIN pg_trigger t ON t.tgrelid = o.oid JOIN pg_proc f ON f.oid = t.tgfoid"
    "  WHERE t.tgenabled NOT IN ('O', 'A') AND (t.tgisinternal OR f.pronamespace = "
    "quote_ident(current_schema())::regnamespace)"
    "  UNION ALL"
    // Row level, BEFORE, INSERT: none of ours is.
    "  SELECT 5, format('The trigger %s may keep rows out of the table %s: drop it, or make it AFTER INSERT.', "
    "t.tgname,"
    "    o.name)"
    "  FROM ours o JOIN pg_trigger t ON t.tgrelid = o.oid WHERE NOT t.tgisinternal AND t.tgtype & 7 = 7"
    "    AND t.tgenabled <> 'D'"
    "  UNION ALL"
    "  SELECT 6, format('The rule %s may keep rows out of the table %s: drop it.', r.rulename, o.name)"
    "  FROM ours o JOIN pg_rewrite r ON r.ev_class = o.oid WHERE r.ev_type <> '1' AND r.ev_enabled <> 'D')"
    " SELECT says FROM found ORDER BY place, says LIMIT 1";

// What changes while transactions run; then whether this session still waits for the disk; then whether somebody has
// seen otherwise. (No table that others refer to can be made UNLOGGED, alarm_event among them.)
constexpr const char* ask_commit =
    "SELECT current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on',"
    " current_setting('synchronous_commit'),"
    " NOT EXISTS (SELECT FROM system_alarm WHERE code = 'durability' AND subject = '' AND ended_at IS NULL)";

// Our triggers may have been off: then rows were written that are listed nowhere. Which transactions wrote them? None
// before the system alarm but those of the few seconds until somebody looked; of these the writers of a hospital have
// far fewer than so many. None after now.
constexpr const char* ask_unlisted =
    "SELECT greatest(0, pg_current_xact_id()::text::bigint - age(xmin) - 65536), pg_current_xact_id()::text::bigint + 1"
    " FROM system_alarm WHERE code = 'durability' AND subject = '' AND ended_at IS NULL";
constexpr std::uint64_t transactions_at_once = 4'096;  // a second or two, where all were full

// What the triggers do (schema 007, 009), for the rows of the transactions from $1 to below $2; each by an index.
constexpr const char* list_open_alarms =
    "INSERT INTO open_alarm SELECT r.device_id, r.boot_id, r.stream, r.sequence, r.measured_at, r.priority"
    " FROM alarm_event r"
    " WHERE r.event = 1 AND r.xid >= $1::xid8 AND r.xid < $2::xid8 AND NOT EXISTS (SELECT"
    "   FROM alarm_event e WHERE e.device_id = r.device_id AND e.boot_id = r.boot_id AND e.stream = r.stream"
    "   AND e.event = 2 AND e.onset_sequence = r.sequence) ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING";
constexpr const char* list_days =
    "WITH added AS MATERIALIZED (SELECT a.device_id, a.boot_id, a.stream, day_of(a.measured_at) AS day,"
    "    min(a.sequence) AS low, max(a.sequence) | 4095 AS high, min(a.xid::text::bigint) AS low_id,"
    "    max(a.xid::text::bigint) AS high_id"
    "   FROM (SELECT device_id, boot_id, stream, measured_at, sequence, xid FROM measurement_set"
    "      WHERE xid >= $1::xid8 AND xid < $2::xid8"
    "     UNION ALL SELECT device_id, boot_id, stream, measured_at, sequence, xid FROM waveform_run"
    "      WHERE xid >= $1::xid8 AND xid < $2::xid8) a"
    "   GROUP BY 1, 2, 3, 4),"
    " listed AS (INSERT INTO live_day SELECT k.* FROM ("
    "   SELECT stream > 16 AS waveforms, day, min(low_id) AS low, max(high_id) AS high FROM added GROUP BY 1, 2) k"
    "   WHERE NOT EXISTS (SELECT FROM live_day l WHERE l.waveforms = k.waveforms AND l.day = k.day AND l.low <= k.low"
    "     AND l.high >= k.high))"
    " INSERT INTO stream_day AS s SELECT k.device_id, k.boot_id, k.stream, k.day, k.low, k.high FROM added k"
    " WHERE NOT EXISTS (SELECT FROM stream_day d WHERE d.device_id = k.device_id AND d.boot_id = k.boot_id"
    "   AND d.stream = k.stream AND d.day = k.day AND d.low <= k.low AND d.high >= k.high)"
    " ORDER BY 1, 2, 3, 4 ON CONFLICT (device_id, boot_id, stream, day)"
    "   DO UPDATE SET low = least(s.low, excluded.low), high = greatest(s.high, excluded.high)";

constexpr const char* settling = "What was committed while PostgreSQL could lose it is being written to the disk.";

std::uint64_t position(pqxx::transaction_base& tx, const char* expression) {
  return tx.exec1(std::string("SELECT ") + expression)[0].as<std::uint64_t>();
}

/// A checkpoint that began at `from` or behind it is complete. Asks for one where the role may; else the next of
/// PostgreSQL's own will do. One that takes longer than a statement may goes on all the same, and is found complete at
/// a later call.
bool is_checkpointed(pqxx::work& tx, std::uint64_t from) {
  const auto redo = [&] { return position(tx, "redo_lsn - '0/0' FROM pg_control_checkpoint()"); };
  if (redo() >= from) return true;
  if (!tx.exec1("SELECT pg_has_role('pg_checkpoint', 'USAGE')")[0].as<bool>()) return false;
  tx.exec0("CHECKPOINT");
  return redo() >= from;
}

}  // namespace

std::string obstacle(pqxx::transaction_base& tx) {
  const auto found = tx.exec(ask_obstacle);
  return found.empty() ? std::string() : found[0][0].as<std::string>();
}

void Durability::prepare(pqxx::connection& connection) { connection.prepare("commit_lasts", ask_commit); }

void Durability::require_wait(pqxx::transaction_base& tx) {
  require_wait(tx.exec1("SELECT current_setting('synchronous_commit')")[0].as<std::string>());
}

void Durability::require_wait(std::string_view synchronous_commit) {
  if (synchronous_commit == "on" || synchronous_commit == "remote_apply") return;
  // Nothing is in doubt for longer than until the next commit that waits.
  throw StoreUnfit("Something in the database switches synchronous_commit off, so that a commit may be lost.");
}

void Durability::confirm(pqxx::connection& connection) {
  pqxx::nontransaction tx(connection);
  const auto row = tx.exec_prepared1("commit_lasts");
  require_wait(row[1].as<std::string>());
  if (!row[0].as<bool>()) {
    auto why = obstacle(tx);
    refuse(tx, why.empty() ? "PostgreSQL ran with settings under which a commit may be lost." : std::move(why));
  }
  if (!row[2].as<bool>() || !reason().empty()) refuse(tx, "");
}

void Durability::require(pqxx::connection& connection) {
  pqxx::nontransaction tx(connection);
  auto why = obstacle(tx);
  if (!why.empty() || !reason().empty() || system_alarm_stands(tx, code)) refuse(tx, std::move(why));
}

/// `why`: what is seen now; empty = somebody saw it, and it is not settled.
void Durability::refuse(pqxx::nontransaction& tx, std::string why) {
  if (why.empty()) why = reason();  // seen before, and not in the database yet
  if (why.empty()) throw StoreUnfit(settling);
  remember(why);
  try {
    raise_system_alarm(tx, {.code = code, .detail = why});
    forget();  // the database remembers
  } catch (const pqxx::insufficient_privilege&) {
    forget();                         // a role that may not is the API's: who watches raises it
  } catch (const pqxx::sql_error&) {  // it takes no writes: the next call, or watch(), tries again
  }
  throw StoreUnfit(why);
}

void Durability::remember(const std::string& why) {
  const locks::Lock lock(mutex_);
  if (reason_.empty()) reason_ = why;
  settle_from_.reset();
  unlisted_.reset();
}

void Durability::forget() {
  const locks::Lock lock(mutex_);
  reason_.clear();
}

std::string Durability::reason() const {
  const locks::Lock lock(mutex_);
  return reason_;
}

std::string Durability::watch(pqxx::work& tx) {
  const auto why = obstacle(tx);
  if (!why.empty()) remember(why);
  const bool stands = system_alarm_stands(tx, code);
  if (const auto doubt = reason(); !doubt.empty()) {
    if (stands) {
      forget();  // the database remembers
    } else {
      raise_system_alarm(tx, {.code = code, .detail = doubt});
    }
  } else if (!stands) {
    return "";
  }
  if (!why.empty()) return why;

  std::optional<std::uint64_t> from;
  {
    const locks::Lock lock(mutex_);
    from = settle_from_;
  }
  if (!from) {
    // Settled at the next call at the earliest: by then PostgreSQL's other processes have read the settings too.
    const auto now = position(tx, "pg_current_wal_insert_lsn() - '0/0'");
    const locks::Lock lock(mutex_);
    settle_from_ = now;
    return settling;
  }
  if (!is_checkpointed(tx, *from)) return settling;
  if (!all_listed(tx)) return settling;
  end_system_alarm(tx, code);
  // Who sees something from here on raises it anew; what was seen before that is seen here, too.
  if (const auto again = obstacle(tx); !again.empty()) {
    remember(again);
    throw StoreUnfit(again);
  }
  const locks::Lock lock(mutex_);
  settle_from_.reset();
  unlisted_.reset();
  return "";
}

bool Durability::all_listed(pqxx::work& tx) {
  const locks::Lock lock(mutex_);
  if (!unlisted_) {
    const auto range = tx.exec1(ask_unlisted);
    unlisted_ = Range{range[0].as<std::uint64_t>(), range[1].as<std::uint64_t>()};
  }
  return unlisted_->first == unlisted_->end;
}

std::optional<Durability::Range> Durability::unlisted() const {
  const locks::Lock lock(mutex_);
  if (!unlisted_ || unlisted_->first == unlisted_->end) return std::nullopt;
  return Range{unlisted_->first, std::min(unlisted_->end, unlisted_->first + transactions_at_once)};
}

void Durability::list(pqxx::work& tx, const Range& part) {
  for (const auto* rows : {list_open_alarms, list_days})
    tx.exec_params0(rows, std::to_string(part.first), std::to_string(part.end));
}

void Durability::listed(const Range& part) {
  const locks::Lock lock(mutex_);
  if (unlisted_ && unlisted_->first == part.first) unlisted_->first = part.end;
}

}  // namespace wardlink::storage::postgres
