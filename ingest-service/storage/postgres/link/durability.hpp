#pragma once
// Whether what is committed lasts. fsync and full_page_writes change while PostgreSQL runs, and so does the schema: it
// is asked after each COMMIT that somebody is told of, and every few seconds.

#include <cstdint>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <string_view>

#include "locks/mutex.hpp"

namespace wardlink::storage::postgres {

/// What keeps commits from lasting, in one sentence that says what to do; empty where nothing does.
std::string obstacle(pqxx::transaction_base& tx);

/// Any thread; one for all connections of a process.
///
/// Once something was in the way, what was committed meanwhile is told to nobody before it is on the disk for certain:
/// the system alarm `durability` stands from the first sight until a checkpoint that began after the mending, and while
/// it stands no process says of any record that it is committed.
class Durability {
 public:
  /// Once a connection.
  static void prepare(pqxx::connection& connection);
  /// A transaction's last words before COMMIT: StoreUnfit where something in it switched the wait for the disk off, be
  /// it for this transaction alone. What triggers do after that, deferred ones and those of the last statement, is not
  /// seen.
  static void require_wait(pqxx::transaction_base& tx);
  /// The same, of the setting synchronous_commit as the last statement found it.
  static void require_wait(std::string_view synchronous_commit);
  /// After COMMIT, before its success is told: StoreUnfit where it may not last. Asked in a command of its own, because
  /// a backend reads changed settings between commands only, and another backend may have written our commit to the log
  /// with settings that ours had not read yet.
  void confirm(pqxx::connection& connection);
  /// Before the first COMMIT of a connection: the same, with all that obstacle() looks at.
  void require(pqxx::connection& connection);
  /// Every few seconds: raises the system alarm, and ends it once the reason is gone. Returns why it stands, or empty.
  std::string watch(pqxx::work& tx);

  /// Transactions by their ids: from `first`, below `end`.
  struct Range {
    std::uint64_t first, end;
  };
  /// Before the alarm ends, what was written while triggers of ours were off is listed as they would have: part by
  /// part, each in a transaction of its own, so that it ends however much there is. The next part; none = no more.
  std::optional<Range> unlisted() const;
  static void list(pqxx::work& tx, const Range& part);
  /// That part is committed.
  void listed(const Range& part);

 private:
  [[noreturn]] void refuse(pqxx::nontransaction& tx, std::string why);
  void remember(const std::string& why) EXCLUDES(mutex_);
  void forget() EXCLUDES(mutex_);
  std::string reason() const EXCLUDES(mutex_);
  bool all_listed(pqxx::work& tx) EXCLUDES(mutex_);

  mutable locks::Mutex mutex_;
  std::string reason_ GUARDED_BY(mutex_);  // seen, and perhaps not in the database yet
  std::optional<std::uint64_t> settle_from_
      GUARDED_BY(mutex_);                             // a checkpoint from this place in the log on settles it
  std::optional<Range> unlisted_ GUARDED_BY(mutex_);  // once that is done: what may be listed nowhere
};

}  // namespace wardlink::storage::postgres
