#pragma once
// One batch of records, one transaction: what is new, what was there, what must be looked at.

#include <deque>
#include <span>

#include "storage/memory/tables.hpp"

namespace wardlink::storage::memory {

/// Writes records whose sessions are attached. The caller holds the tables' mutex.
class Batch {
 public:
  Batch(Tables& tables, std::span<const Record* const> records);
  /// One result a record. Once.
  std::vector<RecordResult> write();

 private:
  void settle(std::size_t index, const Record& stored);
  void set_aside(std::size_t index, Unusable why);
  void sort_out(std::size_t index);
  void note_jumped();
  void settle_alarms();
  void advance_latest();
  void advance_streams();
  void quarantine(const Record& record, const Unusable& why);
  void raise_quarantine_alarm(const Record& record, AlarmPriority priority);
  std::uint64_t watermark(const Record& record) const;

  Tables& tables_;
  std::vector<const Record*> records_;
  std::deque<Record> moved_;  // of records_: those whose ticks count from another anchor than the start's first
  std::vector<RecordResult> results_;
  std::map<RecordKey, std::size_t> first_of_key_;
  std::vector<std::size_t> repeated_;  // a key that came before in this batch
  std::vector<const Record*> usable_, fresh_, fresh_sets_;
  std::map<std::size_t, Unusable> aside_;
};

}  // namespace wardlink::storage::memory
