#pragma once
// The journal: the alarms that a device owes, so that they outlive a reboot. The audit book: all that it generated, so
// that an auditor can count. Both are a Journal. A seam: none (nullptr), a file, and in tests a faulty one.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "wardlink/measurement.hpp"

namespace wardlink {

/// An alarm record that was journaled and not acknowledged, under the boot that numbered it.
struct OwedAlarm {
  std::uint64_t boot;
  SequencedAlarm record;
};

/// Called from any thread, several at once: callers that report or raise, and the device's own. A false is counted, and
/// never fatal.
class Journal {
 public:
  virtual ~Journal() = default;
  /// May be buffered. False: could not be written.
  virtual bool generated(std::uint64_t boot, const SequencedSet& set) = 0;
  /// Called before the record is first sent. True: it is durable, a power cut does not take it. False: it is not, and
  /// will be given again, with the same boot and sequence, until it is or its ACK arrives.
  virtual bool generated(std::uint64_t boot, const SequencedAlarm& alarm) = 0;
  /// The ACK of the alarm record arrived, by the host's calendar clock. `boot` is the record's own. May be buffered: a
  /// lost one costs one more delivery.
  virtual bool acknowledged(std::uint64_t boot, std::uint64_t alarm_sequence,
                            std::chrono::system_clock::time_point at) = 0;

  /// Several alarm records, oldest first. Returns how many of them, from the first on, are durable. A journal on a disk
  /// overrides it, so that one fsync serves all of them. A Device calls this, from one thread at a time.
  virtual std::size_t generated_all(std::uint64_t boot, std::span<const SequencedAlarm> alarms) {
    std::size_t durable = 0;
    while (durable < alarms.size() && generated(boot, alarms[durable])) ++durable;
    return durable;
  }

  /// A certificate of the gateway was good at that instant, seconds since 1970-01-01 UTC: later than any told before. A
  /// Device says so once a day at most, from one thread. False: it is not durable.
  virtual bool good_date(std::int64_t) { return true; }
  /// The latest that good_date() was told, also by earlier starts; 0: none. A Device asks once, at its construction,
  /// and judges no certificate by an earlier date.
  virtual std::int64_t latest_good_date() { return 0; }

  /// What is owed still, in the order in which it was generated. A Device asks once, at its construction, and delivers
  /// it. Never throws for what it cannot read.
  virtual std::vector<OwedAlarm> owed() { return {}; }
  /// Entries that were found damaged, and passed over, when the journal was opened.
  virtual std::uint64_t damaged_lines() const { return 0; }
  /// Undamaged entries that this version does not understand, found when the journal was opened: a newer version wrote
  /// them, or one with more signs. They are kept as they are until a version that understands them delivers them.
  virtual std::uint64_t kept_lines() const { return 0; }
};

/// The journal of debts. One JSON object a line:
///   {"type":"journal","format":2,"device":…}
///   {"type":"boot","device":…,"boot":…}
///   {"type":"alarm","boot":…,"seq":…,"tk":…,"event":"raised"|"ended","code":…,…}
///   {"type":"ack","boot":…,"seq":…,"at_us":<µs since 1970-01-01 UTC>}
///   {"type":"good_date","at_s":<s since 1970-01-01 UTC>}
/// each with a last member ,"crc":"<8 lower-case hex digits>": the CRC-32C of the line's bytes before it, from the
/// opening brace to the byte before that comma. The first line opens the file, and a boot line stands before the first
/// line of its boot. An alarm's line is on the disk (fdatasync) when generated() returns true, a date's when
/// good_date() does, an ACK's in the kernel; measurement sets are not written.
///
/// Size: beyond 64 KiB, and twice what is owed, a new file takes its place that holds only what is owed and the latest
/// date: written beside it as <path>.new, synchronised, renamed, the folder synchronised. So at most 64 KiB or twice
/// what is owed (about 250 B a record), and what one batch adds; where the disk has no room for the new file the old
/// one goes on.
///
/// A file that is there already goes on. A last line that is torn (no newline, or not its checksum) is cut off: its
/// record was never promised. Damaged lines before it are left, counted and passed over. A line whose checksum is right
/// but that this version does not understand is kept, byte for byte (kept_lines). A file of format 1 (no first line of
/// type "journal"; sets among its lines) becomes one of format 2, its debts with it. Boots that another device
/// announced are not owed by this one, and kept.
///
/// A line that a full disk cuts off is taken back, and nothing else is touched. One process at a time. Memory: the
/// owed lines. Throws std::runtime_error with one sentence when the file cannot be opened, mended or made durable, or
/// is in use.
std::unique_ptr<Journal> open_file_journal(const std::string& path, const std::string& device);

/// The audit book: what a device generated and what was acknowledged, for `wardlink devices reconcile`. It never
/// shrinks. The lines of a journal of debts, without its first, and
///   {"type":"set","boot":…,"seq":…,"tk":…,"signs":{"hr":94,…}}
/// Each line is in the kernel when the call returns: it outlives the process, not the power. While the disk is full up
/// to 1 MiB of lines waits in memory; beyond it the call returns false and its line is not written.
/// One device at a time; anybody may read along. Throws std::runtime_error with one sentence when the file cannot be
/// opened or is in use.
std::unique_ptr<Journal> open_audit_book(const std::string& path, const std::string& device);

}  // namespace wardlink
