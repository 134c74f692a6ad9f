#pragma once
// The journal: what a device generated and what was acknowledged, so that debts can outlive a reboot and an auditor can
// count. A seam: none (nullptr), a file, and in tests a faulty one.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "wardlink/measurement.hpp"

namespace wardlink {

class Journal {
 public:
  virtual ~Journal() = default;
  /// Called before the record is first sent. Alarms must be durable when it returns; sets may be buffered.
  /// Called on the device's thread (report(): the caller's). False: could not be written (counted, never fatal).
  virtual bool generated(std::uint64_t boot, const SequencedSet& set) = 0;
  virtual bool generated(std::uint64_t boot, const SequencedAlarm& alarm) = 0;
  /// The ACK of the alarm record arrived, by the host's calendar clock.
  virtual bool acknowledged(std::uint64_t boot, std::uint64_t alarm_sequence,
                            std::chrono::system_clock::time_point at) = 0;
};

/// Appends one JSON object a line:
///   {"type":"boot","device":…,"boot":…}
///   {"type":"set","boot":…,"seq":…,"tk":…,"signs":{"hr":94,…}}
///   {"type":"alarm","boot":…,"seq":…,"tk":…,"event":"raised"|"ended","code":…,…}
///   {"type":"ack","boot":…,"seq":…,"at_us":<µs since 1970-01-01 UTC>}
/// Throws std::runtime_error with one sentence when the file cannot be opened.
std::unique_ptr<Journal> open_file_journal(const std::string& path, const std::string& device);

}  // namespace wardlink
