#include "recorder.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace wardlink {
namespace {

using Event = SequencedAlarm::Event;

constexpr std::size_t kMaxCode = 32;
constexpr std::uint64_t kTickEnd = std::uint64_t{1} << 53;  // what a number on the wire holds exactly
constexpr std::uint64_t kMostAhead = 1000;                  // ms
constexpr std::uint64_t kMostBack = 1000;                   // ms, that a clock goes back without a new start
constexpr std::uint64_t kLongestWait = 3'600'000;           // ms, until limits are asked again

bool valid(const std::vector<Reading>& readings) {
  if (readings.empty() || readings.size() > kMostReadings) return false;
  for (auto one = readings.begin(); one != readings.end(); ++one) {
    if (signs::find(one->sign) == nullptr || !std::isfinite(one->value)) return false;
    if (std::any_of(readings.begin(), one, [&](const Reading& other) { return other.sign == one->sign; })) return false;
  }
  return true;
}

bool valid(std::span<const double> samples) {
  return !samples.empty() && std::ranges::none_of(samples, [](double sample) { return std::isinf(sample); });
}

bool valid(const Alarm& alarm) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  const auto finite = [](const std::optional<double>& value) { return !value || std::isfinite(*value); };
  return !alarm.code.empty() && alarm.code.size() <= kMaxCode &&
         std::all_of(alarm.code.begin(), alarm.code.end(), plain) &&
         (!alarm.sign || signs::find(*alarm.sign) != nullptr) && finite(alarm.value) && finite(alarm.limit);
}

Refusal counted(std::uint64_t& counter, Refusal why) {
  ++counter;
  return why;
}

}  // namespace

Recorder::Recorder(Config config)
    : config_(std::move(config)),
      outbox_(config_.boot, config_.set_capacity, config_.alarm_capacity),
      limits_(config_.alarms),
      standing_(config_.alarms.limits.size()),
      boot_(config_.boot) {
  for (const auto& waveform : config_.waveforms) waveforms_.emplace_back(waveform, config_.run_capacity);
  if (!config_.journal) return;
  inherit(config_.journal->owed());
  status_.journal_damaged_lines = config_.journal->damaged_lines();
  status_.journal_kept_lines = config_.journal->kept_lines();
}

void Recorder::open() {
  const locks::Lock lock(mutex_);
  accepting_ = true;
}

void Recorder::shut() {
  const locks::Lock lock(mutex_);
  accepting_ = false;
  close_runs();
}

// -- the clock -------------------------------------------------------------------------------------------------------

std::uint64_t Recorder::tick() {
  const locks::Lock lock(mutex_);
  return now();
}

std::uint64_t Recorder::boot() const {
  const locks::Lock lock(mutex_);
  return boot_;
}

/// The device's clock. Where it went back a little it stands meanwhile; where it restarted or wrapped, a new boot
/// begins, once the journal was given all records of the old one.
std::uint64_t Recorder::now() {
  for (;;) {
    const auto reading = config_.tick();
    if (reading >= highest_tick_ || highest_tick_ - reading <= kMostBack)
      return highest_tick_ = std::max(highest_tick_, reading);
    if (!writing_ && offered_ == last_alarm_) {
      begin_boot();
      return highest_tick_ = reading;
    }
    writing_ ? written_.wait(mutex_) : write_all();
  }
}

/// What is owed becomes debts of the boot that is over; what cannot be sent under it any more is dropped and counted.
void Recorder::begin_boot() {
  boot_ = config_.draw_boot();
  boot_base_ = last_alarm_;
  last_set_ = 0;
  ++status_.clock_restarts;
  status_.sets_dropped += outbox_.begin_boot(boot_);
  for (auto& waveform : waveforms_) {
    waveform.flush();
    status_.runs_generated += waveform.generated();
    status_.runs_dropped += waveform.dropped() + waveform.waiting();
    waveform = WaveformBuffer(waveform.options(), config_.run_capacity);
  }
  for (auto& standing : standing_) status_.alarms_dropped += std::exchange(standing, {}).unrecorded ? 1 : 0;
  limits_ = AlarmLimits(config_.alarms);
  latest_.reset();
  open_.clear();
  reserved_ = 0;
}

// -- what callers report ---------------------------------------------------------------------------------------------

/// Why what was measured at `tick_ms` is not taken.
Refusal Recorder::admit(bool sound, std::uint64_t tick_ms, std::uint64_t clock) const {
  if (!sound || tick_ms >= kTickEnd) return Refusal::invalid;
  if (tick_ms > clock && tick_ms - clock > kMostAhead) return Refusal::ahead;
  return accepting_ ? Refusal::none : Refusal::stopped;
}

Refusal Recorder::report(const MeasurementSet& set) {
  const bool sound = valid(set.readings);
  const locks::Lock lock(mutex_);
  const auto clock = now(), tick_ms = set.tick_ms.value_or(clock);
  const auto refusal = admit(sound, tick_ms, clock);
  if (refusal != Refusal::none) return counted(status_.sets_refused, refusal);
  const auto before = last_alarm_;
  SequencedSet numbered{++last_set_, tick_ms, set.readings};
  if (config_.journal && !config_.journal->generated(boot_, numbered)) ++journal_failures_;
  if (config_.audit && !config_.audit->generated(boot_, numbered)) ++status_.audit_failures;
  ++status_.sets_generated;

  retry_unrecorded();
  std::vector<AlarmLimits::Transition> transitions;
  for (const auto& reading : numbered.readings) {
    limits_.sample(reading.sign, numbered.tick_ms, reading.value, clock, transitions);
  }
  apply(transitions);
  latest_ = numbered;
  if (!outbox_.push(std::move(numbered))) ++status_.sets_dropped;
  return write_down(before);
}

Refusal Recorder::waveform(std::string_view name, std::span<const double> samples,
                           std::optional<std::uint64_t> tick_ms) {
  const auto one = std::ranges::find(config_.waveforms, name, &WaveformOptions::name);
  const bool sound = one != config_.waveforms.end() && valid(samples);
  const locks::Lock lock(mutex_);
  const auto clock = now();
  const auto refusal = admit(sound, tick_ms.value_or(clock), clock);
  if (refusal != Refusal::none) return counted(status_.samples_refused, refusal);
  waveforms_[static_cast<std::size_t>(one - config_.waveforms.begin())].add(samples, tick_ms, clock);
  return Refusal::none;
}

std::optional<AlarmId> Recorder::raise(const Alarm& alarm, Refusal* why) {
  const bool sound = valid(alarm);
  const locks::Lock lock(mutex_);
  const auto clock = now(), tick_ms = alarm.tick_ms.value_or(clock);
  auto refusal = admit(sound, tick_ms, clock);
  if (refusal == Refusal::none && !has_room_to_raise()) refusal = Refusal::full;
  if (refusal != Refusal::none) {
    ++status_.alarms_refused;
    if (why != nullptr) *why = refusal;
    return std::nullopt;
  }
  const auto number = record(Event::raised, tick_ms, 0, alarm);
  ++reserved_;
  open_.emplace(AlarmId{number}, alarm);
  const auto written = write_down(number - 1);
  if (why != nullptr) *why = written;
  return AlarmId{number};
}

Refusal Recorder::end(AlarmId alarm, std::optional<std::uint64_t> tick_ms) {
  const locks::Lock lock(mutex_);
  const auto clock = now();
  const auto refusal = admit(true, tick_ms.value_or(clock), clock);
  if (refusal != Refusal::none) return counted(status_.alarms_refused, refusal);
  const auto at = open_.find(alarm);
  if (at == open_.end()) return counted(status_.alarms_refused, Refusal::unknown_alarm);
  auto what = std::move(at->second);
  what.value.reset();  // nobody measured it at the end
  --reserved_;
  const auto onset = static_cast<std::uint64_t>(alarm) - boot_base_;
  const auto number = record(Event::ended, tick_ms.value_or(clock), onset, std::move(what));
  open_.erase(at);
  return write_down(number - 1);
}

Refusal Recorder::conclude() {
  const locks::Lock lock(mutex_);
  const auto clock = now();
  if (!accepting_) return Refusal::stopped;
  const auto before = last_alarm_;
  std::vector<AlarmLimits::Transition> transitions;
  limits_.conclude(latest_ ? latest_->tick_ms : 0, clock, transitions);
  apply(transitions);
  close_runs();
  return write_down(before);
}

DeviceStatus Recorder::status() const {
  const locks::Lock lock(mutex_);
  auto now = status_;
  now.sets_waiting = outbox_.sets_waiting() + sets_taken_;
  now.alarms_owed = alarms_owed();
  for (const auto& waveform : waveforms_) {
    now.runs_generated += waveform.generated();
    now.runs_dropped += waveform.dropped();
  }
  now.runs_waiting = runs_left() + runs_taken_;
  now.connected = link_.connected;
  now.last_problem = link_.last_problem;
  now.non_notifications = link_.non_notifications;
  now.con_notifications = link_.con_notifications;
  now.handshakes = link_.handshakes;
  now.retransmissions = link_.retransmissions;
  now.clock_exchanges = link_.clock_exchanges;
  now.clock_uncertainty_ms = link_.clock_uncertainty_ms;
  now.clock_exchange_tick_ms = link_.clock_exchange_tick_ms;
  now.journal_failures = journal_failures_;
  now.alarms_unwritten = unjournaled_.size();
  return now;
}

bool Recorder::wait_until_drained(std::chrono::milliseconds limit) {
  const locks::Lock lock(mutex_);
  return drained_.wait_for(mutex_, limit, [this]() REQUIRES(mutex_) {
    return outbox_.sets_waiting() + sets_taken_ == 0 && alarms_owed() == 0 && runs_left() + runs_taken_ == 0;
  });
}

std::optional<std::chrono::milliseconds> Recorder::raise_due() {
  const locks::Lock lock(mutex_);
  retry_unrecorded();
  const auto clock = now();
  std::vector<AlarmLimits::Transition> transitions;
  limits_.due(clock, transitions);
  apply(transitions);
  const auto next = limits_.due_in(clock);
  if (!next) return std::nullopt;
  return std::chrono::milliseconds{std::min(*next, kLongestWait)};
}

// -- sets ------------------------------------------------------------------------------------------------------------

std::vector<SequencedSet> Recorder::take_sets(std::uint64_t boot, std::size_t most) {
  const locks::Lock lock(mutex_);
  if (boot != boot_) return {};
  auto sets = outbox_.take_sets(most);
  sets_taken_ += sets.size();
  return sets;
}

void Recorder::sets_sent(std::size_t count) {
  const locks::Lock lock(mutex_);
  status_.sets_sent += count;
  sets_taken_ -= count;
}

void Recorder::give_back(std::uint64_t boot, std::vector<SequencedSet> sets) {
  if (sets.empty()) return;
  const locks::Lock lock(mutex_);
  sets_taken_ -= sets.size();
  status_.sets_dropped += boot == boot_ ? outbox_.give_back(std::move(sets)) : sets.size();
}

std::size_t Recorder::sets_waiting() const {
  const locks::Lock lock(mutex_);
  return outbox_.sets_waiting();
}

std::optional<SequencedSet> Recorder::latest_set(std::uint64_t boot) const {
  const locks::Lock lock(mutex_);
  return boot == boot_ ? latest_ : std::nullopt;
}

// -- waveforms -------------------------------------------------------------------------------------------------------

std::vector<SequencedRun> Recorder::take_runs(std::uint64_t boot, std::size_t waveform, std::size_t most) {
  const locks::Lock lock(mutex_);
  if (boot != boot_) return {};
  auto runs = waveforms_[waveform].take(most);
  runs_taken_ += runs.size();
  return runs;
}

void Recorder::runs_sent(std::size_t count) {
  const locks::Lock lock(mutex_);
  status_.runs_sent += count;
  runs_taken_ -= count;
}

void Recorder::give_back(std::uint64_t boot, std::size_t waveform, std::vector<SequencedRun> runs) {
  if (runs.empty()) return;
  const locks::Lock lock(mutex_);
  runs_taken_ -= runs.size();
  if (boot != boot_) {
    status_.runs_dropped += runs.size();
  } else {
    waveforms_[waveform].give_back(std::move(runs));
  }
}

std::size_t Recorder::runs_waiting(std::size_t waveform) const {
  const locks::Lock lock(mutex_);
  return waveforms_[waveform].waiting();
}

std::size_t Recorder::runs_waiting() const {
  const locks::Lock lock(mutex_);
  return runs_left();
}

std::optional<SequencedRun> Recorder::latest_run(std::uint64_t boot, std::size_t waveform) const {
  const locks::Lock lock(mutex_);
  return boot == boot_ ? waveforms_[waveform].latest() : std::nullopt;
}

std::size_t Recorder::runs_left() const {
  std::size_t sum = 0;
  for (const auto& waveform : waveforms_) sum += waveform.waiting();
  return sum;
}

void Recorder::close_runs() {
  for (auto& waveform : waveforms_) waveform.flush();
}

// -- alarms ----------------------------------------------------------------------------------------------------------

std::size_t Recorder::alarms_to_send() const {
  const locks::Lock lock(mutex_);
  return outbox_.alarms_owed() - not_offered();
}

Recorder::OwedAlarms Recorder::owed(std::uint64_t through, std::size_t most) const {
  const locks::Lock lock(mutex_);
  return {alarms_owed(), outbox_.owed(through > boot_base_ ? through - boot_base_ : 0, most)};
}

void Recorder::carry(coap::DeliveryId delivery, const std::vector<OwedAlarm>& records) {
  const locks::Lock lock(mutex_);
  outbox_.carry(delivery, records);
}

std::vector<AlarmKey> Recorder::release(coap::DeliveryId delivery) {
  const locks::Lock lock(mutex_);
  auto released = outbox_.release(delivery);
  status_.alarms_acknowledged += released.size();
  // What the journal refused need not be in it any more; what a thread is about to write is that thread's.
  std::erase_if(unjournaled_, [&](const Unjournaled& one) REQUIRES(mutex_) {
    return one.number <= offered_ && std::ranges::count(released, AlarmKey{one.boot, one.record.sequence}) > 0;
  });
  take_debts_in();
  return released;
}

void Recorder::forget_deliveries() {
  const locks::Lock lock(mutex_);
  outbox_.forget_deliveries();
}

void Recorder::publish(const LinkStatus& link) {
  {
    const locks::Lock lock(mutex_);
    link_ = link;
  }
  drained_.notify_all();
}

// -- into the journal ------------------------------------------------------------------------------------------------

std::uint64_t Recorder::write_pending() {
  const locks::Lock lock(mutex_);
  if (!writing_ && not_offered() > 0) write_all();
  return offered_;
}

void Recorder::write_again() {
  const locks::Lock lock(mutex_);
  if (!writing_ && !unjournaled_.empty()) write_all();
}

bool Recorder::unwritten() const {
  const locks::Lock lock(mutex_);
  return not_offered() < unjournaled_.size();
}

bool Recorder::note_good_date(std::int64_t at) {
  if (!config_.journal || config_.journal->good_date(at)) return true;
  const locks::Lock lock(mutex_);
  ++journal_failures_;
  return false;
}

void Recorder::note_acknowledged(const std::vector<AlarmKey>& records, std::chrono::system_clock::time_point at) {
  std::uint64_t journal = 0, audit = 0;
  for (const auto& [boot, sequence] : records) {
    if (config_.journal && !leave_to_the_writer({boot, sequence}, at) &&
        !config_.journal->acknowledged(boot, sequence, at))
      ++journal;
    if (config_.audit && !config_.audit->acknowledged(boot, sequence, at)) ++audit;
  }
  const locks::Lock lock(mutex_);
  journal_failures_ += journal;
  status_.audit_failures += audit;
}

/// True where the record itself is on its way into the journal: an ACK before it would settle nothing.
bool Recorder::leave_to_the_writer(const AlarmKey& record, std::chrono::system_clock::time_point at) {
  const locks::Lock lock(mutex_);
  const auto holds = [&](const Batch& batch) {
    return batch.boot == record.boot &&
           std::ranges::binary_search(batch.records, record.sequence, {}, &SequencedAlarm::sequence);
  };
  if (std::ranges::none_of(batches_, holds)) return false;
  late_acks_.emplace_back(record, at);
  return true;
}

void Recorder::note_late_acks() {
  while (!late_acks_.empty()) {
    const auto late = std::exchange(late_acks_, {});
    std::uint64_t failures = 0;
    {
      const locks::Unlock unlock(mutex_);
      for (const auto& [record, at] : late) {
        try {
          failures += config_.journal->acknowledged(record.boot, record.sequence, at) ? 0 : 1;
        } catch (...) {
          ++failures;  // out of memory
        }
      }
    }
    journal_failures_ += failures;
  }
}

/// Records that the journal was not given yet.
std::size_t Recorder::not_offered() const {
  const auto first = std::ranges::upper_bound(unjournaled_, offered_, {}, &Unjournaled::number);
  return static_cast<std::size_t>(unjournaled_.end() - first);
}

/// Returns when the journal was given all records that are there now; `unwritten` where one numbered above `after` is
/// not in it.
Refusal Recorder::write_down(std::uint64_t after) {
  const auto last = last_alarm_;
  if (last == after) return Refusal::none;
  while (offered_ < last) {
    writing_ ? written_.wait(mutex_) : write_all();
  }
  const auto refused = std::ranges::upper_bound(unjournaled_, after, {}, &Unjournaled::number);
  return refused != unjournaled_.end() && refused->number <= last ? Refusal::unwritten : Refusal::none;
}

void Recorder::write_all() {
  const auto fresh = offered_, last = last_alarm_;
  writing_ = true;
  try {
    for (const auto& one : unjournaled_) {
      if (batches_.empty() || batches_.back().boot != one.boot) batches_.push_back({one.boot, {}});
      batches_.back().records.push_back(one.record);
    }
    const std::span<Batch> batches(batches_);
    const locks::Unlock unlock(mutex_);
    for (auto& batch : batches) batch.durable = config_.journal->generated_all(batch.boot, batch.records);
  } catch (...) {  // out of memory: as if the journal had refused
  }
  note_late_acks();
  writing_ = false;
  offered_ = last;
  for (const auto& batch : batches_) {
    const auto through = batch.durable > 0 ? batch.records[batch.durable - 1].sequence : 0;
    std::erase_if(unjournaled_,
                  [&](const Unjournaled& one) { return one.boot == batch.boot && one.record.sequence <= through; });
  }
  batches_.clear();
  for (const auto& one : unjournaled_) journal_failures_ += one.number > fresh && one.number <= last ? 1 : 0;
  written_.notify_all();
}

// -- debts of earlier starts -----------------------------------------------------------------------------------------

void Recorder::inherit(std::vector<OwedAlarm> debts) {
  status_.alarms_inherited = debts.size();
  for (const auto& debt : debts) outbox_.add_earlier_boot(debt.boot);
  std::stable_sort(debts.begin(), debts.end(), [](const OwedAlarm& one, const OwedAlarm& other) {
    return one.record.alarm.priority > other.record.alarm.priority;
  });
  debts_.assign(std::make_move_iterator(debts.begin()), std::make_move_iterator(debts.end()));
  take_debts_in();
}

/// As many as leave half of the outbox to what is happening now; but always one, where it is empty.
void Recorder::take_debts_in() {
  while (!debts_.empty()) {
    const auto spare = outbox_.alarms_owed() == 0 ? 0 : config_.alarm_capacity / 2;
    if (!outbox_.fits(reserved_ + spare + 1)) return;
    outbox_.inherit(std::move(debts_.front()));
    debts_.pop_front();
  }
}

// -- from transitions to records -------------------------------------------------------------------------------------

void Recorder::apply(const std::vector<AlarmLimits::Transition>& transitions) {
  for (const auto& transition : transitions) {
    transition.event == Event::raised ? apply_raised(transition) : apply_ended(transition);
  }
}

void Recorder::apply_raised(const AlarmLimits::Transition& transition) {
  auto& standing = standing_[transition.limit];
  if (!has_room_to_raise()) {
    standing.unrecorded = transition;
    return;
  }
  standing.unrecorded.reset();
  standing.onset_sequence = record(Event::raised, transition.tick_ms, 0, describe(transition)) - boot_base_;
  ++reserved_;
}

void Recorder::apply_ended(const AlarmLimits::Transition& transition) {
  auto& standing = standing_[transition.limit];
  if (standing.unrecorded) {
    standing.unrecorded.reset();
    ++status_.alarms_dropped;
    return;
  }
  --reserved_;
  record(Event::ended, transition.tick_ms, std::exchange(standing.onset_sequence, 0), describe(transition));
}

void Recorder::retry_unrecorded() {
  for (const auto& standing : standing_) {
    if (!standing.unrecorded || !has_room_to_raise()) continue;
    apply_raised(AlarmLimits::Transition{*standing.unrecorded});
  }
}

/// Returns the record's number.
std::uint64_t Recorder::record(Event event, std::uint64_t tick_ms, std::uint64_t onset_sequence, Alarm alarm) {
  alarm.tick_ms = tick_ms;
  ++last_alarm_;
  SequencedAlarm numbered{last_alarm_ - boot_base_, tick_ms, event, onset_sequence, std::move(alarm)};
  ++status_.alarms_generated;
  if (config_.audit && !config_.audit->generated(boot_, numbered)) ++status_.audit_failures;
  if (config_.journal) {
    unjournaled_.push_back({last_alarm_, boot_, numbered});
  } else {
    offered_ = last_alarm_;
  }
  outbox_.owe(std::move(numbered));
  return last_alarm_;
}

Alarm Recorder::describe(const AlarmLimits::Transition& transition) const {
  const auto& limit = limits_.settings().limits[transition.limit];
  Alarm alarm;
  alarm.priority = limit.priority;
  alarm.code = std::string(signs::find(limit.sign)->wire) + (limit.side == AlarmLimit::Side::high ? "-high" : "-low");
  alarm.sign = limit.sign;
  alarm.value = transition.value;
  alarm.limit = limit.threshold;
  return alarm;
}

/// A place for the record, one for its end, and those kept for the ends of what is open already.
bool Recorder::has_room_to_raise() const { return outbox_.fits(reserved_ + 2); }

}  // namespace wardlink
