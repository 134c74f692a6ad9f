#pragma once
// What must hold, whatever fails: I1 to I6, I8, I10, LIFE-1, LIFE-2, TIME-2 to TIME-4 and TIME-6 (docs/testing.md, "The
// simulation"). Judged by the devices' books and the store's rows; counters are read for I3 alone, which is about
// counters.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "clock.hpp"
#include "ingest.hpp"
#include "storage/rules/doubt.hpp"
#include "store.hpp"
#include "wearable.hpp"
#include "wearers.hpp"

namespace wardlink::simulation {

class Oracle {
 public:
  Oracle(Database& database, const Wearers& wearers, const Clock& clock)
      : database_(database), wearers_(wearers), clock_(clock) {}

  /// From now on each ACK of an alarm is compared with the database when it reaches the device.
  void watch(Wearable& device);
  /// A start was attached: its place among its device's.
  void place(const storage::Session& start);
  /// A set was committed: what is shown as current is what its device said last, has not gone back, and is what the
  /// device measured.
  void look(const storage::Record& set, const storage::StoredLatest& latest);
  /// Ingest says what a device's clock said when: no farther from it than its uncertainty (TIME-4).
  void compare(const std::string& device, std::uint64_t boot, const ingest::ClockExchange& exchange);
  /// From now on, what is stored keeps the instant that it has.
  void remember_instants() { remembered_ = database_.rows(); }
  /// The ward has healed: what stands open.
  void look_at_open();
  /// What ought to run on threw an exception.
  void fallen(const char* why);
  /// The run is over, and the ward had time to heal.
  void conclude(const std::vector<std::unique_ptr<Wearable>>& devices, const Ingest& ingest);

  /// The first of them, each with its invariant, instant and record.
  const std::vector<std::string>& violations() const { return violations_; }
  /// Alarm records that were generated.
  std::uint64_t alarms() const { return alarms_; }
  /// Exchanges of clocks that were compared with the devices' own.
  std::uint64_t exchanges() const { return compared_; }

 private:
  /// Of one value of a sign: its start's place among those that registered, and its sequence.
  struct Word {
    std::uint64_t ordinal = 0, boot = 0, sequence = 0;
    /// Not known of two starts without a place.
    bool is_before(const Word& other) const {
      return ordinal != other.ordinal ? ordinal < other.ordinal : boot == other.boot && sequence < other.sequence;
    }
  };
  Word word_of(const std::string& device, std::uint64_t boot, std::uint64_t sequence) const;
  void check_shown(const Word& said, const storage::StoredLatest& latest);

  void violated(const char* invariant, const std::string& what);
  void check_alarms(const Wearable& device,
                    const std::set<std::tuple<std::string, std::uint64_t, std::uint64_t>>& stored);
  void check_lists(const std::vector<std::unique_ptr<Wearable>>& devices);
  void check_origin(const storage::StoredRows& rows);
  void check_sets(const std::vector<std::unique_ptr<Wearable>>& devices, const storage::StoredRows& rows,
                  const Ingest& ingest);
  void check_latest(const storage::StoredRows& rows);
  void check_wearers(const storage::StoredRows& rows);
  void check_calendar();
  void check_scopes();
  void check_tiles(const storage::StoredRows& rows);
  bool is_knowable(const Book& book, std::uint64_t boot, std::uint64_t tick_ms) const;
  template <class Row>
  void check_wearer(const Row& row, const std::string& patient);
  void check_sharpness(const std::string& what, const std::vector<storage::ClockExchange>& exchanges,
                       std::uint64_t tick_ms, std::chrono::microseconds uncertainty);
  void check_instant(const std::string& what, storage::Instant stored, const Calendar::Span& truth,
                     std::chrono::microseconds uncertainty);
  template <class Rows>
  void check_unique(const Rows& rows);
  template <class Rows>
  void check_instants(const Rows& before, const Rows& rows);

  Database& database_;
  const Wearers& wearers_;
  const Clock& clock_;
  std::uint64_t alarms_ = 0, compared_ = 0;
  std::vector<std::string> violations_;
  storage::StoredRows remembered_;
  std::map<std::pair<std::string, std::uint64_t>, std::vector<storage::ClockExchange>> exchanged_;  // as stored
  std::map<std::pair<std::string, std::uint64_t>, std::vector<std::uint64_t>> read_;  // ticks at which clocks were read
  std::map<std::string, const Book*> books_;                                          // by URN
  std::map<std::pair<std::string, std::uint16_t>, storage::StoredLatest> shown_;      // by device and sign
  std::map<std::pair<std::string, std::uint64_t>, std::uint64_t> ordinals_, highest_;  // by device and boot
};

}  // namespace wardlink::simulation
