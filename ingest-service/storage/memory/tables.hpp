#pragma once
// What MemoryStore keeps.

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <tuple>

#include "storage/port/access_store.hpp"
#include "storage/port/live_store.hpp"
#include "storage/rules/alarm.hpp"
#include "storage/rules/calendar_step.hpp"
#include "storage/rules/doubt.hpp"

namespace wardlink::storage::memory {

struct StreamKey {
  std::int64_t device_id = 0;
  std::uint64_t boot = 0;
  Stream stream{};
  auto operator<=>(const StreamKey&) const = default;
};

struct RecordKey {
  std::int64_t device_id = 0;
  std::uint64_t boot = 0;
  Stream stream{};
  std::uint64_t sequence = 0;
  auto operator<=>(const RecordKey&) const = default;
  StreamKey of_stream() const { return {device_id, boot, stream}; }
};
inline RecordKey key_of(const Record& record) {
  return {record.session->device_id, record.session->boot, record.stream, record.sequence};
}

struct Row : DatedRecord {
  bool late = false;
  std::uint64_t transaction = 0;
};
using Rows = std::map<RecordKey, Row>;

struct Device {
  std::int64_t id = 0;
  std::string urn;
  Instant created_at;
};

struct Start {
  std::shared_ptr<const Session> session;
  Instant first_seen_at{};
  ClockLine line{{}, {}};
  std::vector<JumpedRecord> jumped;
  std::vector<Doubt> doubts;
  std::vector<Settlement> settlements;  // oldest first
};

/// A start that registered.
struct Registered {
  std::uint64_t boot = 0;
  Instant at, recorded_at;
  bool late = false;  // a newer one was there already
};

struct Discharge {
  Instant recorded_at;
  std::string by;
};

struct StreamState {
  std::uint64_t high = 0;
  std::optional<Instant> last_received_at;
};

struct Quarantined {
  std::int64_t id = 0;
  std::string resource;
  Instant received_at;
  std::uint64_t seen = 0;
};

struct LatestSign {
  double value = 0;
  std::uint16_t quality = 0;
  Instant measured_at, received_at;
  std::uint64_t boot = 0, sequence = 0, ordinal = 0, tick_ms = 0;
  std::optional<std::chrono::microseconds> clock_jump{};
};

/// What is kept of the calendar for one host.
struct HostCalendar {
  CalendarReading reading;
  std::size_t steps = 0;  // those that the reading has taken in
};

struct Patient {
  std::string display_name, ward;
  std::vector<Identifier> identifiers;  // by system and value
  Instant created_at;
};

/// A record, the alarm record that somebody acknowledged, that storage ended or that has changed hands, or a change of
/// who wore what.
struct LiveRow {
  const Row* record = nullptr;
  std::optional<AttributionChange> attribution{};
  std::optional<Instant> at{};  // when storage ended it, or it was noted that it changed hands
};

struct Tables {
  mutable std::mutex mutex;  // guards all that follows
  std::function<Instant()> now;
  std::function<std::string()> new_id;
  std::uint64_t transactions = 0;  // the last one's id

  std::map<std::string, Device> devices;                           // by URN
  std::map<std::int64_t, std::string> urns;                        // by id
  std::map<std::pair<std::int64_t, std::uint64_t>, Start> starts;  // device, boot
  std::map<std::int64_t, std::vector<Registered>> registered;      // by device; late ones first, the newest last
  std::uint64_t registrations = 0;                                 // the last one's ordinal
  std::map<StreamKey, StreamState> streams;
  Rows sets, alarms, runs;
  std::map<RecordKey, std::set<std::uint64_t>> ends;      // by the onset's key: sequences of those that end it
  std::map<RecordKey, std::vector<AlarmEnd>> other_ends;  // by the onset's key
  std::map<RecordKey, std::set<RecordKey>> raised_anew;   // by the origin's key
  std::set<RecordKey> open_alarms;                        // onsets without an end
  std::map<RecordKey, Acknowledgement> acknowledgements;
  std::map<std::tuple<RecordKey, std::string, std::string>, Quarantined> quarantine;  // with reason, payload
  std::map<LatestKey, LatestSign> latest;

  std::set<std::string> wards;
  std::map<std::string, Patient> patients;                               // by id
  std::set<std::pair<std::string, std::string>> identifiers;             // system, value
  std::map<std::int64_t, std::map<Instant, AssignmentRow>> assignments;  // by device and held_from: believed
  std::map<std::int64_t, Instant> reassigned;                            // when a device's last changed
  std::map<std::string, std::map<Instant, Discharge>> discharges;        // by patient and instant
  std::vector<Grant> grants;
  std::vector<AuditFact> audit;

  std::map<std::string, HostCalendar> calendars;  // by host
  std::vector<CalendarStep> calendar_steps;       // as they were found
  std::vector<SystemAlarm> system_alarms;         // as they were raised

  std::map<LivePosition, LiveRow> log;  // what live streams read
  std::uint64_t attributions = 0;       // the last one's number

  /// The device of that URN, taken in where it is not known.
  const Device& device(const std::string& urn);
  Rows& rows_of(const Record& record);
  /// Adds a record's row, to the log too.
  void add(Row row);
  /// Says anew what is known of a start's clock.
  void renew_line(Start& start, std::vector<ClockExchange> exchanges) const {
    start.line = {start.session->anchor, std::move(exchanges), calendar_steps};
  }
  /// Says anew what of a start is nobody's; alarms that change hands with it are in the log.
  void renew_doubts(std::int64_t device_id, Start& start);
  /// The same of all starts of a device: who wore it has changed.
  void renew_doubts(std::int64_t device_id);
  /// An alarm has changed hands: in the log.
  void reattribute(const RecordKey& alarm);
  /// Ends the onset under that key, in the log too.
  void end(const RecordKey& onset, AlarmEnd end);
  void add_audit(AuditFact fact);
  /// When a change of who wears the device is recorded: later than every one before it, also where the calendar was set
  /// back.
  Instant instant_of_change(std::int64_t device_id, Instant present);
};

}  // namespace wardlink::storage::memory
