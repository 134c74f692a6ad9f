#pragma once
// The seam to what is committed as time goes on: rows that are final, in an order that every reader sees alike,
// whichever process asks. Any thread. Throws StoreError.

#include <algorithm>
#include <chrono>
#include <compare>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "storage/port/registry_store.hpp"

namespace wardlink::storage {

/// Numbers are in cursors; never renumbered. Within a transaction its rows come in this order.
enum class LiveKind : std::uint8_t {
  none = 0,
  set = 1,
  alarm = 2,
  acknowledgement = 3,
  attribution = 4,
  waveform = 5,
  end = 6,
  reattribution = 7
};

/// A row's place. Transactions by id, then kinds, then keys; of a (device, boot, stream) by sequence. A place of kind
/// `none` lies before every row of its transaction.
struct LivePosition {
  std::uint64_t transaction = 0;
  LiveKind kind = LiveKind::none;
  std::int64_t device_id = 0;
  std::uint64_t boot = 0;
  std::uint8_t stream = 0;
  std::uint64_t sequence = 0;
  auto operator<=>(const LivePosition&) const = default;
};

/// Onset, end or acknowledgement, or that it is known by now whose it is, or no longer; with the condition as it stands
/// when it is read. Of LiveKind::end: one of storage's ends.
struct AlarmChange {
  enum class Kind : std::uint8_t { raised = 1, ended = 2, acknowledged = 3, reattributed = 4 };
  Kind kind = Kind::raised;
  AlarmCondition alarm;
  Instant at;  // measured, ended by storage, acknowledged, or recorded
};

struct AttributionChange {
  AssignmentRow assignment;
  bool believed = false;  // false: no longer
};

struct LiveEvent {
  LivePosition at;
  bool late = false;
  std::string device;                               // URN
  std::string patient, patient_name, ward;          // who wore it when it was measured; empty = nobody, no ward
  bool unattributed = false;                        // by its clock it may be of more than one wearer: nobody's
  std::optional<std::vector<std::string>> wards{};  // of what is unattributed: who sees it; nothing = all
  std::variant<ReadingRow, AlarmChange, AttributionChange, RunRow> body;
};

/// What a watcher wants, and may see.
struct LiveFilter {
  Scope scope;
  Subject subject;
  bool sets = true;
  bool waveforms = false;
  bool for_all = false;  // of the tail, for all watchers at once: it is not kept waiting behind what single ones read
  bool wants(LiveKind kind) const {
    return (sets || kind != LiveKind::set) && (waveforms || kind != LiveKind::waveform);
  }
};

struct LivePage {
  std::vector<LiveEvent> events;  // by position
  bool complete = true;           // false: there is more behind the last one
};

struct Horizon {
  std::uint64_t settled = 0;  // every transaction below it has ended: its rows are final
  std::uint64_t next = 0;     // none at or above it had ended at `at`
  Instant at;                 // by the database's clock
  // Of the ids below `settled`, those below this one no crash takes back, to give them to other transactions then. Rows
  // that can be read are safe from that; transactions that wrote none, or were rolled back, are not at once.
  std::uint64_t durable = 0;
};

/// Which transactions a look at the database saw.
struct Sight {
  std::uint64_t settled = 0;           // all below it that committed
  std::uint64_t next = 0;              // none at or above it
  std::vector<std::uint64_t> running;  // and none of these between; ascending
  std::uint64_t durable = 0;           // as Horizon's
  bool holds(std::uint64_t transaction) const {
    return transaction < next && !std::ranges::binary_search(running, transaction);
  }
};

/// What stands now.
struct PresentState {
  std::vector<LatestRow> latest;       // where sets are wanted
  std::vector<AlarmCondition> alarms;  // else: the open ones
  Sight sight;
};

/// Hears of commits, over a connection of its own. One thread.
class CommitListener {
 public:
  virtual ~CommitListener() = default;
  /// Returns when something was committed here or by another process, or after that time.
  virtual void wait(std::chrono::milliseconds limit) = 0;
};

class LiveStore {
 public:
  virtual ~LiveStore() = default;

  /// Names the database and its course of transactions; changes when positions lose their meaning.
  virtual std::string epoch() = 0;
  virtual Horizon horizon() = 0;
  /// What lies behind `after` and is of transactions below `until`, at most `limit` of each kind.
  virtual LivePage live(const LiveFilter& filter, const LivePosition& after, std::uint64_t until,
                        std::size_t limit) = 0;
  /// not_found where the filter's subject, or a ward of its scope, does not exist.
  virtual PresentState present(const LiveFilter& filter) = 0;
  virtual std::unique_ptr<CommitListener> listen() = 0;
  /// Wakes this process's listener. Never blocks.
  virtual void wake() = 0;
};

}  // namespace wardlink::storage
