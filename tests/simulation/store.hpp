#pragma once
// The database behind storage: the store in memory, commits that fail, what people write into it and read there, and a
// log of what was committed, from which the same rows can be made again elsewhere.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "calendar.hpp"
#include "chance.hpp"
#include "sometimes.hpp"
#include "storage/api/calendar_watch.hpp"
#include "storage/memory/memory_store.hpp"
#include "storage/memory/scripted_writer.hpp"

namespace wardlink::simulation {

/// The clock of all hosts that counts their sleep and is set by nobody.
inline storage::Moment moment_of(const Clock& clock) { return storage::Moment{clock.now().time_since_epoch()}; }

/// One call of a RecordWriter that happened. The sessions of records are the memory store's.
struct Commit {
  storage::CommitKind kind;
  std::vector<storage::AttachRequest> starts{};  // attach, at_boots
  std::vector<storage::Record> records{};        // append
  storage::Instant at{};                         // by the database's calendar
};

/// One call of a RegistryStore that happened.
struct RegistryCall {
  enum class Kind : std::uint8_t { create_device, create_patient, assign, release, discharge };
  Kind kind{};
  std::string device, patient;  // URN; id, or name where it is created
  storage::Instant at;          // from when, until when, when
  storage::Instant made_at{};   // by the database's calendar
  std::string created{};        // the id of the patient
  std::string ward{};           // of one that is created
};
struct Registered {
  std::string patient{};                              // the id of one that is created
  std::vector<storage::AssignmentRow> assignments{};  // as they stand now; held_from == held_until: no more
};
/// Of patients, by turns.
constexpr std::array<std::string_view, 2> wards{"east", "west"};

/// Makes it, with the patient's id as the store has it.
Registered make(storage::RegistryStore& registry, const RegistryCall& call);

class Database {
 public:
  struct Faults {
    bool away = false;          // nothing is done
    double refused = 0;         // a commit is not done, 0 to 1
    double unknown = 0;         // a commit is not known to be done; half of these are
    coap::Duration slowness{};  // of what one stream sends
  };
  Faults faults;

  Database(const Clock& clock, Chance chance, Sometimes& sometimes);

  /// Told of each start that was attached.
  std::function<void(const storage::Session& start)> on_attached;
  /// Told at each commit, for each sign that a set in it holds: the set, and what is shown now.
  std::function<void(const storage::Record& set, const storage::StoredLatest& shown)> on_shown;

  std::unique_ptr<storage::RecordWriter> open_writer();
  /// Never away.
  storage::RecordStore& records() { return store_; }
  storage::StoredRows rows() const { return store_.rows(); }
  /// A stream is to date something by what it reads of the calendar next.
  void expect_dating(bool dates) { dates_ = dates; }
  Calendar& calendar() { return calendar_; }
  const Calendar& calendar() const { return calendar_; }
  /// As the API does: the calendar is compared first. StoreError where it is refused.
  Registered make(RegistryCall call);

  // -- as people ask
  /// The alarm records that a person finds: as an alarm, as the end of one, or in quarantine. By the store's own lists.
  std::set<std::tuple<std::string, std::uint64_t, std::uint64_t>> listed_alarms();
  std::vector<storage::ReadingRow> readings_of(const storage::Subject& subject);
  std::vector<storage::RunRow> runs_of(const storage::Subject& subject, storage::Stream waveform);
  std::vector<storage::AlarmCondition> alarms_of(const storage::Subject& subject, const storage::Scope& scope = {});
  std::vector<storage::SystemAlarm> system_alarms() { return store_.system_alarms({}); }
  std::vector<storage::LatestRow> latest() { return store_.latest({}, {}); }

  bool knows(const std::string& device);
  /// Whether that alarm record is durable, quarantined or not, by what the store answered.
  bool has_alarm(const std::string& device, std::uint64_t boot, std::uint64_t sequence) const {
    return alarms_.contains({device, boot, sequence});
  }

  /// From now on log() grows.
  void keep_log() { keeps_log_ = true; }
  const std::vector<std::variant<Commit, RegistryCall>>& log() const { return log_; }

 private:
  class Witness;
  storage::CommitOutcome outcome();
  void committed(Commit commit, const std::vector<storage::RecordResult>& results);
  void show(const storage::Record& record) const;

  const Clock& clock_;
  Chance chance_;
  Sometimes& sometimes_;
  Calendar calendar_;
  bool dates_ = false;
  storage::MemoryStore store_;
  storage::CalendarWatch people_;                                           // the API's
  std::set<std::tuple<std::string, std::uint64_t, std::uint64_t>> alarms_;  // device, boot, sequence
  bool keeps_log_ = false;
  std::vector<std::variant<Commit, RegistryCall>> log_;
};

}  // namespace wardlink::simulation
