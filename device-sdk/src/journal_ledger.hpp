#pragma once
// What the lines of a journal leave owed, and the shortest file that says the same. Pure: lines in, lines out.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wardlink/journal.hpp"

namespace wardlink {

class JournalLedger {
 public:
  explicit JournalLedger(std::string device) : device_(std::move(device)) {}

  // -- a file that is there, line by line, each without its newline
  void take(std::string_view line);
  void take_damaged(std::string_view line);
  /// Its first line says that it is of format 2 or later.
  bool headed() const { return !header_.empty(); }

  // -- what is written
  /// The line that the file needs before any other: none once begun().
  std::string heading() const;
  void begun();
  /// The lines that the file needs before the first line of this boot: none once opened(boot).
  std::string opening(std::uint64_t boot) const;
  void opened(std::uint64_t boot);
  /// `line` with its newline. The same record again takes its place.
  void owe(std::uint64_t boot, std::uint64_t sequence, std::string line);
  bool owes(std::uint64_t boot, std::uint64_t sequence) const { return place_.contains({boot, sequence}); }
  /// False: it was not owed.
  bool settle(std::uint64_t boot, std::uint64_t sequence);
  /// Seconds since 1970; an earlier one than is known says nothing.
  void good_date(std::int64_t at);

  // -- what is owed
  /// By this device, and understood, in the order of the lines.
  std::vector<OwedAlarm> owed() const;
  /// Lines that are kept without being understood.
  std::uint64_t kept() const;
  std::uint64_t damaged() const { return damaged_; }
  /// Seconds since 1970; 0: none.
  std::int64_t latest_good_date() const { return good_date_; }
  /// About the length of content(), in bytes.
  std::size_t size() const { return size_; }
  /// A file that holds what is owed and kept and the latest good date, and nothing else.
  std::string content() const;
  /// content() is the file now.
  void rewritten();

 private:
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // boot, sequence
  enum class Kind : std::uint8_t { alarm, unknown, damaged };
  struct Entry {
    Kind kind;
    std::string line;  // with its newline
    std::optional<std::uint64_t> boot;
  };
  struct Boot {
    std::string lines;     // that announce it
    bool foreign = false;  // another device did
  };
  void add(Kind kind, std::string line, std::optional<std::uint64_t> boot, std::optional<std::uint64_t> sequence);

  std::string device_, header_;
  std::map<std::uint64_t, Boot> boots_;     // that the file announces
  std::map<std::uint64_t, Entry> entries_;  // by place, in the order of the lines
  std::map<Key, std::uint64_t> place_;      // of alarm records
  std::uint64_t next_place_ = 0, damaged_ = 0;
  std::int64_t good_date_ = 0;
  std::size_t size_ = 0;
};

}  // namespace wardlink
