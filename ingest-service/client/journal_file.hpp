#pragma once
// What a device says that it generated: the SDK's audit book, one JSON object a line. A file journal of format 1, which
// had all of it too, is read as well.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace wardlink::command_line {

/// (boot, sequence): with the device and the stream, the record key.
using RecordKey = std::pair<std::uint64_t, std::uint64_t>;

struct JournaledSet {
  std::uint64_t tick_ms = 0;
  std::map<std::string, double> signs;  // by wire name
};

/// One alarm record; onset and end are two.
struct JournaledAlarm {
  bool ended = false;
  std::uint64_t tick_ms = 0;
  std::uint64_t onset = 0;  // ended: sequence of the raised record; 0 = not known
  std::string kind;         // "physiological", "technical"
  int priority = 0;         // 1 low, 2 medium, 3 high
  std::string code;
  std::string sign;  // wire name; empty = none
  std::optional<double> value;
  std::optional<double> limit;
};

/// One device's journal, over all its boots.
struct DeviceJournal {
  std::map<RecordKey, JournaledSet> sets;
  std::map<RecordKey, JournaledAlarm> alarms;
  std::set<RecordKey> acknowledged;  // alarm records whose ACK arrived
  std::uint64_t torn_lines = 0;      // not whole: the device was killed, or its disk was full, as it wrote
};

/// Adds the journal at `path` to `journals`, by the device's URN. Throws Failure (exit_file) with the line's number
/// when it cannot be read or is no journal.
void read_journal(const std::string& path, std::map<std::string, DeviceJournal>& journals);

}  // namespace wardlink::command_line
