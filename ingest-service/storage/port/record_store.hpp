#pragma once
// The seam to where records are kept: what ingest writes, what clinicians read. Throws StoreError.

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/port/moment.hpp"

namespace wardlink::storage {

struct AttachRequest {
  std::string device;  // URN, from the session's certificate
  std::uint64_t boot = 0;
  Instant anchor;                           // of the device's tick 0
  std::chrono::microseconds uncertainty{};  // what the anchor may be wrong by, either way, when the clock was read
  /// When the start registered: a device's newest is the one that registered last. Empty: now.
  std::optional<Instant> registered_at{};
  bool by_hand = false;        // no start of the device: it registers nothing, and ends nothing
  std::uint64_t tick_ms = 0;   // of the device's clock when it was read
  std::uint64_t calendar = 0;  // how often the calendar had been set of which the anchor is an instant
  /// The clock was not read then: that is what it says if it went on from, or to, where it was read, at this tick.
  std::optional<std::uint64_t> read_at_tick{};
};

struct Attached {
  std::shared_ptr<const Session> session;      // nullptr = the database refuses these values
  std::map<Stream, std::uint64_t> watermarks;  // highest sequence stored of each stream of this boot
};

/// Who did what: ingest's own facts, and every API call.
struct AuditFact {
  std::string subject, method;
  bool granted = false;
  std::vector<std::string> resources{};  // names of what was asked for; never a vital sign, never a patient's name
  std::string reason{}, address{};
  std::uint64_t count = 1;
};

/// Writes what one stream from ingest carries, over a connection of its own. One thread at a time. Every call is
/// idempotent: after StoreError::Kind::away, call again; the writer connects anew by itself.
class RecordWriter {
 public:
  virtual ~RecordWriter() = default;

  /// The calendar that everything is dated by, now.
  virtual Instant calendar() = 0;

  /// One result a request, in their order; a fixed number of statements, however many there are. Takes in devices that
  /// are not known. What a request says of its start's clock is kept where its tick is above the last one's; where it
  /// differs from what is in force by more than its uncertainty and half a second, ticks from its own on count from its
  /// anchor (rules/clock.hpp). What is stored keeps its instant; whose it is may change. A start that attaches for the
  /// first time is the newest of its device: it ends what earlier ones assert (`restarted`), and more than 3 of them in
  /// 10 min raise the technical alarm `restarting`, unless one stands.
  virtual std::vector<Attached> attach(std::span<const AttachRequest> requests) = 0;
  Attached attach(const AttachRequest& request) { return attach(std::span(&request, 1)).front(); }

  /// Starts of devices whose sessions are at another, for records that outlived them: one a request, in their order, as
  /// attach(). Where a start is not known yet it begins with the request's anchor, which is a guess: it is not dated,
  /// and its records are nobody's, until it attaches itself. Else nothing changes.
  virtual std::vector<std::shared_ptr<const Session>> at_boots(std::span<const AttachRequest> requests) = 0;

  /// One result a record, in their order; on return all of them are durable. A record that the database refuses goes to
  /// quarantine and blocks no other. None is measured after it was received: what claims to be is stored at its
  /// reception, with the jump of the clock, and the first of a start raises the technical alarm `clock`. An onset of a
  /// start that is not its device's newest, or of who was released since, is ended on arrival.
  virtual std::vector<RecordResult> append(std::span<const Record> records) = 0;

  /// In one transaction, but that a row which the audit refuses takes no other along. False (and logged) where it has
  /// refused any: that never stops records.
  virtual bool audit(std::span<const AuditFact> facts) = 0;
};

/// What a subject may see: everything, or the patients of these wards.
using Scope = std::optional<std::vector<std::string>>;

/// What a question is about.
struct Subject {
  enum class Kind { all, patient, device };
  Kind kind = Kind::all;
  std::string id;  // uuid or URN
};

struct LatestValue {
  std::uint16_t sign = 0;
  double value = 0;
  std::uint16_t quality = 0;
  Instant measured_at;
  std::optional<std::chrono::microseconds> uncertainty{}, clock_jump{};  // as ReadingRow's
};

/// The key of an onset within its start.
struct AlarmOrigin {
  Stream stream = Stream::alarms;
  std::uint64_t sequence = 0;
  auto operator<=>(const AlarmOrigin&) const = default;
};

/// An onset with its end; either may be missing, not both.
struct AlarmCondition {
  std::string patient, patient_name;  // who wore the device at `at`; empty = nobody
  bool unattributed = false;          // by its clock it may be of more than one wearer: nobody's
  std::string device;
  std::uint64_t boot = 0;
  Stream stream = Stream::alarms;
  std::uint64_t sequence = 0;
  AlarmKind kind = AlarmKind::physiological;
  AlarmPriority priority = AlarmPriority::low;
  std::string code;
  std::uint16_t sign = 0;
  std::optional<double> limit, value;
  std::optional<Instant> start, end;
  std::optional<std::uint64_t> start_tick_ms, end_tick_ms;
  std::optional<std::chrono::microseconds> uncertainty{};  // of at(), either way; nothing = never dated
  Instant received_at;
  std::optional<Instant> acknowledged_at;
  std::string acknowledged_by;             // subject; empty = nobody
  std::optional<AlarmEndCause> end_cause;  // where there is an end
  std::string ended_by, end_reason;        // subject, and in that person's words; empty = nobody
  std::optional<AlarmOrigin> origin;       // raised anew for another wearer: what the device raised
  /// The record under this key claimed to be measured so long after it was received.
  std::optional<std::chrono::microseconds> clock_jump;
  std::int64_t device_id = 0;

  /// The instant that orders conditions.
  Instant at() const { return start ? *start : *end; }
  AlarmState state() const {
    if (acknowledged_at) return end ? AlarmState::ended_acknowledged : AlarmState::acknowledged;
    return end ? AlarmState::ended : AlarmState::raised;
  }
};

/// The record key of an alarm's onset, or of its end where there is no onset.
struct AlarmKey {
  std::string device;  // URN
  std::uint64_t boot = 0;
  Stream stream = Stream::alarms;
  std::uint64_t sequence = 0;
  auto operator<=>(const AlarmKey&) const = default;
};

/// One wearer on one device.
struct LatestRow {
  std::int64_t device_id = 0;
  std::string patient, patient_name;  // empty = nobody wears it
  std::string device;
  std::vector<LatestValue> values;     // by sign
  std::vector<AlarmCondition> alarms;  // open, highest priority first, then newest; at most 100
  std::uint64_t open_alarms = 0;       // how many there are; counted up to 1,000
  std::optional<Instant> last_received_at;
  Instant read_at;  // by the store's calendar: ages count from here
};

/// The place of a record in the order of time; the next page begins behind it.
struct Position {
  Instant at;
  std::int64_t device_id = 0;
  std::uint64_t boot = 0;
  Stream stream = Stream::vitals;
  std::uint64_t sequence = 0;
};

/// Rows in their order, and the place behind which the rest follows; none: there is no rest. Fewer rows than were asked
/// for, or none, may come with a rest: what one call reads is bounded, too.
template <class Row, class Place = Position>
struct Page : std::vector<Row> {
  std::optional<Place> next;
};

struct ReadingsQuery {
  Scope scope;
  Subject subject;                    // patient or device
  std::vector<std::uint16_t> signs;   // empty = all
  std::optional<Instant> start, end;  // [start, end) of measured_at
  std::optional<Position> after;
  std::size_t limit = 1000;
};

struct ReadingRow {
  std::int64_t device_id = 0;
  std::string device;
  std::uint64_t boot = 0;
  Stream stream = Stream::vitals;
  std::uint64_t sequence = 0, tick_ms = 0;
  Instant measured_at, received_at;
  std::optional<std::chrono::microseconds> uncertainty{};  // of measured_at, either way; nothing = never dated
  std::optional<std::chrono::microseconds> clock_jump{};   // it claimed to be measured so long after it was received
  MeasurementSet set;
};

struct AggregatesQuery {
  Scope scope;
  Subject subject;                   // patient or device
  std::vector<std::uint16_t> signs;  // empty = all
  Instant start, end;                // [start, end) of measured_at
  std::chrono::microseconds bucket;
  std::uint64_t first_bucket = 0;  // of this page
  std::size_t limit = 1000;        // rows; a bucket is never divided
};

/// One sign in one bucket: of the plausible values, and of all.
struct AggregateRow {
  std::uint64_t bucket = 0;  // from 0
  std::uint16_t sign = 0;
  std::optional<double> min, mean, max;
  std::uint64_t count = 0, implausible = 0;
  std::uint64_t seconds = 0;                      // of the bucket, with a plausible value
  double all_min = 0, all_mean = 0, all_max = 0;  // of count + implausible values
  std::uint64_t all_seconds = 0;                  // of the bucket, with a value
};

struct AlarmsQuery {
  Scope scope;
  Subject subject;
  bool open_only = false;
  std::vector<std::uint16_t> states;  // of AlarmState; empty = any
  std::optional<Instant> start, end;  // [start, end) of AlarmCondition::at()
  std::optional<Position> after;
  std::size_t limit = 1000;
};

struct QuarantineQuery {
  Scope scope;  // what nobody wore is everybody's to see
  Subject subject{};
  std::optional<Instant> start{}, end{};  // [start, end) of received_at
  std::optional<Position> after{};        // its instant, and the row's id as device_id
  std::size_t limit = 1000;
  bool payload = false;  // the bytes too: then a page ends behind the row that makes them so many
  static constexpr std::size_t most_payload_bytes = 1024 * 1024;
};

/// What could not be taken as a record.
struct QuarantineRow {
  std::int64_t id = 0;
  std::string patient, patient_name;  // who wore the device when it was received; empty = nobody
  std::string device;
  std::uint64_t boot = 0;
  Stream stream{};
  std::uint64_t sequence = 0;    // as it was claimed; at most 2^63 - 1
  std::string reason, resource;  // names
  Instant received_at;           // the first time
  std::uint64_t seen = 0;        // times that it came
  std::uint64_t size = 0;        // bytes
  std::string payload;           // empty unless it was asked for
};

/// From the first to the last of these ticks of a start.
struct PeriodKey {
  std::string device;  // URN
  std::uint64_t boot = 0;
  std::uint64_t first_tick_ms = 0, last_tick_ms = 0;
  auto operator<=>(const PeriodKey&) const = default;
};

/// What a start measured in one go, and is nobody's: by its clock it may be of more than one wearer.
struct UnattributedPeriod {
  PeriodKey key{};       // the ticks of its first and its last record
  Instant from{}, to{};  // the instants that its records were given: the earliest, the latest
  std::uint64_t sets = 0, runs = 0, alarms = 0;
  std::map<std::string, std::string> candidates{};  // in the scope: patients' ids, with their names
  std::int64_t device_id = 0;
};

struct UnattributedQuery {
  Scope scope;  // as unattributed alarms: the wards of the candidates and of who wears the device now; all, if nobody
  Subject subject{};                // a patient: one of the candidates
  std::optional<Position> after{};  // its device, boot, and first tick as sequence
  std::size_t limit = 1000;
};

/// What is wrong with the system itself: of a patient no more than the id.
struct SystemAlarmFact {
  std::string code;
  std::string subject{};  // what it is about, where a code may stand for several things
  AlarmPriority priority = AlarmPriority::high;
  std::string detail;  // one sentence that says what to do
};

struct SystemAlarm {
  std::int64_t id = 0;
  std::string code, subject;
  AlarmPriority priority = AlarmPriority::high;
  std::string detail, source;  // the program and host that saw it first
  Instant raised_at;
  std::optional<Instant> ended_at;
};

struct SystemAlarmsQuery {
  bool open_only = false;
  std::optional<Position> after{};  // its instant, and the alarm's id as device_id
  std::size_t limit = 1000;
};

struct RunsQuery {
  Scope scope;
  Subject subject;  // patient or device
  Stream stream{};  // a waveform's
  /// A run with a sample in [start, end).
  std::optional<Instant> start, end;
  std::optional<Position> after;
  std::size_t limit = 256;
};

struct RunRow {
  std::int64_t device_id = 0;
  std::string device;
  std::uint64_t boot = 0;
  Stream stream{};
  std::uint64_t sequence = 0, tick_ms = 0;
  Instant measured_at, received_at;
  std::optional<std::chrono::microseconds> uncertainty{};  // of measured_at, either way; nothing = never dated
  std::optional<std::chrono::microseconds> clock_jump{};   // it claimed to be measured so long after it was received
  WaveformRun run;
};

/// Any thread.
class RecordStore {
 public:
  virtual ~RecordStore() = default;

  /// Connects at the first call to it.
  virtual std::unique_ptr<RecordWriter> open_writer() = 0;

  /// By device_id, behind `after`.
  virtual Page<LatestRow, std::int64_t> latest(const Scope& scope, const Subject& subject, std::int64_t after = 0,
                                               std::size_t limit = 1000) = 0;
  /// Oldest first.
  virtual Page<ReadingRow> readings(const ReadingsQuery& query) = 0;
  /// Newest first.
  virtual Page<AlarmCondition> alarms(const AlarmsQuery& query) = 0;
  /// Newest first.
  virtual Page<QuarantineRow> quarantine(const QuarantineQuery& query) = 0;
  /// Newest first.
  virtual std::vector<SystemAlarm> system_alarms(const SystemAlarmsQuery& query) = 0;

  /// Compares the calendar with the host's clock: with the reading that is kept of the host, if there is one, and what
  /// others have seen since (rules/calendar_step.hpp). Keeps what follows from it, so that no restart of a process
  /// hides that the calendar was set. Where it was, and nobody has seen it yet: one row of a step, and the system alarm
  /// `calendar_stepped`, which stands for a day; then it is said anew whose is what about the step (rules/doubt.hpp),
  /// and where that fails, with the next look. One look after the other, whoever looks. `host`: as long as `clock` goes
  /// on without a break, no other's is the same; at most 63 bytes.
  virtual CalendarSight look_at_calendar(const std::string& host, const ReadBootClock& clock) = 0;
  /// By bucket, then sign; the rest begins with the bucket `next`. precondition: one bucket holds more than ten million
  /// values.
  virtual Page<AggregateRow, std::uint64_t> aggregates(const AggregatesQuery& query) = 0;
  /// All or none; not_found names the first that is not there, or not in the scope. The first acknowledgement stays.
  virtual std::vector<AlarmCondition> acknowledge(const Scope& scope, const std::vector<AlarmKey>& alarms,
                                                  const std::string& by) = 0;
  /// A person ends them, now. All or none; not_found as acknowledge(). precondition: one has ended already (but for
  /// what the same person closed with the same reason: that stands), or a live start asserts it (rules/alarm_end.hpp).
  virtual std::vector<AlarmCondition> close(const Scope& scope, const std::vector<AlarmKey>& alarms,
                                            const std::string& by, const std::string& reason) = 0;
  /// What nobody has settled; by device_id, boot and tick.
  virtual Page<UnattributedPeriod> unattributed(const UnattributedQuery& query) = 0;
  /// A person says that what is in doubt at these ticks is that patient's, or nobody's (empty: nobody wore the device).
  /// It counts for as long as that is in doubt, and the patient among the candidates; the last word counts. All or
  /// none. One for each key, without candidates: what is settled so. No key twice. not_found: nothing at these ticks is
  /// in doubt, or it is not in the scope, or the patient is not. precondition: the patient did not wear the device
  /// about then.
  virtual std::vector<UnattributedPeriod> settle(const Scope& scope, const std::vector<PeriodKey>& periods,
                                                 const std::string& patient, const std::string& by) = 0;
  /// Oldest first. Start and end are needed.
  virtual std::vector<RunRow> runs(const RunsQuery& query) = 0;
  /// Behind the run that begins last before `end`, where there is one; where several do at one instant, behind any.
  virtual std::optional<Instant> end_of_runs(const RunsQuery& query) = 0;
};

}  // namespace wardlink::storage
