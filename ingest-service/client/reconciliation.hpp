#pragma once
// Compares what a device generated with what is stored. Pure: a journal and stored rows in, counts out.

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "client/journal_file.hpp"
#include "wardlink/v1/vitals.pb.h"

namespace wardlink::command_line {

struct Tally {
  std::uint64_t generated = 0;
  std::uint64_t stored = 0;     // rows that are there, whether they should be or not
  std::uint64_t missing = 0;    // generated, not stored
  std::uint64_t extra = 0;      // stored, not generated, or stored twice
  std::uint64_t differing = 0;  // stored under the same key with other content; doubles are compared bit by bit
  bool agrees() const { return missing == 0 && extra == 0 && differing == 0; }
  void add(const Tally& other);
};

struct ReconciliationResult {
  Tally sets, values, alarms, alarm_ends;
  std::uint64_t acknowledged_missing = 0;  // of the missing alarm records: those whose ACK the device has
  std::vector<std::string> differences;    // the first `most_differences`, in words
  static constexpr std::size_t most_differences = 20;
  bool agrees() const { return sets.agrees() && values.agrees() && alarms.agrees() && alarm_ends.agrees(); }
  void add(const ReconciliationResult& other);
};

/// One device. Rows that the device did not send (posted by hand, made by storage) are passed over.
class Reconciliation {
 public:
  /// `journal` must outlive it.
  Reconciliation(std::string device, const DeviceJournal& journal);
  void stored(const v1::MeasurementSet& set);
  void stored(const v1::Alarm& alarm);
  /// Once, after the last stored row: whatever was not met is missing.
  ReconciliationResult finish();

 private:
  void compare(const RecordKey& key, const JournaledSet& generated, const v1::MeasurementSet& set);
  void stored_onset(const RecordKey& key, const v1::Alarm& alarm);
  void stored_end(const RecordKey& key, const v1::Alarm& alarm);
  void note(const char* what, const RecordKey& key, const std::string& difference);
  void missing_alarm(const RecordKey& key, const JournaledAlarm& alarm);

  std::string device_;
  const DeviceJournal& journal_;
  std::set<RecordKey> sets_met_, alarms_met_;
  std::map<RecordKey, RecordKey> end_of_;  // onset's key to end's
  ReconciliationResult result_;
};

}  // namespace wardlink::command_line
