#include "storage/postgres/write/writer.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include "storage/postgres/link/audit.hpp"
#include "storage/postgres/link/calendar.hpp"
#include "storage/postgres/write/batch.hpp"
#include "storage/postgres/write/quarantine.hpp"
#include "storage/postgres/write/starts.hpp"
#include "storage/rules/content.hpp"

namespace wardlink::storage::postgres {

/// A writer finds rows by their keys and never otherwise, so there is nothing to choose. Planned anew for each batch,
/// its statements would take twice as long.
std::unique_ptr<Connection> Writer::open() const {
  auto connection = database_.open();
  in_turn(*connection, [&] {
    pqxx::nontransaction tx(*connection);
    for (const char* setting : {"plan_cache_mode = force_generic_plan", "enable_seqscan = off", "enable_hashjoin = off",
                                "enable_mergejoin = off"})
      tx.exec0(std::string("SET ") + setting);
  });
  in_turn(*connection, [&] { database_.durability().require(*connection); });
  return connection;
}

/// With a connection; one that failed is not used again.
template <typename Work>
auto Writer::connected(Work&& work) {
  try {
    if (!connection_) connection_ = open();
    return in_turn(*connection_, std::forward<Work>(work));
  } catch (const StoreUnfit& unfit) {
    // Nothing can be promised to be durable: wait until somebody mends the database.
    connection_.reset();
    throw StoreError(StoreError::Kind::away, unfit.what());
  } catch (const pqxx::sql_error& error) {
    if (refuses_data(error)) throw;
    // A schema that someone changed, a right that someone took away: the record is not lost, it waits.
    throw StoreError(StoreError::Kind::away, "the database refuses to write: " + cause(error));
  } catch (...) {
    connection_.reset();
    throw;
  }
}

Instant Writer::calendar() {
  return connected([&] {
    pqxx::nontransaction tx(*connection_);
    return postgres::read_calendar(tx);
  });
}

/// Halves what the database refuses, until the request that it refuses stands alone: that has no answer.
template <typename Answer, typename Work>
void Writer::each(std::span<const AttachRequest> requests, std::span<Answer> answers, Work&& work) {
  if (requests.empty()) return;
  try {
    connected([&] {
      pqxx::work tx(*connection_);
      auto made = work(tx, requests);
      tx.commit();
      std::ranges::move(made, answers.begin());
    });
  } catch (const pqxx::sql_error& error) {
    if (requests.size() == 1) {
      spdlog::error(fmt::format("the database refuses a start of a device, SQLSTATE {}", error.sqlstate()));
      return;
    }
    const auto half = requests.size() / 2;
    each(requests.first(half), answers.first(half), work);
    each(requests.subspan(half), answers.subspan(half), work);
  }
}

std::vector<Attached> Writer::attach(std::span<const AttachRequest> requests) {
  std::vector<Attached> attached(requests.size());
  each(requests, std::span(attached), attach_starts);
  bell_.ring();
  make_partitions(attached);
  return attached;
}

/// The default partition takes the rows of a day that has none.
void Writer::make_partitions(std::span<const Attached> attached) {
  std::vector<Instant> anchors;
  for (const auto& one : attached)
    if (one.session) anchors.push_back(one.session->anchor);
  if (anchors.empty()) return;
  connected([&] {
    try {
      partitions_.ensure(*connection_, anchors);
    } catch (const pqxx::sql_error& error) {
      if (!connection_->is_open()) throw;
      spdlog::warn(fmt::format("no partitions made at attach: {}", cause(error)));
    }
  });
}

std::vector<std::shared_ptr<const Session>> Writer::at_boots(std::span<const AttachRequest> requests) {
  std::vector<std::shared_ptr<const Session>> sessions(requests.size());
  each(requests, std::span(sessions), open_starts);
  return sessions;
}

std::vector<RecordResult> Writer::append(std::span<const Record> records) {
  std::vector<RecordResult> results(records.size(), RecordResult::not_attached);
  std::vector<const Record*> attached;
  for (const auto& record : records) {
    if (record.session) attached.push_back(&record);
  }
  std::vector<RecordResult> written(attached.size());
  write(attached, written);
  auto next = written.begin();
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i].session) results[i] = *next++;
  }
  return results;
}

/// False when it has to begin again with a new transaction.
bool Writer::write_once(std::span<const Record* const> records, std::span<RecordResult> results) {
  pqxx::work tx(*connection_);
  Batch batch(tx, records);
  const auto made = batch.write();
  if (!made) return false;
  tx.commit();
  clock_jumps_ += batch.clock_jumps();
  bell_.ring();
  database_.durability().confirm(*connection_);
  std::ranges::copy(*made, results.begin());
  return true;
}

/// Halves what the database refuses, until the record it refuses stands alone.
void Writer::write(std::span<const Record* const> records, std::span<RecordResult> results) {
  if (records.empty()) return;
  try {
    connected([&] {
      while (!write_once(records, results)) {
      }
    });
  } catch (const pqxx::sql_error& error) {
    if (records.size() == 1) {
      spdlog::error(fmt::format("the database refuses a record, SQLSTATE {}: to quarantine", error.sqlstate()));
      quarantine_refused(*records.front());
      results.front() = RecordResult::quarantined;
      return;
    }
    const auto half = records.size() / 2;
    write(records.first(half), results.first(half));
    write(records.subspan(half), results.subspan(half));
  }
}

void Writer::quarantine_refused(const Record& record) {
  connected([&] {
    pqxx::work tx(*connection_);
    const Unusable why{"refused_by_database", "", described(record)};
    const SetAside aside{&record, &why};
    quarantine(tx, {&aside, 1});
    Durability::require_wait(tx);
    tx.commit();
    bell_.ring();
    database_.durability().confirm(*connection_);
  });
}

/// What the audit refuses is lost to it; while the database takes no writes at all, it waits. A row that it refuses
/// takes no other along.
bool Writer::audit(std::span<const AuditFact> facts) {
  try {
    return connected([&] {
      try {
        pqxx::work tx(*connection_);
        tx.exec0("SET LOCAL lock_timeout = '2s'");
        insert_audit(tx, facts);
        tx.commit();
        return true;
      } catch (const pqxx::sql_error& error) {
        if (facts.size() > 1 && refuses_data(error)) throw;
        if (passes(error) && !waits_for_lock(error)) throw;
        spdlog::error(fmt::format("the audit refused {} rows: {}", facts.size(), cause(error)));
        return false;
      }
    });
  } catch (const pqxx::sql_error&) {
    const auto half = facts.size() / 2;
    const bool first = audit(facts.first(half));
    return audit(facts.subspan(half)) && first;
  }
}

}  // namespace wardlink::storage::postgres
