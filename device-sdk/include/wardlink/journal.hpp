#pragma once
// The journal: what a device generated and what was acknowledged, so that debts can outlive a reboot and an auditor can
// count. A seam: none (nullptr), a file, and in tests a faulty one.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "wardlink/measurement.hpp"

namespace wardlink {

/// An alarm record that was journaled and not acknowledged, under the boot that numbered it.
struct OwedAlarm {
  std::uint64_t boot;
  SequencedAlarm record;
};

class Journal {
 public:
  virtual ~Journal() = default;
  /// Called before the record is first sent. Alarms must be durable when it returns; sets may be buffered.
  /// Called on the device's thread (report(): the caller's). False: could not be written (counted, never fatal).
  virtual bool generated(std::uint64_t boot, const SequencedSet& set) = 0;
  virtual bool generated(std::uint64_t boot, const SequencedAlarm& alarm) = 0;
  /// The ACK of the alarm record arrived, by the host's calendar clock. `boot` is the record's own.
  virtual bool acknowledged(std::uint64_t boot, std::uint64_t alarm_sequence,
                            std::chrono::system_clock::time_point at) = 0;

  /// What is owed still, in the order in which it was generated. A Device asks once, at its construction, and delivers
  /// it. Never throws for what it cannot read.
  virtual std::vector<OwedAlarm> owed() { return {}; }
  /// Entries that were found damaged, and passed over, when the journal was opened.
  virtual std::uint64_t damaged_lines() const { return 0; }
};

/// Appends one JSON object a line:
///   {"type":"boot","device":…,"boot":…}
///   {"type":"set","boot":…,"seq":…,"tk":…,"signs":{"hr":94,…}}
///   {"type":"alarm","boot":…,"seq":…,"tk":…,"event":"raised"|"ended","code":…,…}
///   {"type":"ack","boot":…,"seq":…,"at_us":<µs since 1970-01-01 UTC>}
/// each with a last member ,"crc":"<8 lower-case hex digits>": the CRC-32C of the line's bytes before it, from the
/// opening brace to the byte before that comma. A boot line stands before the first line that a process writes of a
/// boot; a set's line is in the kernel, an alarm's on the disk when generated() returns; the file's name is on the disk
/// when this returns.
///
/// A file that is there already goes on: a last line that is torn (no newline, or not its checksum) is cut off, and its
/// record was never sent; damaged lines before it are left, counted and passed over. Boots that another device
/// announced are not owed by this one. One process at a time. Throws std::runtime_error with one sentence when the file
/// cannot be opened, mended or made durable.
std::unique_ptr<Journal> open_file_journal(const std::string& path, const std::string& device);

}  // namespace wardlink
