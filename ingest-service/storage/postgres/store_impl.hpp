#pragma once
// What PostgresStore is made of; its member functions are spread over the files of this folder.

#include "storage/postgres/link/commit_bell.hpp"
#include "storage/postgres/link/pool.hpp"
#include "storage/postgres/link/text.hpp"
#include "storage/postgres/postgres_store.hpp"
#include "storage/postgres/schema/partitions.hpp"

namespace wardlink::storage {

/// Which transaction ids no crash takes back. Any thread.
class DurableIds {
 public:
  /// All below `settled` have ended, with nothing behind the position `written` in the log, of which all up to
  /// `flushed` is on the disk. Returns the newest id below which all are safe, as far as that is known.
  std::uint64_t note(std::uint64_t settled, std::uint64_t written, std::uint64_t flushed) {
    const locks::Lock lock(mutex_);
    if (flushed >= written_) durable_ = std::max(durable_, settled_);
    if (flushed >= written) durable_ = std::max(durable_, settled);
    if (flushed >= written_) settled_ = settled, written_ = written;  // else that one is waited for
    return std::min(durable_, settled);
  }

 private:
  locks::Mutex mutex_;
  std::uint64_t durable_ GUARDED_BY(mutex_) = 0;
  std::uint64_t settled_ GUARDED_BY(mutex_) = 0;
  std::uint64_t written_ GUARDED_BY(mutex_) = 0;
};

struct PostgresStore::Impl {
  explicit Impl(const Config& config)
      : keeps_schema(config.keeps_schema),
        database(config.connection),
        pool(database, config.max_readers, 4),
        partitions(config.partition_days_back) {}

  const bool keeps_schema;
  postgres::Database database;
  postgres::Pool pool;
  postgres::Partitions partitions;
  postgres::CommitBell bell;
  DurableIds durable_ids;
  std::atomic<std::uint64_t> clock_jumps = 0;
  std::atomic_flag settles_calendar_steps;
};

namespace postgres {

/// $n::text[] of a scope: the empty string stands for "everything" (NULLIF in the statement).
inline std::string scope_text(const Scope& scope) { return scope ? array_of(*scope) : std::string(); }

inline std::optional<Instant> optional_instant(const pqxx::field& field) {
  if (field.is_null()) return std::nullopt;
  return read_instant(field.c_str());
}

/// For $n::bigint where nothing means unbounded: an empty string, NULLIF in the statement.
inline std::string instant_text(const std::optional<Instant>& at) { return at ? to_text(*at) : std::string(); }

}  // namespace postgres
}  // namespace wardlink::storage
