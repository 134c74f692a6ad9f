#pragma once
// A few connections shared by the threads that answer queries.

#include <memory>
#include <vector>

#include "locks/mutex.hpp"
#include "storage/postgres/link/connection.hpp"

namespace wardlink::storage::postgres {

/// What must not wait behind queries, which may take their time: grants, the audit, health, the tail of live streams.
enum class Urgency { query, first };

/// Any thread. At most `limit` connections for queries, and `reserve` more for what comes first; who finds none waits
/// 5 s, then StoreError away.
class Pool {
 public:
  Pool(const Database& database, std::size_t limit, std::size_t reserve)
      : database_(database), limit_(limit), reserve_(reserve) {}

  /// Runs `work(pqxx::work&)` and commits. A connection that turns out lost before COMMIT is replaced and the work done
  /// again, once. StoreError away; other SQL errors as they are.
  template <typename Work>
  auto transact(Work&& work, Urgency urgency = Urgency::query) {
    return run(work, urgency, false);
  }

  /// The same for what somebody is told to have been done: it lasts, or StoreError away, or StoreUnfit.
  template <typename Work>
  auto change(Work&& work) {
    return run(work, Urgency::query, true);
  }

 private:
  template <typename Work>
  auto run(Work& work, Urgency urgency, bool lasting) {
    for (bool last = false;; last = true) {
      Lease lease(*this, urgency);
      bool committing = false;
      try {
        auto made = in_turn(*lease.connection, [&] {
          pqxx::work tx(*lease.connection);
          auto result = work(tx);
          if (lasting) Durability::require_wait(tx);
          committing = true;
          tx.commit();
          return result;
        });
        if (lasting) in_turn(*lease.connection, [&] { database_.durability().confirm(*lease.connection); });
        lease.sound = true;
        return made;
      } catch (const StoreError& error) {
        if (error.kind() != StoreError::Kind::away) {
          lease.sound = true;
          throw;
        }
        // Idle connections die together when the database restarts.
        drop_idle();
        if (last || committing || lease.fresh) throw;
      } catch (const pqxx::sql_error&) {
        lease.sound = lease.connection->is_open();
        throw;
      }
    }
  }

  struct Lease {
    Lease(Pool& owner, Urgency urgency);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Pool& pool;
    std::unique_ptr<Connection> connection;
    bool fresh = false;  // just opened
    bool sound = false;  // may be used again
  };

  /// Counts one more as leased; nothing where none is idle. StoreError away.
  std::unique_ptr<Connection> take(Urgency urgency) EXCLUDES(mutex_);
  /// Nothing: the connection is not to be used again.
  void give_back(std::unique_ptr<Connection> connection) EXCLUDES(mutex_);
  void drop_idle() EXCLUDES(mutex_);

  const Database& database_;
  const std::size_t limit_, reserve_;
  locks::Mutex mutex_;
  locks::Condition returned_;
  std::vector<std::unique_ptr<Connection>> idle_ GUARDED_BY(mutex_);
  std::size_t leased_ GUARDED_BY(mutex_) = 0;
};

}  // namespace wardlink::storage::postgres
