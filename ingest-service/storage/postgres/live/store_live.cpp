// What is committed as time goes on.

#include <algorithm>

#include "storage/postgres/clocks/clocks.hpp"
#include "storage/postgres/live/rows.hpp"
#include "storage/postgres/read/alarm_rows.hpp"
#include "storage/postgres/read/subject.hpp"
#include "storage/postgres/read/uncertainty.hpp"
#include "storage/postgres/store_impl.hpp"

namespace wardlink::storage {
namespace {

using namespace postgres;

const std::string of_filter = " WHERE c.end_at IS NULL AND " + seen_by("$1") +
                              " AND ($2 = '' OR p.patient_id = NULLIF($2, '')::uuid) AND ($3 = '' OR d.urn = $3)"
                              " ORDER BY c.at, c.device_id, c.boot_id, c.stream, c.sequence";

void require_wards(pqxx::work& tx, const Scope& scope) {
  if (!scope) return;
  for (const auto& ward : *scope) {
    if (!tx.exec_params("SELECT FROM ward WHERE ward_id = $1", ward).empty()) continue;
    throw StoreError(StoreError::Kind::not_found, "wards/" + ward + " does not exist");
  }
}

/// Of a transaction that is REPEATABLE READ.
Sight sight_of(pqxx::work& tx) {
  const auto row = tx.exec1("SELECT pg_snapshot_xmin(s), pg_snapshot_xmax(s) FROM pg_current_snapshot() s");
  Sight sight{row[0].as<std::uint64_t>(), row[1].as<std::uint64_t>(), {}, 0};
  for (const auto running : tx.exec("SELECT x FROM pg_snapshot_xip(pg_current_snapshot()) x ORDER BY x")) {
    sight.running.push_back(running[0].as<std::uint64_t>());
  }
  return sight;
}

/// One page of several parts, each at most as long. Behind the end of one that is as long there may be more, so what
/// the others have behind it must wait.
LivePage merged(std::vector<std::vector<LiveEvent>> parts, std::size_t limit) {
  LivePage page;
  std::optional<LivePosition> end;
  for (auto& part : parts) {
    if (part.size() >= limit) end = std::min(end.value_or(part.back().at), part.back().at);
    std::ranges::move(part, std::back_inserter(page.events));
  }
  page.complete = !end;
  if (end) std::erase_if(page.events, [&](const LiveEvent& event) { return event.at > *end; });
  std::ranges::sort(page.events, {}, &LiveEvent::at);
  return page;
}

}  // namespace

std::string PostgresStore::epoch() {
  // A promoted standby goes on with the same ids on another timeline, but may lack the last of them.
  constexpr const char* ask =
      "SELECT home = live_home(), md5(epoch || home || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))"
      " FROM live_epoch";
  const auto read = [&](pqxx::work& tx) {
    const auto row = tx.exec1(ask);
    return row[0].as<bool>() ? row[1].as<std::string>() : std::string();
  };
  const auto epoch = impl_->pool.transact(read, Urgency::first);
  if (!epoch.empty()) return epoch;
  if (!impl_->keeps_schema)
    throw StoreError(StoreError::Kind::away, "the database was restored: --serve ingest begins anew");
  // A restored database. This takes as long as there are rows: nobody's patience ends it.
  const auto connection = impl_->database.open();
  return translated([&] {
    pqxx::work tx(*connection);
    tx.exec0("SET LOCAL statement_timeout = 0");
    tx.exec0("SET LOCAL lock_timeout = 0");
    tx.exec0("LOCK TABLE live_epoch");  // one program at a time
    if (read(tx).empty()) tx.exec1("SELECT begin_live_epoch()");
    auto begun = read(tx);
    tx.commit();
    return begun;
  });
}

Horizon PostgresStore::horizon() {
  return impl_->pool.transact(
      [&](pqxx::work& tx) {
        // What has ended wrote so before it was seen to have ended: the log's end is asked for behind the snapshot.
        auto row = tx.exec1(
            "SELECT pg_snapshot_xmin(s), pg_snapshot_xmax(s), micros(calendar()) FROM pg_current_snapshot()"
            " s");
        Horizon horizon{row[0].as<std::uint64_t>(), row[1].as<std::uint64_t>(), read_instant(row[2].c_str()), 0};
        row = tx.exec1("SELECT pg_current_wal_insert_lsn() - '0/0', pg_current_wal_flush_lsn() - '0/0'");
        horizon.durable =
            impl_->durable_ids.note(horizon.settled, row[0].as<std::uint64_t>(), row[1].as<std::uint64_t>());
        return horizon;
      },
      Urgency::first);
}

LivePage PostgresStore::live(const LiveFilter& filter, const LivePosition& after, std::uint64_t until,
                             std::size_t limit) {
  const auto urgency = filter.for_all ? Urgency::first : Urgency::query;
  std::vector<std::vector<LiveEvent>> parts;
  std::vector<std::pair<LiveKind, Window>> windows;
  impl_->pool.transact(
      [&](pqxx::work& tx) {
        // Else planned anew each time, or for a long stretch when it is a short one.
        tx.exec0("SET LOCAL plan_cache_mode = force_generic_plan");
        parts.clear(), windows.clear();
        for (const auto kind : {LiveKind::set, LiveKind::alarm, LiveKind::acknowledgement, LiveKind::attribution,
                                LiveKind::waveform, LiveKind::end, LiveKind::reattribution}) {
          if (!filter.wants(kind)) continue;
          if (in_days(kind)) {
            for (const auto& window : live_windows(tx, kind, after.transaction, until))
              windows.emplace_back(kind, window);
          } else {
            parts.push_back(read_live(tx, kind, std::nullopt, filter, after, until, limit));
          }
        }
        return 0;
      },
      urgency);
  // A transaction each, which holds the locks of one window only. What is settled stays as it is meanwhile.
  for (const auto& [kind, window] : windows) {
    parts.push_back(impl_->pool.transact(
        [&, kind = kind, window = window](pqxx::work& tx) {
          // Planned for its window; along the index of transaction ids, which is nearly the order that is wanted,
          // whatever the planner has heard of them.
          tx.exec0(
              "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_seqscan = off;"
              " SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off;"
              " SET LOCAL max_parallel_workers_per_gather = 0");
          return read_live(tx, kind, window, filter, after, until, limit);
        },
        urgency));
  }
  return merged(std::move(parts), limit);
}

PresentState PostgresStore::present(const LiveFilter& filter) {
  // A commit that waits for the disk, and with it for all that was written to the log before.
  const auto durable = impl_->pool.transact([](pqxx::work& tx) {
    const auto row = tx.exec1("SELECT pg_snapshot_xmin(pg_current_snapshot())");
    tx.exec1("SELECT pg_logical_emit_message(true, 'wardlink', '')");
    return row[0].as<std::uint64_t>();
  });
  return impl_->pool.transact([&](pqxx::work& tx) {
    tx.exec0("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
    require_known(tx, filter.subject);
    require_wards(tx, filter.scope);
    PresentState present;
    present.sight = sight_of(tx);
    present.sight.durable = std::min(durable, present.sight.settled);
    if (filter.sets) {
      for (std::optional<std::int64_t> after = 0; after;) {
        auto page = latest_rows(tx, filter.scope, filter.subject, *after, 1000);
        std::ranges::move(page, std::back_inserter(present.latest));
        after = page.next;
      }
    } else {
      present.alarms = read_alarms(tx.exec_params(
          "SELECT " + alarm_fields().list() + open_conditions() + of_filter, scope_text(filter.scope),
          text_of(filter.subject, Subject::Kind::patient), text_of(filter.subject, Subject::Kind::device)));
      state_uncertainty(tx, present.alarms);
    }
    return present;
  });
}

std::unique_ptr<CommitListener> PostgresStore::listen() {
  return std::make_unique<BellListener>(impl_->database, impl_->bell);
}

void PostgresStore::wake() { impl_->bell.ring(); }

}  // namespace wardlink::storage
