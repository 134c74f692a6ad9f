#include "oracle.hpp"

#include <algorithm>
#include <tuple>

namespace wardlink::simulation {
namespace {

/// Of a datagram to ingest; of a try of GET /time, beyond which no device takes its answer.
constexpr coap::Duration longest_way = 10s, longest_round_trip = 60s;
/// Between two comparisons of the calendar either one may be in force.
constexpr coap::Duration about_a_step = 15s;

std::string name(const std::string& urn, Key key) {
  return urn + " boot " + std::to_string(key.first) + " record " + std::to_string(key.second);
}

std::string name(const storage::StoredRecord& row) {
  return name(row.device, {row.boot, row.sequence}) + " of stream " + std::to_string(static_cast<int>(row.stream));
}

auto key_of(const storage::StoredRecord& row) { return std::tie(row.device, row.boot, row.stream, row.sequence); }

bool equal_content(const SequencedAlarm& booked, const storage::AlarmFact& stored) {
  return static_cast<int>(booked.event) == static_cast<int>(stored.event) && booked.alarm.code == stored.code &&
         static_cast<int>(booked.alarm.kind) == static_cast<int>(stored.kind) &&
         static_cast<int>(booked.alarm.priority) == static_cast<int>(stored.priority) &&
         booked.alarm.value == stored.value && booked.alarm.limit == stored.limit &&
         booked.onset_sequence == stored.onset_sequence;
}

bool equal(const SequencedAlarm& booked, const storage::StoredAlarm& row) {
  return booked.tick_ms == row.tick_ms && equal_content(booked, row.fact);
}

bool equal(const SequencedSet& booked, const storage::StoredSet& stored) {
  if (booked.tick_ms != stored.tick_ms || booked.readings.size() != stored.signs.size()) return false;
  for (std::size_t i = 0; i < booked.readings.size(); ++i)
    if (booked.readings[i].sign != stored.signs[i] || booked.readings[i].value != stored.values[i]) return false;
  return true;
}

/// Its own, or what the start raised, for another wearer.
bool is_of_storage(const storage::StoredAlarm& row, const Book& book) {
  if (row.fact.code == "restarting" || row.fact.code == "clock") return true;
  const auto end = book.alarms.upper_bound({row.boot, ~std::uint64_t{0}});
  return std::any_of(book.alarms.lower_bound({row.boot, 0}), end,
                     [&](const auto& booked) { return equal_content(booked.second.record, row.fact); });
}

bool holds(const SequencedSet* set, const storage::StoredLatest& latest) {
  return set != nullptr && std::ranges::any_of(set->readings, [&](const Reading& one) {
           return one.sign == latest.sign && one.value == latest.value;
         });
}

}  // namespace

void Oracle::fallen(const char* why) { violated("I8", std::string("a process has fallen: ") + why); }

void Oracle::violated(const char* invariant, const std::string& what) {
  constexpr std::size_t most = 10;
  if (violations_.size() >= most) return;
  const auto at = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now().time_since_epoch());
  violations_.push_back(std::string(invariant) + " at " + std::to_string(at.count()) + " ms: " + what);
}

// -- while it runs ----------------------------------------------------------------------------------------------------

/// I1: no ACK before its commit.
void Oracle::watch(Wearable& device) {
  books_[device.urn()] = &device.book();
  device.book().on_acknowledged = [this, &device](Key key) {
    if (!database_.has_alarm(device.urn(), key.first, key.second))
      violated("I1", "acknowledged before it is stored: " + name(device.urn(), key));
  };
}

/// I6. A start's registration takes no longer than the longest way.
void Oracle::place(const storage::Session& start) {
  const auto& book = *books_.at(start.device);
  ordinals_[{start.device, start.boot}] = start.ordinal;
  if (start.ordinal == 0 || !book.starts.contains(start.boot)) return;
  for (const auto& [boot, began] : book.starts) {
    const auto other = word_of(start.device, boot, 0).ordinal;
    if (other > start.ordinal && book.began(boot) + longest_way < book.began(start.boot))
      violated("I6", "an earlier start stands behind it: " + name(start.device, {start.boot, 0}));
  }
}

/// I6
void Oracle::look(const storage::Record& set, const storage::StoredLatest& latest) {
  const auto& session = *set.session;
  auto& highest = highest_[{session.device, session.boot}];
  const bool is_late = set.sequence < highest;
  highest = std::max(highest, set.sequence);
  check_shown(is_late ? Word{} : word_of(session.device, session.boot, set.sequence), latest);
}

Oracle::Word Oracle::word_of(const std::string& device, std::uint64_t boot, std::uint64_t sequence) const {
  const auto ordinal = ordinals_.find({device, boot});
  return {ordinal == ordinals_.end() ? 0 : ordinal->second, boot, sequence};
}

/// I6. `said`: what the device is known to have said, {} = nothing new.
void Oracle::check_shown(const Word& said, const storage::StoredLatest& latest) {
  const auto [at, is_first] = shown_.try_emplace({latest.device, latest.sign}, latest);
  auto& before = at->second;
  const auto word = word_of(latest.device, latest.boot, latest.sequence);
  const auto what = name(latest.device, {latest.boot, latest.sequence}) + ", sign " + std::to_string(latest.sign);
  if (word.is_before(said)) violated("I6", "what is shown is not what its device said last: " + what);
  if (!is_first && latest == before) return;
  if (word.is_before(word_of(before.device, before.boot, before.sequence)))
    violated("I6", "what is shown went back: " + what);
  const auto book = books_.find(latest.device);
  if (book == books_.end() || !holds(book->second->set({latest.boot, latest.sequence}), latest))
    violated("I6", "what is shown was not measured: " + what);
  before = latest;
}

void Oracle::compare(const std::string& device, std::uint64_t boot, const ingest::ClockExchange& exchange) {
  ++compared_;
  const auto said = std::chrono::duration_cast<coap::Duration>(std::chrono::milliseconds{exchange.tick_ms});
  const Book& book = *books_.at(device);
  const auto off = said - book.clock(boot, exchange.at);
  const auto drift = exchange.uncertainty / 5'000;  // 200 ppm of the round trip
  const auto jumps = book.time.jumps(exchange.at - longest_way, exchange.at + longest_round_trip).sum;
  if (std::chrono::abs(off) <= exchange.uncertainty + drift + jumps) return;
  const auto us = std::chrono::floor<std::chrono::microseconds>(off);
  violated("TIME-4", "a clock is off by " + std::to_string(us.count()) + " us, said to be known to " +
                         std::to_string(exchange.uncertainty.count()) + " us: " + name(device, {boot, 0}));
}

// -- at its end -------------------------------------------------------------------------------------------------------

void Oracle::conclude(const std::vector<std::unique_ptr<Wearable>>& devices, const Ingest& ingest) {
  const auto rows = database_.rows();
  std::set<std::tuple<std::string, std::uint64_t, std::uint64_t>> stored;
  for (const auto& row : rows.alarms)
    if (row.stream == storage::Stream::alarms) stored.emplace(row.device, row.boot, row.sequence);
  for (const auto& device : devices) {
    check_alarms(*device, stored);
    const auto status = device->status().value_or(DeviceStatus{});
    const auto owed = status.alarms_owed, waiting = status.sets_waiting;
    if (owed != 0) violated("I8", device->urn() + " still owes " + std::to_string(owed) + " alarm records");
    if (waiting != 0) violated("I8", std::to_string(waiting) + " sets still wait on " + device->urn());
  }
  check_lists(devices);
  check_unique(rows.sets);
  check_unique(rows.alarms);
  check_unique(rows.runs);
  check_instants(remembered_.sets, rows.sets);
  check_instants(remembered_.alarms, rows.alarms);
  check_instants(remembered_.runs, rows.runs);
  check_origin(rows);
  check_sets(devices, rows, ingest);
  check_latest(rows);
  check_wearers(rows);
  check_calendar();
  check_scopes();
  if (ingest.waiting() != 0) violated("I8", std::to_string(ingest.waiting()) + " records still wait in ingest");
}

/// I1 and I5
void Oracle::check_alarms(const Wearable& device,
                          const std::set<std::tuple<std::string, std::uint64_t, std::uint64_t>>& stored) {
  for (const auto& key : device.book().ended_by_the_past)
    violated("TIME-3", "a value of before ended an alarm: " + name(device.urn(), key));
  for (const auto& [key, alarm] : device.book().alarms) {
    ++alarms_;
    if (stored.contains({device.urn(), key.first, key.second})) continue;
    if (alarm.acknowledged) violated("I1", "acknowledged and not stored: " + name(device.urn(), key));
    if (alarm.promised || alarm.durable)
      violated("I5", "on the disk and not stored: " + name(device.urn(), key));
    else if (!alarm.excused)
      violated("I5", "owed and not stored: " + name(device.urn(), key));
  }
}

/// LIFE-2: whoever looks finds what a device was told to be safe.
void Oracle::check_lists(const std::vector<std::unique_ptr<Wearable>>& devices) {
  const auto listed = database_.listed_alarms();
  for (const auto& device : devices)
    for (const auto& [key, alarm] : device->book().alarms)
      if (alarm.acknowledged && !listed.contains({device->urn(), key.first, key.second}))
        violated("LIFE-2", "acknowledged, and neither among the alarms nor in quarantine: " + name(device->urn(), key));
}

/// I2. Rows are sorted by their keys.
template <class Rows>
void Oracle::check_unique(const Rows& rows) {
  const auto same = [&](const auto& one, const auto& other) { return key_of(one) == key_of(other); };
  for (auto at = std::adjacent_find(rows.begin(), rows.end(), same); at != rows.end();
       at = std::adjacent_find(at + 1, rows.end(), same))
    violated("I2", "stored twice: " + name(*at));
}

/// I2: what is stored stays, under the instant of its first time.
template <class Rows>
void Oracle::check_instants(const Rows& before, const Rows& rows) {
  auto now = rows.begin();
  for (const auto& row : before) {
    while (now != rows.end() && key_of(*now) < key_of(row)) ++now;
    if (now == rows.end() || key_of(*now) != key_of(row)) return violated("I2", "no longer stored: " + name(row));
    if (now->measured_at != row.measured_at) violated("I2", "stored under another instant than before: " + name(row));
  }
}

/// I4: each row is what its device generated, under its own start. Nobody else's record has the same content.
void Oracle::check_origin(const storage::StoredRows& rows) {
  for (const auto& row : rows.alarms) {
    const auto book = books_.find(row.device);
    if (row.stream == storage::Stream::storage && book != books_.end() && is_of_storage(row, *book->second)) continue;
    const auto at =
        book == books_.end() ? Book::Alarms::const_iterator{} : book->second->alarms.find({row.boot, row.sequence});
    if (book == books_.end() || at == book->second->alarms.end() || !equal(at->second.record, row))
      violated("I4", "not as it was generated: " + name(row));
  }
  for (const auto& row : rows.sets) {
    const auto book = books_.find(row.device);
    const auto* set = book == books_.end() ? nullptr : book->second->set({row.boot, row.sequence});
    if (set == nullptr || !equal(*set, row)) violated("I4", "not as it was generated: " + name(row));
  }
  for (const auto& row : rows.quarantine)
    violated("I4", "in quarantine (" + row.reason + "): " + name(row.device, {row.boot, row.sequence}));
}

/// I3: generated = stored + still on the device + counted as dropped by whoever dropped it, or lost on the way.
void Oracle::check_sets(const std::vector<std::unique_ptr<Wearable>>& devices, const storage::StoredRows& rows,
                        const Ingest& ingest) {
  std::set<std::tuple<std::string, std::uint64_t, std::uint64_t>> stored;
  for (const auto& row : rows.sets) stored.emplace(row.device, row.boot, row.sequence);
  std::uint64_t dropped_by_ingest = 0;
  for (const auto& device : devices) {
    std::uint64_t generated = 0, gone = 0;
    for (const auto& [boot, sets] : device->book().sets) {
      generated += sets.size();
      for (const auto& set : sets) {
        const Key key{boot, set.sequence};
        if (stored.contains({device->urn(), boot, set.sequence})) continue;
        if (device->ledger().has_reached(key))
          ++dropped_by_ingest;
        else if (!device->ledger().was_lost(key))
          ++gone;
      }
    }
    const auto now = device->status().value_or(DeviceStatus{});
    const auto& past = device->past();
    const auto counted = past.sets_dropped + past.sets_lost + now.sets_dropped + now.sets_waiting;
    if (generated != past.sets_generated + now.sets_generated)
      violated("I3", device->urn() + " counts other sets than it generated");
    if (gone > counted)
      violated("I3", std::to_string(gone) + " sets of " + device->urn() + " are gone, " + std::to_string(counted) +
                         " are counted");
  }
  const auto counts = ingest.counts();
  const auto counted = counts.readings.shed_vitals + counts.readings.waited + counts.lost_readings;
  if (dropped_by_ingest > counted)
    violated("I3", std::to_string(dropped_by_ingest) + " sets are gone in ingest, " + std::to_string(counted) +
                       " are counted");
}

/// I6: what is shown at the end is what was said last.
void Oracle::check_latest(const storage::StoredRows& rows) {
  std::map<std::pair<std::string, std::uint16_t>, Word> last;
  for (const auto& row : rows.sets) {
    if (row.late) continue;
    const auto word = word_of(row.device, row.boot, row.sequence);
    for (const auto sign : row.signs)
      if (auto& known = last[{row.device, sign}]; !word.is_before(known)) known = word;
  }
  if (rows.latest.size() != last.size() || rows.latest.size() != shown_.size())
    violated("I6", "signs are stored and not shown");
  for (const auto& latest : rows.latest) check_shown(last[{latest.device, latest.sign}], latest);
}

// -- who wore it ------------------------------------------------------------------------------------------------------

namespace {

/// What a list shows, of any kind.
struct Shown {
  std::int64_t device_id;
  std::uint64_t boot;
  storage::Stream stream;
  std::uint64_t sequence;
  auto operator<=>(const Shown&) const = default;
};

std::uint64_t tick_of(const storage::AlarmCondition& alarm) {
  return alarm.start ? *alarm.start_tick_ms : *alarm.end_tick_ms;
}
template <class Row>
std::uint64_t tick_of(const Row& row) {
  return row.tick_ms;
}

storage::Instant instant_of(const storage::AlarmCondition& alarm) { return alarm.at(); }
template <class Row>
storage::Instant instant_of(const Row& row) {
  return row.measured_at;
}

}  // namespace

/// By what people's lists show: of patients, of devices.
void Oracle::check_wearers(const storage::StoredRows& rows) {
  for (const auto& start : rows.starts) {
    exchanged_[{start.device, start.boot}] = start.exchanges;
    auto& ticks = read_[{start.device, start.boot}];
    for (const auto& each : start.exchanges)
      if (!each.read_at_tick) ticks.push_back(each.tick_ms);
  }
  std::set<storage::Stream> waveforms;
  for (const auto& run : rows.runs) waveforms.insert(run.stream);
  std::set<Shown> shown;
  const auto look_at = [&](const auto& list, const std::string& patient) {
    for (const auto& row : list) {
      const Shown key{row.device_id, row.boot, row.stream, row.sequence};
      if (row.stream == storage::Stream::storage || (patient.empty() && shown.contains(key))) continue;
      check_wearer(row, patient);
      if (!patient.empty()) shown.insert(key);
    }
  };
  const auto look_at_all = [&](const storage::Subject& subject, const std::string& patient) {
    look_at(database_.readings_of(subject), patient);
    for (const auto waveform : waveforms) look_at(database_.runs_of(subject, waveform), patient);
    look_at(database_.alarms_of(subject), patient);
  };
  for (const auto& patient : wearers_.patients()) look_at_all({storage::Subject::Kind::patient, patient}, patient);
  for (const auto& [urn, book] : books_)
    if (database_.knows(urn)) look_at_all({storage::Subject::Kind::device, urn}, "");
  check_tiles(rows);
}

/// LIFE-2: what is nobody's is in sight of some ward, and what is a patient's of the patient's alone.
void Oracle::check_scopes() {
  std::map<std::tuple<std::string, std::uint64_t, storage::Stream, std::uint64_t>, std::set<std::string>> seen;
  const auto key_of_alarm = [](const storage::AlarmCondition& each) {
    return std::tuple(each.device, each.boot, each.stream, each.sequence);
  };
  for (const auto& ward : wards)
    for (const auto& each : database_.alarms_of({}, {{std::string(ward)}})) seen[key_of_alarm(each)].emplace(ward);
  for (const auto& each : database_.alarms_of({})) {
    const auto& by = seen[key_of_alarm(each)];
    const bool right = each.patient.empty() ? !each.unattributed || !by.empty()
                                            : by == std::set<std::string>{wearers_.ward_of(each.patient)};
    if (!right)
      violated("LIFE-2", "an alarm is in sight of " + std::to_string(by.size()) +
                             " wards: " + name(each.device, {each.boot, each.sequence}));
  }
}

/// LIFE-1: what the newest start of a device has raised, and not ended, stands for who wears the device.
void Oracle::look_at_open() {
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> newest;  // ordinal, boot
  for (const auto& [start, ordinal] : ordinals_)
    newest[start.first] = std::max(newest[start.first], {ordinal, start.second});
  for (const auto& [device, start] : newest) {
    const auto wearer = wearers_.now(device);
    if (!wearer) continue;
    const auto alarms = database_.alarms_of({storage::Subject::Kind::device, device});
    const auto stands = [&](const storage::AlarmCondition& onset) {
      return std::ranges::any_of(alarms, [&](const storage::AlarmCondition& each) {
        const bool is_it = each.boot == onset.boot &&
                           (each.origin ? each.origin->stream == onset.stream && each.origin->sequence == onset.sequence
                                        : each.stream == onset.stream && each.sequence == onset.sequence);
        return is_it && !each.end && (each.unattributed || each.patient == *wearer);
      });
    };
    for (const auto& each : alarms)
      if (each.stream == storage::Stream::alarms && each.boot == start.second && each.start &&
          each.end_cause != storage::AlarmEndCause::device && !stands(each))
        violated("LIFE-1", "its device asserts it, and it stands not for who wears that: " +
                               name(device, {each.boot, each.sequence}));
  }
}

/// TIME-2: of each time that the calendar was set people were told once, and who may have been meant.
void Oracle::check_calendar() {
  std::map<std::uint64_t, std::string> told;  // in the order in which they were found
  for (const auto& alarm : database_.system_alarms())
    if (alarm.code == "calendar_stepped") told[std::stoull(alarm.subject)] = alarm.detail;
  const auto steps = database_.calendar().steps();
  if (told.size() != steps.size())
    return violated("TIME-2", "the calendar was set " + std::to_string(steps.size()) + " times, and " +
                                  std::to_string(told.size()) + " were told");
  for (auto of_step = told.begin(); const auto& step : steps) {
    const auto& detail = (of_step++)->second;
    for (const auto& [urn, book] : books_)
      if (wearers_.changed(urn, step.low(), step.high(), step.until) && !detail.ends_with(" more.") &&
          detail.find("devices/" + urn) == std::string::npos)
        violated("TIME-2", urn + " changed wearers when the calendar may mean either, and is not named: " + detail);
  }
}

/// What stands on a wearer's tile.
void Oracle::check_tiles(const storage::StoredRows& rows) {
  std::map<std::pair<std::string, std::uint16_t>, storage::ReadingRow> latest;
  for (const auto& row : rows.latest) {
    const auto* set = books_.at(row.device)->set({row.boot, row.sequence});
    if (set == nullptr) continue;  // I6 says so
    auto& reading = latest[{row.device, row.sign}];
    reading.device = row.device;
    reading.boot = row.boot;
    reading.sequence = row.sequence;
    reading.tick_ms = set->tick_ms;
    reading.measured_at = row.measured_at;
  }
  for (const auto& tile : database_.latest())
    for (const auto& value : tile.values)
      if (const auto shown = latest.find({tile.device, value.sign}); shown != latest.end() && !tile.patient.empty()) {
        shown->second.uncertainty = value.uncertainty;
        check_wearer(shown->second, tile.patient);
      }
}

/// Whether the exchanges of the start can tell what is known of that tick: behind the last of them its clock did not
/// jump, and between two of them once at most.
bool Oracle::is_knowable(const Book& book, std::uint64_t boot, std::uint64_t tick_ms) const {
  const auto& ticks = read_.at({book.urn, boot});
  const auto next = std::ranges::upper_bound(ticks, tick_ms);
  const auto measured = [&](std::uint64_t tick) { return book.measured(boot, tick); };
  const auto from = measured(next == ticks.begin() ? tick_ms : *std::prev(next)).first - longest_round_trip;
  const auto until = measured(next == ticks.end() ? tick_ms : *next).last + longest_round_trip;
  const auto jumps = book.time.jumps(from, until).count;
  const bool between = next != ticks.begin() && next != ticks.end();
  return jumps == 0 || (jumps == 1 && between);
}

/// TIME-2: it is dated as well as is said, and shown as a patient's only where that patient wore the device, or nobody
/// did and 2 s before or after the patient. TIME-6: a start that was never dated is nobody's. I10: what is farther than
/// 4 s from any handover is not nobody's, where the clock is healthy and known to 2 s.
template <class Row>
void Oracle::check_wearer(const Row& row, const std::string& patient) {
  const auto& book = *books_.at(row.device);
  const auto& exchanges = exchanged_.at({row.device, row.boot});
  const auto what =
      name(row.device, {row.boot, row.sequence}) + " of stream " + std::to_string(static_cast<int>(row.stream));
  if (exchanges.empty()) {
    if (!patient.empty()) violated("TIME-6", "was never dated, and shown as a patient's: " + what);
    return;
  }
  const auto tick = tick_of(row);
  if (!is_knowable(book, row.boot, tick)) return;
  const auto measured = book.measured(row.boot, tick);
  const auto truth = database_.calendar().said(measured.first, measured.last);
  const auto uncertainty = row.uncertainty.value_or(std::chrono::microseconds{0});
  check_instant(what, instant_of(row), truth, uncertainty);
  const bool healthy = book.time.jumps(book.began(row.boot), clock_.now()).count == 0;
  if (healthy && !database_.calendar().was_set(measured.first - about_a_step, measured.last + about_a_step))
    check_sharpness(what, exchanges, tick, uncertainty);
  const auto wore = [&](coap::Duration around) {
    return wearers_.during(row.device, truth.first - around, truth.last + around);
  };
  const auto has = [](const auto& wearers, std::string_view who) {
    return std::ranges::find(wearers, who) != wearers.end();
  };
  if (!patient.empty()) {
    if (!has(wore({}), patient) && !(has(wore({}), "") && has(wore(storage::ignored_unworn), patient)))
      violated("TIME-2", "shown as another patient's: " + what);
    const auto truly = wearers_.truly(row.device, measured.first, measured.last);
    const auto about =
        wearers_.truly(row.device, measured.first - storage::ignored_unworn, measured.last + storage::ignored_unworn);
    if (truly && !has(*truly, patient) && !(has(*truly, "") && has(*about, patient)))
      violated("TIME-2", "shown as a patient's who did not wear it: " + what);
    return;
  }
  if (!healthy || uncertainty > 2s) return;
  const auto about = database_.calendar().with_repeated({truth.first - 4s, truth.last + 4s});
  const auto wearers = wearers_.during(row.device, about.first, about.last);
  if (wearers.size() == 1 && wearers.front() != "")
    violated("I10", "nobody's, though it is surely somebody's: " + what);
}

/// TIME-2: between two exchanges by one calendar a clock that never jumped is known about as well as they say.
void Oracle::check_sharpness(const std::string& what, const std::vector<storage::ClockExchange>& exchanges,
                             std::uint64_t tick_ms, std::chrono::microseconds uncertainty) {
  const storage::ClockExchange *before = nullptr, *next = nullptr;
  for (const auto& each : exchanges) {
    if (each.read_at_tick) continue;
    if (each.tick_ms <= tick_ms) before = &each;
    if (each.tick_ms > tick_ms && next == nullptr) next = &each;
  }
  if (before == nullptr || next == nullptr || before->calendar != next->calendar) return;
  const auto drift = storage::ClockLine::drift(std::chrono::milliseconds{next->tick_ms - before->tick_ms});
  const auto most = 2 * std::max(before->uncertainty, next->uncertainty) + 2 * drift + 1s;
  if (uncertainty > most)
    violated("TIME-2", "known to " + std::to_string(uncertainty.count()) + " us, though its clock was read to " +
                           std::to_string(std::max(before->uncertainty, next->uncertainty).count()) + " us: " + what);
}

void Oracle::check_instant(const std::string& what, storage::Instant stored, const Calendar::Span& truth,
                           std::chrono::microseconds uncertainty) {
  const auto off = std::max({truth.first - stored, stored - truth.last, std::chrono::microseconds{0}});
  if (off <= uncertainty) return;
  violated("TIME-2", "dated wrong by " + std::to_string(off.count()) + " us, said to be known to " +
                         std::to_string(uncertainty.count()) + " us: " + what);
}

}  // namespace wardlink::simulation
