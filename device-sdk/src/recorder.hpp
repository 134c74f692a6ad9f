#pragma once
// Where the caller's threads meet the device's: what is reported becomes numbered records here, under one short mutex,
// and waits in the outbox for the loop to send it. Limits are evaluated under the same mutex, so that alarm records are
// numbered in the order of the samples that made them.
//
// Into the journal: a call that made alarm records returns when the journal has been given them. One thread writes at a
// time, outside of the mutex, for all whose records wait (group commit): so one fsync serves them. A record that the
// journal refused is sent all the same, and given to it again with the next one, or by write_again().

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "alarm_limits.hpp"
#include "locks/mutex.hpp"
#include "outbox.hpp"
#include "wardlink/device.hpp"
#include "waveform_buffer.hpp"

namespace wardlink {

/// What the session's side knows of a device's status.
struct LinkStatus {
  bool connected = false;
  std::string last_problem;
  std::uint64_t non_notifications = 0, con_notifications = 0;
  std::uint64_t handshakes = 0, retransmissions = 0;
  std::uint64_t clock_exchanges = 0, clock_uncertainty_ms = 0, clock_exchange_tick_ms = 0;
};

class Recorder {
 public:
  struct Config {
    std::uint64_t boot = 0;  // the first
    AlarmSettings alarms;
    std::size_t set_capacity = 4096, alarm_capacity = 1024;
    std::function<std::uint64_t()> tick;  // monotonic ms that count sleep; any thread, under the mutex
    std::shared_ptr<Journal> journal;     // may be nullptr; tells the debts
    std::vector<WaveformOptions> waveforms = {};
    std::size_t run_capacity = 64;        // of each waveform
    std::shared_ptr<Journal> audit = {};  // may be nullptr
    /// Of each further start, 1 to 2^53 − 1; any thread. Needed where the clock may go back.
    std::function<std::uint64_t()> draw_boot = {};
  };
  explicit Recorder(Config config);

  // -- the caller's side; any thread -------------------------------------------------------------------------------
  void open();
  void shut();
  Refusal report(const MeasurementSet& set);
  Refusal waveform(std::string_view name, std::span<const double> samples, std::optional<std::uint64_t> tick_ms);
  /// Why not is in `why` then, where it is asked for.
  std::optional<AlarmId> raise(const Alarm& alarm, Refusal* why = nullptr);
  Refusal end(AlarmId alarm, std::optional<std::uint64_t> tick_ms);
  Refusal conclude();
  DeviceStatus status() const;
  /// Waits until nothing waits and nothing is owed; false when `limit` passed first.
  bool wait_until_drained(std::chrono::milliseconds limit);

  // -- the loop's side; its thread ---------------------------------------------------------------------------------
  struct OwedAlarms {
    std::size_t total;
    std::vector<OwedAlarm> records;  // first in rank
  };

  std::uint64_t tick();
  /// Of the start that is: the clock may begin another one at any time.
  std::uint64_t boot() const;
  /// Gives the journal the records that it was not given yet, unless another thread is at it. Returns the number up to
  /// which records may be sent.
  std::uint64_t write_pending();
  /// Gives the journal also what it refused before.
  void write_again();
  /// The journal refused something that is still owed.
  bool unwritten() const;
  /// A certificate was good then, seconds since 1970; for the journal. False: it did not take that, which is counted.
  bool note_good_date(std::int64_t at);
  std::int64_t latest_good_date() const { return config_.journal ? config_.journal->latest_good_date() : 0; }
  /// The ACKs of these arrived; for the journal and the audit book.
  void note_acknowledged(const std::vector<AlarmKey>& records, std::chrono::system_clock::time_point at);
  /// Raises by the clock what is due. Returns how long until it has to be asked again; empty: not until a report.
  std::optional<std::chrono::milliseconds> raise_due();

  /// What is taken out counts as unsent in status(), and nothing is drained, until it is sent or given back;
  /// sets_waiting() is what can be taken. `boot`: of the session. Once it is over, there is nothing to be taken, and
  /// what is given back is dropped.
  std::vector<SequencedSet> take_sets(std::uint64_t boot, std::size_t most);
  void sets_sent(std::size_t count);
  void give_back(std::uint64_t boot, std::vector<SequencedSet> sets);
  std::size_t sets_waiting() const;
  std::optional<SequencedSet> latest_set(std::uint64_t boot) const;

  // A waveform by its place among the options.
  std::size_t waveform_count() const { return config_.waveforms.size(); }
  const WaveformOptions& waveform_options(std::size_t waveform) const { return config_.waveforms[waveform]; }
  std::vector<SequencedRun> take_runs(std::uint64_t boot, std::size_t waveform, std::size_t most);
  void runs_sent(std::size_t count);
  void give_back(std::uint64_t boot, std::size_t waveform, std::vector<SequencedRun> runs);
  std::size_t runs_waiting(std::size_t waveform) const;
  /// Of all waveforms.
  std::size_t runs_waiting() const;
  std::optional<SequencedRun> latest_run(std::uint64_t boot, std::size_t waveform) const;

  /// Those that owed() would give now, with what write_pending() returned, were they asked for.
  std::size_t alarms_to_send() const;
  OwedAlarms owed(std::uint64_t through, std::size_t most) const;
  void carry(coap::DeliveryId delivery, const std::vector<OwedAlarm>& records);
  std::vector<AlarmKey> release(coap::DeliveryId delivery);
  void forget_deliveries();

  void publish(const LinkStatus& link);

 private:
  struct Standing {                                     // of one limit
    std::uint64_t onset_sequence = 0;                   // 0: nothing recorded
    std::optional<AlarmLimits::Transition> unrecorded;  // raised while there was no room
  };

  std::uint64_t now() REQUIRES(mutex_);
  void begin_boot() REQUIRES(mutex_);
  Refusal admit(bool sound, std::uint64_t tick_ms, std::uint64_t clock) const REQUIRES(mutex_);
  void apply(const std::vector<AlarmLimits::Transition>& transitions) REQUIRES(mutex_);
  void apply_raised(const AlarmLimits::Transition& transition) REQUIRES(mutex_);
  void apply_ended(const AlarmLimits::Transition& transition) REQUIRES(mutex_);
  void retry_unrecorded() REQUIRES(mutex_);
  std::uint64_t record(SequencedAlarm::Event event, std::uint64_t tick_ms, std::uint64_t onset_sequence, Alarm alarm)
      REQUIRES(mutex_);
  Alarm describe(const AlarmLimits::Transition& transition) const REQUIRES(mutex_);
  bool has_room_to_raise() const REQUIRES(mutex_);
  Refusal write_down(std::uint64_t after) REQUIRES(mutex_);
  void write_all() REQUIRES(mutex_);
  bool leave_to_the_writer(const AlarmKey& record, std::chrono::system_clock::time_point at) EXCLUDES(mutex_);
  void note_late_acks() REQUIRES(mutex_);
  std::size_t not_offered() const REQUIRES(mutex_);
  void inherit(std::vector<OwedAlarm> debts) REQUIRES(mutex_);
  void take_debts_in() REQUIRES(mutex_);
  std::size_t runs_left() const REQUIRES(mutex_);
  void close_runs() REQUIRES(mutex_);
  std::size_t alarms_owed() const REQUIRES(mutex_) { return outbox_.alarms_owed() + debts_.size(); }

  /// A record that is not in the journal. Numbers go on where a new boot begins: AlarmId is one.
  struct Unjournaled {
    std::uint64_t number, boot;
    SequencedAlarm record;
  };
  /// Records of one boot, for the journal.
  struct Batch {
    std::uint64_t boot;
    std::vector<SequencedAlarm> records;
    std::size_t durable = 0;  // so many, from the first on
  };

  const Config config_;
  mutable locks::Mutex mutex_;
  locks::Condition drained_;
  bool accepting_ GUARDED_BY(mutex_) = false;
  Outbox outbox_ GUARDED_BY(mutex_);
  // Neither sent nor given back.
  std::size_t sets_taken_ GUARDED_BY(mutex_) = 0;
  std::size_t runs_taken_ GUARDED_BY(mutex_) = 0;
  AlarmLimits limits_ GUARDED_BY(mutex_);
  std::vector<Standing> standing_ GUARDED_BY(mutex_);  // one a limit
  std::map<AlarmId, Alarm> open_ GUARDED_BY(mutex_);   // raised by the caller
  std::size_t reserved_ GUARDED_BY(mutex_) = 0;        // places in the outbox for the ends of what is open
  /// Of earlier starts, for which the outbox has no room yet: highest priority first.
  std::deque<OwedAlarm> debts_ GUARDED_BY(mutex_);
  std::deque<Unjournaled> unjournaled_ GUARDED_BY(mutex_);  // in order; those up to offered_ were refused
  std::uint64_t offered_ GUARDED_BY(mutex_) = 0;            // records up to here were given to the journal
  bool writing_ GUARDED_BY(mutex_) = false;  // a thread is in the journal with batches_, all of unjournaled_
  /// Changed by that thread only, which reads them, and notes what is durable, without the mutex.
  std::vector<Batch> batches_ GUARDED_BY(mutex_);
  /// Of batches_, for that thread.
  std::vector<std::pair<AlarmKey, std::chrono::system_clock::time_point>> late_acks_ GUARDED_BY(mutex_);
  locks::Condition written_;
  std::vector<WaveformBuffer> waveforms_ GUARDED_BY(mutex_);  // one a waveform, in the order of the options
  std::optional<SequencedSet> latest_ GUARDED_BY(mutex_);     // in the order given
  std::uint64_t boot_ GUARDED_BY(mutex_);
  std::uint64_t highest_tick_ GUARDED_BY(mutex_) = 0;  // that the clock said during this boot
  std::uint64_t last_set_ GUARDED_BY(mutex_) = 0;      // sequence
  std::uint64_t last_alarm_ GUARDED_BY(mutex_) = 0;    // number
  std::uint64_t boot_base_ GUARDED_BY(mutex_) = 0;     // the last number before this boot: sequences count from it
  std::uint64_t journal_failures_ GUARDED_BY(mutex_) = 0;
  DeviceStatus status_ GUARDED_BY(mutex_);  // counts of sets, alarms and refusals
  LinkStatus link_ GUARDED_BY(mutex_);
};

}  // namespace wardlink
