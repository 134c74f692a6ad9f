#include "world.hpp"

#include <array>
#include <exception>
#include <utility>

#include "channel.hpp"

namespace wardlink::simulation {
namespace {

/// What faults lead to, each of which has to be seen over many seeds.
constexpr std::array consequences{
    "a clock drifted by more than 50 ppm",
    "a clock jumped ahead",
    "a clock stood while its device slept",
    "a clock was doubted",
    "a commit was done and not answered",
    "a commit was neither done nor answered",
    "a datagram had no session",
    "a datagram met a cut",
    "a datagram overtook another",
    "a datagram was doubled",
    "a datagram was lost",
    "a datagram was not authentic",
    "a debt outlived its device's start",
    "a device lost its power",
    "a device lost its power while it wrote",
    "a device sent again",
    "a device was killed",
    "a device was turned off",
    "a device dropped a set",
    "a device was handed over while records waited",
    "a handover waited for the database",
    "a handover was written down late",
    "a journal failed",
    "a lane had no room for an alarm",
    "a notification was stale",
    "a patient was discharged",
    "a reading was shed",
    "a reading waited for too long",
    "a record was a duplicate",
    "a record was sent to storage again",
    "a release was undone",
    "a session took another's place",
    "a session was idle for too long",
    "a value was told late",
    "a write to storage took long",
    "an alarm of a past session was taken back",
    "an alarm was declined",
    "an alarm was refused: too many are owed",
    "an alarm was unwritten",
    "ingest dropped a duplicate",
    "ingest sent again",
    "nobody wore a device",
    "the database refused a commit",
    "the database was away",
    "the database was away for a moment",
};

coap::Duration faults_until(const Run& run) { return run.length * 2 / 3; }

Ingest::Room room_of(const Run& run) {
  return run.seed % 4 == 0   ? Ingest::Room::narrow_lanes
         : run.seed % 4 == 2 ? Ingest::Room::few_open_alarms
                             : Ingest::Room::usual;
}

/// Drawn also where it is given: so that a shortened schedule meets the same ward.
Schedule schedule_of(const Run& run, Chance chance) {
  auto drawn = draw_schedule(chance, faults_until(run), run.devices);
  return run.schedule.value_or(std::move(drawn));
}

}  // namespace

World::World(const Run& run)
    : run_(run),
      chance_(run.seed),
      schedule_(schedule_of(run, chance_.fork())),
      database_(clock_, Chance(run.seed + 1'000'003), sometimes_),
      wearers_(clock_, Chance(run.seed + 6'000'011), sometimes_, database_),
      storage_(clock_, Chance(run.seed + 2'000'003), sometimes_, trace_, database_),
      network_(
          clock_, Chance(run.seed + 3'000'017), sometimes_, trace_, run.devices,
          {[this](const coap::Address& from, coap::ByteView datagram) {
             return ingest_.handle_datagram(from, datagram);
           },
           [this](std::size_t device, std::uint32_t socket, coap::ByteView datagram) {
             devices_[device]->handle_datagram(socket, datagram);
           },
           [this](std::size_t device, const coap::Bytes& datagram) {
             devices_[device]->ledger().sent(devices_[device]->boot(), datagram);
             overheard_[device] = datagram;
           },
           [this](std::size_t device, const coap::Bytes& datagram) { devices_[device]->ledger().lost(datagram); }}),
      ingest_({clock_, network_, storage_, sometimes_,
               [this](const std::string& device, std::uint64_t boot, const ingest::Record& record) {
                 if (record.fact.stream == ingest::Stream::vitals)
                   by_urn_.at(device)->ledger().reached({boot, record.fact.sequence});
               },
               [this](const std::string& device, std::uint64_t boot, const ingest::ClockExchange& exchange) {
                 oracle_.compare(device, boot, exchange);
               }},
              Chance(run.seed + 4'000'037), room_of(run)),
      overheard_(run.devices),
      oracle_(database_, wearers_, clock_) {
  database_.on_attached = [this](const auto& start) { oracle_.place(start); };
  database_.on_shown = [this](const auto& set, const auto& latest) { oracle_.look(set, latest); };
  Chance devices(run.seed + 5'000'011);
  for (std::size_t i = 0; i < run.devices; ++i) {
    usual_.push_back(
        {static_cast<double>(devices.below(30)) / 1000, static_cast<double>(devices.below(20)) / 1000,
         devices.between(coap::Duration{2ms}, coap::Duration{40ms}),
         devices.between(coap::Duration{0}, devices.below(4) == 0 ? coap::Duration{2s} : coap::Duration{30ms})});
    network_.quality(i) = usual_[i];
    devices_.push_back(std::make_unique<Wearable>(i, Wearable::Shared{clock_, network_, sometimes_}, devices.fork()));
    by_urn_[devices_[i]->urn()] = devices_[i].get();
    oracle_.watch(*devices_[i]);
  }
}

World::~World() = default;

Outcome World::play() {
  plan();
  try {
    clock_.run(coap::Instant{} + run_.length);
    note_consequences();
    oracle_.conclude(devices_, ingest_);
  } catch (const std::exception& error) {
    oracle_.fallen(error.what());
  }
  for (const auto& device : devices_) trace_.add(device->past().sets_generated);
  const auto rows = database_.rows();
  return {oracle_.violations(), schedule_,        sometimes_,       trace_.hash(),
          rows.sets.size(),     oracle_.alarms(), rows.runs.size(), oracle_.exchanges()};
}

void World::plan() {
  std::vector<std::string> urns;
  for (const auto& device : devices_) urns.push_back(device->urn());
  wearers_.begin(urns);
  ingest_.start();
  for (const auto& device : devices_)
    clock_.in(chance_.between(coap::Duration{0}, coap::Duration{5s}), [&device = *device] { device.turn_on(); });
  for (const Fault& fault : schedule_) {
    clock_.at(coap::Instant{} + fault.at, [this, &fault] { begin(fault); });
    if (fault.lasts > coap::Duration{0})
      clock_.at(coap::Instant{} + fault.at + fault.lasts, [this, &fault] { end(fault); });
  }
  clock_.at(coap::Instant{} + faults_until(run_), [this] { heal(); });
  clock_.at(coap::Instant{} + run_.length * 9 / 10, [this] {
    oracle_.look_at_open();
    for (const auto& device : devices_) device->take_off();
  });
}

// -- faults -----------------------------------------------------------------------------------------------------------

void World::begin(const Fault& fault) {
  sometimes_.happened(std::string("fault: ") + to_string(fault.kind));
  Wearable& device = *devices_.at(fault.device % devices_.size());
  auto& quality = network_.quality(fault.device % devices_.size());
  const double share = static_cast<double>(fault.amount) / 100;
  switch (fault.kind) {
    case FaultKind::loss:
      quality.loss = share;
      return;
    case FaultKind::doubling:
      quality.doubling = share;
      return;
    case FaultKind::delay:
      quality.jitter = std::chrono::milliseconds{fault.amount};
      return;
    case FaultKind::cut:
      quality.cut_up = quality.cut_down = true;
      return;
    case FaultKind::cut_up:
      quality.cut_up = true;
      return;
    case FaultKind::cut_down:
      quality.cut_down = true;
      return;
    case FaultKind::rebind:
      return network_.rebind(fault.device % devices_.size());
    case FaultKind::swap:
      return network_.swap(fault.device % devices_.size(), (fault.device + fault.amount) % devices_.size());
    case FaultKind::forge:
      return forge(fault);
    case FaultKind::stop_device:
      return device.turn_off();
    case FaultKind::kill_device:
      return device.kill();
    case FaultKind::cut_power:
      return device.cut_power();
    case FaultKind::cut_power_writing:
      return device.cut_power_while_writing();
    case FaultKind::fail_disk:
      return device.fail_disk(static_cast<unsigned>(fault.amount));
    case FaultKind::burst:
      return device.burst(static_cast<unsigned>(fault.amount));
    case FaultKind::sleep:
      return device.sleep();
    case FaultKind::suspend:
      return device.sleep();
    case FaultKind::step_clock:
      return device.step_clock(std::chrono::seconds{fault.amount});
    case FaultKind::step_calendar:
      return database_.calendar().step(calendar_step(fault.amount));
    case FaultKind::hand_over:
      return hand_over(device, {});
    case FaultKind::hand_over_late:
      return hand_over(device, std::chrono::seconds{fault.amount});
    case FaultKind::unworn:
      return wearers_.take_off(device.urn());
    case FaultKind::kill_ingest:
      return ingest_.die();
    case FaultKind::stop_ingest:
      return ingest_.stop();
    case FaultKind::kill_storage:
      return storage_.die();
    case FaultKind::break_streams:
      return break_streams(fault.amount);
    case FaultKind::database_away:
      database_.faults.away = true;
      return;
    case FaultKind::database_refuses:
      database_.faults.refused = share;
      return;
    case FaultKind::database_unknown:
      database_.faults.unknown = share;
      return;
    case FaultKind::database_slow:
      database_.faults.slowness = std::chrono::milliseconds{fault.amount};
      return;
  }
}

void World::end(const Fault& fault) {
  const auto number = fault.device % devices_.size();
  switch (fault.kind) {
    case FaultKind::stop_device:
    case FaultKind::kill_device:
    case FaultKind::cut_power:
    case FaultKind::cut_power_writing:
      return devices_[number]->turn_on();
    case FaultKind::sleep:
      return devices_[number]->wake(true);
    case FaultKind::suspend:
      return devices_[number]->wake(false);
    case FaultKind::unworn:
      return hand_over(*devices_[number], {});
    case FaultKind::kill_ingest:
    case FaultKind::stop_ingest:
      return ingest_.start();
    case FaultKind::kill_storage:
      return storage_.start();
    case FaultKind::database_away:
      database_.faults.away = false;
      return;
    case FaultKind::database_refuses:
      database_.faults.refused = 0;
      return;
    case FaultKind::database_unknown:
      database_.faults.unknown = 0;
      return;
    case FaultKind::database_slow:
      database_.faults.slowness = {};
      return;
    default:
      network_.quality(number) = usual_[number];
  }
}

void World::hand_over(const Wearable& device, coap::Duration ago) {
  const auto status = device.status().value_or(DeviceStatus{});
  const bool waiting = status.sets_waiting + status.alarms_owed + ingest_.waiting() > 0;
  sometimes_.happened("a device was handed over while records waited", waiting ? 1 : 0);
  wearers_.hand_over(device.urn(), ago);
}

void World::heal() {
  oracle_.remember_instants();
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    network_.quality(i) = usual_[i];
    devices_[i]->mend();
  }
  storage_.start();
  database_.faults = {};
  ingest_.start();
}

/// Again and again, some of them while all is attached anew.
void World::break_streams(std::uint64_t times) {
  storage_.break_streams();
  if (times > 1)
    clock_.in(chance_.between(coap::Duration{1ms}, coap::Duration{500ms}), [this, times] { break_streams(times - 1); });
}

/// What anybody can send from a device's address: a handshake that is never finished, an old record, noise.
void World::forge(const Fault& fault) {
  const auto number = fault.device % devices_.size();
  for (std::uint64_t i = 0; i < fault.amount; ++i) {
    network_.forge_up(number, encode({Kind::hello, chance_.next()}));
    network_.forge_up(number, encode({Kind::claim, chance_.next(), chance_.next()}));
    network_.forge_up(number, encode({Kind::bye, chance_.next(), chance_.next()}));
    if (!overheard_[number].empty()) network_.forge_up(number, overheard_[number]);
  }
}

void World::note_consequences() {
  const auto counts = ingest_.counts();
  const auto& shards = counts.shards;
  sometimes_.happened("ingest sent again", shards.connections.retransmissions);
  sometimes_.happened("ingest dropped a duplicate", shards.connections.duplicates);
  sometimes_.happened("a datagram had no session", shards.listener.no_session);
  sometimes_.happened("a datagram was not authentic", shards.listener.unauthenticated);
  sometimes_.happened("a session took another's place",
                      shards.closed_sessions[static_cast<std::size_t>(coap::CloseReason::superseded)]);
  sometimes_.happened("a session was idle for too long",
                      shards.closed_sessions[static_cast<std::size_t>(coap::CloseReason::idle)]);
  sometimes_.happened("a notification was stale", shards.session.stale_notifications);
  sometimes_.happened("a clock was doubted", shards.session.clocks_doubted);
  sometimes_.happened("a device made an exchange of clocks", shards.session.clock_exchanges);
  sometimes_.happened("an alarm was declined", shards.session.alarms_declined);
  sometimes_.happened("a lane had no room for an alarm", counts.alarms.alarms_refused);
  sometimes_.happened("a record was sent to storage again", counts.readings.resent + counts.alarms.resent);
  sometimes_.happened("a reading was shed", counts.readings.shed_vitals);
  sometimes_.happened("a reading waited for too long", counts.readings.waited);
  sometimes_.happened("an alarm of a past session was taken back",
                      shards.session.records[ingest::index_of(ingest::Stream::alarms)]
                                            [static_cast<std::size_t>(ingest::RecordResult::superseded)]);
  for (const auto& device : devices_) {
    sometimes_.happened("a device sent again", device->past().retransmissions);
    sometimes_.happened("a device dropped a set", device->past().sets_dropped);
    sometimes_.happened("a journal failed", device->past().journal_failures);
  }
}

Outcome play(const Run& run) { return World(run).play(); }

std::vector<std::string> unreached(const Sometimes& sometimes) {
  std::vector<std::string> zero;
  const auto need = [&](const std::string& what) {
    if (sometimes.count(what) == 0) zero.push_back(what);
  };
  for (std::size_t kind = 0; kind < fault_kind_count; ++kind)
    need(std::string("fault: ") + to_string(static_cast<FaultKind>(kind)));
  for (const char* what : consequences) need(what);
  return zero;
}

}  // namespace wardlink::simulation
