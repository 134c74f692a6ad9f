#pragma once
// One batch of records, one transaction: what is new, what was there, what must be looked at.

#include <map>
#include <pqxx/pqxx>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "storage/port/record.hpp"
#include "storage/postgres/link/statement.hpp"

namespace wardlink::storage::postgres {

/// Writes records whose sessions are attached. The caller begins and commits.
class Batch {
 public:
  Batch(pqxx::work& tx, std::span<const Record* const> records);
  /// One result a record, true once the transaction has committed. Nothing: roll back and begin again with a new
  /// transaction. Throws what pqxx throws.
  std::optional<std::vector<RecordResult>> write();

 private:
  using StreamKey = std::tuple<std::int64_t, std::uint64_t, Stream>;
  using RecordKey = std::tuple<std::int64_t, std::uint64_t, Stream, std::uint64_t>;
  struct StreamState {
    std::uint64_t high = 0, new_high = 0;
    Instant received_at;
  };
  using Indices = std::vector<std::size_t>;

  using Stored = std::map<RecordKey, Record>;

  static RecordKey key_of(const Record& record);
  static RecordKey key_of(const pqxx::row& row);
  void set_unusable_aside();
  bool lock_streams();
  bool read_locks(const std::string& devices, const std::string& boots, const std::string& streams);
  void sort_out();
  bool is_late(const Record& record) const;
  void compare_sets(const Indices& doubtful);
  void compare_alarms(const Indices& doubtful);
  void compare_runs(const Indices& doubtful);
  pqxx::result find_stored(const Statement& statement, const Indices& doubtful);
  void compare(const Stored& stored, const Indices& doubtful, Indices& fresh);
  void insert_sets();
  void insert_alarms();
  void insert_runs();
  void advance_latest();
  void advance_streams();
  void settle(std::size_t index, bool same);
  Indices without_result(const Indices& fresh, const pqxx::result& inserted);
  static void require_rows(const Indices& fresh, const Indices& left);

  pqxx::work& tx_;
  std::span<const Record* const> records_;
  std::vector<RecordResult> results_;
  std::map<std::size_t, Unusable> unusable_;
  std::map<StreamKey, StreamState> streams_;
  std::map<RecordKey, std::size_t> first_of_key_;
  Indices repeated_;  // a key that came before in this batch
  Indices fresh_sets_, fresh_alarms_, fresh_runs_;
  Indices doubtful_sets_, doubtful_alarms_, doubtful_runs_;
};

}  // namespace wardlink::storage::postgres
