#pragma once
// One batch of records, one transaction: what is new, what was there, what must be looked at.

#include <deque>
#include <map>
#include <optional>
#include <pqxx/pqxx>
#include <span>
#include <tuple>
#include <vector>

#include "storage/port/record.hpp"
#include "storage/postgres/kinds/kind.hpp"
#include "storage/postgres/write/streams.hpp"

namespace wardlink::storage::postgres {

/// Writes records whose sessions are attached. The caller begins and commits.
class Batch {
 public:
  Batch(pqxx::work& tx, std::span<const Record* const> records);
  /// One result a record, true once the transaction has committed. Nothing: roll back and begin again with a new
  /// transaction. Throws what pqxx throws.
  std::optional<std::vector<RecordResult>> write();
  /// How many of those that were written claimed to be measured after they were received.
  std::size_t clock_jumps() const { return jumped_.size(); }

 private:
  using RecordKey = std::tuple<std::int64_t, std::uint64_t, Stream, std::uint64_t>;
  using Indices = std::vector<std::size_t>;  // of records_

  /// The batch's records of one kind, but for keys that came before in it.
  struct Part {
    const RecordKind* kind;
    Indices fresh;     // to be inserted
    Indices doubtful;  // perhaps there already
  };

  static RecordKey key_of(const Record& record);
  static RecordKey key_of(const pqxx::row& row);
  void set_unusable_aside();
  void date();
  void sort_out();
  Part& part_of(const RecordKind& kind);
  std::vector<RecordRow> rows_of(const Indices& indices) const;
  void compare(Part& part, const Indices& doubtful);
  void insert(Part& part);
  Indices without_result(const Indices& fresh, const pqxx::result& inserted) const;
  void settle(std::size_t index, bool same);
  void settle_repeated();
  void settle_alarms();
  void lock_jumped();
  void note_jumped();
  void advance_latest();
  void quarantine();

  pqxx::work& tx_;
  std::vector<const Record*> records_;
  std::deque<Record> moved_;  // of records_: those whose ticks count from another anchor than the start's first
  std::vector<RecordResult> results_;
  std::map<std::size_t, Unusable> unusable_;
  Streams streams_;
  std::map<RecordKey, std::size_t> first_of_key_;
  Indices repeated_;  // a key that came before in this batch
  std::vector<Part> parts_;
  std::vector<const Record*> jumped_;  // inserted ones that claimed to be measured after their reception
};

}  // namespace wardlink::storage::postgres
