#include "wearable.hpp"

#include <algorithm>
#include <utility>

#include "channel.hpp"
#include "device_core.hpp"
#include "recorder.hpp"

namespace wardlink::simulation {
namespace {

constexpr std::uint64_t boots = std::uint64_t{1} << 53;

std::string urn_of(std::size_t number) { return "urn:dev:os:32473-sim" + std::to_string(1000 + number); }

std::uint64_t milliseconds(coap::Duration duration) {
  return static_cast<std::uint64_t>(std::chrono::floor<std::chrono::milliseconds>(duration).count());
}

/// Most quartzes are within 50 ppm, all within 100.
std::int64_t draw_drift(Chance& chance) {
  return chance.happens(0.75) ? chance.between(-50, 50) : chance.between(-100, 100);
}

std::vector<WaveformOptions> waveforms(bool any) {
  if (!any) return {};
  return {{"resp", {10, 1}}};
}

}  // namespace

/// One start of the SDK, from power on to whatever ends it.
struct Wearable::Start {
  Start(Wearable& device, std::uint64_t boot, std::uint64_t first_tick)
      : recorder({boot,
                  {},
                  device.number_ % 3 == 0 ? 64u : 512u,
                  device.number_ % 2 == 0 ? 256u : 64u,
                  [&device, began = device.ticks(), first_tick] {
                    return first_tick + milliseconds(device.ticks() - began);
                  },
                  std::make_shared<NotedJournal>(open_file_journal(device.disk_.path(), device.urn()), device.disk_,
                                                 *device.book_),
                  waveforms(device.samples_),
                  16,
                  device.book_}),
        core({device.urn(), std::chrono::seconds{30}, {}}, seams(device), recorder),
        timer(device.shared_.clock,
              [&device] { device.with([&](Start& start) { start.core.handle_timeout(device.time_.now()); }); }) {}

  DeviceCore::Seams seams(Wearable& device) {
    auto& clock = device.shared_.clock;
    return {[this, &device] { device.take_addresses(alive); },
            [&device](coap::Instant now) {
              return std::make_unique<DeviceChannel>(device.urn(), device.chance_.next(), now);
            },
            device.chance_.random(),
            [&clock] { return std::chrono::system_clock::time_point{clock.calendar().time_since_epoch()}; }};
  }

  std::shared_ptr<int> alive = std::make_shared<int>();
  Recorder recorder;
  DeviceCore core;
  Timer timer;
  std::vector<AlarmId> open;
};

Wearable::Wearable(std::size_t number, Shared shared, Chance chance)
    : number_(number),
      shared_(shared),
      chance_(chance),
      time_(shared.clock, draw_drift(chance_)),
      disk_(number),
      book_(std::make_shared<Book>(urn_of(number), time_)),
      samples_(number % 4 == 1) {
  shared_.sometimes.happened("a clock drifted by more than 50 ppm", std::abs(time_.drift_ppm()) > 50 ? 1 : 0);
}

Wearable::~Wearable() = default;

// -- its life ---------------------------------------------------------------------------------------------------------

void Wearable::turn_on() {
  if (start_) return;
  shared_.network.open(number_);
  ++socket_;
  const Disk::InUse use(disk_);
  const auto boot = 1 + chance_.below(boots - 1), first_tick = chance_.below(3'600'000);
  book_->starts[boot] = {ticks(), first_tick};
  start_ = std::make_unique<Start>(*this, boot, first_tick);
  const auto inherited = start_->recorder.status().alarms_inherited;
  shared_.sometimes.happened("a debt outlived its device's start", inherited);
  start_->core.start(time_.now());
  start_->recorder.open();
  pump();
  shared_.clock.in(chance_.between(coap::Duration{0}, coap::Duration{1s}), [this, weak = std::weak_ptr(start_->alive)] {
    if (!weak.expired()) second();
  });
}

void Wearable::turn_off() {
  if (!start_) return;
  {
    const Disk::InUse use(disk_);
    start_->recorder.shut();
    start_->core.stop(time_.now());
    while (auto datagram = start_->core.poll_datagram()) shared_.network.send_up(number_, std::move(datagram->bytes));
  }
  shared_.sometimes.happened("a device was turned off");
  const bool gone = disk_.gone();
  forget();
  if (gone) disk_.cut(chance_.fork());
}

void Wearable::kill() {
  if (!start_) return;
  shared_.sometimes.happened("a device was killed");
  forget();
}

void Wearable::cut_power() {
  if (!start_) return;
  shared_.sometimes.happened("a device lost its power");
  forget();
  disk_.cut(chance_.fork());
}

void Wearable::cut_power_while_writing() {
  if (start_) disk_.arm(static_cast<unsigned>(chance_.below(3)), chance_.fork());
}

void Wearable::mend() {
  disk_.disarm();
  turn_on();
}

void Wearable::sleep() {
  if (!start_ || time_.sleeps()) return;
  time_.sleep();
}

/// What was due meanwhile is due now.
void Wearable::wake(bool ticks_counted) {
  if (!time_.sleeps()) return;
  time_.wake(ticks_counted);
  if (!ticks_counted) shared_.sometimes.happened("a clock stood while its device slept");
  with([this](Start& start) { start.core.handle_timeout(time_.now()); });
}

void Wearable::step_clock(coap::Duration ahead) {
  if (!start_ || time_.sleeps()) return;
  time_.step(ahead);
  shared_.sometimes.happened("a clock jumped ahead");
}

/// Whatever was in the device's memory is gone.
void Wearable::forget() {
  const auto status = start_->recorder.status();
  past_.sets_generated += status.sets_generated;
  past_.sets_dropped += status.sets_dropped;
  past_.sets_lost += status.sets_waiting;
  past_.retransmissions += status.retransmissions;
  past_.handshakes += status.handshakes;
  past_.alarms_inherited += status.alarms_inherited;
  past_.alarms_dropped += status.alarms_dropped;
  past_.journal_failures += status.journal_failures;
  for (auto& [key, alarm] : book_->alarms)
    if (!alarm.durable && !alarm.acknowledged) alarm.excused = true;
  start_.reset();
  wake(true);
  disk_.disarm();
  shared_.network.close(number_);
}

// -- what its thread does ---------------------------------------------------------------------------------------------

template <class Work>
void Wearable::with(Work work) {
  if (!start_ || time_.sleeps()) return;
  {
    const Disk::InUse use(disk_);
    work(*start_);
    pump();
  }
  if (start_ && disk_.gone()) {
    shared_.sometimes.happened("a device lost its power while it wrote");
    forget();
    disk_.cut(chance_.fork());
  }
}

void Wearable::pump() {
  const bool dead = disk_.gone();
  while (auto datagram = start_->core.poll_datagram())
    dead ? shared_.network.drop_up(number_, datagram->bytes)
         : shared_.network.send_up(number_, std::move(datagram->bytes));
  const auto deadline = start_->core.next_deadline();
  start_->timer.set(deadline ? std::optional(time_.when(*deadline)) : std::nullopt);
}

/// Of the look-up: once it is awake.
void Wearable::take_addresses(std::weak_ptr<int> alive) {
  shared_.clock.in(time_.sleeps() ? coap::Duration{1s} : coap::Duration{5ms}, [this, alive] {
    if (alive.expired()) return;
    if (time_.sleeps()) return take_addresses(alive);
    with([this](Start& start) { start.core.handle_addresses(std::vector{Network::server()}, time_.now()); });
  });
}

void Wearable::handle_datagram(std::uint32_t socket, coap::ByteView datagram) {
  if (socket != socket_) return;
  with([&](Start& start) { start.core.handle_datagram(Network::server(), datagram, time_.now()); });
}

// -- its wearer -------------------------------------------------------------------------------------------------------

void Wearable::second() {
  const auto alive = std::weak_ptr(start_->alive);
  if (worn_) with([this](Start&) { measure(); });
  if (start_ && worn_ && chance_.happens(0.01)) with([this](Start&) { raise("lead-off"); });
  if (start_ && chance_.happens(0.02)) with([this](Start&) { end_one(); });
  if (alive.expired()) return;
  shared_.clock.in(1s, [this, alive] {
    if (!alive.expired()) second();
  });
}

/// Values that no other device or second has: whose a row is shows in what it holds.
void Wearable::measure() {
  auto& recorder = start_->recorder;
  if (chance_.happens(0.01)) hr_ = hr_ < 120 ? 140 : 80;
  const double hr = hr_ + static_cast<double>(chance_.below(10'000)) / 1000;
  const double spo2 = 95 + static_cast<double>(chance_.below(4000)) / 1000;
  const auto before = recorder.status().alarms_generated;
  MeasurementSet set;
  set.readings = {{1, hr}, {2, spo2}, {3, 14 + static_cast<double>(number_)}};
  promise(before, recorder.report(set));
  if (chance_.happens(0.01)) measure_late();
  if (samples_) {
    std::vector<double> samples(10);
    for (auto& sample : samples) sample = static_cast<double>(chance_.below(1000)) / 1000;
    recorder.waveform("resp", samples, recorder.tick());
  }
  start_->core.nudge(time_.now());
}

/// A sensor tells late of what was normal a while ago, when the device was awake.
void Wearable::measure_late() {
  auto& recorder = start_->recorder;
  const auto before = recorder.status().alarms_generated;
  const auto tick = recorder.tick(), ago = 2'000 + chance_.below(60'000);
  if (tick < book_->starts.at(recorder.boot()).second + ago ||
      time_.undisturbed() < std::chrono::milliseconds{ago + 1'000})
    return;
  MeasurementSet set;
  set.readings = {{1, 80 + static_cast<double>(chance_.below(10'000)) / 1000}};
  set.tick_ms = tick - ago;
  promise(before, recorder.report(set));
  shared_.sometimes.happened("a value was told late");
  const auto boot = recorder.boot();
  for (auto at = book_->alarms.lower_bound({boot, before + 1}); at != book_->alarms.end() && at->first.first == boot;
       ++at)
    if (at->second.record.event == SequencedAlarm::Event::ended) book_->ended_by_the_past.insert(at->first);
}

void Wearable::raise(const char* code) {
  auto& recorder = start_->recorder;
  const auto before = recorder.status().alarms_generated;
  Alarm alarm;
  alarm.kind = AlarmKind::technical;
  alarm.code = code;
  alarm.priority = static_cast<AlarmPriority>(1 + chance_.below(3));
  Refusal why = Refusal::none;
  const auto id = recorder.raise(alarm, &why);
  if (id) start_->open.push_back(*id);
  if (why == Refusal::full) shared_.sometimes.happened("an alarm was refused: too many are owed");
  if (why == Refusal::unwritten) shared_.sometimes.happened("an alarm was unwritten");
  promise(before, why);
  start_->core.nudge(time_.now());
}

void Wearable::end_one() {
  auto& open = start_->open;
  if (open.empty()) return;
  const auto before = start_->recorder.status().alarms_generated;
  const auto id = open.front();
  open.erase(open.begin());
  promise(before, start_->recorder.end(id, {}));
  start_->core.nudge(time_.now());
}

void Wearable::burst(unsigned alarms) {
  const auto at_once = static_cast<unsigned>(1 + chance_.below(alarms));
  with([&](Start&) {
    for (unsigned i = 0; i < at_once; ++i) raise("fall");
  });
  if (at_once == alarms || !start_) return;
  shared_.clock.in(chance_.between(coap::Duration{10ms}, coap::Duration{2s}),
                   [this, rest = alarms - at_once, alive = std::weak_ptr(start_->alive)] {
                     if (!alive.expired()) burst(rest);
                   });
}

void Wearable::take_off() {
  worn_ = false;
  with([this](Start& start) {
    while (!start.open.empty()) end_one();
    start.recorder.conclude();
    start.core.nudge(time_.now());
  });
}

/// The call returned none: each alarm that it made is on the disk, whatever comes.
void Wearable::promise(std::uint64_t after, Refusal refusal) {
  if (refusal != Refusal::none || disk_.gone()) return;
  const auto boot = start_->recorder.boot();
  for (auto at = book_->alarms.lower_bound({boot, after + 1}); at != book_->alarms.end() && at->first.first == boot;
       ++at)
    at->second.promised = true;
}

std::uint64_t Wearable::boot() const { return start_ ? start_->recorder.boot() : 0; }

std::optional<DeviceStatus> Wearable::status() const {
  if (!start_) return std::nullopt;
  return start_->recorder.status();
}

}  // namespace wardlink::simulation
